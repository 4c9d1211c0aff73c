"""PromptMM: teacher and student against loops over dense matrices, what each stage trains, and learning from both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.multimodal.clcrec import Candidates
from baselines.multimodal.promptmm import (
    PromptMMConfig,
    Student,
    Teacher,
    decoupled,
    divergence,
    hard_tokens,
)
from tests.baselines.multimodal.planted import dense_adjacency, dense_mean, features_help, sparse_store
from tests.baselines.multimodal.test_mgcn import affine
from tests.baselines.multimodal.test_mmssl import gathered, unit
from tests.baselines.multimodal.visual import (
    BATCH,
    ITEMS,
    USERS,
    features,
    fitted,
    hit_rate,
    interactions,
    scores,
    shaken,
)
from unimp_bench.corpus import Corpus

CONFIG = PromptMMConfig(
    **{"width": 3, "layers": 2, "dropout": 0.0, "modal": 0.7, "id_prompt": 0.4, "feature_prompt": 0.6},
    **{"modal_loss": 0.3, "prompt_loss": 0.2, "l2": 0.5, "negatives": 2},
    **{"pairs": 0.8, "lists": 0.6, "content": 0.9, "others": 0.7, "temperature": 1.5},
)
LISTS = Candidates(BATCH.users, torch.tensor([[0, 3, 4], [1, 4, 6], [2, 5, 0], [6, 0, 1]]))


def taught(config: PromptMMConfig = CONFIG) -> Teacher:
    network: Teacher = shaken(Teacher(interactions(), (features(0), features(1)), (), config))
    return network


def following(config: PromptMMConfig = CONFIG) -> tuple[Student, Teacher]:
    student, teacher = shaken(Student(interactions(), (), config)), taught(config)
    student.follow(teacher)
    return student, teacher


def plain(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.detach().double().numpy() for name, tensor in network.named_parameters()}


def dense_views(teacher: Teacher) -> list[tuple[np.ndarray, np.ndarray]]:
    """Users and items of the final view, of both modalities, and of the prompts."""
    weights, edges = plain(teacher), interactions().matrix.toarray().astype(np.float64)
    tokens = teacher.tokens.double().numpy()
    prompts = affine(weights, "prompts.users", gathered(edges, tokens)), affine(weights, "prompts.items", tokens)
    modal = []
    for number in range(2):
        table = features(number).double().numpy()
        guided = unit(prompts[1] @ (prompts[1].T @ table))
        users = gathered(edges, affine(weights, f"project.{number}", table + CONFIG.feature_prompt * guided))
        modal.append((users, gathered(edges.T, users)))
    tables = weights["users.weight"], weights["items.weight"]
    hops = [table + CONFIG.id_prompt * unit(prompt) for table, prompt in zip(tables, prompts, strict=True)]
    totals = [each.copy() for each in hops]
    for _ in range(CONFIG.layers):
        hops = [gathered(edges, hops[1]), gathered(edges.T, hops[0])]
        totals = [total + hop for total, hop in zip(totals, hops, strict=True)]
    final = [
        totals[side] / (CONFIG.layers + 1) + CONFIG.modal * sum(unit(pair[side]) for pair in modal) for side in (0, 1)
    ]
    return [(final[0], final[1]), *modal, prompts]


def test_the_loss_of_the_teacher_is_that_of_the_equations() -> None:
    teacher = taught()
    views, total = dense_views(teacher), 0.0
    weights = (1.0, CONFIG.modal_loss, CONFIG.modal_loss, CONFIG.prompt_loss)
    for user, item, other in zip(*(column.tolist() for column in BATCH), strict=True):
        for (users, items), weight in zip(views, weights, strict=True):
            total += weight * np.log1p(np.exp(-users[user] @ (items[item] - items[other])))
        users, items = views[0]
        total += CONFIG.l2 / 2 * sum(row @ row for row in (users[user], items[item], items[other]))
    assert float(teacher.loss(BATCH).detach()) == pytest.approx(total / len(BATCH.users), rel=1e-4)
    users, items = views[0]
    np.testing.assert_allclose(scores(teacher, [0, 3]), (users @ items.T)[[0, 3]], rtol=1e-4)


def softmax(values: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(values) / np.exp(values).sum()
    return shares


def kl(taught: np.ndarray, learned: np.ndarray) -> float:
    return float(sum(p * np.log(p / q) for p, q in zip(taught, learned, strict=True)))


def test_the_loss_of_the_student_is_that_of_the_equations() -> None:
    student, teacher = following()
    weights, (final, *modal, _) = plain(student), dense_views(teacher)
    tables = np.concatenate([weights["users.weight"], weights["items.weight"]])
    smoothed = dense_mean(dense_adjacency(interactions().matrix.toarray()), tables, CONFIG.layers)
    own = smoothed[:USERS], smoothed[USERS:]
    total = 0.0
    for user, items in zip(LISTS.users.tolist(), LISTS.items.tolist(), strict=True):
        learned = own[0][user] @ own[1][items].T
        total += np.log1p(np.exp(learned[1] - learned[0]))
        for row in (tables[user], tables[USERS + items[0]], tables[USERS + items[1]]):
            total += CONFIG.l2 / 2 * row @ row
        total += CONFIG.pairs * kl(softmax(final[0][user] @ final[1][items[:2]].T), softmax(learned[:2]))
        for view in (final, *modal):
            lists = [each / CONFIG.temperature for each in (view[0][user] @ view[1][items].T, learned)]
            shares = [softmax(each)[0] for each in lists]
            target = kl(np.array([shares[0], 1 - shares[0]]), np.array([shares[1], 1 - shares[1]]))
            rest = kl(softmax(lists[0][1:]), softmax(lists[1][1:]))
            total += CONFIG.lists * CONFIG.temperature**2 * (target + CONFIG.others * rest)
    alike = sum((1 - (unit(own[1]) * unit(view[1])).sum(axis=1)) ** 2 for view in modal)
    expected = total / len(LISTS.users) + CONFIG.content * np.mean(alike)
    assert float(student.loss(LISTS).detach()) == pytest.approx(expected, rel=1e-4)


def test_divergence_is_zero_from_oneself_alone() -> None:
    rows, others = torch.randn(2, 20, 5).unbind()
    assert float(decoupled(rows, rows + 3, 2.0, 0.7)) == pytest.approx(0, abs=1e-6)  # a shift changes no softmax
    for taught_row, learned_row in zip(rows, others, strict=True):
        assert float(decoupled(taught_row[None], learned_row[None], 2.0, 0.7)) > 0
        assert float(divergence(taught_row[None].log_softmax(1), learned_row[None].log_softmax(1))) > 0


def test_with_the_share_of_the_negatives_as_weight_the_parts_are_the_whole() -> None:
    """KL over a list: of positive or not, plus the teacher's share of the negatives times that of their order."""
    one, other = torch.randn(2, 1, 6).unbind()
    logs = [(each / 1.5).log_softmax(dim=1) for each in (one, other)]
    share = float(1 - logs[0][0, 0].exp())
    assert float(decoupled(one, other, 1.5, share)) == pytest.approx(1.5**2 * float(divergence(*logs)), rel=1e-4)


def test_in_distillation_only_the_prompts_of_the_teacher_are_trained() -> None:
    student, teacher = following()
    before = {name: tensor.clone() for name, tensor in teacher.named_parameters()}
    student.train()
    student.step(LISTS, student.optimizers(CONFIG))
    moved = {name for name, tensor in teacher.named_parameters() if not torch.equal(tensor, before[name])}
    assert moved == {f"prompts.{side}.{kind}" for side in ("users", "items") for kind in ("weight", "bias")}
    assert all(weight.grad is None for name, weight in teacher.named_parameters() if name not in moved)
    assert not teacher.training  # no dropout of what is taught
    saved = set(student.state_dict())
    assert {name for name in saved if name.startswith("prompts")} == moved
    assert saved - moved == {"users.weight", "items.weight"}


def test_without_their_weights_prompts_do_not_matter() -> None:
    def moves(config: PromptMMConfig) -> bool:
        teacher = taught(config)
        before = teacher.vectors()[1].detach()
        with torch.no_grad():
            teacher.prompts.items.weight.mul_(-2)
        return not torch.allclose(before, teacher.vectors()[1])

    assert not moves(replace(CONFIG, id_prompt=0.0, feature_prompt=0.0))
    assert moves(replace(CONFIG, feature_prompt=0.0)) and moves(replace(CONFIG, id_prompt=0.0))


def test_a_hop_of_the_student_reaches_the_items_of_a_user() -> None:
    nodes = USERS + ITEMS
    student = Student(interactions(), (), replace(CONFIG, width=nodes, layers=1))
    with torch.no_grad():
        student.users.weight.copy_(torch.eye(nodes)[:USERS])
        student.items.weight.copy_(torch.eye(nodes)[USERS:])
        users, items = student.vectors()
    edges = interactions().matrix.toarray() > 0
    assert ((users[:, USERS:] != 0).numpy() == edges).all()
    assert ((items[:, :USERS] != 0).numpy() == edges.T).all()


def test_hard_tokens_are_principal_components() -> None:
    table = features(0)
    left, spread, _ = np.linalg.svd(table.numpy() - table.numpy().mean(axis=0), full_matrices=False)
    tokens = hard_tokens(table, 2).numpy()
    np.testing.assert_allclose(np.abs(tokens), np.abs(left * spread)[:, :2], atol=1e-5)
    assert hard_tokens(table, 9).shape == (ITEMS, 9) and not hard_tokens(table, 9)[:, 4:].any()


SHORT = {"epochs": 40, "width": 16, "batch_size": 256, "learning_rate": 1e-2, "validate_every": 20}
TEACHER = {"teacher_epochs": 40, "teacher_rate": 1e-2}


def test_features_help(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    features_help("promptmm", make_corpus, tmp_path, **SHORT, **TEACHER)


def test_the_student_learns_from_the_teacher(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    """On interactions alone it does not find the looks."""
    corpus = sparse_store(make_corpus, shuffled=False)
    alone = {"pairs": 0.0, "lists": 0.0, "content": 0.0, "teacher_epochs": 1}
    kinds: dict[str, dict[str, object]] = {"distilled": {}, "alone": alone, "teacher": {"form": "teacher"}}
    rates = {
        name: hit_rate(fitted("promptmm", corpus, tmp_path / name, **(SHORT | TEACHER | settings)), corpus)
        for name, settings in kinds.items()
    }
    assert rates["distilled"] > rates["alone"] + 0.15 and rates["teacher"] > rates["alone"] + 0.15, rates


def test_a_distilled_model_is_the_student_alone(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = sparse_store(make_corpus, shuffled=False)
    sizes: dict[str, object] = {"epochs": 1, "teacher_epochs": 1, "width": 8, "batch_size": 2048}
    student = fitted("promptmm", corpus, tmp_path / "student", **sizes)
    teacher = fitted("promptmm", corpus, tmp_path / "teacher", **sizes, form="teacher")
    nodes, prompts = len(student.artifacts.users) + len(student.artifacts.items), 2 * (8 * 8 + 8)
    assert student.parameters().total == 8 * nodes + prompts < teacher.parameters().total
    assert (student.training().steps, teacher.training().steps) == (2, 1)  # a step in each of its stages
