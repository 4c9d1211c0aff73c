"""The baselines, one file a system. A new one is one file and one card here."""

from unimp_bench.contracts import ModelCard

CATALOGUE: tuple[ModelCard, ...] = (
    ModelCard(
        name="popularity",
        factory="baselines.popularity:Popularity",
        tasks=("recommendation", "search"),
        reads=("popularity",),
        about="interactions in the training part, the same list for everyone; ignores a query",
        source="the floor of every table",
        new_users=True,
        new_items=False,
    ),
    ModelCard(
        name="query-popularity",
        factory="baselines.popularity:QueryPopularity",
        tasks=("search",),
        reads=("popularity", "query"),
        about="popularity among the items whose category path is the query: how much of a search row is the query",
        source="the floor of every search table",
        new_users=True,
        new_items=False,
    ),
    ModelCard(
        name="transition-graph",
        factory="baselines.transition_graph:TransitionGraph",
        tasks=("recommendation", "search"),
        reads=("order", "text", "query"),
        about="counted item-to-item transitions, untrained; ties by category and brand; queried category first",
        source="after arXiv 2605.07125",
        new_users=True,
        new_items=True,
    ),
    ModelCard(
        name="bm25",
        factory="baselines.bm25:BM25",
        tasks=("search",),
        reads=("text", "query"),
        about="Okapi BM25 of the query against title, brand, category and description; no user, nothing learned",
        source="Robertson and Zaragoza (2009); the formula of rank_bm25",
        new_users=True,
        new_items=True,
    ),
    ModelCard(
        name="sasrec",
        factory="baselines.recbole.adapter:SASRec",
        tasks=("recommendation",),
        reads=("order",),
        about="self-attention over the history, RecBole's recipe: post-norm blocks, 2 heads, GELU, and a softmax over "
        "the catalogue at each prefix's end (the paper: pre-norm, 1 head, one sampled negative at every position)",
        source="Kang and McAuley, ICDM 2018; RecBole 1.2.1",
        new_users=True,
        new_items=False,
    ),
    ModelCard(
        name="recbole",
        factory="baselines.recbole.adapter:RecBole",
        tasks=("recommendation",),
        reads=("order",),
        about="any sequential or general model of RecBole, as in recbole:GRU4Rec, with RecBole's own settings",
        source="Zhao et al., CIKM 2021; RecBole 1.2.1",
        new_users=False,
        new_items=False,
        variant="model",
    ),
)
