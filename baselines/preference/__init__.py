"""Preference prediction: ratings from averages, latent factors, and reviews."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="global-mean",
        factory="baselines.preference.averages:GlobalMean",
        tasks=("preference",),
        reads=(),
        about="the mean of all training ratings",
        source="the floor of every preference table",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="constant-median",
        factory="baselines.preference.averages:ConstantMedian",
        tasks=("preference",),
        reads=(),
        about="the median of all training ratings, the best constant by absolute error",
        source="a floor of every preference table",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="constant-mode",
        factory="baselines.preference.averages:ConstantMode",
        tasks=("preference",),
        reads=(),
        about="the most frequent of all training ratings",
        source="a floor of every preference table",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="item-mean",
        factory="baselines.preference.averages:ItemMean",
        tasks=("preference",),
        reads=("ratings",),
        about="the mean training rating of the item, damped towards the global mean; the same for all users",
        source="the floor of every preference table",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="bias",
        factory="baselines.preference.averages:Bias",
        tasks=("preference",),
        reads=("ratings",),
        about="the global mean with offsets of the item and of the user's ratings so far, by damped least squares",
        source="Koren, Bell and Volinsky (2009), Eq. 3",
        new_users=True,
        new_items=True,
        validated=False,
        seeded=False,
    ),
    ModelCard(
        name="rating-mf",
        factory="baselines.preference.factors:RatingMF",
        tasks=("preference",),
        reads=("ratings", "interactions"),
        about=(
            "matrix factorisation with biases, by Cornac; epoch and regularisation chosen on validation; the "
            "terms of a user or an item without training ratings are left out"
        ),
        source="Koren, Bell and Volinsky (2009); Cornac 3.0",
        new_users=True,
        new_items=True,
        validated=False,
    ),
    ModelCard(
        name="sancl",
        factory="baselines.preference.sancl:SANCL",
        tasks=("preference",),
        reads=("ratings", "order", "text", "pictures"),
        about=(
            "attention between words and pictures of the item and of the user's last five, with their ratings; an "
            "interpretation of UniMP's baseline, since SANCL ranks reviews by helpfulness, without users or ratings"
        ),
        source="SANCL (Han et al., COLING 2022)",
        new_users=True,
        new_items=True,
        features=("pictures",),
    ),
)
