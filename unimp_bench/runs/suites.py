"""The suites: the rows of each topic's table, as data. A new row is one line of its suite."""

from unimp_bench.runs.suite import ALL_TASKS, EQUAL_STEPS, PROMPTED, SUBJECT, Suite, SuiteRow, popularity, refused
from unimp_bench.runs.survey import ADAPTATION, ENCODERS, PRETRAINING, TEXT_ADAPTATION
from unimp_bench.runs.variants import ABLATION, BACKBONES, FUSION, LOSSES, RECIPE

RECOMMENDATION = Suite(
    name="recommendation",
    title="Recommendation",
    table="Table 1 of the UniMP paper",
    about="recommenders by interactions, order, texts and pictures, with untrained baselines",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        popularity(),
        SuiteRow("Transition graph", model="transition-graph"),
        SuiteRow("ItemKNN", model="itemknn"),
        SuiteRow("EASE", model="ease"),
        SuiteRow("MF", model="mf", system="MF"),
        SuiteRow("MACR", model="macr", system="MACR"),
        SuiteRow("LightGCN", model="lightgcn", system="LightGCN"),
        SuiteRow("UltraGCN", model="ultragcn", system="UltraGCN"),
        SuiteRow("HGN", model="hgn", system="HGN"),
        SuiteRow("GRU4Rec", model="gru4rec", system="GRU4Rec"),
        SuiteRow("GRU4Rec, sampled softmax", model="gru4rec", preset="sampled"),
        SuiteRow("SASRec", model="sasrec", system="SASRec"),
        SuiteRow("SASRec, original loss", model="sasrec", preset="original", system="SASRec"),
        SuiteRow("SASRec, sampled softmax", model="sasrec", preset="sampled"),
        SuiteRow("eSASRec", model="esasrec"),
        SuiteRow("HSTU", model="hstu"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("BERT4Rec", model="bert4rec", system="BERT4Rec"),
        SuiteRow("BERT4Rec, sampled softmax", model="bert4rec", preset="sampled"),
        SuiteRow("UniSRec", model="unisrec", system="UniSRec"),
        SuiteRow("Recformer", model="recformer"),
        SuiteRow("TransRec", model="transrec"),
        SuiteRow("TIGER", model="tiger"),
        SuiteRow("RPG", model="rpg"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("P5, a token for each item", model="p5", settings={"ids": "own"}),
        SuiteRow("P5, numbered along whole histories, which leaks", model="p5", settings={"ids": "leaky"}),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
        SuiteRow("VBPR", model="vbpr", system="VBPR"),
        SuiteRow("CausalRec", model="causalrec", system="CausalRec"),
        SuiteRow("MMGCL", model="mmgcl", system="MMGCL"),
        SuiteRow("MMSSL", model="mmssl", system="MMSSL"),
        SuiteRow("CLCRec", model="clcrec"),
        SuiteRow("MMGCN", model="mmgcn"),
        SuiteRow("BM3", model="bm3"),
        SuiteRow("FREEDOM", model="freedom"),
        SuiteRow("LATTICE", model="lattice"),
        SuiteRow("MGCN", model="mgcn"),
        SuiteRow("SMORE", model="smore"),
        SuiteRow("AlignRec", model="alignrec"),
        SuiteRow("MISSRec", model="missrec"),
        SuiteRow("PromptMM", model="promptmm"),
        SuiteRow("PromptMM, its teacher", model="promptmm", settings={"form": "teacher"}),
        SuiteRow("KDSR", model="kdsr"),
        SuiteRow("SmolLM2 over EASE", model="llm", settings={"base": "ease"}),
        SuiteRow("SmolLM2 over the transition graph", model="llm", settings={"base": "transition-graph"}),
    ),
)
"""Table 1. Task suites have the name of their task, so their page is that of the task."""


EXPLANATION = Suite(
    name="explanation",
    title="Explanation",
    table="Table 2a of the UniMP paper",
    about="generated and retrieved sentences",
    tasks=("explanation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("Constant sentence", model="constant-sentence"),
        SuiteRow("Typical sentence of the item", model="typical-sentence"),
        SuiteRow("Nearest sentence", model="nearest-sentence"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
        SuiteRow("MRG", model="mrg", system="MRG"),
        SuiteRow("PETER", model="peter"),
        SuiteRow("PEPLER", model="pepler"),
        SuiteRow("PEPLER, SmolLM2", model="pepler", preset="smollm2"),
        SuiteRow("SmolLM2, zero-shot", model="llm"),
        SuiteRow("SmolLM2, few-shot", model="llm", preset="few-shot"),
    ),
)
"""Table 2a."""


PREFERENCE = Suite(
    name="preference",
    title="Preference prediction",
    table="Table 2b of the UniMP paper",
    about="ratings by averages, factorisation, texts and pictures, and language models",
    tasks=("preference",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("Mean", model="global-mean"),
        SuiteRow("Median", model="constant-median"),
        SuiteRow("Mode", model="constant-mode"),
        SuiteRow("Item mean", model="item-mean"),
        SuiteRow("Bias", model="bias"),
        SuiteRow("Factors", model="rating-mf"),
        SuiteRow("SANCL", model="sancl", system="SANCL"),
        SuiteRow("MRG", model="mrg"),
        SuiteRow("PETER", model="peter"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
        SuiteRow("SmolLM2, prompted", model="llm"),
    ),
)
"""Table 2b."""


SELECTION = Suite(
    name="selection",
    title="Selection",
    table="Table 2c of the UniMP paper",
    about="language models that generate the selection, and recommenders with a threshold",
    tasks=("selection",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("One at random", model="pick-one"),
        SuiteRow("All", model="select-all"),
        SuiteRow("Popular candidates", model="popular-candidates"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("VIP5⁺", model="vip5", system="VIP5⁺"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("UniSRec", model="unisrec"),
        SuiteRow("MMSSL", model="mmssl", system="MMSSL"),
        SuiteRow("SmolLM2, prompted", model="llm"),
    ),
)
"""Table 2c."""


SEARCH = Suite(
    name="search",
    title="Search",
    table="Table 2d of the UniMP paper",
    about="text search, personalized search, and untrained baselines",
    tasks=("search",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        popularity(),
        SuiteRow("Popularity in the category", model="query-popularity"),
        SuiteRow("Transition graph", model="transition-graph"),
        SuiteRow("BM25", model="bm25", system="BM25"),
        SuiteRow("Dense retrieval", model="dense"),
        SuiteRow("HEM", model="hem", system="HEM"),
        SuiteRow("ZAM", model="zam", system="ZAM"),
        SuiteRow("AEM, ZAM without the zero", model="zam", settings={"zero": "false"}),
        SuiteRow("RTM", model="rtm", system="RTM"),
        SuiteRow("P5, of all its tasks", model="p5", fit_on=PROMPTED),
        SuiteRow("SmolLM2 over BM25", model="llm"),
        SuiteRow("SmolLM2 over the transition graph", model="llm", settings={"base": "transition-graph"}),
    ),
)
"""Table 2d."""


NEW_USER = Suite(
    name="new_user",
    title="New users",
    table="Table 4a of the UniMP paper",
    about="held-out users, known only by the history in the example",
    tasks=("recommendation",),
    split="new-user",
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("VIP5", model="vip5", system="VIP5"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("UniSRec", model="unisrec", system="UniSRec"),
        SuiteRow("SASRec", model="sasrec"),
        SuiteRow("Transition graph", model="transition-graph"),
        popularity(),
        refused(
            "MF, MACR, LightGCN, UltraGCN, HGN, VBPR, CausalRec, MMGCL, MMSSL",
            "learn a vector per user, and have none for these",
        ),
    ),
)
"""Table 4a."""


NEW_DOMAIN = Suite(
    name="new_domain",
    title="New domain",
    table="Table 4b of the UniMP paper",
    about="a held-out domain: models adapted to it, trained on it alone, or not adapted",
    tasks=("recommendation",),
    split="new-domain",
    rows=(
        SuiteRow(
            "UniMP, output layer adapted",
            after=(("recommendation",),),
            fit_split="new-domain",
            tune={"trained": "output"},
            system="UniMP",
        ),
        SuiteRow("P5, of the domain", model="p5", fit_split="new-domain", system="P5"),
        SuiteRow("VIP5, of the domain", model="vip5", fit_split="new-domain", system="VIP5"),
        SuiteRow("S³-Rec, of the domain", model="s3rec", fit_split="new-domain", system="S³-Rec"),
        SuiteRow("UniSRec, of the domain", model="unisrec", fit_split="new-domain", system="UniSRec"),
        SuiteRow("UniSRec, text alone, not adapted", model="unisrec-inductive"),
        SuiteRow("UniMP, all adapted", after=(("recommendation",),), fit_split="new-domain", tune={"trained": "all"}),
        SuiteRow("UniMP, fitted on the domain alone", fit_split="new-domain"),
        SuiteRow("Transition graph, not adapted", model="transition-graph"),
        SuiteRow("Transition graph, of the domain", model="transition-graph", fit_split="new-domain"),
        popularity(fit_split="new-domain"),
        refused(
            "S³-Rec and others that know items by number, not adapted",
            "learn a vector per item, and have none for these",
        ),
    ),
    equal_steps=True,
    steps=EQUAL_STEPS,
)
"""Table 4b."""


def _degraded(label: str, model: str, *modalities: str) -> tuple[SuiteRow, ...]:
    """Rows of a model whose texts or pictures (``T``, ``V``) are missing at test, or exchanged between the items."""
    words = {"T": "texts", "V": "pictures"}
    views = {
        "half of the {} missing at test": "M{}:0.5@test",
        "all {} missing at test": "M{}:1@test",
        "{} exchanged at test": "X{}@test",
        "{} exchanged": "X{}",
    }
    return tuple(
        SuiteRow(f"{label}, {what.format(words[letter])}", model=model, views=(view.format(letter),))
        for letter in modalities
        for what, view in views.items()
    )


ROBUSTNESS = Suite(
    name="robustness",
    title="Robustness",
    table="Table 6 of the UniMP paper",
    about="noise in attributes and pictures (NT, NV), texts or pictures missing at test (MT, MV) or exchanged (XT, XV)",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("S³-Rec with NT", model="s3rec", views=("NT",), system="S³-Rec with NT"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("MMSSL with NV", model="mmssl", views=("NV",), system="MMSSL with NV"),
        SuiteRow("MMSSL", model="mmssl", system="MMSSL"),
        SuiteRow("UniMP with NT", views=("NT",), system="UniMP with NT"),
        SuiteRow("UniMP with NV", views=("NV",), system="UniMP with NV"),
        *_degraded("UniMP", SUBJECT, "T", "V"),
        SuiteRow("UniSRec", model="unisrec"),
        *_degraded("UniSRec", "unisrec", "T"),
        SuiteRow("VBPR", model="vbpr"),
        *_degraded("VBPR", "vbpr", "V"),
        SuiteRow("FREEDOM", model="freedom"),
        *_degraded("FREEDOM", "freedom", "T", "V"),
    ),
)
"""Table 6, and whole texts or pictures that are missing at test or exchanged, a control."""


_STAGES = (
    ("recommendation",),
    ("recommendation", "search"),
    ("recommendation", "search", "selection"),
    ("recommendation", "search", "selection", "explanation"),
)
"""The authors' continual training: one more task per stage, earlier ones subsampled to the model's rehearsal."""

_ANSWERED = ("recommendation", "search", "preference", "selection")
"""The tasks of a corpus without reviews or without pictures, where the joint training of all six is impossible."""

LEARNING_STRATEGY = Suite(
    name="learning_strategy",
    title="Learning strategy",
    table="Table 7 of the UniMP paper",
    about="one task alone, one more task per stage, all six or four jointly, and jointly then fine-tuned on one",
    tasks=("recommendation", "search"),
    rows=(
        SuiteRow("Single task"),
        SuiteRow("Continue", after=_STAGES[:-1], fit_on=_STAGES[-1], system="Continue"),
        SuiteRow("Multi-task", fit_on=ALL_TASKS, system="Multi-task"),
        SuiteRow("Multi-task + Full", after=(ALL_TASKS,), tune={"trained": "all"}, system="Multi-task+Full"),
        SuiteRow(
            "Multi-task + Efficient", after=(ALL_TASKS,), tune={"trained": "output"}, system="Multi-task+Efficient"
        ),
        SuiteRow("Four tasks", fit_on=_ANSWERED),
        SuiteRow("Four tasks + Full", after=(_ANSWERED,), tune={"trained": "all"}),
        SuiteRow("Four tasks + Efficient", after=(_ANSWERED,), tune={"trained": "output"}),
    ),
    equal_steps=True,
    steps=EQUAL_STEPS,
)
"""Table 7."""


OTHER_DATASETS = Suite(
    name="other_datasets",
    title="Other datasets",
    table="Table 9 of the UniMP paper",
    about="recommenders on H&M and Netflix; MovieLens with posters replaces Netflix",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("P5", model="p5", system="P5"),
        SuiteRow("VIP5", model="vip5", system="VIP5"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("UniSRec", model="unisrec", system="UniSRec"),
        SuiteRow("Transition graph", model="transition-graph"),
        popularity(),
    ),
    corpora=("hm", "netflix", "movielens"),
)
"""Table 9."""


IMAGE_GENERATION = Suite(
    name="image_generation",
    title="Image generation",
    table="Figure 3 of the UniMP paper",
    about="pictures generated token by token, or taken from the catalogue",
    tasks=("image_generation",),
    rows=(
        SuiteRow("UniMP"),
        SuiteRow("UniMP, with search", fit_on=("search", "image_generation")),
        SuiteRow("Retrieved picture", model="retrieved-picture"),
        SuiteRow("Category's codes", model="category-picture"),
        SuiteRow("Picture by keywords of the history", model="expanded-picture"),
        SuiteRow("Picture by a language model's keywords", model="expanded-picture", preset="smollm2"),
        SuiteRow("Oracle", model="oracle"),
    ),
)
"""Figure 3."""


GLOBAL_TIME = Suite(
    name="global_time",
    title="Global temporal split",
    table="beyond the papers: no leakage from the future",
    about="recommenders trained before one cut-off time and tested on users' next items after a later one",
    tasks=("recommendation",),
    split="global-time",
    rows=(
        SuiteRow("UniMP"),
        popularity(),
        SuiteRow("Transition graph", model="transition-graph"),
        SuiteRow("ItemKNN", model="itemknn"),
        SuiteRow("EASE", model="ease"),
        SuiteRow("MF", model="mf"),
        SuiteRow("LightGCN", model="lightgcn"),
        SuiteRow("GRU4Rec", model="gru4rec"),
        SuiteRow("GRU4Rec, sampled softmax", model="gru4rec", preset="sampled"),
        SuiteRow("SASRec", model="sasrec"),
        SuiteRow("SASRec, sampled softmax", model="sasrec", preset="sampled"),
        SuiteRow("BERT4Rec", model="bert4rec"),
        SuiteRow("BERT4Rec, sampled softmax", model="bert4rec", preset="sampled"),
        SuiteRow("UniSRec", model="unisrec"),
        SuiteRow("VBPR", model="vbpr"),
    ),
)
"""Representative recommenders of Table 1; any other can be run with ``--split global-time``."""

CATALOGUE = (
    RECOMMENDATION,
    EXPLANATION,
    PREFERENCE,
    SELECTION,
    SEARCH,
    ABLATION,
    NEW_USER,
    NEW_DOMAIN,
    ROBUSTNESS,
    LEARNING_STRATEGY,
    FUSION,
    OTHER_DATASETS,
    BACKBONES,
    IMAGE_GENERATION,
    ADAPTATION,
    TEXT_ADAPTATION,
    PRETRAINING,
    GLOBAL_TIME,
    ENCODERS,
    RECIPE,
    LOSSES,
)
SUITES: dict[str, Suite] = {suite.name: suite for suite in CATALOGUE}

VARIED = {
    model: frozenset(key for suite in CATALOGUE for row in suite.rows if row.model == model for key in row.settings)
    for model in {row.model for suite in CATALOGUE for row in suite.rows if row.model}
}
"""By model, the settings compared by suites; all others are a budget."""
