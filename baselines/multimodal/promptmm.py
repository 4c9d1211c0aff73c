"""PromptMM: a graph recommender distilled from a multi-modal one whose prompts are tuned (Wei et al., WWW 2024).

The teacher reads the features ``F_m`` of each modality m. Its prompts are maps ``L`` of hard tokens ``Z``, the leading
principal components of the features:

    Z_I = mean over m of PCA(F_m),  Z_U = A_ui Z_I,  P_I = L_I Z_I + b_I,  P_U = L_U Z_U + b_U
    x_m = dropout(W_m (F_m + r_f norm(P_I P_I^T F_m)) + c_m),  u_m = A_ui x_m,  i_m = A_iu u_m
    e = mean over hops of the ids E + r_s norm(P),  user = e_U + modal * sum over m of norm(u_m), the same for items
    L = B(user, item) + modal_loss * sum over m of B(u_m, i_m) + prompt_loss * B(P_U, P_I)
        + l2 / 2 (squared norms of the final vectors of the batch)

where ``B`` is the BPR loss, ``norm`` normalises rows to unit length, and both directions of the graph are divided by
the root of the receiver's degree. The student is LightGCN, from random weights. On lists of a positive and
``negatives`` items without interaction it learns

    L' = B(student) + l2 / 2 (squared norms) + pairs * KL(teacher, student on the positive and the first negative)
         + lists * sum over the views v of K(v, student)
         + content * sum over m of mean over items of (1 - cos(e_i, i_m))^2
    K = t^2 (KL(positive or not) + others * KL(which of the negatives))

where the views are the scores of the teacher and those of each modality, ``u_m . i_m``, and K the divergence of
softmaxes at temperature t in two parts with weights of their own, so that a confident view does not silence its order
of the negatives (Zhao et al., CVPR 2022). The teacher is frozen then, but for its prompts, which adapt to the student.

This follows the intent of the paper. In the authors' code the prompts receive no gradient in distillation, K enters no
loss, the divergences are of negative log-probabilities, the student's graph has its rows of users and items swapped,
and the student starts from the teacher's final vectors. Also in their code, items read users of the same hop, the last
hop goes through a softmax over channels, and features have a penalty on norms. Our own choices: the teacher is trained
for a fixed number of epochs; form ``teacher`` recommends by the teacher alone and keeps its best epoch.

Memory: no array is items x features, as ``W P P^T F = P (W (P^T F)^T)^T``, and a row of ``P P^T F`` has the squared
length ``p (P^T F) (P^T F)^T p^T``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.collaborative.lightgcn import LightGCNConfig, LightGCNNetwork
from baselines.learning.interactions import Interactions, NegativeSampler
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network, shuffled
from baselines.learning.objectives import Triples, bpr_loss, penalty
from baselines.learning.training import Outcome
from baselines.multimodal.clcrec import Candidates
from baselines.multimodal.features import modalities
from baselines.multimodal.graph import Relation
from baselines.multimodal.item_graphs import ItemGraphConfig, ProjectingNetwork
from baselines.sequential.next_item import pretrain
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.settings import Count, Number, Rate, Share, Weight, added

_SHORTEST = 1e-12


@dataclass(frozen=True)
class PromptMMConfig(ItemGraphConfig):
    """Settings.

    Attributes:
        form: what recommends; ``student``, or ``teacher`` without distillation.
        layers: hops of the ids, of teacher and student.
        teacher_epochs, teacher_rate: epochs before distillation, and their learning rate.
        dropout: of the projected features (authors: 0.4 or 0.6).
        modal: weight of the modalities in the teacher's vectors (authors: 0.028 to 0.8).
        id_prompt, feature_prompt: r_s and r_f, weights of the prompts (authors: 0.005 to 0.1, and 0.07 or 9).
        modal_loss, prompt_loss: weights of the losses of modalities and prompts (authors' of prompts: 70 and more).
        l2: weight of the squared norms.
        negatives: items per positive in distillation.
        pairs, lists, content: weights of the distilled order of pairs, order of lists, and item vectors.
        others: weight of the order of the negatives in a list.
        temperature: t.
        least_steps: 0, as the published rows were fitted; a longer fit on small corpora was not tried.
    """

    form: Literal["student", "teacher"] = "student"
    teacher_epochs: Count = 100
    teacher_rate: Rate = 1e-3
    dropout: Share = 0.4
    modal: Weight = 0.5
    id_prompt: Weight = 0.1
    feature_prompt: Weight = 0.1
    modal_loss: Weight = 0.1
    prompt_loss: Weight = 1.0
    l2: Weight = 1e-4
    negatives: Count = 10
    pairs: Weight = 1.0
    lists: Weight = 0.1
    content: Weight = 0.1
    others: Weight = 1.0
    temperature: Rate = 2.0
    least_steps: Number = added(0)


@dataclass(frozen=True)
class Views:
    """Vectors of all users and items.

    Attributes:
        users, items: the final ones, (U, width) and (I, width).
        modal_users, modal_items: ``u_m`` and ``i_m``, one per modality, of the same shapes.
        user_prompts, item_prompts: ``P_U`` and ``P_I``, of the same shapes.
    """

    users: Tensor
    items: Tensor
    modal_users: tuple[Tensor, ...]
    modal_items: tuple[Tensor, ...]
    user_prompts: Tensor
    item_prompts: Tensor

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Users and items of each view that scores: the final one, and the modalities."""
        yield self.users, self.items
        yield from zip(self.modal_users, self.modal_items, strict=True)


class Prompts(nn.Module):
    """``L_U`` and ``L_I``, which are all that is trained of prompts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.users, self.items = nn.Linear(width, width), nn.Linear(width, width)


class Teacher(ProjectingNetwork):
    """The tables, the projections ``W``, and the prompts.

    Attributes:
        tokens: ``Z_I``, (I, width).
    """

    tokens: Tensor

    def __init__(
        self, interactions: Interactions, features: tuple[Tensor, ...], remarks: tuple[str, ...], config: PromptMMConfig
    ) -> None:
        super().__init__(interactions, features, remarks, config)
        self.config, self.prompts = config, Prompts(config.width)
        tokens = torch.stack([hard_tokens(table, config.width) for table in features]).mean(dim=0)
        self.register_buffer("tokens", tokens, persistent=False)

    def loss(self, batch: Triples) -> Tensor:
        config, views = self.config, self.views()

        def ranking(users: Tensor, items: Tensor) -> Tensor:
            chosen, rows = users[batch.users], (batch.positives, batch.negatives)
            return bpr_loss(*((chosen * items[each]).sum(dim=1) for each in rows))

        final, *modal = (ranking(*pair) for pair in views.pairs())
        prompted = ranking(views.user_prompts, views.item_prompts)
        norms = penalty(views.users[batch.users], views.items[batch.positives], views.items[batch.negatives])
        total: Tensor = final + config.modal_loss * sum(modal) + config.prompt_loss * prompted + config.l2 * norms
        return total

    def vectors(self) -> tuple[Tensor, Tensor]:
        views = self.views()
        return views.users, views.items

    def views(self) -> Views:
        """One forward pass over the graph."""
        config, graph = self.config, self._graph
        user_prompts, item_prompts = self.prompts.users(self._user_tokens), self.prompts.items(self.tokens)
        inputs = self.prompted(item_prompts)
        modal_users = tuple(graph.to_users(functional.dropout(x, config.dropout, self.training)) for x in inputs)
        modal_items = tuple(graph.to_items(users) for users in modal_users)
        users = total_users = self.users.weight + config.id_prompt * functional.normalize(user_prompts)
        items = total_items = self.items.weight + config.id_prompt * functional.normalize(item_prompts)
        for _ in range(config.layers):
            users, items = graph.to_users(items), graph.to_items(users)
            total_users, total_items = total_users + users, total_items + items
        final = [
            total / (config.layers + 1) + config.modal * sum(map(functional.normalize, modal))
            for total, modal in ((total_users, modal_users), (total_items, modal_items))
        ]
        return Views(final[0], final[1], modal_users, modal_items, user_prompts, item_prompts)

    def prompted(self, prompts: Tensor) -> list[Tensor]:
        """``x_m`` without dropout, (I, width) each.

        Args:
            prompts: ``P_I``, (I, width).
        """
        result = []
        for table, project, plain in zip(self.features, self.project, self.projected(), strict=True):
            assert isinstance(project, nn.Linear)
            shared = prompts.T @ table
            lengths = ((prompts @ (shared @ shared.T)) * prompts).sum(dim=1, keepdim=True)
            guided = prompts @ functional.linear(shared, project.weight)
            result.append(plain + self.config.feature_prompt * guided / lengths.clamp_min(_SHORTEST**2).sqrt())
        return result

    @cached_property
    def _graph(self) -> Relation:
        return Relation.of(self.interactions.matrix, self.device)

    @cached_property
    def _user_tokens(self) -> Tensor:
        return self._graph.to_users(self.tokens)


class Student(LightGCNNetwork):
    """LightGCN that learns from interactions and from a teacher.

    Attributes:
        prompts: of the teacher, tuned along.
    """

    def __init__(self, interactions: Interactions, remarks: tuple[str, ...], config: PromptMMConfig) -> None:
        sizes = LightGCNConfig(batch_size=config.batch_size, width=config.width, layers=config.layers, l2=config.l2)
        super().__init__(interactions, sizes)
        self.config, self.remarks = config, remarks
        self.prompts = Prompts(config.width)
        self._taught: Callable[[], Views] | None = None

    def follow(self, teacher: Teacher) -> None:
        """Learn from a teacher; of its weights only the prompts are trained from now on, as part of this network."""
        self.prompts.load_state_dict(teacher.prompts.state_dict())
        teacher.requires_grad_(False).eval()
        teacher.prompts = self.prompts
        self._taught = teacher.views

    def batches(self, rng: np.random.Generator) -> Iterator[Any]:
        self._sampler = self._sampler or NegativeSampler(self.interactions)
        owners, positives = self.interactions.owners, self.interactions.sequences.values
        for rows in shuffled(len(owners), self.batch_size, rng):
            users = owners[rows]
            negatives = self._sampler.draw(np.repeat(users[:, None], self.config.negatives, axis=1), rng)
            lists = np.concatenate([positives[rows, None], negatives], axis=1)
            yield Candidates(self.tensor(users), self.tensor(lists))

    def loss(self, batch: Candidates) -> Tensor:  # type: ignore[override]
        assert self._taught is not None, "a teacher comes first"
        config, views, (users, items) = self.config, self._taught(), self.vectors()
        scores = listed(users, items, batch)
        final, *modal = (listed(*pair, batch) for pair in views.pairs())
        order = sum(decoupled(view, scores, config.temperature, config.others) for view in (final, *modal))
        alike = sum((1 - functional.cosine_similarity(items, view)).square().mean() for view in views.modal_items)
        rows = self.users(batch.users), *(self.items(batch.items[:, place]) for place in (0, 1))
        total: Tensor = (
            bpr_loss(scores[:, 0], scores[:, 1])
            + config.l2 * penalty(*rows)
            + config.pairs * divergence(final[:, :2].log_softmax(dim=1), scores[:, :2].log_softmax(dim=1))
            + config.lists * order
            + config.content * alike
        )
        return total


class PromptMM(LearnedRanker[PromptMMConfig]):
    """See the module."""

    Config = PromptMMConfig
    name = "promptmm"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "teacher_epochs": (30, 100, 300),
        "modal": (0.1, 0.5, 1.0),
        "lists": (0.0, 0.1, 1.0),
        "content": (0.0, 0.1, 1.0),
    }

    def build(self, interactions: Interactions, items: Items, cache: Path) -> Network:
        features, remarks = modalities(self.config, interactions.items, items, cache)
        if self.config.form == "teacher":
            return Teacher(interactions, features, remarks, self.config)
        return Student(interactions, remarks, self.config)

    def learn(self, network: Network, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        if not isinstance(network, Student):
            return super().learn(network, data, validate)
        config, interactions = self.config, self.artifacts
        features, remarks = modalities(config, interactions.items, data.items, data.cache)
        teacher = Teacher(interactions, features, remarks, config).to(network.device)
        first = pretrain(
            teacher,
            data,
            self.name,
            epochs=config.teacher_epochs,
            learning_rate=config.teacher_rate,
            batch_size=config.batch_size,
        )
        network.follow(teacher)
        return super().learn(network, data, validate).after(first)


def hard_tokens(features: Tensor, width: int) -> Tensor:
    """The leading principal components of features, (I, width); zero where they have fewer.

    Args:
        features: (I, F).
    """
    from sklearn.decomposition import PCA

    count = min(width, *features.shape)
    components = PCA(count, svd_solver="randomized", random_state=0).fit_transform(features.numpy())
    return functional.pad(torch.from_numpy(components.astype(np.float32)), (0, width - count))


def listed(users: Tensor, items: Tensor, batch: Candidates) -> Tensor:
    """Scores of the items of each list, (B, 1 + negatives), from vectors of all users and items."""
    return torch.einsum("bw,bkw->bk", users[batch.users], functional.embedding(batch.items, items))


def divergence(taught: Tensor, learned: Tensor) -> Tensor:
    """Mean of ``KL(taught, learned)`` over rows of log-probabilities, (B, k) both, a scalar."""
    return (taught.exp() * (taught - learned)).sum(dim=1).mean()


def decoupled(taught: Tensor, learned: Tensor, temperature: float, others: float) -> Tensor:
    """``K`` between rows of scores, (B, 1 + negatives) both, the positive first; a scalar."""
    parts = []
    for scores in (taught / temperature, learned / temperature):
        whole, rest = scores.log_softmax(dim=1), scores[:, 1:].log_softmax(dim=1)
        parts.append((torch.stack([whole[:, 0], whole[:, 1:].logsumexp(dim=1)], dim=1), rest))
    (positive, negatives), (learned_positive, learned_negatives) = parts
    both = divergence(positive, learned_positive) + others * divergence(negatives, learned_negatives)
    return temperature**2 * both
