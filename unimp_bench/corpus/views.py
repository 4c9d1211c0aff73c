"""Seeded views of a corpus: noise in its items, or shuffled simultaneous interactions.

``NT`` removes a share of the attribute values, ``NV`` gives a share of the items the picture of another item, for
the robustness of models (UniMP, section A.3 and Table 6). ``ST`` shuffles interactions of a user at the same time,
where the stored order carries no information: any change in score is an artefact of file order.
A view is a corpus with its own name and fingerprint over the same files: nothing is built, and caches do not mix.
Of the fingerprints of its parts only that of the changed part differs.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unimp_bench.corpus.fingerprints import ContentPart
from unimp_bench.corpus.manifest import Manifest
from unimp_bench.corpus.reader import Corpus, Items
from unimp_bench.errors import UsageError
from unimp_bench.records import BoolArray, IntArray

ViewKind = Literal["NT", "NV", "ST"]

SHARES: dict[ViewKind, float] = {"NT": 0.2, "NV": 0.2, "ST": 1.0}
"""Default share by kind; for noise that of the paper."""

CHANGED: dict[ViewKind, ContentPart] = {"NT": "texts", "NV": "pictures", "ST": "interactions"}
"""By kind, the part of the corpus that it changes: a fit that does not read it is shared with the corpus as stored."""

_SHARE = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_FORM, _IN_NAMES = (
    re.compile(rf"(?P<kind>NT|NV|ST)({mark}(?P<share>{_SHARE})({mark}(?P<seed>[0-9]{{1,18}}))?)?") for mark in ":-"
)
"""A view as typed by users, and in names of corpora; the dash of ``1e-05`` is part of the number in both."""


@dataclass(frozen=True)
class View:
    """A kind of change, and its extent.

    Attributes:
        kind: ``NT``, missing attribute values; ``NV``, pictures of other items; ``ST``, shuffled ties.
        share: of the existing values, of the items with a picture, or of the groups of simultaneous interactions,
            rounded to integers.
        seed: of the draw; with the same seed a larger share changes all that a smaller one does.

    Raises:
        UsageError: the share or the seed is out of range.
    """

    kind: ViewKind
    share: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"share {self.share} of view {self.kind} is not in (0, 1]; write 0.2 for a fifth")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} of view {self.kind} is negative")

    @classmethod
    def parse(cls, text: str) -> View:
        """Read ``NT``, ``NV:0.4`` or ``NT:0.2:7`` (kind, share, seed)."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(f"unknown view {text!r}: use NT, NV or ST, optionally with share and seed (NT:0.4:7)")
        return cls._matched(match)

    @classmethod
    def _matched(cls, match: re.Match[str]) -> View:
        kind: ViewKind = match["kind"]  # type: ignore[assignment]  # the form allows no other
        return cls(kind, float(match["share"] or SHARES[kind]), int(match["seed"] or 0))

    def __str__(self) -> str:
        """The shortest form that ``parse`` reads back."""
        values = {(True, True): "", (False, True): f":{self.share}"}
        return self.kind + values.get((self.share == SHARES[self.kind], self.seed == 0), f":{self.share}:{self.seed}")

    @property
    def canonical(self) -> str:
        """The form in full, one for each view."""
        return f"{self.kind}:{self.share!r}:{self.seed}"


def view_of(corpus: Corpus, view: View) -> Corpus:
    """The same users and interactions with what the view changes; views of views compose.

    Names and domains of the items stay as they are, and so does which of them have a picture.

    Raises:
        UsageError: the corpus has nothing that the view could change.
    """
    name, fingerprint = viewed(corpus.name, corpus.fingerprint, view)
    parts = dict(corpus.part_fingerprints)
    parts[CHANGED[view.kind]] = _seen(parts[CHANGED[view.kind]], view)
    manifest = corpus.manifest.model_copy(update={"name": name, "fingerprint": fingerprint, "parts": parts})
    if view.kind == "ST":
        return Corpus(corpus.folder, manifest, corpus.items, _shuffled_ties(corpus, view))
    noisy = MissingValues if view.kind == "NT" else OtherPictures
    return Corpus(corpus.folder, manifest, noisy(corpus.items, manifest, view), corpus.order)


def viewed(name: str, fingerprint: str, view: View) -> tuple[str, str]:
    """Name and fingerprint of a view of a corpus that has these."""
    return f"{name}+{str(view).replace(':', '-')}", _seen(fingerprint, view)


def _seen(fingerprint: str, view: View) -> str:
    return hashlib.sha256(f"{fingerprint} {view.canonical}".encode()).hexdigest()


def parts_of_name(name: str) -> tuple[str, tuple[View, ...]]:
    """Name of the corpus as it was built, and the views of it, from the name that ``viewed`` gave: its inverse."""
    parts, views = name.split("+"), list[View]()
    while len(parts) > 1 and (match := _IN_NAMES.fullmatch(parts[-1])):
        views.insert(0, View._matched(match))
        parts.pop()
    return "+".join(parts), tuple(views)


class MissingValues(Items):
    """Items of which some attribute values, drawn uniformly over all that are there, are missing; lists go whole."""

    def __init__(self, items: Items, manifest: Manifest, view: View) -> None:
        super().__init__(items._folder, manifest)
        self._items, self._view = items, view
        if not any(values.any() for values in self._present().values()):
            raise UsageError(
                f"view NT changes nothing: the items of {parts_of_name(manifest.name)[0]} have no attributes"
            )

    def column(self, name: str) -> pa.ChunkedArray:
        self._note(name)
        values = self._items.column(name)
        if name not in self._missing:
            return values
        nothing = pa.scalar(None, values.type)
        kept = pa.array(~self._missing[name])
        return pa.chunked_array([pc.if_else(kept, values.combine_chunks(), nothing)])

    @cached_property
    def _missing(self) -> dict[str, BoolArray]:
        """By attribute, (items,) whether its value is taken away."""
        present = np.stack(list(self._present().values()))
        cells = np.flatnonzero(present)
        chosen = cells[_draw(len(cells), self._view)]
        missing = np.zeros(present.shape, dtype=np.bool_)
        missing.flat[chosen] = True
        return dict(zip(self.attributes, missing, strict=True))

    def _present(self) -> dict[str, BoolArray]:
        return {name: self._items.column(name).is_valid().to_numpy() for name in self.attributes}


class OtherPictures(Items):
    """Items of which some show the picture of another item, drawn uniformly from all others that have one."""

    def __init__(self, items: Items, manifest: Manifest, view: View) -> None:
        super().__init__(items._folder, manifest)
        self._items, self._view = items, view
        if items.has_picture.sum() < 2:
            raise UsageError(f"view NV changes nothing: {parts_of_name(manifest.name)[0]} has fewer than two pictures")

    def column(self, name: str) -> pa.ChunkedArray:
        self._note(name)
        values = self._items.column(name)
        return values.take(pa.array(self._shown)) if name == "picture" else values

    @cached_property
    def _shown(self) -> IntArray:
        """(items,) the item that provides the picture of each item."""
        shown = np.arange(len(self))
        pictured = np.flatnonzero(self._items.has_picture)
        chosen = _draw(len(pictured), self._view)
        # One draw for every item, so that the donor of an item does not depend on the share.
        steps = np.random.default_rng([self._view.seed, 1]).integers(1, len(pictured), len(pictured))
        shown[pictured[chosen]] = pictured[(chosen + steps[chosen]) % len(pictured)]
        return shown


def _shuffled_ties(corpus: Corpus, view: View) -> IntArray:
    """(rows,) the stored rows, with the view's share of the groups of simultaneous interactions shuffled.

    A public split is unchanged: no row moves between its parts.
    """
    histories = corpus.histories
    owners = histories.owners()
    columns = [owners, histories.times] + ([] if corpus.parts is None else [corpus.parts])
    begins = np.append(True, np.any([column[1:] != column[:-1] for column in columns], axis=0))
    group = np.cumsum(begins) - 1
    tied = np.flatnonzero(np.bincount(group) > 1)
    if not len(tied):
        raise UsageError(f"view ST changes nothing: no user of {corpus.name} has two simultaneous interactions")
    chosen = np.zeros(group[-1] + 1, dtype=np.bool_)
    chosen[tied[_draw(len(tied), view)]] = True
    by_chance = np.random.default_rng([view.seed, 1]).random(len(group))
    rows = np.lexsort((np.where(chosen[group], by_chance, 0.0), group))
    stored: IntArray = rows if corpus.order is None else corpus.order[rows]
    return stored


def _draw(count: int, view: View) -> IntArray:
    """The view's share of the numbers below ``count``, without repetition."""
    chosen: IntArray = np.random.default_rng([view.seed, 0]).permutation(count)[: round(view.share * count)]
    return chosen
