"""Judges of texts: what they are asked, what they give, and texts of known worth that test them.

A judge gives a text about an item a score from 1 to 5 beside the user's own reference. What its scores are worth is
measured on the same examples, with texts of which one is better by construction (``controls``):

* ``own``: the reference itself;
* ``other``: the reference of another user who gave the same rating, to whatever item;
* ``constant``: one sentence that says nothing of any item;
* ``shuffled``: the reference with its words in another order.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from unimp_bench.contracts import Usage
from unimp_bench.records import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:  # lists load no pyarrow
    from unimp_bench.corpus import Items

LOWEST, HIGHEST = 1, 5
"""Ends of the scale of judges."""

Control = Literal["own", "other", "constant", "shuffled"]
CONTROLS: tuple[Control, ...] = get_args(Control)

_OF_MACHINES = ("version", "torch", "device")
"""Parts of an identity that differ between machines on which the same judge runs."""


@dataclass(frozen=True)
class JudgeFacts:
    """What identifies a judge.

    Attributes:
        name: of the model, as tables write it.
        rubric: its file, which has a version in its name.
        rubric_hash: of the file's content, hexadecimal.
        mode: how it answers: ``likelihood`` or ``generation``.
        identity: everything else on which its answers depend, such as the hash of its weights.
    """

    name: str
    rubric: str
    rubric_hash: str
    mode: str
    identity: dict[str, str]

    @property
    def key(self) -> str:
        """Of all that makes it another judge, on whatever machine; hexadecimal."""
        own = {name: value for name, value in self.identity.items() if name not in _OF_MACHINES}
        content = json.dumps([self.name, self.rubric, self.rubric_hash, self.mode, own], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Case:
    """A text to be judged, the number of the item that it is about, and what the user wrote about it."""

    item: int
    reference: str
    text: str


@dataclass(frozen=True)
class Opinions:
    """What a judge says.

    Attributes:
        scores: (n,) of each case, between ``LOWEST`` and ``HIGHEST``.
        unread: (n,) bool, answers without a score, which count as the lowest.
        usage: of its language model.
    """

    scores: FloatArray
    unread: BoolArray
    usage: Usage


class Judge(ABC):
    """A judge of texts with a rubric.

    Attributes:
        Config: frozen dataclass of settings, with a default for every field.
    """

    Config: ClassVar[type[Any]]

    @property
    @abstractmethod
    def facts(self) -> JudgeFacts:
        """What identifies it."""

    @property
    @abstractmethod
    def constant(self) -> str:
        """The constant sentence of its test."""

    @abstractmethod
    def judge(self, cases: Sequence[Case], items: Items, cache: Path) -> Opinions:
        """Score all cases; equal ones alike.

        Args:
            items: that the texts are about.
            cache: folder for answers, so that an interrupted judgement goes on.
        """


def controls(
    rows: IntArray, references: Sequence[str], users: IntArray, ratings: FloatArray, constant: str, *, seed: int = 0
) -> Mapping[Control, list[str | None]]:
    """The texts of known worth of some examples; those of an example do not depend on which others are among them.

    Args:
        rows: numbers of the examples.
        references: (n,) of all examples, from which other users' come.
        users: (n,).
        ratings: (n,) NaN for none, which is like another none.
        constant: see the module.

    Returns:
        By control one text per row; None where there is none: nobody else with the rating wrote another sentence, or
        the reference has no other order.
    """
    said = np.unique([_plain(text) for text in references], return_inverse=True)[1]
    rated = np.unique(ratings, return_inverse=True)[1]
    found: dict[Control, list[str | None]] = {name: [] for name in CONTROLS}
    for row in rows.tolist():
        chance = np.random.default_rng([seed, row])
        others = np.flatnonzero((rated == rated[row]) & (users != users[row]) & (said != said[row]))
        found["own"].append(references[row])
        found["other"].append(references[int(chance.choice(others))] if len(others) else None)
        found["constant"].append(constant)
        found["shuffled"].append(_shuffled(references[row], chance))
    return found


def _shuffled(text: str, chance: np.random.Generator) -> str | None:
    words = text.split()
    if len(set(words)) < 2:
        return None
    order = words
    while order == words:
        order = [words[place] for place in chance.permutation(len(words))]
    return " ".join(order)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
