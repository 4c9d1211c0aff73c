"""Recommenders that read who interacted with what, and neither order nor content."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="mf",
        factory="baselines.collaborative.mf:MF",
        tasks=("recommendation",),
        reads=("interactions",),
        about="matrix factorisation by Bayesian personalised ranking: a vector for each user and item",
        source="Rendle et al., UAI 2009; Koren, Bell and Volinsky (2009)",
        new_users=False,
        new_items=False,
    ),
)
