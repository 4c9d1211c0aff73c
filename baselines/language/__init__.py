"""Language models that solve several tasks by prompts: P5 and VIP5."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="p5",
        factory="baselines.language.p5:P5",
        tasks=("recommendation", "search", "preference", "explanation", "selection"),
        reads=("order", "text", "query", "ratings"),
        about="one T5 for all tasks by prompts, users and items as numbered words; random ids (the released ones leak "
        "test items), beams restricted to items; own prompts, search and selection added",
        source="Geng et al., RecSys 2022",
        new_users=True,
        new_items=False,
        version=2,
    ),
    ModelCard(
        name="vip5",
        factory="baselines.language.vip5:VIP5",
        tasks=("recommendation", "search", "preference", "explanation", "selection"),
        reads=("order", "text", "pictures", "query", "ratings"),
        about="P5 with adapters and two visual tokens after each item; our interpretation of the undefined VIP5+: "
        "UniMP's picture features, prompts for rating, search and selection, and title, category, brand and price "
        "after each item; whole-word and category embeddings are trained, as is a T5 without pre-training",
        source="Geng et al., Findings of EMNLP 2023",
        new_users=True,
        new_items=False,
        features=("pictures",),
        version=2,
    ),
)
