"""The record and the card (README.md, read by the Hugging Face loader) of an exported instruction dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from unimp_bench.contracts import Task, TaskCard
from unimp_bench.corpus import Manifest
from unimp_bench.corpus.manifest import FileEntry
from unimp_bench.markdown import plain
from unimp_bench.records import Examples, IntArray
from unimp_bench.settings import Strict

RECORD_NAME = "export.json"


class PartFacts(Strict):
    """Counts of one part of a split.

    Attributes:
        examples, users: numbers of examples and users.
        history: minimum, median and maximum length of the histories.
        candidates, suitable: for selection, numbers of examples by number of candidates, and by number of positives.
    """

    examples: int
    users: int
    history: tuple[int, float, int]
    candidates: dict[int, int] = Field(default={})
    suitable: dict[int, int] = Field(default={})

    @classmethod
    def of(cls, examples: Examples) -> PartFacts:
        """The counts of at least one example."""
        lengths = examples.ends - examples.starts()
        candidates = examples.shown if examples.has_candidates else None
        return cls(
            examples=len(examples),
            users=len(np.unique(examples.users)),
            history=(int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
            candidates={} if candidates is None else _histogram(candidates.lengths()),
            suitable={} if candidates is None else _histogram(examples.answer_items().lengths()),
        )


class Export(Strict):
    """The record of a dataset.

    Attributes:
        corpus, fingerprint: of the corpus with its views.
        task, task_version, options: the task with all its options.
        parts: by split name in the dataset (``loo_train``).
        skipped: reasons why splits and parts are missing, by name.
        pictures: number of picture files.
        files: size and hash of every Parquet file.
    """

    format: Literal["unimp-bench-dataset"] = "unimp-bench-dataset"
    version: Literal[1] = 1
    corpus: str
    fingerprint: str
    task: str
    task_version: int
    options: dict[str, Any]
    parts: dict[str, PartFacts]
    skipped: dict[str, str]
    pictures: int
    files: dict[str, FileEntry]

    @property
    def examples(self) -> int:
        """Number of examples in all parts."""
        return sum(part.examples for part in self.parts.values())

    @classmethod
    def there(cls, folder: Path) -> bool:
        """Whether a folder holds an exported dataset, of any fingerprint."""
        try:
            cls.model_validate_json((folder / RECORD_NAME).read_bytes())
        except (OSError, ValidationError):
            return False
        return True


def _histogram(counts: IntArray) -> dict[int, int]:
    values, times = np.unique(counts, return_counts=True)
    return dict(zip(values.tolist(), times.tolist(), strict=True))


COLUMNS = {
    "id": ("string", "`task/split/part/user/place`, the place of the target in the user's sequence; unique"),
    "task": ("string", "name of the task"),
    "split": ("string", "`loo`, `new-user`, `new-domain` or `global-time`"),
    "part": ("string", "`train`, `validation` or `test`"),
    "domain": ("string", "the user's domain"),
    "user": ("string", "the user's name in the source"),
    "history": ("list of string", "all items before the target, oldest first"),
    "history_ratings": ("list of float32", "aligned with `history`; null without a rating"),
    "history_times": ("list of int64", "seconds since 1970, or positions in the sequence, depending on the source"),
    "query": ("string", "the user's query"),
    "shown": ("list of string", "items in the instruction: the one to judge, candidates, retrieved ones"),
    "shown_pictures": ("list of string", "paths of their pictures; null for an item without one"),
    "instruction": ("string", "the instruction, with query and shown items filled in"),
    "target": ("string", "the answer: an item, a rating, a sentence, the chosen items, or the codes of a picture"),
    "target_items": ("list of string", "the items of the answer, or its subject"),
    "target_pictures": ("list of string", "paths of their pictures; null for an item without one"),
    "target_rating": ("float32", "the observed rating, for rating tasks"),
}
ITEM_COLUMNS = {
    "item": ("string", "the item's name in the source"),
    "domain": ("string", "its domain"),
    "words": ("string", "its words in instructions and prompts: `[IMG] Category c Price p ... [EOC]`"),
    "picture": ("string", "path of its picture; null without one"),
    "attributes": ("struct", "its attributes in the corpus"),
}


def card_text(export: Export, card: TaskCard, task: Task, manifest: Manifest) -> str:
    """README.md of a dataset: a YAML header with the files of every split, then Markdown."""
    generated = " The corpus is generated and says nothing about real data." if manifest.synthetic else ""
    sections = [
        _header(export),
        f"# {export.task} on {export.corpus}",
        f"Prediction: {plain(card.about)}. Instructions for multi-modal personalization, after *Towards Unified "
        f"Multi-Modal Personalization* (UniMP, ICLR 2024), from the corpus `{export.corpus}`.{generated}",
        f"> {plain(task.instruction)}",
        "## Load",
        _LOADING.replace("SPLIT", next(iter(export.parts))),
        "## Splits",
        _splits(export),
        *(_skipped(export.skipped) if export.skipped else ()),
        *(_candidates(export) if any(part.candidates for part in export.parts.values()) else ()),
        "## Columns",
        "Columns that the task does not have are null.",
        _table(("column", "type", "content"), ((f"`{name}`", *about) for name, about in COLUMNS.items())),
        "## Items",
        "`items.parquet`, the configuration `items`: one row per item of the corpus.",
        _table(("column", "type", "content"), ((f"`{name}`", *about) for name, about in _item_columns(manifest))),
        f"`pictures/` has {export.pictures:,} pictures; paths are relative to this folder, which can be moved."
        if export.pictures
        else "The corpus has no pictures.",
        "## Source",
        _table(("", ""), _source(export, manifest)),
    ]
    return "\n\n".join(sections) + "\n"


_LOADING = """```python
from datasets import load_dataset

folder = "."  # the path of this folder
examples = load_dataset(folder)["SPLIT"]
items = load_dataset(folder, "items", split="catalogue")
words = dict(zip(items["item"], items["words"]))

example = examples[0]
prompt = " ".join([*(words[item] for item in example["history"][-5:]), example["instruction"]])
answer = example["target"]
```"""


def _header(export: Export) -> str:
    lines = ["---", f"pretty_name: {json.dumps(f'{export.task} on {export.corpus}')}", "license: other", "configs:"]
    lines += ["- config_name: default", "  default: true", "  data_files:"]
    for name in export.parts:
        lines += [f"  - split: {name}", f"    path: data/{name.replace('_', '-')}-*.parquet"]
    lines += ["- config_name: items", "  data_files:", "  - split: catalogue", "    path: items.parquet", "---"]
    return "\n".join(lines)


def _splits(export: Export) -> str:
    rows = (
        (f"`{name}`", f"{part.examples:,}", f"{part.users:,}", " / ".join(f"{length:,g}" for length in part.history))
        for name, part in export.parts.items()
    )
    return _table(("split", "examples", "users", "history: shortest / median / longest"), rows)


def _skipped(skipped: Mapping[str, str]) -> tuple[str, ...]:
    return ("Not in this dataset:", "\n".join(f"* `{name}`: {plain(reason)}" for name, reason in skipped.items()))


def _candidates(export: Export) -> tuple[str, ...]:
    rows = (
        (f"`{name}`", _spread(part.candidates), _spread(part.suitable))
        for name, part in export.parts.items()
        if part.candidates
    )
    return (
        "## Candidates",
        "Numbers of examples by number of candidates, and by number of candidates to choose.",
        _table(("split", "candidates: examples", "to choose: examples"), rows),
    )


def _spread(histogram: Mapping[int, int]) -> str:
    return ", ".join(f"{number}: {count:,}" for number, count in histogram.items())


def _item_columns(manifest: Manifest) -> list[tuple[str, tuple[str, str]]]:
    columns = dict(ITEM_COLUMNS)
    kind, about = columns.pop("attributes")
    if manifest.attributes:
        columns["attributes"] = (kind, f"{about}: {', '.join(plain(name) for name in manifest.attributes)}")
    return list(columns.items())


def _source(export: Export, manifest: Manifest) -> Iterable[tuple[str, str]]:
    yield "corpus", f"`{export.corpus}`, read from {plain(manifest.source)}"
    yield "licence of the source", plain(manifest.licence)
    yield "fingerprint of the corpus", f"`{export.fingerprint}`"
    yield "domains", ", ".join(plain(name) for name in manifest.domains)
    yield "task and version", f"`{export.task}` {export.task_version}"
    for name, value in export.options.items():
        yield f"option {plain(name)}", f"{plain(str(value)) or 'none'}"
    if export.task == "explanation":
        yield "sentences", _sentences(manifest.options.get("explanations"))


def _sentences(account: object) -> str:
    """The source of the explanations, as recorded in the corpus."""
    if not isinstance(account, dict):
        return "not recorded in the corpus"
    chosen: dict[str, list[str]] = {}
    for domain, entry in account.items():
        chosen.setdefault(str(entry.get("by", "unknown")), []).append(plain(str(domain)))
    known = {
        "rule": "selected from the user's review by the rule of this project (an opinion on a feature)",
        "sentires": "extracted by the Sentires toolkit",
    }
    return "; ".join(f"{known.get(by, plain(by))}: {', '.join(domains)}" for by, domains in chosen.items())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))
