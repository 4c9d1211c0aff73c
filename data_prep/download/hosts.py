"""One file from the first of several hosts that provides it, or from a mirror, which may be a folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from data_prep.download.http import RetryPolicy
from data_prep.download.transfer import check_file, fetch_file
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import written


def check_mirror(mirror: str | None) -> None:
    """Refuse a mirror that is neither an address nor a folder.

    Raises:
        UsageError: it is neither.
    """
    if mirror is not None and not _is_address(mirror) and not Path(mirror).is_dir():
        raise UsageError(f"mirror {mirror!r} is not an address such as https://mirror.example, and not a folder")


def bring(
    copies: Sequence[tuple[str, Path]],
    mirror: str | None = None,
    *,
    sha256: str | None = None,
    size: int | None = None,
    policy: RetryPolicy | None = None,
    otherwise: str = "",
) -> None:
    """Download one copy of a file, unless there is one.

    Args:
        copies: (address, target) of each copy, tried in this order; the targets differ if some hosts have it unpacked.
        mirror: an address or a folder that replaces scheme and host of every address, not the path.
        sha256: expected hash, if known.
        size: expected size in bytes, if known; no more is downloaded.
        otherwise: what the user can do if no host provides the file.

    Raises:
        DataError: none provides it, or it is another file.
    """
    if any(target.is_file() for _, target in copies):
        return
    problems = []
    for place, target in dict.fromkeys((_place(url, mirror), target) for url, target in copies):
        try:
            if _is_address(place):
                fetch_file(place, target, sha256, policy, size)
            else:
                _copy(Path(place), target, sha256)
        except DataError as problem:
            problems.append(str(problem))
        else:
            return
    reasons = "; ".join([*problems, *([otherwise] if otherwise else [])])
    raise DataError(f"{copies[0][1].name} cannot be fetched: {reasons}")


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _place(url: str, mirror: str | None) -> str:
    return url if mirror is None else mirror.rstrip("/") + urlsplit(url).path


def _copy(source: Path, target: Path, sha256: str | None) -> None:
    """Copy a file of a folder; the target appears when it is complete and has the expected hash."""
    if not source.is_file():
        raise DataError(f"there is no {source}")
    with written(target) as partial:
        shutil.copyfile(source, partial)
        check_file(partial, target, sha256)
