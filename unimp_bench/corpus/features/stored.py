"""Named sets of item features that are stored with a corpus, computed by an encoder or imported from a file.

A set is a folder ``features/NAME`` of the corpus: ``values.npy``, float32 (items, width) or (items, regions, width),
zero for items without features; ``known.npy``, (items,) bool, the items that have them; ``features.json``, a
``FeatureSet``, written last. ``--features text=NAME`` has models read a set instead of what their own encoder gives.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from unimp_bench.corpus.features.ids import MODALITY as IDS
from unimp_bench.corpus.features.ids import StoredIds, open_ids
from unimp_bench.corpus.features.names import NOTHING, SET_NAME, digest_of, names_hash
from unimp_bench.corpus.features.sentence import Pooling, Precision
from unimp_bench.corpus.fingerprints import ContentPart
from unimp_bench.corpus.reader import Corpus, Items
from unimp_bench.corpus.views import CHANGED, MAPS, View, parts_of_name
from unimp_bench.corpus.writer import FEATURES
from unimp_bench.errors import DataError, UsageError, find
from unimp_bench.files import mapped, storing, write_atomically
from unimp_bench.records import BoolArray, FloatArray, IntArray
from unimp_bench.settings import Strict

RECORD = "features.json"
PARTS: dict[str, ContentPart] = {"text": "texts", "pictures": "pictures"}
"""The part of a corpus that encoders of a modality read; other modalities are imported only."""

_BLOCK = 4096
_MODALITY = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Recipe(Strict):
    """How an encoder made a set.

    Attributes:
        encoder: as typed, or its published name; the folder or file of the user's own by its last part.
        library: what reads it: ``lsa``, ``transformers``, ``timm``, ``open_clip`` or ``tiny``.
        weights: hash of its files, or the published tag.
        pooling, normalised, longest, prefix, precision: of texts, see ``SentenceEncoder``.
        attributes: that make up the text of an item; empty for ``corpus.features.text.ATTRIBUTES``.
        regions: side of the square of regions a picture is divided into; 0 for one vector a picture.
        version: of the extraction.
    """

    encoder: str
    library: str
    weights: str = ""
    pooling: Pooling | None = None
    normalised: bool = False
    longest: int = 0
    prefix: str = ""
    precision: Precision = "float32"
    attributes: tuple[str, ...] = ()
    regions: int = 0
    version: int = 1


class FeatureSet(Strict):
    """What is known of a stored set.

    Attributes:
        key: hash over the recipe and the part of the corpus that it was applied to, or of the imported values, or of
            what was done with which other set.
        items: number of items of the corpus; ``names`` is the hash of their names.
        known: number of items that have features.
        shape: of the features of an item: (width,), or (regions, width).
        recipe: of an encoder's own sets.
        part: fingerprint of the part of the corpus that the encoder read; empty for imported sets.
        source: name and hash of the imported file, or what was done with which other set; empty for an encoder's own.
        place: where the encoder is found again: its name, folder or file.
        seconds: that the computation took.
    """

    format: Literal["unimp-bench-features"] = "unimp-bench-features"
    version: Literal[1] = 1
    name: str
    modality: str
    key: str
    items: int
    names: str
    known: int
    shape: tuple[int, ...]
    recipe: Recipe | None = None
    part: str = ""
    source: str = ""
    place: str = ""
    seconds: float = Field(default=0.0)

    @property
    def words(self) -> str:
        """Its origin and size, for lists and results."""
        origin = self.source
        if self.recipe is not None:
            recipe = self.recipe
            told = [recipe.encoder, recipe.pooling or "", f"prefix {recipe.prefix!r}" if recipe.prefix else ""]
            told += [f"of {' '.join(recipe.attributes)}"] if recipe.attributes else []
            origin = ", ".join(word for word in told if word)
        return f"{origin}; {' x '.join(map(str, self.shape))}, {self.known:,} of {self.items:,} items"


@dataclass(frozen=True)
class Stored:
    """A set opened for reading.

    Attributes:
        values: (items, width) or (items, regions, width) float32, memory-mapped.
        known: (items,) bool.
    """

    record: FeatureSet
    values: npt.NDArray[np.float32]
    known: BoolArray

    @classmethod
    def open(cls, folder: Path) -> Stored:
        """Open the folder of a set.

        Raises:
            DataError: it is damaged.
        """
        record = read_record(folder)
        try:
            values = np.load(folder / "values.npy", mmap_mode="r", allow_pickle=False)
            known = np.load(folder / "known.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(folder, error) from None
        if values.dtype != np.float32 or values.shape != (record.items, *record.shape):
            raise _damaged(folder, f"values.npy is {values.dtype} {values.shape}")
        if known.dtype != np.bool_ or known.shape != (record.items,) or int(known.sum()) != record.known:
            raise _damaged(folder, "known.npy does not match")
        return cls(record, values, known)

    def moved(self, source: IntArray, *words: str) -> Stored:
        """The features of other items at the places of items, as a view of the corpus shows them.

        Args:
            source: (items,) the item whose features each one has, -1 for none.
            words: what names the view; part of the new set's key.
        """
        known = (source >= 0) & self.known[source]
        values = self.values[source]
        values[~known] = 0
        key = digest_of(self.record.key, *words)
        return Stored(self.record.model_copy(update={"key": key, "known": int(known.sum())}), values, known)

    def rows(self) -> FloatArray:
        """One vector per item that has features, (known, width) float32: the mean of its regions."""
        values: FloatArray = self.values[self.known]
        return values if values.ndim == 2 else values.mean(axis=1)


def read_record(folder: Path) -> FeatureSet:
    """The record of a set.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return FeatureSet.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError) as error:
        raise _damaged(folder, error.errors()[0]["msg"] if isinstance(error, ValidationError) else error) from None


def all_sets(corpus: Path) -> dict[str, FeatureSet]:
    """The records of all finished sets of a corpus folder, by name."""
    folders = sorted(path.parent for path in (corpus / FEATURES).glob(f"[!.]*/{RECORD}"))
    return {folder.name: read_record(folder) for folder in folders}


def set_folder(corpus: Path, name: str) -> Path:
    """The folder of a set.

    Raises:
        UsageError: this is no name for a set.
    """
    if not SET_NAME.fullmatch(name) or name == NOTHING:
        raise UsageError(f"{name!r} is no name for features: letters, digits, '.', '_' and '-'; not {NOTHING!r}")
    return corpus / FEATURES / name


def open_set(corpus: Corpus, name: str) -> Stored:
    """A set of a corpus, of the items that the corpus now has.

    Raises:
        UsageError: there is no such set, or it is of another state of the corpus.
        DataError: it is damaged.
    """
    known = all_sets(corpus.folder)
    if name not in known:
        hint = "" if known else f"; 'unimp-bench features {parts_of_name(corpus.name)[0]} --text minilm' computes some"
        find(known, name, f"features of {corpus.name}") if known else None
        raise UsageError(f"corpus {corpus.name} has no features {name!r}{hint}")
    stored = Stored.open(set_folder(corpus.folder, name))
    record = stored.record
    if record.items != len(corpus.items) or record.names != names_hash(corpus.items.names):
        raise UsageError(f"features {name!r} are of other items than corpus {corpus.name} has now; make them again")
    return stored


def chosen_sets(corpus: Corpus, names: Mapping[str, str]) -> dict[str, Stored | StoredIds | None]:
    """The sets that a user names by modality, those of modality ``ids`` as ids; None for ``none``.

    Where a view moves texts or pictures between items, their features are moved with them.

    Raises:
        UsageError: a set is not there, is of another modality, or the corpus has changed since it was computed.
    """
    found: dict[str, Stored | StoredIds | None] = {}
    changed: dict[ContentPart, list[View]] = {}
    for view in parts_of_name(corpus.name)[1]:
        if not view.at_test:
            changed.setdefault(CHANGED[view.kind], []).append(view)
    as_stored = Corpus.open(corpus.folder) if changed else corpus
    for modality, name in names.items():
        if modality == IDS:
            if views := [view for each in PARTS.values() for view in changed.get(each, ())]:
                raise UsageError(
                    f"ids {name!r} are of the items as stored, which view {views[0]} changes; omit one of the two"
                )
            found[modality] = open_ids(corpus, name)
            continue
        part = PARTS.get(modality)
        if name == NOTHING:
            found[modality] = None
            continue
        stored = open_set(corpus, name)
        record = stored.record
        if record.modality != modality:
            raise UsageError(f"features {name!r} are of {record.modality}, not of {modality}: {record.modality}={name}")
        views = changed.get(part, []) if part else []
        if noise := next((view for view in views if view.kind not in MAPS), None):
            raise UsageError(
                f"features {name!r} are of the {modality} as stored, which view {noise} changes; omit one of the two"
            )
        if record.part and part and record.part != as_stored.part_fingerprints[part]:
            raise UsageError(f"the {modality} of {corpus.name} changed since features {name!r}; compute them again")
        if part and views:
            stored = stored.moved(corpus.items.sources[part], *(view.canonical for view in views))
        found[modality] = stored
    return found


def use(items: Items, sets: Mapping[str, Stored | StoredIds | None]) -> None:
    """Have models that are given these items read these sets."""
    items.features = dict(sets)


def features_of(items: Items, modality: str) -> Stored | None:
    """The set of a modality that a user named, noted as read; None where it is left out."""
    items.features_read.add(modality)
    stored = items.features[modality]
    assert not isinstance(stored, StoredIds)
    return stored


def ids_of(items: Items) -> StoredIds | None:
    """The ids that a user named, noted as read; None where none are named."""
    stored = items.features.get(IDS)
    if not isinstance(stored, StoredIds):
        return None
    items.features_read.add(IDS)
    return stored


def keys_of(sets: Mapping[str, Stored | StoredIds | None]) -> dict[str, str]:
    """The keys by which a fit is identified, by modality."""
    return {name: NOTHING if stored is None else stored.record.key for name, stored in sorted(sets.items())}


def write_set(
    corpus: Path,
    names: Sequence[str],
    name: str,
    modality: str,
    values: npt.NDArray[Any],
    known: BoolArray,
    source: str,
    rows: IntArray | None = None,
    *,
    key: str = "",
    part: str = "",
) -> FeatureSet:
    """Store features of a corpus that were imported or made of other features, also of one that is being built.

    Args:
        corpus: its folder.
        names: of its items, in the order of their numbers.
        name: of the set.
        modality: ``text``, ``pictures``, or any other word such as ``audio``.
        values: (rows, width) or (rows, regions, width) numbers; those of unknown items are ignored.
        known: (items,) bool.
        source: where the values are from, such as the name of a file.
        rows: (items,) the row of each item; None for the items' own numbers.
        key: of the set, instead of a hash of the values.
        part: fingerprint of the part of the corpus that they are made of, if known.

    Raises:
        UsageError: the name is taken or not allowed, or the modality is no word.
        DataError: the values are no features.
    """
    folder = new_folder(corpus, name, modality)
    rows = np.arange(len(names)) if rows is None else rows
    if values.ndim not in (2, 3) or 0 in values.shape or not known.any() or rows[known].max() >= len(values):
        raise DataError(f"{source}: {values.shape} values for {int(known.sum())} of {len(names)} items are no features")
    digest = hashlib.sha256()
    partial = folder.with_name(f".{name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with storing(folder):
            table = mapped(partial / "values.npy", np.float32, (len(names), *values.shape[1:]))
            for start in range(0, len(names), _BLOCK):
                chunk = slice(start, start + _BLOCK)
                block = np.zeros_like(table[chunk])
                block[known[chunk]] = values[rows[chunk][known[chunk]]]
                sound = np.isfinite(block.reshape(len(block), -1)).all(axis=1)
                if not sound.all():
                    first = names[start + int(np.flatnonzero(~sound)[0])]
                    raise DataError(f"{source}: the features of item {first!r} are not finite numbers of 32 bits")
                table[chunk] = block
                digest.update(block.tobytes())
            table.flush()
            digest.update(known.tobytes())
        record = FeatureSet(
            name=name,
            modality=modality,
            key=key or digest_of(digest.hexdigest(), names_hash(names)),
            items=len(names),
            names=names_hash(names),
            known=int(known.sum()),
            shape=tuple(values.shape[1:]),
            part=part,
            source=source,
        )
        finish(partial, folder, record, known)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return record


def new_folder(corpus: Path, name: str, modality: str) -> Path:
    """The folder of a set that is not there yet.

    Raises:
        UsageError: it is there, or name or modality are not allowed.
    """
    folder = set_folder(corpus, name)
    if not _MODALITY.fullmatch(modality):
        raise UsageError(f"{modality!r} is no modality: 'text', 'pictures' or another word in lower case")
    if modality == IDS:
        raise UsageError("ids are no features: 'unimp-bench ids import' reads them")
    if (folder / RECORD).is_file():
        raise UsageError(f"there are features {name!r} already; choose another --name, or remove {folder}")
    return folder


def finish(partial: Path, folder: Path, record: FeatureSet, known: BoolArray) -> None:
    """Make a set of a folder that holds its ``values.npy``."""
    np.save(partial / "known.npy", known, allow_pickle=False)
    write_atomically(partial / RECORD, record.model_dump_json(indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)  # without a record: what was interrupted
    partial.rename(folder)


def computed_key(recipe: Recipe, part: str, names: str) -> str:
    """The key of a computed set: of its recipe, the part of the corpus that is read, and the order of the items."""
    usual = set() if recipe.attributes else {"attributes"}  # that earlier keys do not have
    return digest_of(json.dumps(recipe.model_dump(mode="json", exclude=usual), sort_keys=True), part, names)


def _damaged(folder: Path, reason: object) -> DataError:
    said = " ".join(str(reason).split())[:120]
    return DataError(f"features {folder} cannot be read ({said}); remove the folder and make them again")
