"""Splits: evaluated users and held-out interactions, by leave-one-out, by global time, or public.

For a user with at least three interactions the last is the test target and the one before it the validation
target; users with fewer belong to training entirely. Users of ``new-user`` are never trained on, and those of
``new-domain`` only where a model is adapted to that domain; their last interaction is their test target (UniMP,
section 3.1).

``global-time`` splits the interactions of the users of ``loo`` at two instants: models learn from those before the
first, the validation target is a user's first interaction between the two, the test target the first one after the
second. So no training interaction is later than any target, unlike in leave-one-out (Meng et al., RecSys 2020).

A corpus with a public split (``Corpus.parts``) has split ``public`` alone: the interactions marked validation and test
are the targets, several per user, and a target's history is all that comes before its part. Other corpora have all
splits but this one.
"""

from __future__ import annotations

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import DRAWN_SPLITS, BoolArray, Examples, Histories, IntArray, Part, Split

MIN_INTERACTIONS = 3
HELD_BACK = {"validation": 2, "test": 1}
PART_CODES = {"train": 0, "validation": 1, "test": 2}
TIME_SHARES = (0.8, 0.9)
"""Shares of the interactions, in time order, before the two instants of ``global-time``."""


def default_split(corpus: Corpus) -> Split:
    """The split that commands evaluate where none is named."""
    return "loo" if corpus.parts is None else "public"


def check_split(corpus: Corpus, split: Split) -> None:
    """Refuse ``public`` where a corpus has no public split, and any other split where it has one.

    Raises:
        UsageError: with the splits that there are.
    """
    if corpus.parts is None and split == "public":
        raise UsageError(f"corpus {corpus.name!r} has no public split; use --split {', '.join(DRAWN_SPLITS)}")
    if corpus.parts is not None and split != "public":
        raise UsageError(f"corpus {corpus.name!r} has a public split and no split {split}; use --split public")


def users_of(corpus: Corpus, split: Split) -> BoolArray:
    """(users,) bool: the users of a split."""
    if split == "public":
        return np.ones(len(corpus.users), dtype=np.bool_)
    in_new_domain = np.isin(corpus.users.domains, _new_domain_codes(corpus))
    if split == "new-domain":
        return in_new_domain
    held_out = corpus.users.held_out
    mask: BoolArray = ~in_new_domain & (held_out if split == "new-user" else ~held_out)
    return mask


def catalogue(corpus: Corpus, split: Split) -> IntArray:
    """Sorted numbers of the candidate items: those that users of the split's domains interact with.

    Stores sell some items in several domains, so such an item is in both catalogues.
    """
    if split == "public":
        members = users_of(corpus, split)
    else:
        in_new_domain = users_of(corpus, "new-domain")
        members = in_new_domain if split == "new-domain" else ~in_new_domain
    sold = np.zeros(len(corpus.items), dtype=np.bool_)
    sold[corpus.histories.items[np.repeat(members, corpus.histories.lengths())]] = True
    chosen: IntArray = np.flatnonzero(sold)
    return chosen


def target_examples(corpus: Corpus, split: Split, part: Part, task: str) -> Examples:
    """The examples of one part of a split, with targets, and histories without held-out interactions.

    ``train``: every training interaction that has one before it is a target. ``validation`` and ``test``: one
    example per user, or per interaction of a public part. ``new-user`` has only a test part.

    Raises:
        UsageError: the corpus has no such split or users, or the part does not exist in this split.
    """
    check_split(corpus, split)
    if part != "test" and split == "new-user":
        raise UsageError("split new-user has only a test part: models are fitted on loo, or adapted to new-domain")
    if corpus.parts is not None:
        return _public(corpus, corpus.parts, part, task)
    if split == "global-time":
        return _by_the_clock(corpus, part, task)
    lengths = corpus.histories.lengths()
    members = users_of(corpus, split)
    evaluated = members & (lengths >= MIN_INTERACTIONS)
    if not evaluated.any():
        raise UsageError(f"corpus {corpus.name!r} has no users for split {split}; {_hint(split)}")
    if part == "train":
        return training_examples(corpus, cut_histories(corpus, members, np.where(evaluated, 2, 0)), split, task)
    return last_examples(corpus, split, part, task, np.where(evaluated, HELD_BACK[part], 0))


def last_examples(corpus: Corpus, split: Split, part: Part, task: str, held_back: IntArray) -> Examples:
    """One example per user with ``held_back`` (users,) last interactions held out; 0 excludes a user.

    The target is the first of them.
    """
    users = np.flatnonzero(held_back).astype(np.int32)
    chosen = held_back > 0
    known = cut_histories(corpus, chosen, held_back)
    rows = corpus.histories.offsets[users + 1] - held_back[users]
    return Examples(
        task=task,
        split=split,
        part=part,
        histories=known,
        users=users,
        ends=known.offsets[users + 1],
        targets=np.asarray(corpus.histories.items[rows]),
        rows=rows,
    )


def training_examples(corpus: Corpus, known: Histories, split: Split, task: str) -> Examples:
    """An example for every interaction of ``known`` that has one before it; ``known`` holds beginnings of histories."""
    rows = np.arange(len(known), dtype=np.int64)
    users = known.owners().astype(np.int32)
    has_past = rows > known.offsets[users]
    users, rows = users[has_past], rows[has_past]
    return Examples(
        task=task,
        split=split,
        part="train",
        histories=known,
        users=users,
        ends=rows,
        targets=known.items[rows],
        rows=corpus.histories.offsets[users] + rows - known.offsets[users],
    )


def cut_histories(corpus: Corpus, members: BoolArray, held_back: IntArray) -> Histories:
    """The members' histories without each one's last ``held_back`` (users,) rows; all others' are empty."""
    histories = corpus.histories
    users = histories.owners()
    cut = histories.offsets[1:] - held_back
    keep: BoolArray = members[users] & (np.arange(len(histories)) < cut[users])
    return histories.take(keep)


def _by_the_clock(corpus: Corpus, part: Part, task: str) -> Examples:
    """The parts of ``global-time``; users without interactions before the first instant are not evaluated."""
    if not corpus.has_clock:
        raise UsageError(f"corpus {corpus.name!r} has no timestamps, which split global-time needs")
    histories, members = corpus.histories, users_of(corpus, "global-time")
    users = histories.owners()
    of_members = histories.times[members[users]]
    if not len(of_members):
        raise UsageError(f"corpus {corpus.name!r} has no users for split global-time; {_hint('global-time')}")
    instants = np.quantile(of_members, TIME_SHARES, method="higher")
    after = [np.bincount(users[histories.times >= instant], minlength=histories.users) for instant in instants]
    learned = members & (after[0] < histories.lengths())
    if part == "train":
        return training_examples(corpus, cut_histories(corpus, learned, after[0]), "global-time", task)
    unknown = after[0] if part == "validation" else after[1]
    evaluated = learned & (after[0] > after[1] if part == "validation" else after[1] > 0)
    if not evaluated.any():
        raise UsageError(
            f"no user of corpus {corpus.name!r} has interactions on both sides of the cut-off times of global-time"
        )
    return last_examples(corpus, "global-time", part, task, np.where(evaluated, unknown, 0))


def _public(corpus: Corpus, parts: IntArray, part: Part, task: str) -> Examples:
    everybody = users_of(corpus, "public")
    users = corpus.histories.owners()
    code = PART_CODES[part]
    unknown = np.bincount(users[parts >= max(code, 1)], minlength=corpus.histories.users)
    known = cut_histories(corpus, everybody, unknown)
    if part == "train":
        return training_examples(corpus, known, "public", task)
    rows = np.flatnonzero(parts == code)
    return Examples(
        task=task,
        split="public",
        part=part,
        histories=known,
        users=users[rows],
        ends=known.offsets[users[rows] + 1],
        targets=np.asarray(corpus.histories.items[rows]),
        rows=rows,
    )


def _new_domain_codes(corpus: Corpus) -> IntArray:
    manifest = corpus.manifest
    return np.array([manifest.domains.index(name) for name in manifest.new_domains], dtype=np.int64)


def _hint(split: Split) -> str:
    return {
        "loo": "none has three interactions",
        "new-user": "build it with held-out users (unimp-bench data --held-out 0.1)",
        "new-domain": "build it with a held-out domain",
        "global-time": "all of them are held out",
    }[split]
