"""Recommenders that read a user's history in its order."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="bert4rec",
        factory="baselines.sequential.bert4rec:BERT4Rec",
        tasks=("recommendation",),
        reads=("order",),
        about="a transformer that sees both sides guesses hidden items; masks drawn anew in every epoch",
        source="Sun et al., CIKM 2019",
        new_users=True,
        new_items=False,
    ),
)
