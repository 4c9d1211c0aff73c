"""Near duplicates among items: equal or similar titles and pictures."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from unimp_bench.corpus import Items
from unimp_bench.corpus.pictures import open_picture
from unimp_bench.progress import progress
from unimp_bench.records import BoolArray, Examples, IntArray
from unimp_bench.reports.audit.corpus.interactions import in_history, mean, share
from unimp_bench.reports.audit.corpus.record import (
    BLANK_RANGE,
    LIKE_BITS,
    LIKE_COLOURS,
    LIKE_TITLES,
    MOST_SHARING,
    Copies,
    Duplicates,
    Group,
)

_LARGEST = 5
_NAMED = 4


@dataclass(frozen=True)
class Likeness:
    """Near-duplicates by title, or by picture.

    Attributes:
        contents: (items,) number of the item's content, equal for equal contents; -1 for nothing to compare.
        groups: (contents,) number of the connected group of near-duplicates of each content.
        near: maps (n,) and (n,) contents to (n,) bool, whether they are equal or near-duplicates.
        left_out: number of items with uninformative content.
    """

    contents: IntArray
    groups: IntArray
    near: Callable[[IntArray, IntArray], BoolArray]
    left_out: int = 0

    def copies(self, items: IntArray, others: IntArray) -> BoolArray:
        """(n,) whether the items are different and near-duplicates."""
        a, b = self.contents[items], self.contents[others]
        pairs = np.flatnonzero((items != others) & (a >= 0) & (b >= 0))
        pairs = pairs[self.groups[a[pairs]] == self.groups[b[pairs]]]
        found = np.zeros(len(items), dtype=np.bool_)
        found[pairs] = self.near(a[pairs], b[pairs])
        return found


def chained(count: int, pairs: Iterable[tuple[IntArray, IntArray]]) -> IntArray:
    """(count,) number of each content's connected group, from a stream of blocks of pairs."""
    groups: IntArray = np.arange(count)
    for a, b in pairs:
        if len(a):
            merged = coo_array((np.ones(len(a), dtype=np.bool_), (groups[a], groups[b])), shape=(count, count))
            groups = connected_components(merged, directed=False)[1][groups]
    return groups


def duplicates(likeness: Likeness | None, names: Sequence[str]) -> Duplicates | None:
    """Numbers and groups of near-duplicates; None without a likeness. ``names`` are those of all items."""
    if likeness is None:
        return None
    items = np.flatnonzero(likeness.contents >= 0)
    contents = likeness.contents[items]
    groups = likeness.groups[contents]
    sizes = np.bincount(groups)
    order = np.argsort(-sizes, kind="stable")[:_LARGEST]
    return Duplicates(
        items=len(items),
        left_out=likeness.left_out,
        exact=share((np.bincount(contents)[contents] > 1).sum(), len(items)),
        near=share((sizes[groups] > 1).sum(), len(items)),
        groups=int((sizes > 1).sum()),
        largest=tuple(
            Group(items=int(sizes[group]), examples=tuple(names[item] for item in items[groups == group][:_NAMED]))
            for group in order
            if sizes[group] > 1
        ),
    )


def copied(test: Examples, titles: Likeness | None, pictures: Likeness | None) -> BoolArray | None:
    """(n,) whether another item of the history is a near-duplicate of the target; None without any likeness."""
    found = [in_history(test, likeness.copies) for likeness in (titles, pictures) if likeness is not None]
    return np.logical_or.reduce(found) if found else None


def copies(test: Examples, titles: Likeness | None, pictures: Likeness | None) -> Copies | None:
    """Share of the targets with a near-duplicate in the history, by title, by picture and by either."""
    either = copied(test, titles, pictures)
    if either is None:
        return None
    alone = [None if each is None else mean(in_history(test, each.copies)) for each in (titles, pictures)]
    return Copies(titles=alone[0], pictures=alone[1], either=mean(either))


TITLE = "title"

_CELLS = 1 << 24
"""Maximum number of cells of a block of cosines."""

_NO_LETTERS = re.compile(r"[\W_]+")


def title_likeness(items: Items) -> Likeness | None:
    """Titles by the cosine of TF-IDF weights of the character trigrams of their words; None if no item has one.

    The order of words matters little, and frequent words less than rare ones.
    """
    titles = [plain_title(title) for title in items.text(TITLE)] if TITLE in items.attributes else []
    if not any(titles):
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer

    distinct, contents = np.unique(np.array(titles, dtype=object), return_inverse=True)
    if not distinct[0]:  # the empty title comes first
        distinct, contents = distinct[1:], contents - 1
    trigrams = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), lowercase=False, dtype=np.float32)
    vectors = csr_array(trigrams.fit_transform(distinct))

    def near(a: IntArray, b: IntArray) -> BoolArray:
        cosines: BoolArray = vectors[a].multiply(vectors[b]).sum(axis=1) >= LIKE_TITLES
        return cosines

    return Likeness(contents, chained(len(distinct), _pairs(vectors)), near)


def plain_title(title: str) -> str:
    """A title without case, punctuation, HTML character references and superfluous spaces."""
    return _NO_LETTERS.sub(" ", unicodedata.normalize("NFKC", html.unescape(title)).casefold()).strip()


def _pairs(vectors: csr_array) -> Iterator[tuple[IntArray, IntArray]]:
    """All pairs of rows above the threshold, one block of rows at a time."""
    count = vectors.shape[0]
    step = max(1, _CELLS // count)
    for start in progress(range(0, count, step), "comparing titles", unit="block"):
        cosines = (vectors[start : start + step] @ vectors[start:].T).tocoo()
        near = cosines.data >= LIKE_TITLES
        yield cosines.row[near] + start, cosines.col[near] + start


_SIDE = 8
_ROWS, _PAIRS = 512, 1 << 16
"""Numbers of pictures in a block of hashes, and of pairs in a block of colours."""


@dataclass(frozen=True)
class PictureHash:
    """Hashes of a picture for comparison.

    Attributes:
        pixels: SHA-256 of size and RGB values.
        bits: difference hash (Krawetz): whether each of 9 x 8 grey values is below its right neighbour, 64 bits.
        colours: (192,) uint8, the picture scaled to 8 x 8.
        blank: nearly constant grey values.
    """

    pixels: str
    bits: np.uint64
    colours: npt.NDArray[np.uint8]
    blank: bool


def picture_likeness(items: Items) -> Likeness | None:
    """Pictures by difference hash and coarse colours together; None if no item has a picture.

    The hash alone confuses products with similar outlines on white ground, the colours alone products of one colour.
    Blank pictures and placeholders are excluded.

    Raises:
        DataError: a picture cannot be decoded.
    """
    pictured = np.flatnonzero(items.has_picture)
    if not len(pictured):
        return None
    hashes = [picture_hash(picture) for picture in _open_all(items, pictured)]
    _, first, number, shared = np.unique(
        np.array([each.pixels for each in hashes]), return_index=True, return_inverse=True, return_counts=True
    )
    blank = np.array([each.blank for each in hashes])[first]
    informative = ~blank & (shared <= MOST_SHARING)
    contents = np.full(len(items), -1, dtype=np.int64)
    contents[pictured] = np.where(informative[number], (np.cumsum(informative) - 1)[number], -1)
    bits = np.array([hashes[row].bits for row in first[informative]], dtype=np.uint64)
    colours = np.array([hashes[row].colours for row in first[informative]], dtype=np.int16).reshape(-1, 3 * _SIDE**2)

    def near(a: IntArray, b: IntArray) -> BoolArray:
        same_outline = np.bitwise_count(bits[a] ^ bits[b]) <= LIKE_BITS
        same_colours = np.abs(colours[a] - colours[b]).mean(axis=1) <= LIKE_COLOURS
        both: BoolArray = same_outline & same_colours
        return both

    def pairs() -> Iterator[tuple[IntArray, IntArray]]:
        for start in range(0, len(bits), _ROWS):
            unlike = np.bitwise_count(bits[start : start + _ROWS, None] ^ bits[None, start:])
            found = np.argwhere(unlike <= LIKE_BITS) + start
            for first_pair in range(0, len(found), _PAIRS):
                a, b = found[first_pair : first_pair + _PAIRS].T
                like = near(a, b)
                yield a[like], b[like]

    return Likeness(contents, chained(len(bits), pairs()), near, left_out=int((contents[pictured] < 0).sum()))


def picture_hash(picture: Image.Image) -> PictureHash:
    """Hashes of an RGB picture."""
    pixels = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
    grey = np.asarray(picture.convert("L").resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS), dtype=np.int16)
    bits = np.packbits(grey[:, :-1] < grey[:, 1:]).view(np.uint64)[0]
    colours = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)).ravel()
    return PictureHash(pixels, bits, colours, bool(np.ptp(grey) < BLANK_RANGE))


def _open_all(items: Items, pictured: IntArray) -> Iterator[Image.Image]:
    for item in progress(pictured, "reading pictures", unit="picture"):
        path = items.picture(int(item))
        assert path is not None
        yield open_picture(path)
