"""Table 2b: how users will rate. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import Suite, SuiteRow, not_here

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
        not_here("SANCL"),
        not_here("P5"),
        not_here("VIP5⁺"),
    ),
)
