"""Graphs of similar items from frozen features, pruning of user-item edges, and networks of tables and projections.

An item graph uses item features alone, so that items without interactions are part of it; a user-item graph uses the
training part alone.

The published programs differ from this file in three points. Their features are trained together with the model; ours
are frozen, as for all models here. Their cosines are of raw features, with the mean in place of a missing one; ours
are of standardised features, and an item without features has no edge. A negative cosine is an edge of theirs; here
edges are positive, so that the sums of rows that normalise the graph are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from baselines.learning.graph import mean_propagation, normalised_adjacency
from baselines.learning.interactions import Interactions
from baselines.learning.objectives import PairwiseNetwork
from baselines.multimodal.features import VisualSettings
from baselines.multimodal.graph import BLOCK_BYTES
from unimp_bench.settings import Count, Number, added


@dataclass(frozen=True)
class ItemGraphConfig(VisualSettings):
    """Settings that models with item graphs share.

    Attributes:
        batch_size: interactions per step.
        width: of the vectors.
        layers: hops of the propagation between users and items.
        least_steps: some of these models first lose on validation for hundreds of steps, or gain late.
    """

    validate_every: Count = 5
    patience: Count = 5
    width: Count = 64
    layers: Count = 2
    least_steps: Number = added(1000)


class ProjectingNetwork(PairwiseNetwork):
    """Embedding tables, and frozen features with a linear projection each.

    Attributes:
        features: one per modality, (I, F), zero for an item without one.
        project: one per modality, F -> width.
    """

    def __init__(
        self,
        interactions: Interactions,
        features: tuple[Tensor, ...],
        remarks: tuple[str, ...],
        config: ItemGraphConfig,
    ) -> None:
        super().__init__(interactions, config.width, config.batch_size, init_std=1.0)
        self.layers, self.remarks = config.layers, remarks
        for table in (self.users, self.items):
            nn.init.xavier_uniform_(table.weight)
        self.project = nn.ModuleList(nn.Linear(table.shape[1], config.width) for table in features)
        self._names = [f"features_{number}" for number in range(len(features))]
        for name, values in zip(self._names, features, strict=True):
            self.register_buffer(name, values, persistent=False)

    @property
    def features(self) -> tuple[Tensor, ...]:
        return tuple(self.get_buffer(name) for name in self._names)

    def projected(self, rows: Tensor | None = None) -> list[Tensor]:
        """Projected features of the given item rows, by default of all items, one per modality."""
        tables = self.features if rows is None else [table[rows] for table in self.features]
        return [project(table) for project, table in zip(self.project, tables, strict=True)]


class FeatureNetwork(ProjectingNetwork):
    """The same, and the user-item graph.

    Attributes:
        adjacency: (U + I, U + I), normalised.
    """

    adjacency: Tensor

    def __init__(
        self,
        interactions: Interactions,
        features: tuple[Tensor, ...],
        remarks: tuple[str, ...],
        config: ItemGraphConfig,
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.register_buffer("adjacency", normalised_adjacency(interactions.matrix), persistent=False)

    def propagated(self, adjacency: Tensor) -> tuple[Tensor, Tensor]:
        """The tables after ``mean_propagation``, (U, width) and (I, width)."""
        both = mean_propagation(adjacency, torch.cat([self.users.weight, self.items.weight]), self.layers)
        return both[: len(self.users.weight)], both[len(self.users.weight) :]


def shares(modalities: int, of_first: float) -> tuple[float, ...]:
    """Weights of the modalities: (``of_first``, 1 - ``of_first``), or (1,) for a single one."""
    return (1.0,) if modalities == 1 else (of_first, 1 - of_first)


def nearest_items(features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The rows with the largest cosines to each row, itself included; computed in blocks of rows, without gradient.

    Args:
        features: (I, F).

    Returns:
        The cosines and the rows, (I, min(count, I)) each.
    """
    unit, count = functional.normalize(features.detach()), min(count, len(features))
    size = max(1, BLOCK_BYTES // (4 * len(unit)))
    best = [(block @ unit.T).topk(count, dim=1) for block in torch.split(unit, size)]
    return torch.cat([each.values for each in best]), torch.cat([each.indices for each in best])


def similarity_graph(features: Tensor, count: int) -> sparse.csr_array:
    """Positive cosines of each item with its nearest items, itself included, (I, I); not symmetric.

    Args:
        features: (I, F), zero for an item without features, which has no edge.
        count: number of neighbours, the item itself among them.
    """
    return graph_of(*nearest_items(features, count))


def graph_of(weights: Tensor, neighbours: Tensor) -> sparse.csr_array:
    """The matrix with the positive ``weights`` at the columns ``neighbours`` of each row; both (I, k)."""
    items, count = neighbours.shape
    values, columns = weights.detach().relu().cpu().numpy().ravel(), neighbours.cpu().numpy().ravel()
    matrix = sparse.csr_array((values, columns, np.arange(0, items * count + 1, count)), shape=(items, items))
    matrix.eliminate_zeros()
    return matrix


def decayed(epoch: int) -> float:
    """The published programs' factor of the learning rate in an epoch, counted from 0: 0.96 after 50."""
    return float(0.96 ** (epoch / 50))


def two_sided(matrix: sparse.csr_array) -> sparse.csr_array:
    """``D_u^-1/2 R D_i^-1/2`` of a user-item matrix; users and items without interactions have rows of zeros."""
    by_user, by_item = (1 / np.sqrt(np.maximum(matrix.sum(axis=axis), 1)) for axis in (1, 0))
    scaled: sparse.csr_array = matrix.multiply(by_user[:, None]).multiply(by_item[None, :]).tocsr()
    return scaled


def unweighted(graph: sparse.csr_array) -> sparse.csr_array:
    """The same edges, each with weight 1."""
    return sparse.csr_array((np.ones_like(graph.data), graph.indices, graph.indptr), shape=graph.shape)


def row_normalised(graph: sparse.csr_array) -> sparse.csr_array:
    """``D^-1/2 S D^-1/2`` with the row sums ``D`` on both sides, also of a matrix that is not symmetric.

    An unweighted graph with k edges in each row has the entries 1 / k.
    """
    sums = np.asarray(graph.sum(axis=1)).ravel()
    factors = np.where(sums > 0, 1 / np.sqrt(np.where(sums > 0, sums, 1)), 0)
    scaled: sparse.csr_array = graph.multiply(factors[:, None]).multiply(factors[None, :]).tocsr()
    return scaled


def pruned(matrix: sparse.csr_array, share: float, rng: np.random.Generator) -> sparse.csr_array:
    """A user-item matrix without a share of its edges, those of active users and popular items first.

    ``int((1 - share) edges)`` edges are drawn without replacement with probabilities proportional to
    ``1 / sqrt(d_u d_i)`` (FREEDOM, Zhou and Shen, 2023): those with the smallest of independent exponential variables
    of these rates, which has the same distribution (Efraimidis and Spirakis, 2006).
    """
    edges = sparse.coo_array(matrix)
    users, items = edges.coords
    degrees = [np.bincount(side, minlength=count) for side, count in zip((users, items), matrix.shape, strict=True)]
    keys = rng.exponential(size=edges.nnz) * np.sqrt(degrees[0][users] * degrees[1][items])
    kept = np.argsort(keys)[: int((1 - share) * edges.nnz)]
    return sparse.csr_array((edges.data[kept], (users[kept], items[kept])), shape=matrix.shape)
