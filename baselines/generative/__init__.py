"""Generative recommenders: an item is a sequence of codes, its semantic id."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="tiger",
        factory="baselines.generative.tiger:Tiger",
        tasks=("recommendation",),
        reads=("order", "text"),
        about="a T5 encoder-decoder writes the codes of the next item, by beam search in the trie of all ids; residual "
        "k-means of the texts or stored ids (the paper: RQ-VAE), an output matrix per level, no token of the user",
        source="Rajput et al., NeurIPS 2023",
        new_users=True,
        new_items=False,
        features=("ids", "text"),
    ),
    ModelCard(
        name="rpg",
        factory="baselines.generative.rpg:RPG",
        tasks=("recommendation",),
        reads=("order", "text"),
        about="a causal transformer predicts all codes of the next item in parallel; product quantization of the texts "
        "or stored ids; every item is scored (the authors search a graph of items from random starts)",
        source="Hou et al., KDD 2025",
        new_users=True,
        new_items=True,
        features=("ids", "text"),
    ),
)
