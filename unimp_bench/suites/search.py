"""Table 2d: who finds what a user means. Its name is a task's, so its page is that task's."""

from unimp_bench.suites.record import PROMPTED, Suite, SuiteRow, popularity

SUITE = Suite(
    name="search",
    title="Search",
    table="Table 2d of the UniMP paper",
    about="search by words, by words and users, and by what is counted and not learned",
    tasks=("search",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        popularity(),
        SuiteRow("Popularity in the category", model="query-popularity", seeded=False),
        SuiteRow("Transition graph", model="transition-graph", seeded=False),
        SuiteRow("BM25", model="bm25", system="BM25", seeded=False),
        SuiteRow("Dense retrieval", model="dense", seeded=False),
        SuiteRow("HEM", model="hem", system="HEM"),
        SuiteRow("ZAM", model="zam", system="ZAM"),
        SuiteRow("AEM, ZAM without the zero", model="zam", settings={"zero": "false"}),
        SuiteRow("RTM", model="rtm", system="RTM"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
    ),
)
