"""The training loop: best epochs, patience, and resuming after an interruption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.learning.network import Network, TrainingSettings
from baselines.learning.training import NetworkTrainer, Snapshot, best_weights, train
from unimp_bench.contracts import Training
from unimp_bench.errors import ModelError
from unimp_bench.kinds.early_stopping import BestEpoch
from unimp_bench.records import Examples, Protocol
from unimp_bench.torch_setup import seed_everything


class Line(Network):
    """Learns the sign of a number with noise from both generators, to detect randomness lost by resuming."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.drop = nn.Dropout(0.5)

    def batches(self, rng: np.random.Generator) -> Iterator[Tensor]:
        for _ in range(4):
            yield torch.from_numpy(rng.normal(size=3).astype(np.float32))

    def size(self, batch: Tensor) -> int:
        return len(batch)

    def loss(self, batch: Tensor) -> Tensor:
        return (self.drop(self.weight - 1) ** 2).sum() + (self.weight * batch).sum()

    def score(self, examples: Examples) -> Tensor:
        raise NotImplementedError


class KilledError(Exception):
    pass


def run(folder: Path, network: Line, scores: list[Any], earlier: Path | None = None, **settings: Any) -> Any:
    def validate() -> dict[Protocol, float]:
        if not scores:
            raise KilledError
        score = scores.pop(0)
        return score if isinstance(score, dict) else {"paper": score}

    course = TrainingSettings(learning_rate=0.1, **settings)
    trainer = NetworkTrainer(network, course, 3, "line")
    outcome = train(trainer, folder, validate=validate, earlier=earlier)
    trainer.restore(best_weights(folder, "paper"))
    return outcome


def fresh() -> Line:
    seed_everything(3)
    return Line()


def test_an_interrupted_training_resumes_with_the_same_result(tmp_path: Path) -> None:
    scores = [0.1, 0.5, 0.2, 0.6, 0.4, 0.3]
    whole, parted = fresh(), fresh()
    expected = run(tmp_path / "a" / "t", whole, list(scores), epochs=6)
    with pytest.raises(KilledError):
        run(tmp_path / "b" / "t", parted, scores[:3], epochs=6)
    again = fresh()
    outcome = run(tmp_path / "b" / "t", again, scores[3:], epochs=6)
    assert outcome == expected and outcome.stopping.best["paper"].epoch == 4
    assert (outcome.steps, outcome.examples) == (6 * 4, 6 * 4 * 3)
    assert torch.equal(whole.weight, again.weight) and not torch.equal(whole.weight, fresh().weight)


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    short, long = fresh(), fresh()
    run(tmp_path / "a" / "t", short, [0.1, 0.9], epochs=2)
    outcome = run(tmp_path / "b" / "t", long, [0.1, 0.9, 0.2, 0.3], epochs=4)
    assert torch.equal(short.weight, long.weight)
    assert (outcome.epochs, outcome.stopping.best["paper"]) == (4, BestEpoch(0.9, 2, 2, steps=8))


def test_each_protocol_keeps_its_own_best_epoch_whatever_else_is_validated(tmp_path: Path) -> None:
    """The paper's is decided after two worse scores, so its later 0.9 comes too late, as without the other protocol."""
    paper = [0.5, 0.4, 0.3, 0.9, 0.1]
    masked = [0.1, 0.2, 0.3, 0.2, 0.1]
    alone, both = fresh(), fresh()
    run(tmp_path / "a" / "t", alone, list(paper), epochs=9, patience=2)
    pairs = [{"paper": one, "masked": other} for one, other in zip(paper, masked, strict=True)]
    outcome = run(tmp_path / "b" / "t", both, pairs, epochs=9, patience=2)
    assert outcome.epochs == 5
    assert {name: best.epoch for name, best in outcome.stopping.best.items()} == {"paper": 1, "masked": 3}
    assert torch.equal(alone.weight, both.weight)
    third = fresh()
    run(tmp_path / "c" / "t", third, [0.1, 0.2, 0.3], epochs=3)
    both.load_state_dict(best_weights(tmp_path / "b" / "t", "masked").tensors)
    assert torch.equal(both.weight, third.weight)


def test_a_later_stage_goes_on_from_the_best_epochs_of_an_earlier_one(tmp_path: Path) -> None:
    """These stay until others are better, epochs and steps go on, and patience begins anew."""
    first, later = fresh(), fresh()
    run(tmp_path / "t", first, [0.5, 0.4, 0.3], epochs=3, patience=3)
    for scores, best in (([0.4, 0.4], BestEpoch(0.5, 1, 2, 12)), ([0.4, 0.6], BestEpoch(0.6, 5, 0, 20))):
        folder = tmp_path / f"{best.epoch}"
        for names in (scores[:1], scores[1:]):  # interrupted in between
            try:
                outcome = run(folder, later, names, earlier=tmp_path / "t", epochs=5, patience=3)
            except KilledError:
                later = fresh()
        assert (outcome.epochs, outcome.stopping.best["paper"], outcome.steps) == (5, best, 5 * 4)
        assert torch.equal(first.weight, later.weight) == (best.epoch == 1)


def test_a_nan_validation_score_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="validation score of epoch 2 is not finite"):
        run(tmp_path / "t", fresh(), [0.1, float("nan")], epochs=3)


def test_patience_counts_validations(tmp_path: Path) -> None:
    outcome = run(tmp_path / "t", fresh(), [0.5, 0.4, 0.4, 0.9], epochs=20, validate_every=2, patience=2)
    assert (outcome.epochs, outcome.stopping.best["paper"].epoch, outcome.remark("paper")) == (6, 2, "")


def test_a_training_stopped_by_its_budget_has_a_remark(tmp_path: Path) -> None:
    outcome = run(tmp_path / "t", fresh(), [0.5, 0.6], epochs=2)
    assert outcome.remark("paper") == "undertrained: stopped by its budget of 2 epochs, the best one 2"


def test_a_checkpoint_without_counts_is_not_resumed(tmp_path: Path) -> None:
    """Its steps would be missing from the result."""
    with pytest.raises(KilledError):
        run(tmp_path / "t", fresh(), [0.1, 0.2], epochs=3)
    path = tmp_path / "t" / "latest.safetensors"
    latest = Snapshot.read(path)
    notes = {name: value for name, value in latest.notes.items() if name not in ("steps", "examples")}
    Snapshot(latest.tensors, notes).write(path)
    assert run(tmp_path / "t", fresh(), [0.1, 0.2, 0.3], epochs=3).steps == 3 * 4


def test_each_protocol_says_what_ended_it(tmp_path: Path) -> None:
    scores: list[Any] = [{"paper": 0.5, "masked": 0.1}, {"paper": 0.4, "masked": 0.2}, {"paper": 0.3, "masked": 0.3}]
    outcome = run(tmp_path / "t", fresh(), scores, epochs=3, patience=2)
    assert outcome.training("paper") == Training(12, 36, 3, "converged")
    assert outcome.training("masked") == Training(12, 36, 3, "budget")
    assert outcome.remark("paper") == "" and "undertrained" in outcome.remark("masked")


def test_an_earlier_stage_counts_and_every_optimizer_does(tmp_path: Path) -> None:
    class Rivals(Line):
        def optimizers(self, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
            return [self.adam(self.parameters(), 0.1), self.adam(self.parameters(), 0.2)]

        def step(self, batch: Tensor, optimizers: Any) -> Tensor:
            loss: Tensor = super().step(batch, optimizers[:1])
            optimizers[1].step()
            return loss

    course = TrainingSettings(epochs=2)
    first = train(NetworkTrainer(fresh(), course, 0, "line"), tmp_path / "first", validate=None)
    seed_everything(3)
    second = train(NetworkTrainer(Rivals(), course, 0, "rivals"), tmp_path / "second", validate=None)
    assert (first.steps, second.steps, second.examples) == (8, 16, 24)
    both = second.after(first)
    assert (both.steps, both.examples, both.epochs) == (24, 48, 2)


def test_without_validation_the_last_epoch_is_kept(tmp_path: Path) -> None:
    network = fresh()
    course = TrainingSettings(epochs=5, validate_every=5)
    outcome = train(NetworkTrainer(network, course, 0, "line"), tmp_path / "t", validate=None)
    assert (outcome.epochs, outcome.stopping.best) == (5, {})
    assert not (tmp_path / "t" / "best-paper.safetensors").exists()


def test_pace_scales_the_learning_rate(tmp_path: Path) -> None:
    class Still(Line):
        def pace(self, epoch: int) -> float:
            return 0.0

    seed_everything(3)
    network = Still()
    run(tmp_path / "t", network, [0.1], epochs=1)
    assert torch.equal(network.weight, torch.zeros(3))


def test_a_nan_loss_is_an_error(tmp_path: Path) -> None:
    class Broken(Line):
        def loss(self, batch: Tensor) -> Tensor:
            return self.weight.sum() * torch.nan

    with pytest.raises(ModelError, match="epoch 1 is not finite"):
        run(tmp_path / "t", Broken(), [0.1], epochs=1)


def test_every_validation_is_logged(tmp_path: Path) -> None:
    run(tmp_path / "t", fresh(), [0.5, 0.6], epochs=2)
    lines = [json.loads(line) for line in (tmp_path / "log" / "t.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["validation"]) for line in lines] == [(1, {"paper": 0.5}), (2, {"paper": 0.6})]


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_of_adam_and_adamw_with_exempt_parameters(decoupled: bool) -> None:
    class Decayed(Line):
        weight_decay = 0.5

        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.ones(3))

        def decays(self, weight: nn.Parameter) -> bool:
            return weight is not self.bias

    Decayed.decoupled = decoupled
    network = Decayed()
    (optimizer,) = network.optimizers(TrainingSettings(learning_rate=0.1))
    assert isinstance(optimizer, torch.optim.AdamW if decoupled else torch.optim.Adam)
    nn.init.ones_(network.weight)
    (0 * (network.weight.sum() + network.bias.sum())).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    # Of a gradient of zero Adam sees the decay alone, and moves by the rate; AdamW takes rate * decay of the weight.
    torch.testing.assert_close(network.weight.detach(), torch.full((3,), 0.95 if decoupled else 0.9))
    assert torch.equal(network.bias.detach(), torch.ones(3))
