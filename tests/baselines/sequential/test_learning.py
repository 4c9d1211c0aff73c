"""Every sequential model learns an order that popularity cannot see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.baselines.sequential.small import fit_data, hits
from unimp_bench import registry
from unimp_bench.corpus import Corpus

MARGIN = 0.4
"""The next item on the ring is right in 85 of 100 cases; the five most popular items are in less than 25."""

TWO_STAGES: dict[str, Any] = {
    **{"dropout": 0.1, "attention_dropout": 0.1, "width": 32, "inner": 64, "learning_rate": 5e-3, "batch_size": 64},
    **{"pretraining_rate": 5e-3, "pretraining_batch_size": 64},
}

SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "sasrec ce": ("sasrec", {"epochs": 20, "dropout": 0.1, "width": 32, "inner": 64, "learning_rate": 5e-3}),
    "sasrec original": (
        "sasrec",
        {"form": "original", "epochs": 40, "dropout": 0.1, "width": 32, "heads": 1, "inner": 32, "learning_rate": 1e-2},
    ),
    "gru4rec ce": ("gru4rec", {"epochs": 20, "width": 32, "learning_rate": 1e-2}),
    "gru4rec bpr-max": (
        "gru4rec",
        {"loss": "bpr-max", "epochs": 40, "width": 32, "samples": 64, "learning_rate": 1e-2},
    ),
    "bert4rec": (
        "bert4rec",
        {
            **{"epochs": 160, "dropout": 0.1, "attention_dropout": 0.1, "width": 32, "inner": 64},
            **{"mask_share": 0.2, "last_share": 0.5, "batch_size": 32, "learning_rate": 5e-3},
        },
    ),
    "s3rec": ("s3rec", TWO_STAGES | {"epochs": 60, "pretraining_epochs": 10}),
    "unisrec": ("unisrec", TWO_STAGES | {"epochs": 40, "pretraining_epochs": 100}),
    "unisrec-inductive": ("unisrec-inductive", TWO_STAGES | {"epochs": 40, "pretraining_epochs": 100}),
    "hgn": (
        "hgn",
        {"epochs": 40, "length": 3, "targets": 1, "width": 32, "batch_size": 128, "learning_rate": 1e-2},
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_beats_popularity(planted: Corpus, tmp_path: Path, case: str) -> None:
    name, settings = SETTINGS[case]
    model = registry.make_model(name, settings=settings | {"validate_every": settings["epochs"]})
    model.fit(fit_data(planted, tmp_path))
    popularity = registry.make_model("popularity")
    popularity.fit(fit_data(planted, tmp_path))
    assert hits(model, planted) > hits(popularity, planted) + MARGIN
