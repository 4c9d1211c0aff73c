"""Demonstrations for few-shot prompts, from the training part alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from baselines.explanation.typical import NONE, category_groups
from baselines.learning.files import reading
from unimp_bench.contracts import FitData
from unimp_bench.kinds.base import evenly

_SHOTS, _SENTENCES = "shots.json", "sentences.json"
_LONGEST = 20  # items of a demonstrated history that are kept

Shot = tuple[list[int], str, int]
"""Items of a history, the query or nothing, and the item that followed."""


@dataclass(frozen=True)
class Demonstrations:
    """By task, of training examples evenly spaced over the users."""

    of_task: dict[str, list[Shot]] = field(default_factory=dict)

    @classmethod
    def of(cls, data: FitData, count: int) -> Demonstrations:
        """``count`` per task; none for ratings and sentences, whose demonstrations are the user's own."""
        found: dict[str, list[Shot]] = {}
        for task, part in data.examples.items():
            if not count or task in ("preference", "explanation") or not len(part.train):
                continue
            some = evenly(part.train, count)
            answers = some.answer_items()
            for row in range(len(some)):
                query = "" if some.queries is None else some.query_texts[int(some.queries[row])]
                items = some.history(row)[-_LONGEST:].tolist()
                if len(answers[row]):
                    found.setdefault(task, []).append((items, query, int(answers[row][0])))
        return cls(found)

    @classmethod
    def read(cls, folder: Path) -> Demonstrations:
        path = folder / _SHOTS
        with reading(path):
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                {
                    str(task): [
                        ([int(item) for item in past], str(query), int(answer)) for past, query, answer in shots
                    ]
                    for task, shots in held.items()
                }
            )

    def write(self, folder: Path) -> None:
        (folder / _SHOTS).write_text(json.dumps(self.of_task), encoding="utf-8")


@dataclass(frozen=True)
class Sentences:
    """The training sentences with their authors, items and the items' categories."""

    texts: list[str] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    items: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, data: FitData) -> Sentences:
        part = data.examples.get("explanation")
        if part is None:
            return cls()
        train = part.train
        groups = category_groups(data.items).tolist()
        return cls(train.texts.read(), train.users.tolist(), train.targets.tolist(), groups)

    @classmethod
    def read(cls, folder: Path) -> Sentences:
        path = folder / _SENTENCES
        with reading(path):
            held = json.loads(path.read_text(encoding="utf-8"))
            lists = [[int(each) for each in held[name]] for name in ("users", "items", "groups")]
            return cls([str(text) for text in held["texts"]], *lists)

    def write(self, folder: Path) -> None:
        (folder / _SENTENCES).write_text(json.dumps(vars(self)), encoding="utf-8")

    def nearest(self, user: int, item: int, count: int) -> list[tuple[int, str]]:
        """Items and sentences: the user's own, of the item's category and late ones first, then others' on the item,
        then others' on its category; the best last, next to what is to be written."""
        if not count or not self.texts:
            return []
        users, items = np.array(self.users), np.array(self.items)
        groups = np.array(self.groups)
        like = (groups[items] == groups[item]) & (groups[item] != NONE)
        value = 4 * (users == user) + 2 * (items == item) + like
        rows = np.lexsort([np.arange(len(items)), value])[::-1]
        chosen = [row for row in rows[:count].tolist() if value[row]]
        return [(self.items[row], self.texts[row]) for row in reversed(chosen)]
