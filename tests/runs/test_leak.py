"""Access to held-out interactions has one entry point, whose use is recorded in every result."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unimp_bench import registry
from unimp_bench.contracts import FitData, ModelCard, Ranker
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import DataError, ModelError
from unimp_bench.files import Workspace
from unimp_bench.records import Examples, FloatArray, IntArray
from unimp_bench.runs.runner import LEAK_REMARK, RunRequest, run


@dataclasses.dataclass(frozen=True)
class PeekConfig:
    """What the model reads, and whether it is killed afterwards."""

    at: str = "leak"
    killed: bool = False


class Peeker(Ranker[PeekConfig]):
    """Reads the held-out interactions, or the generator's parameters."""

    Config = PeekConfig

    def fit(self, data: FitData) -> None:
        self.last: IntArray = np.zeros(0, dtype=np.int64)
        if self.config.at == "leak" and not (data.work / "kept.npy").exists():
            assert data.leak is not None
            histories = data.leak().histories
            np.save(data.work / "kept.npy", np.asarray(histories.items)[histories.offsets[1:] - 1])
        if self.config.at == "truth":
            data.items.truth()
        if (data.work / "kept.npy").exists():
            self.last = np.load(data.work / "kept.npy")
        if self.config.killed and not (data.work / "once").exists():
            (data.work / "once").touch()
            raise KeyboardInterrupt

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        if not len(self.last):
            return np.zeros((len(examples), len(catalogue)))
        return (catalogue[None, :] == self.last[examples.users][:, None]).astype(np.float64)

    def save(self, folder: Path) -> None:
        np.save(folder / "last.npy", self.last)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self.last = np.load(folder / "last.npy")


load = registry.load


@pytest.fixture
def peeker(monkeypatch: pytest.MonkeyPatch) -> None:
    card = ModelCard("peek", "x:Peeker", ("recommendation",), ("order",), "", "test", new_users=True, new_items=False)
    cards: dict[str, Any] = {**registry.model_cards(), "peek": card}
    monkeypatch.setattr(registry, "model_cards", lambda: cards)
    monkeypatch.setattr(registry, "load", lambda factory: Peeker if factory == card.factory else load(factory))


def test_items_give_a_model_no_access_to_interactions(planted: Corpus) -> None:
    public = {name: getattr(planted.items, name) for name in dir(planted.items) if not name.startswith("_")}
    assert not [name for name, value in public.items() if isinstance(value, Path | Corpus)]


@pytest.mark.usefixtures("peeker")
def test_every_result_of_a_leaking_fit_has_a_remark(planted: Corpus, tmp_path: Path) -> None:
    workspace, request = Workspace(tmp_path), RunRequest("recommendation", "peek", planted.folder)
    first, _ = run(request, workspace)
    assert first.metrics["HR@1"].value == 1 and LEAK_REMARK in first.remarks
    found, _ = run(dataclasses.replace(request, protocol="masked"), workspace)
    assert LEAK_REMARK in found.remarks, "of the fit that was found, too"
    honest, _ = run(dataclasses.replace(request, settings={"at": "nothing"}), workspace)
    assert LEAK_REMARK not in honest.remarks


@pytest.mark.usefixtures("peeker")
def test_a_leak_before_an_interrupt_is_recorded(planted: Corpus, tmp_path: Path) -> None:
    request = RunRequest("recommendation", "peek", planted.folder, settings={"killed": "true"})
    with pytest.raises(KeyboardInterrupt):
        run(request, Workspace(tmp_path))
    result, _ = run(request, Workspace(tmp_path))
    assert result.metrics["HR@1"].value == 1 and LEAK_REMARK in result.remarks


@pytest.mark.usefixtures("peeker")
def test_reading_the_ground_truth_must_be_declared(planted: Corpus, tmp_path: Path) -> None:
    request = RunRequest("recommendation", "peek", planted.folder, settings={"at": "truth"})
    with pytest.raises(DataError, match="only a generated corpus has one"):
        run(request, Workspace(tmp_path))
    generated = shutil.copytree(planted.folder, tmp_path / "generated")
    (generated / "truth").mkdir()
    np.save(generated / "truth" / "item_domain.npy", planted.items.domains)
    with pytest.raises(ModelError, match="peek read the ground truth of planted; its card must declare 'truth'"):
        run(dataclasses.replace(request, corpus=generated), Workspace(tmp_path))
