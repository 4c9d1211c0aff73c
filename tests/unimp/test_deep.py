"""Deep decoders without biases: what is zero, or nearly so, at their input must not decide the training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unimp import weights
from tests.unimp.small import SMALL, fit_data
from unimp_bench.corpus import Corpus
from unimp_bench.unimp import training
from unimp_bench.unimp.unimp import UniMP

LAYERS = 30
SCALE = 0.02 * (576 / weights.WIDTH) ** 0.5
"""A layer multiplies by as much as one of SmolLM2-135M's does at first, 576 wide and begun at 0.02."""

DEEP: Any = {"gate": 0.0, "history": 2, "attributes": ("category",), "attribute_words": 3, "epochs": 1}


class Stopped(BaseException):
    """Ends a training at its first step."""


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return centred(weights.save(tmp_path_factory.mktemp("llama"), "llama", tied=True, layers=LAYERS, scale=SCALE))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Steps that a training took; it ends at its second."""
    taken: list[int] = []
    rate = training.schedule

    def schedule(step: int, total: int, warmup: float) -> float:
        if step == 2:
            raise Stopped
        taken.append(step)
        return rate(step, total, warmup)

    monkeypatch.setattr(training, "schedule", schedule)
    yield taken


@pytest.mark.parametrize("dropout", [0.1, 0.9])
def test_blanked_tokens_leave_gradients_finite(
    planted: Corpus, cache: Path, tmp_path: Path, llama: Path, steps: list[int], dropout: float
) -> None:
    """A first token of zeros stays zero in all layers, and the gradient through their norms overflows."""
    model = UniMP(replace(SMALL, backbone=str(llama), dropout=dropout, batch_tokens=4096, **DEEP))
    with pytest.raises(Stopped):
        model.fit(fit_data(planted, tmp_path, cache, "search"))
    assert steps == [0, 1]


def test_new_rows_learn_no_faster_than_all_else(
    planted: Corpus, cache: Path, tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They begin at the scale of the old ones, whose mean is nearly zero where there are tens of thousands of them."""
    gradients: dict[str, Tensor] = {}
    model = UniMP(replace(SMALL, backbone=str(llama), dropout=0.0, **DEEP))

    def stop(optimizer: torch.optim.AdamW, *arguments: object) -> None:
        gradients.update((n, p.grad.clone()) for n, p in model._model.named_parameters() if p.grad is not None)
        raise Stopped

    monkeypatch.setattr(torch.optim.AdamW, "step", stop)
    with pytest.raises(Stopped):
        model.fit(fit_data(planted, tmp_path, cache, "search"))
    table = model._model.decoder.model.get_input_embeddings()
    marks = table.new[: len(table.new) - len(planted.items)]
    scale = (marks.norm(dim=1).mean() / table.old.norm(dim=1).mean()).item()
    assert 0.8 < scale < 1.25
    (new,) = (name for name in gradients if name.endswith(".new"))
    rest = torch.stack([gradient.norm() for name, gradient in gradients.items() if name != new]).norm()
    assert gradients[new].norm() < 2 * rest


def centred(folder: Path) -> Path:
    """Give the embeddings of a folder of weights the mean that those of a large vocabulary have: nearly zero."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    name = "model.embed_tokens.weight"
    tensors[name] = tensors[name] - tensors[name][: -weights.PADDING].mean(dim=0)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder
