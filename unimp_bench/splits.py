"""Who is in which split, and which interaction is the target: leave-one-out per user.

For a user with at least three interactions the last is the test target and the one before it the validation
target; a user with fewer has none of them held out and gives everything to training. Users of ``new-user`` and
``new-domain`` are never trained on; their last interaction is their test target (UniMP, section 3.1).
"""

from __future__ import annotations

import numpy as np

from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.records import BoolArray, Examples, Histories, IntArray, Part, Split

MIN_INTERACTIONS = 3


def users_of(corpus: Corpus, split: Split) -> BoolArray:
    """(users,) bool: the users of a split."""
    new_domain = _new_domain_codes(corpus)
    in_new_domain = np.isin(corpus.users.domains, new_domain)
    if split == "new-domain":
        return in_new_domain
    held_out = corpus.users.held_out
    mask: BoolArray = ~in_new_domain & (held_out if split == "new-user" else ~held_out)
    return mask


def catalogue(corpus: Corpus, split: Split) -> IntArray:
    """Sorted numbers of the items that may be an answer: those that users of the split's domains interact with.

    Stores sell some items in several domains, so such an item is in both catalogues.
    """
    in_new_domain = np.isin(corpus.users.domains, _new_domain_codes(corpus))
    members = in_new_domain if split == "new-domain" else ~in_new_domain
    sold = np.zeros(len(corpus.items), dtype=np.bool_)
    sold[corpus.histories.items[np.repeat(members, corpus.histories.lengths())]] = True
    chosen: IntArray = np.flatnonzero(sold)
    return chosen


def leave_one_out(corpus: Corpus, split: Split, part: Part, task: str) -> Examples:
    """The examples of one part of a split, targets included, histories cut to what may be known.

    ``train``: every training interaction that has one before it is a target. ``validation`` and ``test``: one
    example a user. Only ``loo`` has a training and a validation part.

    Raises:
        UsageError: the corpus has no such users, or the part does not exist in this split.
    """
    if part != "test" and split != "loo":
        raise UsageError(f"split {split} has only a test part: models are fitted on loo")
    members = users_of(corpus, split)
    histories = corpus.histories
    lengths = histories.lengths()
    evaluated = np.flatnonzero(members & (lengths >= MIN_INTERACTIONS)).astype(np.int32)
    if not len(evaluated):
        raise UsageError(f"corpus {corpus.name!r} has no users for split {split}; {_hint(split)}")
    if part == "train":
        return _training(histories, members, lengths, task)
    held_back = 1 if part == "test" else 2
    known = _known(histories, members, held_back)
    target_rows = histories.offsets[evaluated + 1] - held_back
    return Examples(
        task=task,
        split=split,
        part=part,
        histories=known,
        users=evaluated,
        ends=known.offsets[evaluated + 1],
        targets=np.asarray(histories.items[target_rows]),
    )


def _training(histories: Histories, members: BoolArray, lengths: IntArray, task: str) -> Examples:
    evaluated = lengths >= MIN_INTERACTIONS
    held_back = np.where(evaluated, 2, 0)
    known = _known(histories, members, held_back)
    rows = np.arange(len(known), dtype=np.int64)
    users = np.repeat(np.arange(known.users, dtype=np.int32), known.lengths())
    has_past = rows > known.offsets[users]
    return Examples(
        task=task,
        split="loo",
        part="train",
        histories=known,
        users=users[has_past],
        ends=rows[has_past],
        targets=known.items[has_past],
    )


def _known(histories: Histories, members: BoolArray, held_back: IntArray | int) -> Histories:
    """The members' histories without each one's last ``held_back`` rows; all others' are empty."""
    lengths = histories.lengths()
    users = np.repeat(np.arange(histories.users), lengths)
    cut = histories.offsets[1:] - held_back
    keep: BoolArray = members[users] & (np.arange(len(histories)) < cut[users])
    return histories.take(keep)


def _new_domain_codes(corpus: Corpus) -> IntArray:
    manifest = corpus.manifest
    return np.array([manifest.domains.index(name) for name in manifest.new_domains], dtype=np.int64)


def _hint(split: Split) -> str:
    return {
        "loo": "none has three interactions",
        "new-user": "build it with held-out users (HELD_OUT=0.1)",
        "new-domain": "build it with a held-out domain",
    }[split]
