"""Selection: non-personalised baselines, and the threshold with which recommenders select."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="pick-one",
        factory="baselines.selection.selectors:PickOne",
        tasks=("selection",),
        reads=(),
        about="one candidate at random",
        source="the floor of every selection table",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    ModelCard(
        name="select-all",
        factory="baselines.selection.selectors:SelectAll",
        tasks=("selection",),
        reads=(),
        about="every candidate",
        source="the floor of every selection table",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="popular-candidates",
        factory="baselines.selection.selectors:PopularCandidates",
        tasks=("selection",),
        reads=("popularity",),
        about="candidates above a share of the training interactions of the most popular candidate",
        source="the floor of every selection table",
        new_users=True,
        new_items=False,
        validated=False,
        seeded=False,
    ),
)
