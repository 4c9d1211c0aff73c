"""Figure 3, in numbers. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import Suite, SuiteRow

SUITE = Suite(
    name="image_generation",
    title="Image generation",
    table="Figure 3 of the UniMP paper",
    about="the picture of the item a user means, painted token by token, or taken from the catalogue",
    tasks=("image_generation",),
    rows=(
        SuiteRow("UniMP"),
        SuiteRow("UniMP, with search", fit_on=("search", "image_generation")),
        SuiteRow("Retrieved picture", model="retrieved-picture", seeded=False),
        SuiteRow("Category's codes", model="category-picture", seeded=False),
        SuiteRow("Oracle", model="oracle", seeded=False),
    ),
)
