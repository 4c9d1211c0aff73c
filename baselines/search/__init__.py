"""Search: what a query finds, by words alone or for a user."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="bm25",
        factory="baselines.search.bm25:BM25",
        tasks=("search",),
        reads=("text", "query"),
        about="Okapi BM25 of the query against title, brand, category and description; no user, nothing learned",
        source="Robertson and Zaragoza (2009); the formula of rank_bm25",
        new_users=True,
        new_items=True,
    ),
)
