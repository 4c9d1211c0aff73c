"""Codes drawn by chance: reproducible, of the right probabilities, and the likeliest ones where chance has no room."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from tests.unimp.small import CODES, Parts
from unimp_bench.contracts import Sampling
from unimp_bench.records import IntArray
from unimp_bench.unimp.answering.generation import Dice, Free, written
from unimp_bench.unimp.answering.scoring import Asked
from unimp_bench.unimp.sentence.answers import code_names, spot_names


@torch.no_grad()
def painted(parts: Parts, sampling: Sampling | None, batch_tokens: int = 4096) -> IntArray:
    """Pictures of a model with weights so large that its codes are of uneven chances."""
    model = deepcopy(parts.model)
    for parameter in model.decoder.layers.parameters():
        parameter.mul_(4.0)
    tokens = np.array(parts.vocabulary.named(code_names(CODES)))
    grammar = Free(tokens, 3, marks=np.array(parts.vocabulary.named(spot_names(3))))
    asked = parts.asked(parts.examples("image_generation", "test").select(slice(0, 24)))
    return written(model, Asked(asked, parts.features, parts.vocabulary, batch_tokens), grammar, sampling)


@pytest.mark.parametrize("sampling", [Sampling(temperature=1e-6), Sampling(temperature=5.0, top_k=1)])
def test_without_room_for_chance_the_likeliest_codes_come(six: Parts, sampling: Sampling) -> None:
    likeliest = painted(six, None)
    assert (painted(six, sampling) == likeliest).all() and len(np.unique(likeliest)) > 1


def test_a_seed_gives_its_pictures_whatever_the_batch(six: Parts) -> None:
    first = painted(six, Sampling(seed=3))
    assert (painted(six, Sampling(seed=3), batch_tokens=300) == first).all()
    assert (painted(six, Sampling(seed=4)) != first).any()
    assert (painted(six, None) != first).any()


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, None), (0.5, None), (2.0, 3)])
def test_codes_are_drawn_by_their_probabilities(temperature: float, top_k: int | None) -> None:
    logits = torch.tensor([1.0, -0.5, 0.3, 2.0, -torch.inf])
    expected = (logits / temperature).double()
    if top_k is not None:
        expected[torch.argsort(logits)[:-top_k]] = -torch.inf
    chances = expected.softmax(dim=0).numpy()
    count = 8000
    dice = Dice(Sampling(temperature, top_k, seed=1), np.arange(count))
    counted = np.bincount(dice.throw(logits.expand(count, -1)).numpy(), minlength=5)
    deviation = np.sqrt(count * chances * (1 - chances))
    assert (np.abs(counted - count * chances) <= 4 * deviation).all()
    assert counted[4] == 0
