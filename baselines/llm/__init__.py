"""Language models without training: zero-shot and few-shot, on this machine or behind a server."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="llm",
        factory="baselines.llm.model:LLM",
        tasks=("recommendation", "search", "preference", "explanation", "selection"),
        reads=("popularity", "interactions", "order", "text", "query", "ratings"),
        about="a causal language model with prompts, not trained: orders the first items of a recommender and chooses "
        "candidates by the likelihood of titles, rates by the expectation over ratings, writes sentences",
        source="after LLMRank (Hou et al., ECIR 2024); own prompts",
        new_users=True,
        new_items=False,
        validated=False,
        seeded=False,
    ),
)
