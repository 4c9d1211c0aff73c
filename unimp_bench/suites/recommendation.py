"""Table 1: recommenders by what they read. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import PROMPTED, Suite, SuiteRow, popularity

SUITE = Suite(
    name="recommendation",
    title="Recommendation",
    table="Table 1 of the UniMP paper",
    about="recommenders by interactions, by their order, by texts and pictures, beside what is counted and not learned",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        popularity(),
        SuiteRow("Transition graph", model="transition-graph", seeded=False),
        SuiteRow("ItemKNN", model="itemknn", seeded=False),
        SuiteRow("EASE", model="ease", seeded=False),
        SuiteRow("MF", model="mf", system="MF"),
        SuiteRow("MACR", model="macr", system="MACR"),
        SuiteRow("LightGCN", model="lightgcn", system="LightGCN"),
        SuiteRow("UltraGCN", model="ultragcn", system="UltraGCN"),
        SuiteRow("HGN", model="hgn", system="HGN"),
        SuiteRow("GRU4Rec", model="gru4rec", system="GRU4Rec"),
        SuiteRow("SASRec", model="sasrec", system="SASRec"),
        SuiteRow("SASRec, original loss", model="sasrec", preset="original", system="SASRec"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("BERT4Rec", model="bert4rec", system="BERT4Rec"),
        SuiteRow("UniSRec", model="unisrec", system="UniSRec"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("P5, a token for each item", model="p5", settings={"ids": "own"}),
        SuiteRow("P5, numbered along whole histories, which leaks", model="p5", settings={"ids": "leaky"}),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
        SuiteRow("VBPR", model="vbpr", system="VBPR"),
        SuiteRow("CausalRec", model="causalrec", system="CausalRec"),
        SuiteRow("MMGCL", model="mmgcl", system="MMGCL"),
        SuiteRow("MMSSL", model="mmssl", system="MMSSL"),
    ),
)
