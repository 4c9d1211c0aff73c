"""KDSR against its equations written as loops: graph, views, correlations, and that features help."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.multimodal.kdsr import BOTH, IN, OUT, SELF, KDSRConfig, KDSRNetwork, Modality, Samples, graph_of
from tests.baselines.multimodal.planted import features_help
from tests.baselines.multimodal.visual import fitted, store_of_looks
from tests.baselines.sequential.plain import linear, softmax, unit, values
from tests.baselines.sequential.small import examples_after, interactions, large
from unimp_bench.corpus import Corpus
from unimp_bench.records import FloatArray

HISTORIES = ((0, 1, 2, 4), (1, 2), (0, 2, 0, 5, 2, 0), (3, 4), (5, 3, 2))
ITEMS, WIDTH, TAU = 7, 6, 1.5
CONFIG = KDSRConfig(
    max_length=5, width=WIDTH, dropout=0.0, temperature=TAU, parts=2, classes=3, holistic=0.7, dissected=0.3, prefixes=9
)


def features() -> tuple[Tensor, Tensor]:
    """Pictures, which item 2 lacks, and texts, which item 5 lacks; item 4 has neither."""
    rng = np.random.default_rng(3)
    tables = [torch.from_numpy(rng.normal(size=(ITEMS, width))) for width in (3, 4)]
    for table, lacking in zip(tables, ([2, 4], [5, 4]), strict=True):
        table[lacking] = 0
    return tables[0], tables[1]


def network(config: KDSRConfig = CONFIG) -> KDSRNetwork:
    made: KDSRNetwork = large(KDSRNetwork(interactions(HISTORIES, ITEMS), features(), (), config))
    next(made.batches(np.random.default_rng(0)))  # finds the classes of correlations
    return made


def relation_of(history: tuple[int, ...], own: int, other: int) -> int:
    """Step by step, as the authors fill their matrix."""
    if own == other:
        return SELF
    steps = set(itertools.pairwise(history))
    return {(1, 1): BOTH, (1, 0): OUT, (0, 1): IN, (0, 0): 0}[((own, other) in steps, (other, own) in steps)]


def encoded(made: KDSRNetwork, history: tuple[int, ...]) -> FloatArray:
    """``s`` after a history."""
    own, history = values(made), history[-CONFIG.max_length :]
    hidden = {item: own["ids.weight"][item] @ own["graph.transform"] for item in history}

    def fused(item: int) -> FloatArray:
        neighbours = [other for other in hidden if relation_of(history, item, other)]
        logits = []
        for other in neighbours:
            number = relation_of(history, item, other) - 1
            product = own["graph.weight"][number] @ (hidden[item] * hidden[other])
            logits.append(own["graph.amplifier"][number] * (product if product > 0 else 0.1 * product))
        weights = softmax(np.array(logits))
        graph = sum(weight * hidden[other] for weight, other in zip(weights, neighbours, strict=True))
        views = [own["ids.weight"][item], graph]
        views += [own[f"modalities.{m}.table"][item] for m, table in enumerate(features()) if table[item].any()]
        energies = [linear(np.maximum(linear(view, own, "gate.0"), 0), own, "gate.2")[0] for view in views]
        shares = softmax(np.array(energies))
        found: FloatArray = np.sum([share * view for share, view in zip(shares, views, strict=True)], axis=0)
        return found

    return fused(history[-1]) + fused(history[max(0, len(history) - 2)])


def test_scores_are_those_of_the_equations() -> None:
    """Histories of one item, of the same item twice, and of items without a modality included."""
    made = network()
    histories = (*HISTORIES, (4,), (4, 4), (1, 0, 1, 0, 2))
    with torch.no_grad():
        found = made.score(examples_after(*histories)).numpy()
    table = values(made)["ids.weight"]
    np.testing.assert_allclose(found, [table @ encoded(made, history) for history in histories], rtol=1e-6)


def test_relations_of_a_history() -> None:
    """Places 0, 1, 3 are the nodes of items 5, 6, 7; 5 and 6 follow each other, 6 is followed by 7."""
    items = torch.tensor([[5, 6, 5, 6, 7, 0], [8, 8, 9, 0, 0, 0]])
    real = torch.tensor([[True] * 5 + [False], [True] * 3 + [False] * 3])
    nodes, relations = graph_of(items, real)
    assert nodes.nonzero().tolist() == [[0, 0], [0, 1], [0, 4], [1, 0], [1, 2]]
    first, second, third = [SELF, BOTH, 0, 0, 0, 0], [BOTH, SELF, 0, 0, OUT, 0], [0, IN, 0, 0, SELF, 0]
    assert relations[0].tolist() == [first, second, first, second, third, [0] * 5 + [SELF]]
    assert relations[1, :3, :3].tolist() == [[SELF, 0, OUT], [SELF, 0, OUT], [IN, 0, SELF]]


def distilled(made: KDSRNetwork, modality: int, batch: Samples) -> tuple[float, float]:
    """``H`` and ``D`` of a modality, pair by pair."""
    own, table = values(made.modalities[modality]), features()[modality].numpy()
    parts = np.array_split(np.pad(table, ((0, 0), (0, -table.shape[1] % 2))), 2, axis=1)
    centroids = made._modalities[modality]._centroids
    assert centroids is not None
    holistic, dissected = 0.0, []
    for row, length in zip(batch.items.tolist(), batch.lengths.tolist(), strict=True):
        nodes = [item for item in dict.fromkeys(row[:length]) if table[item].any()]
        squares = []
        for place, item in enumerate(nodes):
            for later, other in enumerate(nodes):
                mapped = [unit(linear(own["table"][each], own, "map")) for each in (item, other)]
                gap = (mapped[0] @ mapped[1] - unit(table[item]) @ unit(table[other])) / TAU
                squares.append(gap**2 + 1e-8)
                if place < later:
                    cosines = np.array([unit(part[item]) @ unit(part[other]) for part in parts])
                    wanted = int(np.argmin(np.square(centroids.numpy() - cosines).sum(axis=1)))
                    gaps = np.abs(own["table"][item] - own["table"][other])
                    logits = linear(np.maximum(linear(gaps, own, "compare"), 0), own, "classify")
                    dissected.append(-math.log(softmax(logits)[wanted]))
        holistic += math.sqrt(sum(squares)) / len(batch.items)
    return holistic, float(np.mean(dissected))


@pytest.mark.parametrize(("holistic", "dissected"), [(0.7, 0.3), (0.7, 0.0), (0.0, 0.3), (0.0, 0.0)])
def test_each_weight_is_that_of_its_loss(holistic: float, dissected: float) -> None:
    """For pictures and texts alike; in the authors' program the weights are those of the modalities."""
    made = network(replace(CONFIG, holistic=holistic, dissected=dissected))
    batch = next(made.batches(np.random.default_rng(1)))
    table, total = values(made)["ids.weight"], 0.0
    for row, length, target in zip(*(part.tolist() for part in batch), strict=True):
        logits = table @ encoded(made, tuple(row[:length]))
        total -= math.log(softmax(logits)[target]) / len(batch.targets)
    for modality in range(2) if holistic or dissected else ():
        with_classes = made if dissected else network()
        first, second = distilled(with_classes, modality, batch)
        total += holistic * first + dissected * second
    loss = made.loss(batch)
    assert float(loss.detach()) == pytest.approx(total, rel=1e-7)
    loss.backward()  # type: ignore[no-untyped-call]
    taught = {name for name, weight in made.named_parameters() if weight.grad is not None and weight.grad.any()}
    of_table = {f"modalities.{m}.{part}" for m in range(2) for part in ("map.weight", "map.bias")}
    of_classes = {f"modalities.{m}.{part}.weight" for m in range(2) for part in ("compare", "classify")}
    assert (taught & of_table, taught & of_classes) == (
        of_table if holistic else set(),
        of_classes if dissected else set(),
    )


def test_tables_begin_with_the_correlations_of_the_features() -> None:
    """So the holistic loss under an identity is its floor, 1e-4 per item and history."""
    modality = Modality(features()[1], replace(CONFIG, temperature=1.0, holistic=1.0, dissected=0.0)).double()
    with torch.no_grad():
        modality.map.weight.copy_(torch.eye(WIDTH))
    items = torch.tensor([[0, 1, 2, 3]])
    lost = modality.distillation(items, torch.ones_like(items, dtype=torch.bool))
    assert float(lost.detach()) == pytest.approx(4e-4, rel=1e-2)
    with torch.no_grad():
        modality.table[1] = -modality.table[1]
    assert float(modality.distillation(items, torch.ones_like(items, dtype=torch.bool)).detach()) > 0.1


def test_padding_changes_neither_states_nor_losses() -> None:
    made = network()
    short, lengths, targets = torch.tensor([[0, 3, 0], [1, 7, 7]]), torch.tensor([3, 1]), torch.tensor([2, 5])
    long = torch.nn.functional.pad(short, (0, 4), value=ITEMS)
    one, other = (made.loss(Samples(items, lengths, targets)) for items in (short, long))
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(made.encode(short, lengths), made.encode(long, lengths))


def test_an_item_without_a_modality_neither_has_its_view_nor_teaches_its_table() -> None:
    made = network()
    batch = Samples(torch.tensor([[4, 0, 1]]), torch.tensor([3]), torch.tensor([2]))
    made.loss(batch).backward()  # type: ignore[no-untyped-call]
    for modality in made._modalities:
        assert modality.table.grad is not None
        assert modality.table.grad.any(dim=1).tolist() == [True, True, *[False] * 5]


def test_a_history_without_features_has_a_finite_gradient() -> None:
    made = network()
    made.loss(Samples(torch.tensor([[4, 7]]), torch.tensor([1]), torch.tensor([2]))).backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in made.parameters())


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    features_help("kdsr", make_corpus, tmp_path, epochs=15, dropout=0.2, learning_rate=3e-3, batch_size=32)


def test_distillation_keeps_the_correlations_of_the_features(
    make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    """The similarity of pairs of items in the trained table is nearer to that of the features than without it."""
    corpus, gaps = store_of_looks(make_corpus), []
    for weight in (4.0, 0.0):
        settings = {"epochs": 8, "validate_every": 8, "width": 16, "learning_rate": 1e-2, "holistic": weight}
        model = fitted("kdsr", corpus, tmp_path / str(weight), batch_size=64, dissected=0.0, **settings)
        (modality,) = model.network._modalities
        tables = (modality.map(modality.table) if weight else modality.table, modality.unit)
        student, teacher = (torch.nn.functional.normalize(table, dim=1).detach() for table in tables)
        gaps.append(float((student @ student.T - teacher @ teacher.T).square().mean().sqrt()))
    assert gaps[0] < 0.8 * gaps[1], gaps
