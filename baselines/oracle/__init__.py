"""Upper bounds of every task on the built-in sample, from its ground truth (``docs/sample.md``)."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="oracle",
        factory="baselines.oracle.model:Oracle",
        tasks=("recommendation", "search", "preference", "explanation", "selection", "image_generation"),
        reads=("truth",),
        about="the sample's true probabilities: the upper bound of each task (preference: by RMSE, preset median by "
        "MAE; explanation: of content, not wording; image_generation: the most likely item's own picture), no model",
        source="docs/sample.md",
        new_users=True,
        new_items=True,
        corpora=("sample",),
        validated=False,
        seeded=False,
    ),
)
