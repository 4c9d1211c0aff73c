"""Published corpora by name: the public files of each, and the reader and options that build it from them.

``catalogue`` lists them, ``files`` brings their files, and ``papers``, ``ratings`` and ``movielens`` read those that no
other reader knows. A corpus is built with fixed options, so that its interactions have the fingerprint of the published
results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PublicFile:
    """One public file.

    Attributes:
        name: in the folder of raw files.
        gives: what is read from it.
        urls: its addresses, tried in this order, with commit or version where the host keeps versions; none if only
            the user can obtain the file.
        sha256: of its content, None if not known.
        size: in bytes, None if not known.
        optional: whether the corpus can be built without it; downloaded only on request.
        obtain: how to obtain it, for a file without an address.
    """

    name: str
    gives: str
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    size: int | None = None
    optional: bool = False
    obtain: str = ""


@dataclass(frozen=True)
class PublicPart:
    """What the public files give of one part of a published corpus.

    Attributes:
        part: the part.
        fingerprint: of the part in the published corpus (``CorpusFacts.parts`` of results).
        same: whether a build from the public files has this fingerprint.
        about: what the part contains, and what a build lacks.
    """

    part: Literal["interactions", "texts", "pictures"]
    fingerprint: str
    same: bool
    about: str


@dataclass(frozen=True)
class PublicCorpus:
    """A published corpus.

    Attributes:
        name: of the corpus in ``data/``.
        about: one line for lists.
        terms: one line on the terms of use.
        cite: publications to cite.
        files: the public files.
        reader: ``module:callable`` that makes a ``data_prep.source.Source`` of the folder of files.
        raw: folder of the files in ``data/raw``; corpora of the same files share it.
        users, items, interactions: their numbers in the published corpus.
        parts: its parts.
        order: what is known of times and order.
        missing: what the published corpus lacks that the original data have.
        ties: order of a user's interactions of one time (``BuildOptions.ties``).
        filtered: whether all users and items of the files stay, none held out (``CorpusCard.filtered``).
    """

    name: str
    about: str
    terms: str
    cite: tuple[str, ...]
    files: tuple[PublicFile, ...]
    reader: str
    raw: str
    users: int
    items: int
    interactions: int
    parts: tuple[PublicPart, ...]
    order: str
    missing: str
    ties: Literal["hash", "file"] = "hash"
    filtered: bool = True

    @property
    def without_address(self) -> tuple[PublicFile, ...]:
        """Files that the user has to provide."""
        return tuple(file for file in self.files if not file.urls and not file.optional)

    @property
    def command(self) -> str:
        """The command that builds it."""
        return f"make data CORPUS={self.name}" + (" RAW=<folder>" if self.without_address else "")
