"""Language models that answer several tasks by prompts: P5 and VIP5."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="p5",
        factory="baselines.language.p5:P5",
        tasks=("recommendation", "search", "preference", "explanation", "selection"),
        reads=("order", "text", "query", "ratings"),
        about="one T5 for all tasks by prompts, users and items as numbers in words; random ids (the released leak), "
        "beams held to items; prompts of our own, search and selection added",
        source="Geng et al., RecSys 2022",
        new_users=True,
        new_items=False,
    ),
)
