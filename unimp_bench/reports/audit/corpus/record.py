"""The audit of a corpus, as it is written beside it, published and read again."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from unimp_bench.errors import DataError
from unimp_bench.files import write_atomically
from unimp_bench.records import BoolArray, Split
from unimp_bench.reports.audit.corpus.measures import Duplicates, FileOrder, SplitMeasures, Ties
from unimp_bench.settings import Strict

AUDITS = "audits"
"""Folder of published audits below the leaderboards: ``audits/<corpus>.json``."""

AUDIT_NAME, PAGE_NAME = "audit.json", "audit.md"
"""Beside a corpus: the audit, and its page. They are no part of the corpus: no manifest names them."""


class ExampleSet(Strict):
    """The test examples that some tasks have in common, and their cuts.

    Attributes:
        tasks: names of the tasks, sorted.
        split: of all of them.
        examples: how many.
        masks: by name of a cut (``cuts.CUTS``), a bit for each example in the order of the examples, zlib-packed,
            base64. A cut that says nothing of the corpus, such as ties where there are no clock times, is absent.
    """

    tasks: tuple[str, ...]
    split: Split
    examples: int = Field(ge=0)
    masks: dict[str, str]

    def mask(self, cut: str) -> BoolArray | None:
        """(examples,) bool, or None where the cut is absent.

        Raises:
            ValueError, zlib.error: the mask is damaged; an audit that was read has none such.
        """
        if cut not in self.masks:
            return None
        expected = -(-self.examples // 8)
        unpacked = zlib.decompressobj().decompress(base64.b64decode(self.masks[cut], validate=True), expected + 1)
        if len(unpacked) != expected:
            raise ValueError(f"cut {cut} does not hold a bit for each of {self.examples} examples")
        bits = np.frombuffer(unpacked, dtype=np.uint8)
        mask: BoolArray = np.unpackbits(bits, count=self.examples).astype(np.bool_)
        return mask


class CorpusAudit(Strict):
    """All that was found in one corpus.

    Attributes:
        name, fingerprint, synthetic: of the corpus.
        sets: of every task and split that the corpus serves.
        splits: what was measured of each split that has test examples.
        ties: over all interactions; None without clock times.
        order: whether the stored order is that of a file; None in audits of earlier versions, and where no user has
            two different items.
        titles, pictures: near-duplicate items by either; None where no item has one.
    """

    format: Literal["unimp-bench-corpus-audit"] = "unimp-bench-corpus-audit"
    version: Literal[1] = 1
    name: str
    fingerprint: str
    synthetic: bool
    sets: tuple[ExampleSet, ...]
    splits: tuple[SplitMeasures, ...] = Field(default=())
    ties: Ties | None = Field(default=None)
    order: FileOrder | None = Field(default=None)
    titles: Duplicates | None = Field(default=None)
    pictures: Duplicates | None = Field(default=None)

    @classmethod
    def read(cls, path: Path) -> CorpusAudit:
        """Parse one file.

        Raises:
            DataError: it cannot be read, is no audit, or its masks are damaged.
        """
        try:
            audit = cls.model_validate_json(path.read_bytes())
            for found in audit.sets:
                for cut in found.masks:
                    found.mask(cut)
        except ValidationError as error:
            raise DataError(f"{path} is no audit that this version reads ({error.errors()[0]['msg']})") from None
        except (OSError, ValueError, zlib.error) as error:
            raise DataError(f"{path} is damaged ({error}); audit the corpus again") from None
        return audit

    def write(self, path: Path) -> None:
        """Write it so that it is there whole or not at all."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n")

    def examples_of(self, task: str, split: str, examples: int) -> ExampleSet | None:
        """The set of a task's test examples; None where the audit has none of that size."""
        found = (each for each in self.sets if task in each.tasks and each.split == split and each.examples == examples)
        return next(found, None)


def pack_mask(mask: BoolArray) -> str:
    """The text form of a cut over examples."""
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode("ascii")


def published_path(folder: Path, name: str) -> Path:
    """Where the audit of a corpus belongs below a leaderboards folder.

    Raises:
        DataError: the corpus bears no plain name.
    """
    if Path(name).name != name or name.startswith("."):
        raise DataError(f"an audit names the corpus {name!r}, which is no plain name")
    return folder / AUDITS / f"{name}.json"


def load_audits(folder: Path) -> list[CorpusAudit]:
    """All published audits below a leaderboards folder, by the name of their corpus.

    Raises:
        DataError: a file is no audit.
    """
    return [CorpusAudit.read(path) for path in sorted((folder / AUDITS).glob("*.json"))]
