from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from unimp_bench.torch_setup import derived_seed, make_torchvision_importable, own_chance, seed_everything


def test_torchvision_and_its_dependents_can_be_imported() -> None:
    first = make_torchvision_importable()
    assert make_torchvision_importable() is first
    from torchvision.transforms import functional

    assert functional.resize(torch.zeros(3, 4, 4), [2, 2]).shape == (3, 2, 2)


def test_a_seed_fixes_every_generator() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    seed_everything(3)
    first = draw()
    seed_everything(3)
    assert draw() == first
    seed_everything(4)
    assert draw() != first


def test_derived_seeds_fit_every_generator_and_differ() -> None:
    """For all seeds of the command line; no seed's parts are those of another one, shifted."""
    seeds = [derived_seed(seed, number) for seed in (0, 1, 4295, 2**31 - 1) for number in (0, 1, 2, 1_000_003)]
    for seed in seeds:
        seed_everything(seed)
    assert len(set(seeds)) == len(seeds)


def test_own_chance_is_fixed_and_leaves_that_of_others_alone() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    seed_everything(3)
    undisturbed = draw(), draw()
    seed_everything(3)
    first = draw()
    with own_chance(5):
        inside = draw()
    assert (first, draw()) == undisturbed
    with pytest.raises(KeyError), own_chance(5):
        assert draw() == inside
        raise KeyError
    seed_everything(5)
    assert draw() == inside
