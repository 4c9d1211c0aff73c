"""Every registered model passes the conformance test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.testing.conformance import ModelConformance

SMALL: dict[str, Mapping[str, Any]] = {
    "mrg": {"epochs": 1},
    "pepler": {"epochs": 1, "prompt_epochs": 1, "width": 16, "inner": 32, "layers": 1},
    "peter": {"epochs": 1, "width": 16, "inner": 32, "layers": 1},
    "mf": {"epochs": 1},
    "lightgcn": {"epochs": 1},
    "macr": {"epochs": 1},
    "ultragcn": {"epochs": 1},
    "recbole:SASRec": {"epochs": 1},
    "recbole:BPR": {"epochs": 1},
    "recbole:GRU4Rec": {"epochs": 1},
    "vbpr": {"epochs": 1},
    "causalrec": {"epochs": 1},
    "mmgcl": {"epochs": 1},
    "mmssl": {"epochs": 1},
    "bm3": {"epochs": 1},
    "freedom": {"epochs": 1},
    "lattice": {"epochs": 1},
    "mgcn": {"epochs": 1},
    "smore": {"epochs": 1},
    "alignrec": {"epochs": 1},
    "mmgcn": {"epochs": 1},
    "clcrec": {"epochs": 1},
    "missrec": {"epochs": 1, "width": 16, "inner": 16},
    "promptmm": {"epochs": 1, "teacher_epochs": 1},
    "kdsr": {"epochs": 1, "width": 16},
    "hgn": {"epochs": 1},
    "gru4rec": {"epochs": 1, "width": 32},
    "sasrec": {"epochs": 1, "width": 32, "inner": 64},
    "esasrec": {"epochs": 1, "width": 32, "inner": 64},
    "hstu": {"epochs": 1, "width": 32},
    "bert4rec": {"epochs": 1},
    "s3rec": {"epochs": 1, "pretraining_epochs": 1},
    "unisrec": {"epochs": 1, "pretraining_epochs": 1},
    "unisrec-inductive": {"epochs": 1, "pretraining_epochs": 1},
    "recformer": {
        **{"epochs": 1, "fixed_epochs": 1, "pretraining_epochs": 3, "width": 16, "inner": 32, "layers": 1},
        **{"pretraining_rate": 1e-2, "pretraining_batch_size": 16},
    },
    "transrec": {"epochs": 1, "text": "lsa", "trained": "frozen"},
    "tiger": {"epochs": 1, "width": 16, "inner": 32, "layers": 1, "heads": 2, "head_width": 8, "codes": 8},
    "rpg": {"epochs": 1, "width": 16, "inner": 32, "layers": 1},
    "hem": {"epochs": 1},
    "zam": {"epochs": 1},
    "rating-mf": {"epochs": 5},
    "sancl": {"epochs": 1, "width": 16, "word_width": 16, "space": 8},
    "rtm": {"epochs": 1, "width": 16, "inner": 32, "layers": 1, "pool": 24},
    "p5": {
        **{"epochs": 1, "width": 16, "heads": 2, "inner": 16, "layers": 1, "history": 3, "title_words": 2},
        **{"beams": 2, "text_tokens": 4},
    },
    "vip5": {
        **{"epochs": 1, "width": 16, "heads": 2, "inner": 16, "layers": 1, "history": 3, "title_words": 2},
        **{"attribute_words": 1, "beams": 2, "text_tokens": 4},
    },
    "llm": {"model": "tiny", "history": 2, "depth": 3, "validated": 20, "sentence_tokens": 8, "title_words": 2},
    "expanded-picture": {"keywords": "llm", "model": "tiny", "history": 2, "title_words": 2, "count": 2},
    "unimp": {"epochs": 1, "width": 32, "layers": 2, "heads": 2},
}
ALIKE: dict[str, tuple[str, ...]] = {
    "dense": ("search",),  # validation gives the history no weight on the planted corpus
    "llm": ("search",),  # validation gives a random model no weight beside BM25
    "p5": ("preference",),  # the decoder writes the commonest rating
    "vip5": ("preference",),
}
ONLY_ON_SAMPLE = [card.name for card in registry.model_cards().values() if card.corpora == ("sample",)]


def _names() -> list[str]:
    """Every model; a family through the members named in ``SMALL``."""
    names = []
    for card in registry.model_cards().values():
        members = [name for name in SMALL if name.startswith(f"{card.name}:")] if card.variant else [card.name]
        assert members, f"name a member of the family {card.name} in SMALL"
        names += members
    return names


def _conformance(name: str) -> type[ModelConformance]:
    members = {"model": name, "settings": SMALL.get(name, {}), "alike": ALIKE.get(name, ())}
    return type(f"Test_{name}", (ModelConformance,), members)


for _name in _names():
    if _name not in ONLY_ON_SAMPLE:
        globals()[f"Test_{_name}"] = _conformance(_name)


class TestOracle(ModelConformance):
    """The oracle runs on the sample alone, whose truth it reads."""

    model = "oracle"

    @pytest.fixture(scope="class")
    def corpus(self, sample: Corpus) -> Corpus:
        return sample


def test_every_model_is_tested() -> None:
    """By a class that pytest collects here; and settings that no class uses are those of a model that is gone."""
    collected = [each for name, each in globals().items() if name.startswith("Test") and isinstance(each, type)]
    tested = {each.model for each in collected if issubclass(each, ModelConformance) and each is not ModelConformance}
    families = {name.partition(":")[0] for name in tested}
    cards = registry.model_cards().values()
    assert {card.name for card in cards if card.name not in (families if card.variant else tested)} == set()
    assert set(SMALL) - tested == set()
