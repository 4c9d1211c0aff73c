"""GRU4Rec against the recurrence written as a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.sequential.gru4rec import GRU4Rec, GRU4RecConfig, GRU4RecNetwork
from baselines.sequential.objectives import BprMax, CatalogueEntropy, SampledSoftmax
from baselines.sequential.sasrec import CatalogueSASRec, SASRec
from tests.baselines.sequential.small import ITEMS, array, examples_after, interactions, large, sigmoid

WIDTH = 4
HISTORY = (3, 1, 4)


def test_the_state_is_the_recurrence() -> None:
    """Update and reset gates and a tanh candidate; the reset gate acts on the mapped state, as in cuDNN."""
    network = large(GRU4RecNetwork(interactions(), GRU4RecConfig(width=WIDTH)))
    gru = network.gru
    inputs, recurrent = array(gru.weight_ih_l0), array(gru.weight_hh_l0)
    shift, recurrent_shift = array(gru.bias_ih_l0), array(gru.bias_hh_l0)
    state = np.zeros(WIDTH)
    for t, item in enumerate(HISTORY):
        reset, update, new = np.split(inputs @ array(network.items.weight)[item] + shift, 3)
        old_reset, old_update, old_new = np.split(recurrent @ state + recurrent_shift, 3)
        keep = sigmoid(update + old_update)
        state = keep * state + (1 - keep) * np.tanh(new + sigmoid(reset + old_reset) * old_new)
        np.testing.assert_allclose(array(network.encode(torch.tensor([HISTORY])))[0, t], state, rtol=1e-9)
    wanted = [state @ array(network.items.weight)[item] + network.bias[item].item() for item in range(ITEMS)]
    np.testing.assert_allclose(array(network.score(examples_after(HISTORY)))[0], wanted, rtol=1e-9)


def test_a_gradient_goes_through_the_whole_history() -> None:
    network = large(GRU4RecNetwork(interactions(), GRU4RecConfig(width=WIDTH)))
    network.encode(torch.tensor([HISTORY]))[0, -1].sum().backward()
    assert network.items.weight.grad[HISTORY[0]].abs().max() > 1e-4


@pytest.mark.parametrize(
    ("loss", "objective"),
    [("ce", CatalogueEntropy), ("bpr-max", BprMax), ("sampled", SampledSoftmax)],
)
def test_the_loss_is_the_chosen_one(loss: str, objective: type) -> None:
    network = GRU4RecNetwork(interactions(), GRU4RecConfig(width=WIDTH, loss=loss))  # type: ignore[arg-type]
    assert isinstance(network.objective, objective)


def test_presets_with_sampled_softmax_draw_as_those_of_sasrec() -> None:
    """At equal drawn items the two differ by the network alone."""
    gru, sasrec = GRU4Rec.presets["sampled"], SASRec.presets["sampled"]
    assert (gru.samples, gru.sample_power, gru.batch_size) == (sasrec.samples, sasrec.sample_power, sasrec.batch_size)
    shifts = [
        made.objective.compare(torch.zeros(1), torch.zeros(1, 1), torch.tensor([0]), torch.tensor([1])).item()
        for made in (GRU4RecNetwork(interactions(), gru), CatalogueSASRec(interactions(), sasrec))
    ]
    assert shifts[0] == shifts[1]
