"""Table 9: stores that are not Amazon."""

from unimp_bench.suites.record import Suite, SuiteRow, popularity

SUITE = Suite(
    name="other_datasets",
    title="Other datasets",
    table="Table 9 of the UniMP paper",
    about="recommenders on the stores of H&M and Netflix; MovieLens, which has posters too, stands in for Netflix",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("VIP5", model="vip5", system="VIP5"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("UniSRec", model="unisrec", system="UniSRec"),
        SuiteRow("Transition graph", model="transition-graph", seeded=False),
        popularity(),
    ),
    corpora=("hm", "netflix", "movielens"),
)
