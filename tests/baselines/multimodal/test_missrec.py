"""MISSRec against its equations written as loops: interests, attention to them, fusion of modalities, and learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.multimodal.missrec import MissRecConfig, MissRecNetwork, Samples, nearest_rows
from tests.baselines.multimodal.planted import features_help
from tests.baselines.sequential.plain import Values, attended, fed, gelu, linear, norm, softmax, unit, values
from tests.baselines.sequential.small import examples_after, interactions, large
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import FloatArray

HISTORIES = ((0, 1, 2, 4), (1, 2), (0, 2, 3, 5, 1), (3, 4), (5, 3, 2))
ITEMS, COLD, WIDTH, TAU = 7, 6, 4, 0.5
CONFIG = MissRecConfig(
    max_length=5, width=WIDTH, inner=6, heads=2, interests=0.3, temperature=TAU, norms=0.2, prefixes=2, dropout=0.0
)


def features() -> tuple[Tensor, Tensor]:
    """Pictures, which item 2 lacks, and texts, which item 5 lacks; item 4 has neither."""
    rng = np.random.default_rng(3)
    tables = [torch.from_numpy(rng.normal(size=(ITEMS, width))) for width in (3, 5)]
    for table, lacking in zip(tables, ([2, 4], [5, 4]), strict=True):
        table[lacking] = 0
    return tables[0], tables[1]


def network(config: MissRecConfig = CONFIG) -> MissRecNetwork:
    made: MissRecNetwork = large(MissRecNetwork(interactions(HISTORIES, ITEMS), features(), (), config))
    made.cluster(np.random.default_rng(0))
    return made


def adapted(made: MissRecNetwork) -> list[dict[int, FloatArray]]:
    """``a_m(j)`` of the items that have the modality."""
    own, found = values(made), []
    for number, table in enumerate(features()):
        weight, bias = own[f"adapt.{number}.weight"], own[f"adapt.{number}.bias"]
        scaled = table.numpy() * math.sqrt(table.shape[1])
        found.append({item: weight @ row + bias for item, row in enumerate(scaled) if row.any()})
    return found


def centroids_of(made: MissRecNetwork, history: tuple[int, ...]) -> list[FloatArray]:
    """The distinct nearest centroids of a history's items; one of zeros where there is none."""
    table = values(made)["centroids"]
    numbers = {
        int(np.argmin(np.square(table - vectors[item]).sum(axis=1)))
        for vectors in adapted(made)
        for item in history
        if item in vectors
    }
    return [table[number] for number in sorted(numbers)] or [np.zeros(WIDTH)]


def looked_at(rows: list[FloatArray], seen: list[FloatArray], own: Values, name: str) -> list[FloatArray]:
    """Attention of each row to ``seen``, head by head, as torch lays its weights out."""
    weight, bias = own[f"{name}.in_proj_weight"], own[f"{name}.in_proj_bias"]
    parts = [slice(part * WIDTH, (part + 1) * WIDTH) for part in range(3)]
    queries = [weight[parts[0]] @ row + bias[parts[0]] for row in rows]
    keys, contents = ([weight[part] @ row + bias[part] for row in seen] for part in parts[1:])
    size = WIDTH // CONFIG.heads
    out = []
    for query in queries:
        heads = []
        for cut in (slice(start, start + size) for start in range(0, WIDTH, size)):
            shares = softmax(np.array([query[cut] @ key[cut] / math.sqrt(size) for key in keys]))
            heads.append(sum(share * content[cut] for share, content in zip(shares, contents, strict=True)))
        out.append(linear(np.concatenate(heads), own, f"{name}.out_proj"))
    return out


def read(made: MissRecNetwork, history: tuple[int, ...]) -> tuple[FloatArray, list[FloatArray]]:
    """The state after a history, and its encoded interests."""
    own, vectors = values(made), adapted(made)
    block = values(made.encoder.blocks[0])
    memory = [norm(row + fed(row, block), block, "norm") for row in
              attended(centroids_of(made, history), block, CONFIG.heads, False)]  # fmt: skip
    states = []
    for place, item in enumerate(history):
        token = sum((each[item] for each in vectors if item in each), np.zeros(WIDTH)) + own["places.weight"][place]
        states.append(norm(token + (own["ids.weight"][item] if made.ids else 0), own, "norm"))
    layer = values(made.decoder)
    for number, seen in ((1, states), (2, memory)):
        looks = looked_at(states, seen, layer, "self_attn" if number == 1 else "multihead_attn")
        states = [norm_of(row + look, layer, number) for row, look in zip(states, looks, strict=True)]
    states = [norm_of(row + linear(gelu(linear(row, layer, "linear1")), layer, "linear2"), layer, 3) for row in states]
    return states[-1], memory


def norm_of(row: FloatArray, layer: Values, number: int) -> FloatArray:
    return norm(row, layer, f"norm{number}")


def fused(made: MissRecNetwork, end: FloatArray, item: int) -> float:
    cosines = np.array([unit(end) @ unit(each[item]) for each in adapted(made) if item in each])
    return float(softmax(float(values(made)["gain"]) * cosines) @ cosines) if len(cosines) else 0.0


def scores_of(made: MissRecNetwork, history: tuple[int, ...]) -> FloatArray:
    end, _ = read(made, history)
    found = np.array([fused(made, end, item) for item in range(ITEMS)])
    if made.ids:
        by_id = np.array([unit(end) @ unit(row) for row in values(made)["ids.weight"]])
        found[:COLD] = (by_id[:COLD] + 2 * found[:COLD]) / 3
    return found / TAU


@pytest.mark.parametrize("ids", [True, False])
def test_scores_are_those_of_the_equations(ids: bool) -> None:
    made = network(replace(CONFIG, ids=ids))
    histories = (*HISTORIES, (4,), (4, 4))
    with torch.no_grad():
        made.prepare()
        found = made.score(examples_after(*histories)).numpy()
    expected = np.array([scores_of(made, history) for history in histories])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_the_loss_is_that_of_the_equations() -> None:
    made = network()
    batch = Samples(torch.tensor([[0, 1, 2], [3, 4, 7]]), torch.tensor([3, 2]), torch.tensor([4, 1]))
    total = 0.0
    for history, target in (((0, 1, 2), 4), ((3, 4), 1)):
        logits = scores_of(made, history)[:COLD]
        total += (math.log(np.exp(logits).sum()) - logits[target]) / 2
        total += 0.2 * float(np.square(np.sum(read(made, history)[1], axis=0)).sum()) / WIDTH
    loss = made.loss(batch)
    assert float(loss.detach()) == pytest.approx(total, rel=1e-8)
    loss.backward()  # type: ignore[no-untyped-call]
    assert made.centroids.grad is None and not made.centroids.requires_grad
    assert all(weight.grad is not None for weight in made.parameters())


def test_padding_changes_neither_states_nor_interests() -> None:
    made = network()
    with torch.no_grad():
        table = made.adapted()
        short, long = (torch.tensor([[0, 3, *[ITEMS] * count]]) for count in (0, 3))
        (one, summed), (other, same) = (made.read(items, table) for items in (short, long))
    torch.testing.assert_close(one, other[:, :2])
    torch.testing.assert_close(summed, same)


def test_the_order_of_items_matters_by_positions_alone_and_no_position_is_causal() -> None:
    made = network()
    with torch.no_grad():
        table = made.adapted()
        states = [made.read(torch.tensor([items]), table)[0][0] for items in ([0, 1, 3], [1, 0, 3], [2, 1, 3])]
        assert (states[0] - states[2]).abs().sum(dim=1).min() > 1e-6  # the last item changes all states
        assert not torch.allclose(states[0][-1], states[1][-1])
        made.places.weight.zero_()
        states = [made.read(torch.tensor([items]), table)[0][0] for items in ([0, 1, 3], [1, 0, 3])]
    torch.testing.assert_close(states[0][-1], states[1][-1])


def test_interests_are_distinct() -> None:
    made = network()
    for history in ((0, 0, 0), (0, 1, 2, 3, 5), (4,)):
        vectors, real = made.interests(torch.tensor([history]))
        found = sorted(row.tolist() for row in vectors[0][real[0]])
        assert found == sorted(row.tolist() for row in centroids_of(made, history))


@pytest.mark.parametrize(("gain", "of_two"), [(0.0, np.mean), (1e6, np.max)])
def test_the_gain_leads_from_the_mean_to_the_largest(gain: float, of_two: Callable[[FloatArray], float]) -> None:
    made = network()
    ends, table = torch.nn.functional.normalize(torch.randn(3, WIDTH, dtype=torch.float64)), made.adapted().detach()
    with torch.no_grad():
        made.gain.fill_(gain)
        found = made.fused(ends, table, made.known).numpy()
    vectors = adapted(made)
    for row, end in enumerate(ends.numpy()):
        for item in range(ITEMS):
            cosines = [unit(end) @ unit(each[item]) for each in vectors if item in each]
            assert found[row, item] == pytest.approx(of_two(np.array(cosines)) if cosines else 0.0, abs=1e-9)


def test_clusters_are_refined_from_those_before() -> None:
    """Each epoch lowers the squared distance to the nearest centroid, and empty clusters stay."""
    made = network()
    vectors = made.adapted().detach()[made.known]

    def cost() -> float:
        return float((vectors - made.centroids[nearest_rows(vectors, made.centroids)]).square().sum())

    before = [cost()]
    for _ in range(4):
        made.cluster(np.random.default_rng(1))
        before.append(cost())
    assert before == sorted(before, reverse=True)
    made.centroids[0] = 1e6
    made.cluster(np.random.default_rng(1))
    assert bool((made.centroids[0] == 1e6).all())


def test_an_epoch_draws_histories_without_repetition() -> None:
    made = network()
    drawn = [
        (tuple(items[: int(length)].tolist()), int(target))
        for batch in made.batches(np.random.default_rng(0))
        for items, length, target in zip(*batch, strict=True)
    ]
    every = {(history[:end], history[end]) for history in HISTORIES for end in range(1, len(history))}
    assert len(drawn) == len(set(drawn)) == min(2 * len(HISTORIES), len(every)) and set(drawn) <= every


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="multiple of the 3 heads"):
        registry.make_model("missrec", settings={"heads": "3"})


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    settings = {"epochs": 30, "dropout": 0.2, "inner": 64, "learning_rate": 3e-3, "batch_size": 128}
    features_help("missrec", make_corpus, tmp_path, **settings)
