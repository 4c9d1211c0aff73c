"""The split by the clock: nothing that is learned from lies after anything that is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples, users_of
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.records import Examples
from unimp_bench.runs.runner import RunRequest, planned, run


def part(corpus: Corpus, name: str) -> Examples:
    return target_examples(corpus, "global-time", name, "recommendation")  # type: ignore[arg-type]


def target_times(corpus: Corpus, examples: Examples) -> np.ndarray:
    return corpus.histories.times[examples.rows]


def history_times(examples: Examples) -> np.ndarray:
    """Times of all that the histories of some examples hold."""
    spans = zip(examples.starts(), examples.ends, strict=True)
    return np.concatenate([examples.histories.times[start:end] for start, end in spans])


def test_both_instants_divide_all_that_is_known(planted: Corpus) -> None:
    train, validation, test = (part(planted, name) for name in ("train", "validation", "test"))
    first, second = target_times(planted, validation).min(), target_times(planted, test).min()
    assert train.histories.times.max() < first
    assert history_times(validation).max() < first <= target_times(planted, validation).max() < second
    assert history_times(test).max() < second
    everybody = np.repeat(users_of(planted, "global-time"), planted.histories.lengths())
    times = np.sort(planted.histories.times[everybody])
    for instant, share in ((first, 0.8), (second, 0.9)):
        assert (times < instant).mean() <= share <= (times <= instant).mean()


def test_targets_are_each_users_first_item_after_the_instant(planted: Corpus) -> None:
    times = planted.histories.times
    first, second = (target_times(planted, part(planted, name)).min() for name in ("validation", "test"))
    for name, begin, end in (("validation", first, second), ("test", second, np.inf)):
        expected = {}
        for user in np.flatnonzero(users_of(planted, "global-time")):
            rows = np.arange(*planted.histories.offsets[user : user + 2])
            inside = rows[(times[rows] >= begin) & (times[rows] < end)]
            if len(inside) and (times[rows] < first).any():
                expected[int(user)] = int(inside[0])
        examples = part(planted, name)
        assert dict(zip(examples.users.tolist(), examples.rows.tolist(), strict=True)) == expected


def test_a_history_is_all_that_came_before_the_instant(planted: Corpus) -> None:
    test = part(planted, "test")
    instant = target_times(planted, test).min()
    for example in range(0, len(test), 7):
        rows = np.arange(*planted.histories.offsets[test.users[example] : test.users[example] + 2])
        before = rows[planted.histories.times[rows] < instant]
        assert test.history(example).tolist() == planted.histories.items[before].tolist()


def test_every_task_has_the_split_and_targets_no_known_item(planted: Corpus) -> None:
    instant = target_times(planted, part(planted, "test")).min()
    for name in registry.task_cards():
        examples = registry.make_task(name).examples(planted, "global-time", "test")
        assert len(examples) and history_times(examples).max() < instant <= target_times(planted, examples).min(), name


def test_a_corpus_without_a_clock_is_refused(planted: Corpus) -> None:
    ordered = Corpus(planted.folder, planted.manifest)
    positions = np.concatenate([np.arange(length) for length in planted.histories.lengths()])
    ordered.__dict__["histories"] = replace(planted.histories, times=positions)
    with pytest.raises(UsageError, match="no timestamps"):
        part(ordered, "test")


def test_models_learn_from_before_the_instant_alone(planted: Corpus, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    request = RunRequest(task="recommendation", model="popularity", corpus=planted.folder, split="global-time")
    plan = planned(request, workspace)
    assert plan.spec.fit.split == "global-time"
    assert "--fit-split" not in run(request, workspace)[0].provenance.command
    for refused in (replace(request, fit_split="loo"), replace(request, split="loo", fit_split="global-time")):
        with pytest.raises(UsageError, match="omit --fit-split"):
            planned(refused, workspace)
    unimp = replace(request, model="unimp", after=(("search",),))
    assert {stage.split for stage in planned(unimp, workspace).spec.fit.stages} == {"global-time"}


def test_settings_tuned_on_loo_are_refused(planted: Corpus, tmp_path: Path) -> None:
    request = RunRequest(
        task="recommendation", model="itemknn", corpus=planted.folder, split="global-time", preset="tuned"
    )
    with pytest.raises(UsageError, match="omit --preset tuned"):
        planned(request, Workspace(tmp_path))
