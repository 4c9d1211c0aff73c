"""Table 2b: how users will rate. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import PROMPTED, Suite, SuiteRow

SUITE = Suite(
    name="preference",
    title="Preference prediction",
    table="Table 2b of the UniMP paper",
    about="ratings from averages, from factors, from texts and pictures, and from language models",
    tasks=("preference",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("Mean", model="global-mean", seeded=False),
        SuiteRow("Item mean", model="item-mean", seeded=False),
        SuiteRow("Bias", model="bias", seeded=False),
        SuiteRow("Factors", model="rating-mf"),
        SuiteRow("SANCL", model="sancl", system="SANCL"),
        SuiteRow("MRG", model="mrg"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
    ),
)
