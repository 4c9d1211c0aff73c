"""What is looked at before a fit: whether its parts have examples, and whether the model can score their users."""

from __future__ import annotations

import numpy as np

from unimp_bench.contracts import NO_VALIDATION, ModelCard
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.kinds import kind_of
from unimp_bench.records import BoolArray, Examples, Split
from unimp_bench.splits import target_examples

_NAMED = 3


def check_not_empty(examples: Examples, corpus: Corpus, use: str) -> None:
    """Refuse a part without examples.

    Args:
        examples: all of the part.
        corpus: that they are drawn from.
        use: what they are needed for.

    Raises:
        UsageError: there are none.
    """
    if len(examples):
        return
    name = {"train": "training", "validation": "validation", "test": "test"}[examples.part]
    raise UsageError(
        f"corpus {corpus.name!r} has no {name} examples of {examples.task} in split {examples.split}: {use}"
    )


def check_selectable(examples: Examples, corpus: Corpus, use: str) -> None:
    """Refuse a validation part without examples where something is selected by them.

    Raises:
        UsageError: there are none.
    """
    check_not_empty(examples, corpus, f"{use}; {NO_VALIDATION}")


def unknown_users(card: ModelCard, corpus: Corpus, learned: Split) -> BoolArray | None:
    """(users,) bool: the users that a model cannot score, those without a training interaction; None for none.

    Args:
        learned: the split whose training part the model is fitted on.
    """
    if card.new_users:
        return None
    unknown = target_examples(corpus, learned, "train", "").histories.lengths() == 0
    return unknown if unknown.any() else None


def check_known(examples: Examples, kind: str, corpus: Corpus, model: str, unknown: BoolArray | None) -> str:
    """What a result must say of examples whose users the model cannot score: a ranking counts them as missed.

    Args:
        examples: of any part.
        kind: of their task.
        unknown: what ``unknown_users`` gave.

    Raises:
        UsageError: the kind has no such thing as a miss, or no user is known at all.
    """
    asked = np.zeros(0, dtype=np.int64) if unknown is None else examples.users[unknown[examples.users]]
    if not len(asked):
        return ""
    names = [corpus.users.names[user] for user in np.unique(asked)]
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    said = (
        f"{len(asked):,} of {len(examples):,} {examples.part} examples are of users without a training interaction, "
        f"whom {model} cannot score ({len(names):,}: {listed})"
    )
    if not kind_of(kind).has_protocols:
        raise UsageError(f"{said}; run a model that scores new users, or give these users training interactions")
    if len(asked) == len(examples):
        raise UsageError(f"{said}; run a model that scores new users")
    return f"{said}: they count as missed"
