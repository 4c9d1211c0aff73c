"""Product search: ranking by a query, by words alone or personalised."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="bm25",
        factory="baselines.search.bm25:BM25",
        tasks=("search",),
        reads=("text", "query"),
        about="Okapi BM25 of the query against title, brand, category and description; not personalized, untrained",
        source="Robertson and Zaragoza (2009); the formula of rank_bm25",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="dense",
        factory="baselines.search.dense:Dense",
        tasks=("search",),
        reads=("text", "query", "order", "popularity"),
        about="cosine similarity of a frozen text encoder, untrained: query and history with each item, mixed with "
        "popularity; weights chosen on validation",
        source="dense retrieval as in Karpukhin et al., EMNLP 2020, without its training",
        new_users=True,
        new_items=True,
        features=("text",),
        seeded=False,
    ),
    ModelCard(
        name="hem",
        factory="baselines.search.hem:HEM",
        tasks=("search",),
        reads=("text", "query", "interactions"),
        about="user and item vectors that predict the words of their reviews (of item texts without reviews), ranked "
        "by a mix of query and user; trained with Adam; all queries occur in training",
        source="Ai et al., SIGIR 2017",
        new_users=False,
        new_items=False,
    ),
    ModelCard(
        name="zam",
        factory="baselines.search.zam:ZAM",
        tasks=("search",),
        reads=("text", "query", "interactions", "order"),
        about="attention of the query over the history and a zero vector; item vectors that predict the words of "
        "title, category and brand; follows the paper, not the program ProdSearch; all queries occur in training",
        source="Ai et al., CIKM 2019",
        new_users=True,
        new_items=False,
    ),
    ModelCard(
        name="rtm",
        factory="baselines.search.rtm:RTM",
        tasks=("search",),
        reads=("text", "query", "order", "popularity"),
        about="a transformer over the query and past reviews of user and candidate; re-ranks the most popular items of "
        "the queried category; the target review is excluded; cold items are represented by their texts",
        source="Bi, Ai and Croft, SIGIR 2021",
        new_users=True,
        new_items=True,
    ),
)
