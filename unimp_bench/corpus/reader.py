"""Opens a corpus: users, items and interactions as memory maps; texts and pictures are read on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench.corpus.fingerprints import CONTENT_PARTS, ContentPart, part_fingerprints
from unimp_bench.corpus.manifest import Manifest, RatingScale, file_entry, picture_entry, rating_scale
from unimp_bench.corpus.writer import ARRAYS
from unimp_bench.errors import DataError
from unimp_bench.records import BoolArray, Histories, IntArray, Texts

if TYPE_CHECKING:
    from unimp_bench.corpus.features.ids import StoredIds
    from unimp_bench.corpus.features.stored import Stored


class Reviews:
    """Review text, row-aligned with the interactions."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, rows: IntArray) -> tuple[list[str], list[str]]:
        """(summaries, texts) of the given interaction rows."""
        table = take_rows(self._path, rows)
        return table.column("summary").to_pylist(), table.column("text").to_pylist()


class WholeReviews:
    """Each review as one text: its summary, and what was written below it."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    def take(self, numbers: IntArray) -> list[str]:
        """The texts of the reviews of these interaction rows."""
        return [f"{summary}\n{text}".strip() for summary, text in zip(*self._reviews.take(numbers), strict=True)]


class Explanations:
    """Sentences of users' own reviews that say why the item suits them or not; some interactions have one.

    Args:
        order: (interactions,) the stored rows in the order that a view shows them; None for the order as stored.
    """

    def __init__(self, path: Path, order: IntArray | None = None) -> None:
        self._path = path
        self._order = order

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def rows(self) -> IntArray:
        """(explanations,) int64: the interactions that have an explanation, sorted."""
        shown: IntArray = self._shown[self._stored_order]
        return shown

    def take(self, numbers: IntArray) -> list[str]:
        """Sentences of the explanations of these numbers, which count from 0 in the order of ``rows``."""
        stored = self._stored_order[numbers]
        sentences: list[str] = take_rows(self._path, stored, ["sentence"]).column("sentence").to_pylist()
        return sentences

    @cached_property
    def _shown(self) -> IntArray:
        """(explanations,) the interaction of each explanation, in the order that they are stored."""
        rows: IntArray = read_table(self._path, ["row"]).column("row").to_numpy()
        return rows if self._order is None else np.argsort(self._order)[rows]

    @cached_property
    def _stored_order(self) -> IntArray:
        """(explanations,) the stored explanations by their interactions."""
        return np.argsort(self._shown)


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A whole Parquet file of a corpus, or some columns of it.

    Raises:
        DataError: the file is damaged or lacks a column.
    """
    try:
        return pq.read_table(path, columns=columns, memory_map=True)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise _unreadable(path, error) from None


def take_rows(path: Path, rows: IntArray, columns: list[str] | None = None) -> pa.Table:
    """Some rows of a Parquet file, in the given order; only the row groups that hold them are read.

    Raises:
        DataError: the file is damaged.
    """
    try:
        file = pq.ParquetFile(path, memory_map=True)
        sizes = np.array([file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)], np.int64)
        ends = np.cumsum(sizes)
        groups, group_of = np.unique(np.searchsorted(ends, rows, side="right"), return_inverse=True)
        table = file.read_row_groups(groups.tolist(), columns)
        # The index of a row among the groups read: less the rows of the skipped groups before its own.
        skipped = (ends - sizes)[groups] - np.concatenate([[0], np.cumsum(sizes[groups])[:-1]])[: len(groups)]
        return table.take(pa.array(rows - skipped[group_of]))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError(f"corpus file {path} cannot be read ({reason}); build the corpus again")


PATH_SEPARATOR = " > "
FIRST_CLOCK_TIME = 100_000_000
"""Times below this one (in 1973) are positions: no sequence is so long, and no source so old."""


@dataclass(frozen=True)
class Users:
    """Users in the order of their numbers.

    Attributes:
        names: (users,) source ids, made unique per domain.
        domains: (users,) int16 codes into the manifest's ``domains``.
        held_out: (users,) bool, true for the ``new-user`` split.
    """

    names: list[str]
    domains: IntArray
    held_out: BoolArray

    def __len__(self) -> int:
        return len(self.names)


def part_of(column: str) -> ContentPart | None:
    """The part of a corpus that a column of the items belongs to; None for names and domains, which all parts have."""
    if column in ("item", "domain"):
        return None
    return "pictures" if column == "picture" else "texts"


class Items:
    """The catalogue: names, attributes and pictures of all items. Holds no interaction, and no way to one.

    Attributes:
        fingerprint: of the corpus, the key for caches of what is computed from its items.
        names: source ids in the order of the item numbers.
        domains: (items,) int16 codes.
        attributes: names of the attribute columns.
        truth_was_read: ``truth`` was called.
        parts_read: the parts of the corpus whose columns were read; names and domains belong to all of them.
        features: stored feature sets that models read instead of their own encoders', by modality; None for a modality
            that they are to read nothing of.
        features_read: the modalities of ``features`` that a model has read.
        sources: by part, (items,) the item whose texts or picture each item shows, -1 for none, where a view moved them
            (``unimp_bench.corpus.views``): of the items as stored, or of ``origin``.
        origin: the items that a fit read, where these are what its test shows of them; features are computed of these,
            and moved.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self.truth_was_read = False
        self.parts_read: set[ContentPart] = set()
        self.features: dict[str, Stored | StoredIds | None] = {}
        self.features_read: set[str] = set()
        self.sources: dict[ContentPart, IntArray] = {}
        self.origin: Items | None = None
        self.fingerprint = manifest.fingerprint
        self.domain_names = manifest.domains
        self.attributes = manifest.attributes
        self._path = folder / "items.parquet"

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def names(self) -> list[str]:
        return [str(name) for name in self.column("item").to_pylist()]

    @cached_property
    def domains(self) -> IntArray:
        return _codes(self.column("domain"), self.domain_names, self._path)

    def column(self, name: str) -> pa.ChunkedArray:
        """One column as stored."""
        self._note(name)
        return read_table(self._path, [name]).column(name)

    def _note(self, column: str) -> None:
        """Keep which part a column belongs to."""
        if part := part_of(column):
            self.parts_read.add(part)

    def moved(self, part: ContentPart) -> IntArray:
        """(items,) the item of ``origin`` whose texts or picture each item shows, -1 for none; noted as read."""
        self.parts_read.add(part)
        return self.sources.get(part, np.arange(len(self)))

    def text(self, attribute: str) -> list[str]:
        """An attribute as text, one string an item: lists joined as a path, numbers printed, missing empty."""
        return [_as_text(value) for value in self.column(attribute).to_pylist()]

    @cached_property
    def has_picture(self) -> BoolArray:
        """(items,) bool."""
        present: BoolArray = np.array([name is not None for name in self._pictures], dtype=np.bool_)
        return present

    def picture(self, item: int) -> Path | None:
        """The picture file of an item, or None where the source had none."""
        name = self._pictures[item]
        return None if name is None else self._folder / "pictures" / name

    def truth(self) -> dict[str, np.ndarray]:
        """The ground truth of this corpus's generator, arrays by name; only for models that read ``truth``.

        Raises:
            DataError: the corpus is not generated, or its truth is that of another.
        """
        self.truth_was_read = True
        folder = self._folder / "truth"
        if not folder.is_dir():
            raise DataError(f"{self._folder} holds no ground truth: only a generated corpus has one")
        truth = {path.stem: np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npy"))}
        if len(truth["item_domain"]) != len(self):
            raise DataError(f"the ground truth in {folder} is not that of the corpus; build the corpus again")
        return truth

    @cached_property
    def _pictures(self) -> list[str | None]:
        names: list[str | None] = self.column("picture").to_pylist()
        return names


class Corpus:
    """A built corpus, opened for reading.

    Args:
        items: given where a view shows them otherwise than stored.
        order: (rows,) the stored interactions in the order that a view shows them, users and times as stored; None
            for the order as stored.
        tested: the items as fitted models see them, where a view changes them at test alone; else None.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        items: Items | None = None,
        order: IntArray | None = None,
        tested: Items | None = None,
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.items = items or Items(folder, manifest)
        self.order = order
        self.tested = tested

    @classmethod
    def open(cls, folder: Path) -> Corpus:
        """Open a corpus folder after checking that every file is there with its recorded size.

        Raises:
            DataError: the folder is missing, half-written, damaged, or no corpus.
        """
        if not folder.is_dir():
            raise DataError(f"there is no corpus at {folder}; build one with 'make data'")
        manifest = Manifest.read(folder)
        for name, entry in manifest.files.items():
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise DataError(f"corpus {folder} is damaged: its manifest names {name}, outside its folder")
            if not path.is_file():
                raise DataError(f"corpus {folder} is damaged: {name} is missing; build it again")
            if path.stat().st_size != entry.bytes:
                raise DataError(
                    f"corpus {folder} is damaged: {name} has {path.stat().st_size} bytes, "
                    f"the manifest says {entry.bytes}; build it again"
                )
        return cls(folder, manifest)

    def verify(self) -> None:
        """Hash every file against the manifest (slow for large corpora).

        Raises:
            DataError: names the first file that differs.
        """
        for name, entry in self.manifest.files.items():
            if file_entry(self.folder / name).sha256 != entry.sha256:
                raise DataError(f"corpus {self.folder} is damaged: {name} differs from its hash; build it again")
        if picture_entry(self.folder / "pictures") != self.manifest.pictures:
            raise DataError(f"corpus {self.folder} is damaged: its pictures differ from their hash; build it again")

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    @cached_property
    def part_fingerprints(self) -> dict[str, str]:
        """Fingerprints of the parts, computed where the manifest is of an earlier version."""
        stored = self.manifest.parts
        if not stored:
            return part_fingerprints(self.folder, self.manifest)
        return {part: stored[part] for part in CONTENT_PARTS}

    @cached_property
    def users(self) -> Users:
        path = self.folder / "users.parquet"
        table = read_table(path)
        return Users(
            [str(name) for name in table.column("user").to_pylist()],
            _codes(table.column("domain"), self.manifest.domains, path),
            np.asarray(table.column("held_out").to_numpy(), dtype=np.bool_),
        )

    @cached_property
    def histories(self) -> Histories:
        """All interactions, as memory maps, and their reviews, which stay on disk."""
        arrays = {name: self._array(name) for name in ARRAYS}
        rows = np.arange(len(arrays["items"])) if self.order is None else self.order
        if self.order is not None:
            arrays |= {name: arrays[name][rows] for name in ("items", "ratings")}
        reviews = None if self.reviews is None else Texts(WholeReviews(self.reviews), rows)
        return Histories(**arrays, reviews=reviews)

    @cached_property
    def has_clock(self) -> bool:
        """Whether times are seconds since 1970, and not positions in the users' sequences."""
        return bool(len(self.histories) and self.histories.times.max() >= FIRST_CLOCK_TIME)

    @cached_property
    def parts(self) -> npt.NDArray[np.uint8] | None:
        """(rows,) 0 training, 1 validation or 2 test, where the source has a public split; else None.

        A user's rows are in the order of the parts, and in time order within each, so times may step back between.
        """
        return self._array("parts") if "interactions/parts.npy" in self.manifest.files else None

    @cached_property
    def rating_scale(self) -> RatingScale | None:
        """(lowest, highest, smallest step) of the ratings, such as (1, 5, 1); None without ratings."""
        return self.manifest.rating_scale or rating_scale(self.histories.ratings)  # early manifests lack it

    @cached_property
    def reviews(self) -> Reviews | None:
        """The review texts by stored row, or None where the source has none."""
        path = self.folder / "reviews.parquet"
        return Reviews(path) if path.is_file() else None

    @cached_property
    def explanations(self) -> Explanations | None:
        """Why users say an item suits them or not, or None where the source has no reviews."""
        path = self.folder / "explanations.parquet"
        return Explanations(path, self.order) if path.is_file() else None

    def _array(self, name: str) -> np.ndarray:
        """One array of the interactions, as a memory map."""
        path = self.folder / "interactions" / f"{name}.npy"
        try:
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"corpus file {path} cannot be read ({error}); build the corpus again") from None
        return array


def _codes(column: pa.ChunkedArray, names: tuple[str, ...], path: Path) -> IntArray:
    numbers = {name: code for code, name in enumerate(names)}
    try:
        return np.array([numbers[value] for value in column.to_pylist()], dtype=np.int16)
    except KeyError as error:
        raise DataError(f"{path} names a domain that the manifest lacks: {error}; build the corpus again") from None


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return PATH_SEPARATOR.join(str(part) for part in value)
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)
