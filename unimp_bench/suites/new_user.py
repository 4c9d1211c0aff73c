"""Table 4a: users that no model was fitted on."""

from unimp_bench.suites.record import Suite, SuiteRow, popularity, refused

SUITE = Suite(
    name="new_user",
    title="New users",
    table="Table 4a of the UniMP paper",
    about="users held out whole; a model knows them by the history it is shown",
    tasks=("recommendation",),
    split="new-user",
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("VIP5", model="vip5", system="VIP5"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("UniSRec", model="unisrec", system="UniSRec"),
        SuiteRow("SASRec", model="sasrec"),
        SuiteRow("Transition graph", model="transition-graph", seeded=False),
        popularity(),
        refused(
            "MF, MACR, LightGCN, UltraGCN, HGN, VBPR, CausalRec, MMGCL, MMSSL",
            "learn a vector for each user, and have none for these",
        ),
    ),
)
