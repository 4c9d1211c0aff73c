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
        validated=False,
    ),
    ModelCard(
        name="dense",
        factory="baselines.search.dense:Dense",
        tasks=("search",),
        reads=("text", "query", "order", "popularity"),
        about="cosines of a frozen text encoder, untrained: query and history with each item; mixed with popularity "
        "by validation",
        source="dense retrieval as in Karpukhin et al., EMNLP 2020, without its training",
        new_users=True,
        new_items=True,
        features=("text",),
    ),
    ModelCard(
        name="hem",
        factory="baselines.search.hem:HEM",
        tasks=("search",),
        reads=("text", "query", "interactions"),
        about="users and items as vectors that foretell the words of their reviews (of their items where a corpus has "
        "none), items near a mix of query and user; trained by Adam, all queries seen in training",
        source="Ai et al., SIGIR 2017",
        new_users=False,
        new_items=False,
    ),
    ModelCard(
        name="zam",
        factory="baselines.search.zam:ZAM",
        tasks=("search",),
        reads=("text", "query", "interactions", "order"),
        about="the history attended to as the query wants it, or not at all; items as vectors that foretell the words "
        "of their title, category and brand; as the paper has it, not as the program ProdSearch; all queries seen",
        source="Ai et al., CIKM 2019",
        new_users=True,
        new_items=False,
    ),
    ModelCard(
        name="rtm",
        factory="baselines.search.rtm:RTM",
        tasks=("search",),
        reads=("text", "query", "order", "popularity"),
        about="a transformer over query and the past reviews of user and candidate; re-ranks the most popular items of "
        "the queried category; the review that is foretold is on neither side; cold items are read by their texts",
        source="Bi, Ai and Croft, SIGIR 2021",
        new_users=True,
        new_items=True,
    ),
)
