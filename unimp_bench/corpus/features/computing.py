"""Computes a named set of features: what an encoder makes of the texts or pictures of all items, kept as it goes."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench.corpus import Corpus, Items
from unimp_bench.corpus.features import VERSIONS, sentence
from unimp_bench.corpus.features.names import names_hash
from unimp_bench.corpus.features.sentence import Form, Pooling, Precision, SentenceEncoder, encoder_folder
from unimp_bench.corpus.features.stored import (
    PARTS,
    RECORD,
    FeatureSet,
    Recipe,
    computed_key,
    finish,
    read_record,
    set_folder,
)
from unimp_bench.corpus.features.text import ATTRIBUTES, LSA, TextEncoder, item_texts, text_encoder
from unimp_bench.corpus.features.towers import PictureEncoder, find_tower, library_of
from unimp_bench.corpus.pictures import picture_files
from unimp_bench.errors import UsageError
from unimp_bench.files import is_locked, locked, mapped, storing, write_atomically
from unimp_bench.pretrained import PACKAGES, weights_hash
from unimp_bench.progress import progress
from unimp_bench.records import FloatArray, IntArray

Encode = Callable[[IntArray], FloatArray]
"""The features of items by number, (n, width) or (n, regions, width)."""

_CHUNKS = {"text": 1024, "pictures": 128}
_DONE = "done"


@dataclass(frozen=True)
class Job:
    """A set to be computed.

    Attributes:
        modality: ``text`` or ``pictures``.
        recipe: how.
        order: numbers of the items that have one, in the order of the computation.
        start: loads the encoder.
        place: where it is found again.
        whole: the encoder sees all items at once.
    """

    modality: str
    recipe: Recipe
    order: IntArray
    start: Callable[[], Encode]
    place: str = ""
    whole: bool = False


def text_job(
    items: Items,
    encoder: str,
    *,
    pooling: Pooling | None = None,
    prefix: str = "",
    precision: Precision = "float32",
    attributes: tuple[str, ...] = (),
    batch: int | None = None,
) -> Job:
    """The features of the texts of items (``item_texts``).

    Args:
        items: of a corpus.
        encoder: ``lsa``; ``minilm``, of a package; or the name or folder of a model of transformers.
        pooling: instead of the one that the model's configuration says, ``mean`` where it says none.
        prefix: in front of every text.
        precision: of weights and states.
        attributes: of the items that make up their text; none for the usual ones.
        batch: texts that are encoded at once.

    Raises:
        UsageError: no item has a text, or there is no such attribute or encoder.
        DependencyError: a package is not installed.
    """
    for name in attributes:
        if name not in items.attributes:
            has = f"its items have {', '.join(items.attributes)}" if items.attributes else "its items have none"
            raise UsageError(f"this corpus has no attribute {name!r}; {has}")
    texts = item_texts(items, attributes)
    order = np.array(sorted((row for row, text in enumerate(texts) if text), key=lambda row: len(texts[row])), np.int64)
    if not len(order):
        others = [name for name in items.attributes if name not in ATTRIBUTES]
        advice = f"; --attributes {','.join(others)} reads what they have" if others else ""
        raise UsageError(f"no item of this corpus has a {', '.join(ATTRIBUTES[:-1])} or {ATTRIBUTES[-1]}{advice}")
    if encoder == LSA:
        if pooling or prefix or precision != "float32":
            raise UsageError("lsa has no pooling, prefix or precision; omit them")
        recipe = Recipe(encoder=LSA, library="lsa", attributes=attributes, version=VERSIONS["text"])
        return Job("text", recipe, order, lambda: _of_texts(recipe, LSA, texts), LSA, whole=True)
    folder = encoder_folder(encoder)
    described = (folder / "modules.json").is_file()
    form = Form(pooling or "mean") if not described else Form.of(folder, pooling)
    recipe = Recipe(
        encoder=PACKAGES[encoder].source if encoder in PACKAGES else library_of(encoder),
        library="transformers",
        weights=weights_hash(folder),
        pooling=form.pooling,
        normalised=form.normalised,
        longest=form.longest,
        prefix=prefix,
        precision=precision,
        attributes=attributes,
        version=VERSIONS["text"],
    )
    place = str(folder.resolve()) if Path(encoder).is_dir() else encoder
    return Job("text", recipe, order, lambda: _of_texts(recipe, place, texts, batch), place)


def encoder_of(recipe: Recipe, place: str, texts: list[str], batch: int | None = None) -> TextEncoder:
    """The encoder of a text set, for other texts than those of its items.

    Args:
        recipe: of the set.
        place: where the encoder is.
        texts: of the set's items.
        batch: texts that are encoded at once.

    Raises:
        UsageError: it cannot be read, or is another one now.
    """
    if recipe.library == "lsa":
        return text_encoder(LSA, [text for text in texts if text])
    folder = encoder_folder(place)
    if weights_hash(folder) != recipe.weights:
        raise UsageError(f"the text encoder {place} has other weights than the features were computed with")
    form = Form(recipe.pooling or "cls", recipe.normalised, recipe.longest)
    return SentenceEncoder(folder, form, recipe.prefix, batch or sentence.BATCH, recipe.precision)


def picture_job(
    items: Items, encoder: str, *, weights: Path | None = None, regions: int = 0, batch: int | None = None
) -> Job:
    """The features of the pictures of items.

    Args:
        items: of a corpus.
        encoder, weights: see ``find_tower``.
        regions: side of the square of regions of a picture; 0 for one vector.
        batch: pictures that are encoded at once.

    Raises:
        UsageError: no item has a picture, or there is no such encoder.
        DependencyError: a package is not installed.
    """
    if not items.has_picture.any():
        raise UsageError("no item of this corpus has a picture")
    tower = find_tower(encoder, weights)
    recipe = Recipe(
        encoder=library_of(encoder),
        library=tower.library,
        weights=tower.weights,
        regions=regions,
        version=VERSIONS["pictures"],
    )

    def start() -> Encode:
        encode = PictureEncoder(tower, regions, batch)
        return lambda rows: encode(picture_files(items, rows))

    return Job("pictures", recipe, np.flatnonzero(items.has_picture), start)


def compute(corpus: Corpus, name: str, job: Job, *, fresh: bool = False) -> tuple[FeatureSet, bool]:
    """A named set of a corpus, and whether it was there already.

    An interrupted computation is resumed. Memory holds a chunk of items.

    Args:
        corpus: as stored, without views.
        name: of the set.
        job: what to compute.
        fresh: replace a set of this name.

    Raises:
        UsageError: there is another set of this name.
        BenchError: an encoder or a picture cannot be read.
    """
    folder = set_folder(corpus.folder, name)
    part, names = corpus.part_fingerprints[PARTS[job.modality]], names_hash(corpus.items.names)
    key = computed_key(job.recipe, part, names)
    if (folder / RECORD).is_file() and not fresh:
        record = read_record(folder)
        if record.key == key:
            return record, True
        if record.recipe != job.recipe or record.modality != job.modality:
            raise UsageError(
                f"there are other features {name!r} ({record.modality}: {record.words}); choose another --name, or "
                "replace them with --fresh"
            )
    partial = folder.with_name(f".{name}.{key}")
    with locked(partial):
        before = time.perf_counter()
        earlier = _seconds(partial)
        with storing(folder):
            shape = _fill(partial, len(corpus.items), job)
        known = np.zeros(len(corpus.items), dtype=np.bool_)
        known[job.order] = True
        record = FeatureSet(
            name=name,
            modality=job.modality,
            key=key,
            items=len(known),
            names=names,
            known=len(job.order),
            shape=shape,
            recipe=job.recipe,
            part=part,
            place=job.place,
            seconds=round(earlier + time.perf_counter() - before, 3),
        )
        (partial / _DONE).unlink()
        finish(partial, folder, record, known)
        (folder / ".lock").unlink(missing_ok=True)
    for left in folder.parent.glob(f".{name}.*"):  # of interrupted computations by other recipes
        if not is_locked(left):
            shutil.rmtree(left, ignore_errors=True)
    return record, False


def _fill(partial: Path, items: int, job: Job) -> tuple[int, ...]:
    """Compute what is left of ``values.npy``; returns the shape of the features of an item."""
    table, done = _resumed(partial, items, len(job.order))
    before, earlier = time.perf_counter(), _seconds(partial)
    encode = job.start() if done < len(job.order) else None
    chunk = len(job.order) if job.whole else _CHUNKS[job.modality]
    for start in progress(range(done, len(job.order), chunk), f"encoding {job.modality}", unit="chunk"):
        assert encode is not None
        rows = job.order[start : start + chunk]
        features = encode(rows)
        if table is None:
            table = mapped(partial / "values.npy", np.float32, (items, *features.shape[1:]))
        table[rows] = features
        table.flush()
        seconds = earlier + time.perf_counter() - before
        write_atomically(partial / _DONE, f"{min(start + chunk, len(job.order))} {seconds:.3f}\n")
    assert table is not None
    return tuple(int(size) for size in table.shape[1:])


def _resumed(partial: Path, items: int, count: int) -> tuple[np.memmap[Any, Any] | None, int]:
    """The table of an interrupted computation and the number of items that are in it; none and 0 without one."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        done = int((partial / _DONE).read_text(encoding="utf-8").split()[0])
        table = np.lib.format.open_memmap(partial / "values.npy", mode="r+")
        if table.dtype == np.float32 and len(table) == items and 0 < done <= count:
            return table, done
    return None, 0


def _seconds(partial: Path) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return float((partial / _DONE).read_text(encoding="utf-8").split()[1])
    return 0.0


def _of_texts(recipe: Recipe, place: str, texts: list[str], batch: int | None = None) -> Encode:
    encode = encoder_of(recipe, place, texts, batch)
    return lambda rows: encode([texts[row] for row in rows])
