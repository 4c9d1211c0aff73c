"""Published records of semantic ids, ``leaderboards/ids/<corpus>.json``, and their page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from unimp_bench.corpus.features.ids import IdSet
from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.markdown import generated, plain, table_head, table_row
from unimp_bench.settings import Strict

IDS = "ids"
IDS_PAGE = "ids.md"


class PublishedIds(Strict):
    """The records of the ids of one corpus; their codes are not published.

    Attributes:
        corpus: its name.
        fingerprint: its whole fingerprint.
        sets: in order of names.
    """

    format: Literal["unimp-bench-published-ids"] = "unimp-bench-published-ids"
    version: Literal[1] = 1
    corpus: str
    fingerprint: str
    sets: tuple[IdSet, ...]

    @classmethod
    def read(cls, path: Path) -> PublishedIds:
        """Parse one file.

        Raises:
            DataError: it is not of this form.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
            raise DataError(f"{path} holds no published ids ({reason}); publish them again") from None

    def write(self, folder: Path) -> Path:
        """Write the file below a leaderboards folder, and return its path.

        Raises:
            DataError: the corpus is not a plain name.
        """
        path = self._path(folder)
        write_atomically(path, self.model_dump_json(indent=1) + "\n")
        return path

    def beside_others(self, folder: Path) -> PublishedIds:
        """With what is published of other names for the same build of the corpus.

        Raises:
            DataError: the corpus is not a plain name, or the published file is damaged.
        """
        path = self._path(folder)
        before = PublishedIds.read(path) if path.is_file() else self
        if before.fingerprint != self.fingerprint:
            return self
        sets = {each.name: each for each in (*before.sets, *self.sets)}
        return self.model_copy(update={"sets": tuple(sets[name] for name in sorted(sets))})

    def _path(self, folder: Path) -> Path:
        if Path(self.corpus).name != self.corpus or self.corpus.startswith("."):
            raise DataError(f"ids are of corpus {self.corpus!r}, which is not a plain name")
        return folder / IDS / f"{self.corpus}.json"


def load_ids(folder: Path) -> list[PublishedIds]:
    """All published ids below a leaderboards folder, by corpus.

    Raises:
        DataError: a file is not of this form.
    """
    return [PublishedIds.read(path) for path in sorted((folder / IDS).glob("*.json"))]


def ids_markdown(published: Sequence[PublishedIds]) -> str:
    """The page of the ids of all corpora."""
    lines = [generated("unimp-bench ids publish"), "# Semantic ids", ""]
    lines += [
        "Ids that generative models write, see [Semantic ids](../docs/features.md#semantic-ids). *Error*: squared "
        "error of the reconstruction as a share of the variance of the features, on the items that the quantizer was "
        "fitted on. At each level: the codes in use, their entropy over the items in bits and as a share of its "
        "maximum at as many codes, the different ids up to this level, and the items that share theirs with another. "
        "A last code that numbers items with the same others has few values and little entropy.",
    ]
    for each in published:
        lines += ["", f"## {plain(each.corpus)}", "", *_sets(each.sets), "", *_levels(each.sets)]
    return "\n".join(lines) + "\n"


def _sets(sets: Sequence[IdSet]) -> list[str]:
    lines = table_head(("Ids", "Quantizer", "Features", "Fitted on", "Seed", "Error", "Items", "Different ids"))
    for record in sets:
        made, items = record.quantization, f"{record.items:,}"
        last = (items, f"{record.levels[-1].prefixes:,}")
        if made is None:
            lines.append(table_row((record.name, "imported", plain(record.source), "", "", "", *last)))
            continue
        on = f"{made.fitted_on:,} items" + (f" of training ({made.split})" if made.split else "")
        features = ", ".join(made.features)
        lines.append(table_row((record.name, made.quantizer, features, on, str(made.seed), f"{made.error:.3f}", *last)))
    return lines


def _levels(sets: Sequence[IdSet]) -> list[str]:
    lines = table_head(("Ids", "Level", "Codes", "Entropy", "Evenness", "Different prefixes", "Items sharing theirs"))
    for record in sets:
        for number, level in enumerate(record.levels, 1):
            even = f"{level.entropy / math.log2(level.codes):.1%}" if level.codes > 1 else ""
            spread = (f"{level.codes:,}", f"{abs(level.entropy):.2f}", even)
            shared = (f"{level.prefixes:,}", f"{level.collisions:,}")
            lines.append(table_row((record.name, str(number), *spread, *shared)))
    return lines
