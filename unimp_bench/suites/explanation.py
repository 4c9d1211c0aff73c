"""Table 2a: why an item suits a user. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import PROMPTED, Suite, SuiteRow

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
        SuiteRow("Nearest sentence", model="nearest-sentence", seeded=False),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
        SuiteRow("MRG", model="mrg", system="MRG"),
    ),
)
