"""Multi-modal self-supervised learning (MMSSL; Wei, Huang, Xia and Zhang, WWW 2023).

The features of modality ``m`` are propagated over the training graph to users and back, and define a learned graph
``A^m``, which links each user to the ``neighbours`` unknown items with the largest ``u^m . i^m``. Id embeddings are
propagated over ``A^m``, combined by attention across modalities, and added to the id embeddings, which are propagated
on the training graph ``A``:

    x^m = dropout(W_m f^m + b_m),  u^m = A_ui x^m,  i^m = A_iu u^m;   p^m_U = A^m_ui E_I,  p^m_I = A^m_iu E_U
    e^0 = E + attended * norm(mean over m of attention(p^1 .. p^M)_m),  e = (e^0 + A e^0 + A A e^0) / 3
    user = e_U + modal * sum over m of norm(u^m), the same for items;  y(u, i) = user . item
    L = BPR + l2 / 2 (squared norms of the triple's vectors) + feature_l2 / 2 (squared norms of i^m and u^m) / I
        + contrast * sum over m of C(p^m_U, user) + adversarial * -mean D(fake rows)
    C = mean over users x of -log e^s(p_x, u_x) / (sum over b of e^s(p_x, u_b) + sum over b != x of e^s(p_x, p_b))

where ``s`` is the cosine over ``temperature``, ``norm`` normalises rows to unit length, and both directions of a graph
are divided by the root of the receiver's degree. At each step a critic ``D`` is trained to distinguish predicted
relations ``u^m . i^m`` of unknown pairs (fake rows) from the softened interactions plus the recommender's scores (real
rows); the recommender is trained to deceive it.

This follows the intent of the paper. In the authors' code ``A^m`` is empty from the third step on, so nothing is
propagated over it and the contrastive loss has no gradient; here it is rebuilt for all users, once per epoch and before
scoring, from the current weights. Also in their code, ``A^m`` has no neighbours below 10,000 items, the critic is
linear, attention keys equal the queries, and only the noise of the real rows is divided by the temperature. Our own
choices: no softmax on the last hop in the mean of the hops; users that occur twice in a batch are contrasted once.

Memory: the critic, with 0.25 S^2 parameters, reads a fixed random subset of at most ``critic_items`` items (the
authors' reads all of them, 4 billion parameters at 124,000 items). Neighbours are computed in blocks of users, in
64 MB. No array is users x items; a step holds some forty arrays of (U + I) x width, 0.3 GB on Beauty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.interactions import Interactions
from baselines.learning.network import TrainingSettings
from baselines.learning.objectives import PairwiseNetwork, Triples, bpr_loss, penalty
from baselines.multimodal.features import VisualSettings, modalities
from baselines.multimodal.graph import Relation, unknown_neighbours
from baselines.selection.selectors import SelectingRanker
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.settings import Count, Rate, Share, Weight

HEADS, HOPS = 4, 2
GUMBEL_TEMPERATURE, GUMBEL_NOISE, SCORE_SHARE = 0.005, 1e-5, 100.0
PENALTY = 0.3
DECAY, DECAY_EPOCHS = 0.96, 50
SLOPE = 0.2
MIN_WIDTH = 8
DROPOUTS = (0.31, 0.5)


@dataclass(frozen=True)
class MMSSLConfig(VisualSettings):
    """Settings.

    Attributes:
        batch_size: interactions per step.
        width: of the vectors, a multiple of 4, the number of attention heads.
        dropout: of the projected features.
        neighbours: items linked to a user in the learned graph of a modality.
        attended: weight of the id embeddings propagated over the learned graphs.
        modal: weight of the modality-aware vectors in the final ones.
        contrast, temperature: weight of the contrastive loss, and divisor of its cosines.
        adversarial: weight of the adversarial loss.
        critic_items: maximum number of items in the rows that the critic reads.
        critic_rate: learning rate of the critic.
        l2, feature_l2: weights of the squared norms.
        weight_decay: of AdamW, except for the critic; 0.01 is the default of torch, which the authors' program uses.
        init_std: standard deviation of the initial vectors.
    """

    validate_every: Count = 5
    learning_rate: Rate = 5.5e-4
    batch_size: Count = 1024
    width: Count = 64
    dropout: Share = 0.2
    neighbours: Count = 10
    attended: Weight = 0.36
    modal: Weight = 0.55
    contrast: Weight = 0.03
    temperature: Rate = 0.5
    adversarial: Weight = 1e-4
    critic_items: Count = 1024
    critic_rate: Rate = 3e-4
    l2: Weight = 1e-5
    feature_l2: Weight = 1e-5
    weight_decay: Weight = 0.01
    init_std: Rate = 0.1


@dataclass(frozen=True)
class States:
    """All vectors of one forward pass.

    Attributes:
        users, items: the final vectors, (U, width) and (I, width).
        modal_users, modal_items: ``u^m`` and ``i^m``, one per modality, of the same shapes.
        related: ``p^m_U``, one per modality, (U, width).
    """

    users: Tensor
    items: Tensor
    modal_users: tuple[Tensor, ...]
    modal_items: tuple[Tensor, ...]
    related: tuple[Tensor, ...]


class MMSSLNetwork(PairwiseNetwork):
    """The recommender and its critic.

    Attributes:
        features: one table per modality, (I, F).
        project: one map per modality.
        attention: queries, keys and values, concatenated.
        seen: (S,) the items that the critic reads.
        relations: ``A^m``, one per modality; None before the first epoch.
    """

    decoupled = True
    seen: Tensor

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: MMSSLConfig
    ) -> None:
        super().__init__(interactions, config.width, config.batch_size, config.init_std)
        self.config, self.remarks, self.features = config, remarks, features
        self.weight_decay = config.weight_decay
        self.project = nn.ModuleList(nn.Linear(table.shape[1], config.width) for table in features)
        self.attention = nn.Linear(config.width, 3 * config.width, bias=False)
        for map_ in (*self.project, self.attention):
            nn.init.xavier_uniform_(map_.weight)
        chosen = torch.randperm(len(interactions.items))[: config.critic_items]
        self.register_buffer("seen", chosen.sort().values)
        self.critic = Critic(len(chosen))
        self.relations: tuple[Relation, ...] | None = None

    def batches(self, rng: np.random.Generator) -> Iterator[Triples]:
        self.relate()
        yield from super().batches(rng)

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        critic = set(self.critic.parameters())
        others = [weight for weight in self.parameters() if weight not in critic]
        return (
            self.adam(others, settings.learning_rate),
            torch.optim.Adam(self.critic.parameters(), lr=self.config.critic_rate, betas=(0.5, 0.9), fused=True),
        )

    def pace(self, epoch: int) -> float:
        return float(DECAY ** (epoch / DECAY_EPOCHS))

    def step(self, batch: Triples, optimizers: Sequence[torch.optim.Optimizer]) -> Tensor:
        recommender, critic = optimizers
        states, people = self.states(), torch.unique(batch.users)
        fakes = self.fakes(states, people)
        critic.zero_grad()
        self.critic_loss(states, people, fakes).backward()  # type: ignore[no-untyped-call]
        critic.step()
        recommender.zero_grad()
        loss = self.loss_of(states, batch, fakes)
        loss.backward()  # type: ignore[no-untyped-call]
        recommender.step()
        return loss.detach()

    def loss(self, batch: Triples) -> Tensor:
        states = self.states()
        return self.loss_of(states, batch, self.fakes(states, torch.unique(batch.users)))

    def loss_of(self, states: States, batch: Triples, fakes: Tensor) -> Tensor:
        """The loss of the recommender, from given states and fake rows."""
        config, people = self.config, torch.unique(batch.users)
        users = states.users[batch.users]
        positives, negatives = (states.items[items] for items in (batch.positives, batch.negatives))
        ranking = bpr_loss((users * positives).sum(dim=1), (users * negatives).sum(dim=1))
        norms = penalty(users, positives, negatives)
        modal = sum(part.square().sum() for part in (*states.modal_users, *states.modal_items))
        contrast = sum(
            within_and_across(view[people], states.users[people], config.temperature) for view in states.related
        )
        loss: Tensor = (
            ranking
            + config.l2 * norms
            + config.feature_l2 * modal / (2 * len(states.items))
            + config.contrast * contrast
            - config.adversarial * self.critic(fakes).mean()
        )
        return loss

    def critic_loss(self, states: States, people: Tensor, fakes: Tensor) -> Tensor:
        """The loss of the critic, from fake rows of all modalities and as many real rows, all without gradient."""
        scores = states.users[people].detach() @ states.items[self.seen].detach().T
        real = real_rows(self._known(people), scores, GUMBEL_TEMPERATURE, GUMBEL_NOISE, SCORE_SHARE)
        return critic_loss(self.critic, real.repeat(len(self.project), 1), fakes.detach(), PENALTY)

    def fakes(self, states: States, people: Tensor) -> Tensor:
        """Fake rows of the given users, modality after modality, (modalities * n, S)."""
        known = self._known(people)
        pairs = zip(states.modal_users, states.modal_items, strict=True)
        return torch.cat([fake_rows(users[people], items[self.seen], known) for users, items in pairs])

    def states(self) -> States:
        """One forward pass over all graphs."""
        assert self.relations is not None
        modal_users, modal_items = self._modal()
        related_users = tuple(relation.to_users(self.items.weight) for relation in self.relations)
        related_items = tuple(relation.to_items(self.users.weight) for relation in self.relations)
        users = total_users = self._enriched(self.users.weight, related_users)
        items = total_items = self._enriched(self.items.weight, related_items)
        for _ in range(HOPS):
            users, items = self._graph.to_users(items), self._graph.to_items(users)
            total_users, total_items = total_users + users, total_items + items
        final = [
            total / (HOPS + 1) + self.config.modal * sum(map(functional.normalize, views))
            for total, views in ((total_users, modal_users), (total_items, modal_items))
        ]
        return States(final[0], final[1], modal_users, modal_items, related_users)

    def relate(self) -> None:
        """Build ``A^m`` from the current weights, without dropout."""
        training = self.training
        self.eval()
        with torch.no_grad():
            pairs = zip(*self._modal(), strict=True)
            known, count = self.interactions.matrix, self.config.neighbours
            graphs = [unknown_neighbours(users, items, known, count) for users, items in pairs]
        self.relations = tuple(Relation.of(graph, self.device) for graph in graphs)
        self.train(training)

    def vectors(self) -> tuple[Tensor, Tensor]:
        self.relate()
        states = self.states()
        return states.users, states.items

    def _modal(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """``u^m`` and ``i^m``; with concatenated modalities, each direction is one product."""
        projected = [project(table) for project, table in zip(self.project, self._tables, strict=True)]
        features = functional.dropout(torch.cat(projected, dim=1), self.config.dropout, self.training)
        users = self._graph.to_users(features)
        items = self._graph.to_items(users)
        return users.chunk(len(projected), dim=1), items.chunk(len(projected), dim=1)

    def _enriched(self, ids: Tensor, related: tuple[Tensor, ...]) -> Tensor:
        """``e^0``: id embeddings plus the attended embeddings over the learned graphs, (n, width) each."""
        # Written out: fused attention is slow for sequences of length two, and the weights themselves are averaged.
        parts = self.attention(torch.stack(related, dim=1)).unflatten(-1, (3 * HEADS, -1))
        queries, keys, values = parts.chunk(3, dim=2)
        logits = (queries[:, :, None] * keys[:, None]).sum(dim=-1) / queries.shape[-1] ** 0.5
        weights = functional.softmax(logits, dim=2).mean(dim=1)
        mean = (weights[..., None] * values).sum(dim=1).flatten(1)
        return ids + self.config.attended * functional.normalize(mean)

    def _known(self, people: Tensor) -> Tensor:
        """(n, S) 1 for an interaction of the user with an item that the critic reads."""
        return self.tensor(self._seen_matrix[people.cpu().numpy()].toarray())

    @cached_property
    def _seen_matrix(self) -> sparse.csr_array:
        return self.interactions.matrix[:, self.seen.cpu().numpy()].tocsr()

    @cached_property
    def _graph(self) -> Relation:
        return Relation.of(self.interactions.matrix, self.device)

    @cached_property
    def _tables(self) -> tuple[Tensor, ...]:
        return tuple(table.to(self.device) for table in self.features)


class MMSSL(SelectingRanker[MMSSLConfig]):
    """See the module."""

    Config = MMSSLConfig
    name = "mmssl"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (5.5e-4, 1e-3, 5e-3),
        "modal": (0.1, 0.55, 1.0),
        "contrast": (0.003, 0.03, 0.3),
        "l2": (1e-5, 1e-4, 1e-3),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> MMSSLNetwork:
        if self.config.width % HEADS:
            raise UsageError(f"width of mmssl must be a multiple of {HEADS}, its number of attention heads")
        features, remarks = modalities(self.config, interactions.items, items, cache)
        return MMSSLNetwork(interactions, features, remarks, self.config)


class Critic(nn.Module):
    """Maps rows of relations, (n, S), to scalars, (n,), higher for rows that look real.

    Two blocks of Linear, LeakyReLU, LayerNorm and Dropout, ``S -> S / 4 -> S / 8``, and a linear output without bias
    (a constant would cancel). The authors' critic has BatchNorm, which couples the rows although the gradient penalty
    is per row (Gulrajani et al., 2017, section 4), and the bounded output 100 sigmoid, unlike a Wasserstein critic.
    """

    def __init__(self, items: int) -> None:
        super().__init__()
        widths = (items, max(MIN_WIDTH, items // 4), max(MIN_WIDTH, items // 8))
        layers: list[nn.Module] = []
        for inner, outer, dropout in zip(widths[:-1], widths[1:], DROPOUTS, strict=True):
            layers += [nn.Linear(inner, outer), nn.LeakyReLU(SLOPE), nn.LayerNorm(outer), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1, bias=False))

    def forward(self, rows: Tensor) -> Tensor:
        judged: Tensor = self.layers(rows)
        return judged.squeeze(1)


def critic_loss(critic: nn.Module, real: Tensor, fake: Tensor, weight: float) -> Tensor:
    """``mean D(fake) - mean D(real) + weight * mean (|grad D(between)| - 1)^2`` (Gulrajani et al., 2017, Eq. 3).

    Args:
        real, fake: (n, S) rows, without gradient; ``between`` is a random point on the line between a pair.
        weight: of the penalty.
    """
    place = torch.rand(len(real), 1, device=real.device)
    between = (place * real + (1 - place) * fake).requires_grad_(True)
    (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = (slopes.norm(dim=1) - 1).square().mean()
    loss: Tensor = critic(fake).mean() - critic(real).mean() + weight * penalty
    return loss


def fake_rows(users: Tensor, items: Tensor, known: Tensor) -> Tensor:
    """Predicted relations of a modality with the known ones removed, unit rows (n, S).

    Args:
        users: (n, width) modality-aware vectors.
        items: (S, width).
        known: (n, S) 1 for an interaction, else 0.
    """
    return functional.normalize((users @ items.T) * (1 - known))


def real_rows(known: Tensor, scores: Tensor, temperature: float, noise: float, share: float) -> Tensor:
    """Interactions softened by Gumbel noise, plus the recommender's scores, unit rows (n, S), without gradient.

    Args:
        known: as in ``fake_rows``.
        scores: (n, S) of the recommender.
        temperature: of the softmax over ``known + noise * gumbel``.
        noise: weight of the Gumbel noise.
        share: weight of the scores, normalised to unit rows.
    """
    with torch.no_grad():
        gumbel = -torch.empty_like(known).exponential_().log()
        softened = functional.softmax((known + noise * gumbel) / temperature, dim=1)
        return functional.normalize(softened + share * functional.normalize(scores))


def within_and_across(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE (van den Oord et al., 2018) between corresponding rows of ``first`` and ``second``, (B, width) each,
    with all other rows of both as negatives, a scalar."""
    first, second = functional.normalize(first) / temperature, functional.normalize(second)
    across = first @ second.T
    within = (first @ first.T * temperature).fill_diagonal_(-torch.inf)
    return (torch.cat([across, within], dim=1).logsumexp(dim=1) - across.diagonal()).mean()
