"""Explanation: sentences retrieved from the training part, and generated sentences."""

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
        seeded=False,
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
        seeded=False,
    ),
    ModelCard(
        name="nearest-sentence",
        factory="baselines.explanation.nearest:NearestSentence",
        tasks=("explanation",),
        reads=("interactions", "text"),
        about="the best-matching training sentence: typical of item, category and corpus, worded like the user's "
        "texts, by an author with similar taste",
        source="a simple retrieval baseline",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="mrg",
        factory="baselines.explanation.mrg:MRG",
        tasks=("explanation", "preference"),
        reads=("ratings", "text", "pictures"),
        about="a shared trunk with a rating head and an LSTM decoder that gates between user-item state and picture; "
        "catalogue pictures instead of users' photos, no GloVe",
        source="Truong and Lauw, WWW 2019",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
        either=True,
    ),
    ModelCard(
        name="peter",
        factory="baselines.explanation.peter:PETER",
        tasks=("explanation", "preference"),
        reads=("ratings", "text"),
        about="a small transformer over user, item and words that rates and writes, with the item's state trained to "
        "predict all words; without PETER+'s feature of the target review",
        source="Li, Zhang and Chen, ACL 2021",
        new_users=False,
        new_items=False,
    ),
    ModelCard(
        name="pepler",
        factory="baselines.explanation.pepler:PEPLER",
        tasks=("explanation",),
        reads=("text",),
        about="vectors of user and item prompt a causal language model, trained first alone, then with the model",
        source="Li, Zhang and Chen, TOIS 2023",
        new_users=False,
        new_items=False,
    ),
)
