"""Brings the public files of a corpus into a folder, and checks those that a user has placed."""

from __future__ import annotations

from pathlib import Path

from data_prep.download.hosts import bring, check_mirror
from data_prep.download.http import RetryPolicy
from data_prep.public import PublicCorpus
from unimp_bench.corpus.manifest import file_entry
from unimp_bench.errors import DataError
from unimp_bench.files import locked

LARGEST = 1 << 30
"""Limit in bytes of a file of unknown size."""


def gather(
    corpus: PublicCorpus,
    folder: Path,
    mirror: str | None = None,
    policy: RetryPolicy | None = None,
    *,
    optional: bool = False,
) -> None:
    """Download the missing files of a corpus into ``folder``, and check all.

    Args:
        optional: also those without which it can be built.
        mirror: an address or a folder that replaces scheme and host of every address, not the path.

    Raises:
        DataError: no host provides a file, or it is not the expected one.
        UsageError: another process downloads into the folder, or the mirror is neither an address nor a folder.
    """
    check_mirror(mirror)
    with locked(folder):
        for file in corpus.files:
            if file.urls and (optional or not file.optional):
                bring(
                    [(url, folder / file.name) for url in file.urls],
                    mirror,
                    sha256=file.sha256,
                    size=file.size or LARGEST,
                    policy=policy,
                    otherwise=f"use another address with --mirror <address>, or put the file into {folder}",
                )
    check_files(corpus, folder)


def check_files(corpus: PublicCorpus, folder: Path) -> None:
    """Check that a folder has the files of a corpus, with their hashes where known.

    Raises:
        DataError: a file is missing or another one.
    """
    present = [file for file in corpus.files if (folder / file.name).is_file()]
    missing = [file.name for file in corpus.files if not file.optional and file not in present]
    if missing:
        raise DataError(f"{folder} has no {', '.join(missing)}; corpus {corpus.name} is built from these files")
    for file in present:
        found = file_entry(folder / file.name).sha256
        if file.sha256 is not None and found != file.sha256:
            raise DataError(
                f"{folder / file.name} has SHA-256 {found}, not {file.sha256} as for the published corpus; "
                "remove it to download it again, or place the right one"
            )
