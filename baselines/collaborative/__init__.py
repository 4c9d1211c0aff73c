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
    ModelCard(
        name="itemknn",
        factory="baselines.collaborative.itemknn:ItemKNN",
        tasks=("recommendation",),
        reads=("interactions",),
        about="item-based neighbours by shrunk cosine, summed over the history given; counted, not trained",
        source="Sarwar et al., WWW 2001; Deshpande and Karypis, TOIS 2004",
        new_users=True,
        new_items=False,
    ),
    ModelCard(
        name="ease",
        factory="baselines.collaborative.ease:EASE",
        tasks=("recommendation",),
        reads=("interactions",),
        about="linear item-to-item autoencoder in closed form, summed over the history given; dense items x items",
        source="Steck, WWW 2019",
        new_users=True,
        new_items=False,
    ),
)
