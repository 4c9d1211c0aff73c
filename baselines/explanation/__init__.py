"""Explanation: sentences retrieved from the training part, and generated ones."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="constant-sentence",
        factory="baselines.explanation.typical:ConstantSentence",
        tasks=("explanation",),
        reads=("text",),
        about="the most typical training sentence (TF-IDF medoid), for all examples",
        source="the floor of every explanation table",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    ModelCard(
        name="typical-sentence",
        factory="baselines.explanation.typical:TypicalSentence",
        tasks=("explanation",),
        reads=("text",),
        about="the most typical training sentence on the item (TF-IDF medoid), else on its category; not personalized",
        source="the floor of every explanation table",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    ModelCard(
        name="nearest-sentence",
        factory="baselines.explanation.nearest:NearestSentence",
        tasks=("explanation",),
        reads=("interactions", "text"),
        about="the training sentence that fits best: typical of item, category and corpus, in words like the user's, "
        "of an author with like taste",
        source="the simple baseline of generation",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    ModelCard(
        name="mrg",
        factory="baselines.explanation.mrg:MRG",
        tasks=("explanation", "preference"),
        reads=("ratings", "pictures"),
        about="one trunk, a rating head and an LSTM that weighs user and item against the picture; the catalogue's "
        "picture in place of the user's photo, no GloVe",
        source="Truong and Lauw, WWW 2019",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
)
