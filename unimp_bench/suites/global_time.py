"""By the clock: recommenders that learn from nothing later than what they are asked."""

from unimp_bench.suites.record import Suite, SuiteRow, popularity

SUITE = Suite(
    name="global_time",
    title="By the clock",
    table="beyond the papers: leave-one-out learns from the future",
    about="recommenders fitted on what lies before one instant, asked for users' next items after a later one",
    tasks=("recommendation",),
    split="global-time",
    rows=(
        SuiteRow("UniMP"),
        popularity(),
        SuiteRow("Transition graph", model="transition-graph", seeded=False),
        SuiteRow("ItemKNN", model="itemknn", seeded=False),
        SuiteRow("EASE", model="ease", seeded=False),
        SuiteRow("MF", model="mf"),
        SuiteRow("LightGCN", model="lightgcn"),
        SuiteRow("GRU4Rec", model="gru4rec"),
        SuiteRow("SASRec", model="sasrec"),
        SuiteRow("BERT4Rec", model="bert4rec"),
        SuiteRow("UniSRec", model="unisrec"),
        SuiteRow("VBPR", model="vbpr"),
    ),
)
"""Those of Table 1 that are a kind of their own; any other model can be asked with ``--split global-time``."""
