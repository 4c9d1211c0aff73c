"""The task definitions, one file per task. A new task is one file and one card here."""

from unimp_bench.contracts import TaskCard

CATALOGUE = (
    TaskCard(
        name="recommendation",
        factory="tasks.recommendation:Recommendation",
        kind="ranking",
        about="the next item of a user, from the history",
        table="Table 1",
        reads=(),
    ),
    TaskCard(
        name="search",
        factory="tasks.search:Search",
        kind="ranking",
        about="the item that a user means by a query, from history and query",
        table="Table 2d",
        reads=("query",),
    ),
    TaskCard(
        name="preference",
        factory="tasks.preference:Preference",
        kind="rating",
        about="the user's rating of a given item",
        table="Table 2b",
        reads=(),
    ),
    TaskCard(
        name="explanation",
        factory="tasks.explanation:Explanation",
        kind="text",
        about="a sentence on why a given item may suit the user or not",
        table="Table 2a",
        reads=("text",),
    ),
    TaskCard(
        name="selection",
        factory="tasks.selection:Selection",
        kind="selection",
        about="the items among given candidates that suit the user",
        table="Table 2c",
        reads=(),
    ),
    TaskCard(
        name="image_generation",
        factory="tasks.image_generation:ImageGeneration",
        kind="picture",
        about="the picture of the item that a user means, from query and two retrieved items",
        table="Figure 3",
        reads=("query", "pictures"),
    ),
)
