"""UniMP: a language model over user sentences with gated cross-attention to each item's picture."""

from unimp_bench.contracts import ModelCard

CATALOGUE: tuple[ModelCard, ...] = (
    ModelCard(
        name="unimp",
        factory="unimp_bench.unimp.ranker:UniMP",
        tasks=("recommendation", "search"),
        reads=("order", "text", "pictures", "query"),
        about="user sentence, picture resampler, gated cross-attention, focal task and context loss",
        source="Wei et al., ICLR 2024",
        new_users=True,
        new_items=False,
    ),
)
