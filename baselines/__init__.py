"""The baselines, one file per system. A new baseline is one file and one card, in this folder or a subfolder.

collaborative, sequential, multimodal: trained recommenders. language: models that solve several tasks by prompts.
learning: the training code they share. search, preference, explanation, selection: systems for these tasks. recbole:
the adapter to RecBole's models. oracle: the upper bound on the sample. The files in this folder are simple baselines.
"""

from baselines import (
    collaborative,
    explanation,
    language,
    multimodal,
    oracle,
    preference,
    search,
    selection,
    sequential,
)
from unimp_bench.contracts import ModelCard

CATALOGUE: tuple[ModelCard, ...] = (
    ModelCard(
        name="popularity",
        factory="baselines.popularity:Popularity",
        tasks=("recommendation", "search"),
        reads=("popularity",),
        about="number of training interactions, the same ranking for all users and queries",
        source="the floor of every table",
        new_users=True,
        new_items=False,
        validated=False,
    ),
    ModelCard(
        name="query-popularity",
        factory="baselines.popularity:QueryPopularity",
        tasks=("search",),
        reads=("popularity", "query"),
        about="popularity among items of the queried category: shows what the query alone contributes",
        source="the floor of every search table",
        new_users=True,
        new_items=False,
        validated=False,
    ),
    ModelCard(
        name="transition-graph",
        factory="baselines.transition_graph:TransitionGraph",
        tasks=("recommendation", "search"),
        reads=("order", "text", "query"),
        about="counts of item-to-item transitions, untrained; ties by category and brand; queried category first",
        source="after arXiv 2605.07125",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    *collaborative.CARDS,
    *sequential.CARDS,
    *multimodal.CARDS,
    *language.CARDS,
    ModelCard(
        name="recbole",
        factory="baselines.recbole.adapter:RecBole",
        tasks=("recommendation",),
        reads=("order",),
        about="any sequential or general model of RecBole, such as recbole:GRU4Rec, with RecBole's own settings",
        source="Zhao et al., CIKM 2021; RecBole 1.2.1",
        new_users=False,
        new_items=False,
        variant="model",
    ),
    *search.CARDS,
    *preference.CARDS,
    *explanation.CARDS,
    *selection.CARDS,
    ModelCard(
        name="category-picture",
        factory="baselines.retrieved:CategoryPicture",
        tasks=("image_generation",),
        reads=("pictures", "query"),
        about="at each position the most frequent code among pictures of the queried category; not a real picture",
        source="the floor of token accuracy",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    ModelCard(
        name="retrieved-picture",
        factory="baselines.retrieved:RetrievedPicture",
        tasks=("image_generation",),
        reads=("order", "pictures", "query"),
        about="the picture of the first retrieved item, unchanged",
        source="the floor of every image generation table",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    *oracle.CARDS,
)
