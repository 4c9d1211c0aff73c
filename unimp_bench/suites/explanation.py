"""Table 2a: why an item suits a user. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import Suite, SuiteRow, not_here

SUITE = Suite(
    name="explanation",
    title="Explanation",
    table="Table 2a of the UniMP paper",
    about="sentences that models write, beside sentences of others that are only found",
    tasks=("explanation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("Constant sentence", model="constant-sentence", seeded=False),
        SuiteRow("Typical sentence of the item", model="typical-sentence", seeded=False),
        not_here("P5"),
        not_here("VIP5⁺"),
        not_here("MRG"),
    ),
)
