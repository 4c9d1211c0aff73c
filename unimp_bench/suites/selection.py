"""Table 2c: which of several items suit a user. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import PROMPTED, Suite, SuiteRow

SUITE = Suite(
    name="selection",
    title="Selection",
    table="Table 2c of the UniMP paper",
    about="language models that name the items, and recommenders that choose by a threshold",
    tasks=("selection",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("One at random", model="pick-one"),
        SuiteRow("All", model="select-all", seeded=False),
        SuiteRow("Popular candidates", model="popular-candidates", seeded=False),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("UniSRec", model="unisrec"),
        SuiteRow("MMSSL", model="mmssl", system="MMSSL"),
    ),
)
