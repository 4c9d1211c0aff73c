"""Writes instruction datasets: one folder per task, one Parquet table per part, items, pictures and a card."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unimp_bench import registry
from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.manifest import file_entry
from unimp_bench.corpus.splits import default_split
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace, locked, storing
from unimp_bench.interchange.card import RECORD_NAME, Export, PartFacts, card_text
from unimp_bench.kinds import draw_examples
from unimp_bench.kinds.rendering import PICTURES, SCHEMA, Renderer, item_words, picture_paths
from unimp_bench.progress import progress
from unimp_bench.records import PAPER_SPLITS, SPLITS, Examples, Part, Split
from unimp_bench.runs.fitting import corpus_cache
from unimp_bench.runs.runner import open_corpus

ITEMS_NAME = "items.parquet"
PARQUET = {"compression": "zstd", "store_schema": False}
"""Options of every file; Arrow's own schema is omitted, since it would declare dictionary types."""

_ROWS_A_GROUP = 50_000


def write_items(corpus: Corpus, words: Sequence[str], folder: Path) -> None:
    """One row per item, in the order of the corpus: name, domain, words, picture path, and attributes as a struct."""
    items = corpus.items
    columns = {
        "item": pa.array(items.names, pa.string()),
        "domain": pa.array(items.domain_names).take(pa.array(items.domains)),
        "words": pa.array(words, pa.string()),
        "picture": pa.array(picture_paths(corpus), pa.string()),
    }
    if items.attributes:
        values = [items.column(name).combine_chunks() for name in items.attributes]
        columns["attributes"] = pa.StructArray.from_arrays(values, names=list(items.attributes))
    pq.write_table(pa.table(columns), folder / ITEMS_NAME, row_group_size=_ROWS_A_GROUP, **PARQUET)


def place_pictures(corpus: Corpus, folder: Path, twin: Path | None) -> int:
    """Put the pictures of the catalogue below ``folder``; return their number.

    Args:
        twin: a dataset of the same corpus written just before: its pictures are linked, so that several datasets
            share disk space and each can still be moved. Pictures of the corpus are copied, never linked, so that
            changes to a dataset cannot reach the corpus.
    """
    paths = sorted({path for path in picture_paths(corpus) if path is not None})
    if paths:
        (folder / PICTURES).mkdir()
    for path in progress(paths, "pictures", unit="picture"):
        if twin is None or not _linked(twin / path, folder / path):
            shutil.copyfile(corpus.folder / path, folder / path)
    return len(paths)


def _linked(source: Path, target: Path) -> bool:
    """Whether a hard link was made; some file systems do not support them."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


ROWS_A_FILE = 100_000
DATA = "data"
_PARTS: dict[Split, tuple[Part, ...]] = {
    "loo": ("train", "validation", "test"),
    "new-user": ("test",),
    "new-domain": ("test",),
    "global-time": ("train", "validation", "test"),
    "public": ("train", "validation", "test"),
}


@dataclass(frozen=True)
class ExportRequest:
    """What to export; names are not checked yet.

    Attributes:
        out: datasets come to lie in ``out/<corpus>/<task>``.
        splits: where none is named those of the paper, or the public one of a corpus that has it; the training parts of
            loo and global-time overlap.
        options: options of the one task named.
        views: seeded changes of the corpus, one upon the other.
    """

    tasks: tuple[str, ...]
    corpus: Path
    out: Path
    splits: tuple[Split, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The dataset of one task, or the reason why it was not written."""

    task: str
    folder: Path
    export: Export | None
    reason: str = ""


def export_datasets(request: ExportRequest, workspace: Workspace) -> Iterator[Outcome]:
    """Write the dataset of each task in turn; repeated calls give the same bytes.

    Yields:
        An outcome per finished task. An earlier dataset remains until the new one is complete.

    Raises:
        UsageError: unknown task, option or view, or a corpus with none of the requested examples.
        DataError: the corpus is damaged, or the folder of a dataset has other content.
    """
    if request.options and len(request.tasks) > 1:
        raise UsageError("options belong to a single task; export one task at a time")
    tasks = [registry.make_task(name, request.options) for name in dict.fromkeys(request.tasks)]
    corpus = open_corpus(request.corpus, request.views)
    if corpus.tested is not None:
        raise UsageError("a dataset is what models are fitted on and tested with; omit @test, and export both")
    folders = [dataset_folder(request.out, corpus.name, task.name) for task in tasks]
    drawer = _Drawer(corpus, corpus_cache(corpus, workspace), request.splits or _usual_splits(corpus))
    words: list[str] | None = None
    twin: Path | None = None
    reasons = []
    with locked(request.out / corpus.name):
        for task, folder in zip(tasks, folders, strict=True):
            parts = drawer.draw(task)
            first = next(parts, None)
            if first is None:
                reasons.append("; ".join(dict.fromkeys(drawer.skipped.values())))
                yield Outcome(task.name, folder, None, reasons[-1])
                continue
            words = item_words(corpus) if words is None else words
            with replacing(folder) as partial:
                export = _write(task, corpus, chain([first], parts), drawer.skipped, words, partial, twin)
            twin = folder
            yield Outcome(task.name, folder, export)
    if twin is None:
        raise UsageError(f"nothing to export: {'; '.join(dict.fromkeys(reasons))}")


def _usual_splits(corpus: Corpus) -> tuple[Split, ...]:
    split = default_split(corpus)
    return (split,) if split == "public" else PAPER_SPLITS


class _Drawer:
    """Draws the parts of the requested splits, and records why others are unavailable."""

    def __init__(self, corpus: Corpus, cache: Path, splits: tuple[Split, ...]) -> None:
        self.corpus = corpus
        self._cache = cache
        self._parts = [(split, part) for split in SPLITS if split in splits for part in _PARTS[split]]
        self.skipped: dict[str, str] = {}

    def draw(self, task: Task) -> Iterator[tuple[str, Examples]]:
        """The available parts by their names in the dataset; reasons for the others go to ``skipped``."""
        self.skipped = {}
        for split, part in self._parts:
            name = f"{split}-{part}"
            try:
                if split not in task.splits:
                    raise UsageError(f"{task.name} has no split {split}")
                examples = draw_examples(task, self.corpus, split, part, self._cache)
                if not len(examples):
                    raise UsageError(f"corpus {self.corpus.name!r} has no {task.name} examples for {split}, {part}")
            except UsageError as error:
                self.skipped[name] = str(error)
            else:
                yield name, examples


def _write(
    task: Task,
    corpus: Corpus,
    drawn: Iterable[tuple[str, Examples]],
    skipped: dict[str, str],
    words: list[str],
    folder: Path,
    twin: Path | None,
) -> Export:
    """Fill an empty folder; ``skipped`` is complete when all parts are drawn."""
    (folder / DATA).mkdir()
    renderer = Renderer(corpus, task.instruction, words)
    parts = {}
    for name, examples in drawn:
        _write_part(renderer, examples, folder / DATA, name)
        parts[name.replace("-", "_")] = PartFacts.of(examples)
    write_items(corpus, words, folder)
    files = sorted([folder / ITEMS_NAME, *(folder / DATA).iterdir()])
    export = Export(
        corpus=corpus.name,
        fingerprint=corpus.fingerprint,
        task=task.name,
        task_version=task.version,
        options=json.loads(json.dumps(dataclasses.asdict(task.config))),
        parts=parts,
        skipped=skipped,
        pictures=place_pictures(corpus, folder, twin),
        files={path.relative_to(folder).as_posix(): file_entry(path) for path in files},
    )
    card = registry.task_cards()[task.name]
    (folder / "README.md").write_text(card_text(export, card, task, corpus.manifest), encoding="utf-8")
    (folder / RECORD_NAME).write_text(export.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return export


def _write_part(renderer: Renderer, examples: Examples, folder: Path, name: str) -> None:
    """Shards of a fixed number of examples; each block of the renderer is a row group."""
    shards = -(-len(examples) // ROWS_A_FILE)
    for shard, some in enumerate(examples.blocks(ROWS_A_FILE)):
        path = folder / f"{name}-{shard:05d}-of-{shards:05d}.parquet"
        with pq.ParquetWriter(path, SCHEMA, **PARQUET) as writer:
            for batch in progress(renderer.batches(some), f"{examples.task} {name}", unit="block"):
                writer.write_batch(batch, row_group_size=len(batch))


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def dataset_folder(out: Path, corpus: str, task: str) -> Path:
    """``out/corpus/task``, after a check that it is free or holds an exported dataset.

    Raises:
        DataError: a name is not a plain folder name, or the folder has other content, which is left unchanged.
    """
    for name in (corpus, task):
        if not _NAME.fullmatch(name):
            raise DataError(f"{name!r} is not a valid folder name: use letters, digits, '.', '_', '+' and '-'")
    folder = out / corpus / task
    taken = folder.is_symlink() or (folder.exists() and not Export.there(folder))
    if taken:
        raise DataError(f"{folder} exists and is not an exported dataset; use another folder or remove it")
    return folder


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty hidden folder that replaces ``folder`` if the block succeeds, and is removed otherwise.

    The caller holds a lock on the parent, so remains of an earlier process can be removed.
    """
    partial, old = (folder.with_name(f".{folder.name}.{state}") for state in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    if old.exists():  # a process was killed between the two renames below, or just after them
        shutil.rmtree(old) if folder.exists() else old.rename(folder)
    partial.mkdir(parents=True)
    try:
        with storing(folder):
            yield partial
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
