"""Seeded views of a corpus: noise in its items, or shuffled simultaneous interactions.

``NT`` removes a share of the attribute values, ``NV`` gives a share of the items the picture of another item, for
the robustness of models (UniMP, section A.3 and Table 6). ``ST`` shuffles interactions of a user at the same time,
where the stored order carries no information: any change in score is an artefact of file order.

``MT`` and ``MV`` take all text, or the picture, of a share of the items; ``XT`` and ``XV`` exchange them between the
items of a share, a control that must hurt a model that uses them. These four and ``NV`` are maps: each item shows the
text or picture of a source item, or none. Stored features of that modality move with them. With ``@test`` a map is
seen by the fitted model alone: the fit, its features and their scale are those of the corpus without it.

A view is a corpus with its own name and fingerprint over the same files: nothing is built, and caches do not mix.
Of the fingerprints of its parts only that of the changed part differs, and none where it is changed at test.
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
from unimp_bench.corpus.reader import Corpus, Items, part_of
from unimp_bench.errors import UsageError
from unimp_bench.records import BoolArray, IntArray

ViewKind = Literal["NT", "NV", "ST", "MT", "MV", "XT", "XV"]

SHARES: dict[ViewKind, float] = {"NT": 0.2, "NV": 0.2, "ST": 1.0, "MT": 0.5, "MV": 0.5, "XT": 1.0, "XV": 1.0}
"""Default share by kind; for noise that of the paper."""

CHANGED: dict[ViewKind, ContentPart] = {
    "NT": "texts",
    "NV": "pictures",
    "ST": "interactions",
    "MT": "texts",
    "MV": "pictures",
    "XT": "texts",
    "XV": "pictures",
}
"""By kind, the part of the corpus that it changes: a fit that does not read it is shared with the corpus as stored."""

MAPS: tuple[ViewKind, ...] = ("NV", "MT", "MV", "XT", "XV")
"""The kinds by which each item shows the whole text or picture of one item, or none."""

_TEST = "@test"
_SHARE = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_FORM, _IN_NAMES = (
    re.compile(
        rf"(?P<kind>{'|'.join(SHARES)})({mark}(?P<share>{_SHARE})({mark}(?P<seed>[0-9]{{1,18}}))?)?(?P<test>{_TEST})?"
    )
    for mark in ":-"
)
"""A view as typed by users, and in names of corpora; the dash of ``1e-05`` is part of the number in both."""


@dataclass(frozen=True)
class View:
    """A kind of change, and its extent.

    Attributes:
        kind: ``NT``, missing attribute values; ``NV``, pictures of other items; ``ST``, shuffled ties; ``MT``, missing
            texts; ``MV``, missing pictures; ``XT``, exchanged texts; ``XV``, exchanged pictures.
        share: of the existing values (``NT``), of the items with a picture (``NV``), of the groups of simultaneous
            interactions (``ST``) or of all items, rounded to integers.
        seed: of the draw; with the same seed a larger share changes all that a smaller one does, and two kinds of
            missing or of exchanged parts concern the same items.
        at_test: the fitted model sees it, its fit does not.

    Raises:
        UsageError: the share or the seed is out of range, or this kind cannot be of the test alone.
    """

    kind: ViewKind
    share: float
    seed: int = 0
    at_test: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"share {self.share} of view {self.kind} is not in (0, 1]; write 0.2 for a fifth")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} of view {self.kind} is negative")
        if self.at_test and self.kind not in MAPS:
            raise UsageError(f"view {self.kind} cannot be of the test alone; omit {_TEST}, or use {', '.join(MAPS)}")

    @classmethod
    def parse(cls, text: str) -> View:
        """Read ``NT``, ``NV:0.4``, ``NT:0.2:7`` (kind, share, seed) or ``MT:0.5@test``."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(
                f"unknown view {text!r}: use one of {', '.join(SHARES)}, optionally with share and seed (NT:0.4:7), "
                f"and {_TEST} for the test alone (MT:0.5{_TEST})"
            )
        return cls._matched(match)

    @classmethod
    def _matched(cls, match: re.Match[str]) -> View:
        kind: ViewKind = match["kind"]  # type: ignore[assignment]  # the form allows no other
        return cls(kind, float(match["share"] or SHARES[kind]), int(match["seed"] or 0), bool(match["test"]))

    def __str__(self) -> str:
        """The shortest form that ``parse`` reads back."""
        values = {(True, True): "", (False, True): f":{self.share}"}
        extent = values.get((self.share == SHARES[self.kind], self.seed == 0), f":{self.share}:{self.seed}")
        return self.kind + extent + self._place

    @property
    def canonical(self) -> str:
        """The form in full, one for each view."""
        return f"{self.kind}:{self.share!r}:{self.seed}{self._place}"

    @property
    def _place(self) -> str:
        return _TEST if self.at_test else ""


def view_of(corpus: Corpus, view: View) -> Corpus:
    """The same users and interactions with what the view changes; views of views compose.

    Names and domains of the items stay as they are. A view at test leaves the items and shows others as ``tested``.

    Raises:
        UsageError: the corpus has nothing that the view could change, or a view at test came before.
    """
    if corpus.tested is not None and not view.at_test:
        raise UsageError(f"view {view} changes what is fitted and follows one of the test alone; put it first")
    name, fingerprint = viewed(corpus.name, corpus.fingerprint, view)
    parts, part = dict(corpus.part_fingerprints), CHANGED[view.kind]
    if not view.at_test:
        parts[part] = _seen(parts[part], view)
    manifest = corpus.manifest.model_copy(update={"name": name, "fingerprint": fingerprint, "parts": parts})
    if view.kind == "ST":
        return Corpus(corpus.folder, manifest, corpus.items, _shuffled_ties(corpus, view))
    if view.kind == "NT":
        return Corpus(corpus.folder, manifest, MissingValues(corpus.items, manifest, view), corpus.order)
    shown = corpus.tested or corpus.items
    source = source_of(shown, corpus.name, view)
    if view.at_test:
        tested = ShownItems(shown, manifest, part, source, origin=corpus.items)
        return Corpus(corpus.folder, manifest, corpus.items, corpus.order, tested)
    return Corpus(corpus.folder, manifest, ShownItems(shown, manifest, part, source), corpus.order)


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
        self._items, self._view, self.sources = items, view, items.sources
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


class ShownItems(Items):
    """Items of which some show the texts or the picture of another item, or none.

    Args:
        items: what is shown.
        part: ``texts`` or ``pictures``; the other one is as in ``items``.
        source: (items,) the item whose text or picture each of them shows, -1 for none.
        origin: the items of the fit, where only its test sees this.
    """

    def __init__(
        self, items: Items, manifest: Manifest, part: ContentPart, source: IntArray, origin: Items | None = None
    ) -> None:
        super().__init__(items._folder, manifest)
        self._items, self._part = items, part
        self._taken = pa.array(source, mask=source < 0)
        earlier = {} if items is origin else items.sources
        before = earlier.get(part, np.arange(len(source)))
        self.sources, self.origin = {**earlier, part: np.where(source < 0, -1, before[source])}, origin

    def column(self, name: str) -> pa.ChunkedArray:
        self._note(name)
        values = self._items.column(name)
        return values.take(self._taken) if part_of(name) == self._part else values


def source_of(items: Items, corpus: str, view: View) -> IntArray:
    """(items,) the item whose text or picture each item shows under a view, -1 for none.

    Args:
        items: before the view.
        corpus: their name, for errors.
        view: one of ``MAPS``.

    Raises:
        UsageError: no item would change.
    """
    source = np.arange(len(items))
    if view.kind == "NV":
        pictured = np.flatnonzero(items.has_picture)
        if len(pictured) < 2:
            raise UsageError(f"view NV changes nothing: {parts_of_name(corpus)[0]} has fewer than two pictures")
        chosen = _draw(len(pictured), view)
        # One draw for every item, so that the donor of an item does not depend on the share.
        steps = np.random.default_rng([view.seed, 1]).integers(1, len(pictured), len(pictured))
        source[pictured[chosen]] = pictured[(chosen + steps[chosen]) % len(pictured)]
        return source
    chosen, exchanged = _draw(len(items), view), view.kind in ("XT", "XV")
    if len(chosen) < 1 + exchanged:
        raise UsageError(f"view {view} changes nothing: its share of {len(items):,} items is {len(chosen)}")
    source[chosen] = np.roll(chosen, 1) if exchanged else -1  # a single cycle: no item keeps its own
    return source


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
