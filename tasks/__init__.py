"""The task definitions, one file each. A new task is one file and one card here."""

from unimp_bench.contracts import TaskCard

CATALOGUE = (
    TaskCard(
        name="recommendation",
        factory="tasks.recommendation:Recommendation",
        kind="ranking",
        about="the next item of a user, from the history alone",
        table="Table 1",
    ),
    TaskCard(
        name="search",
        factory="tasks.search:Search",
        kind="ranking",
        about="the item a user means by a query, from history and query",
        table="Table 2d",
    ),
)
