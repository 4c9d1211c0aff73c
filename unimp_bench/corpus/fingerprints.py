"""Fingerprints of the parts of a corpus, so that a fit depends on what its model reads and on nothing else.

``interactions`` are users, held-out users and domains, names and domains of the items, and the interactions themselves;
``texts`` the attributes of the items, reviews, explanations and the ground truth of a generated corpus; ``pictures``
the pictures and which item has which. Names and attributes are hashed as content and not as Parquet files, whose bytes
depend on the version of the writer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow.parquet as pq

from unimp_bench.corpus.manifest import Manifest

ContentPart = Literal["interactions", "texts", "pictures"]
CONTENT_PARTS: tuple[ContentPart, ...] = get_args(ContentPart)

_ARRAYS = "interactions/"
_TABLES = ("users.parquet", "items.parquet")


def part_fingerprints(folder: Path, manifest: Manifest) -> dict[str, str]:
    """SHA-256 of each part of a corpus on disk; ``manifest`` gives the hashes of files, domains and attributes."""
    users, items = (pq.read_table(folder / name, memory_map=True) for name in _TABLES)
    files = {name: entry.sha256 for name, entry in manifest.files.items() if name not in _TABLES}
    arrays = {name: digest for name, digest in files.items() if name.startswith(_ARRAYS)}
    return {
        "interactions": _digest(
            *([*manifest.domains], [*manifest.new_domains], manifest.rating_scale, sorted(arrays.items())),
            *(users.column(name).to_pylist() for name in ("user", "domain", "held_out")),
            *(items.column(name).to_pylist() for name in ("item", "domain")),
        ),
        "texts": _digest(
            sorted((name, digest) for name, digest in files.items() if name not in arrays),
            *([name, items.column(name).to_pylist()] for name in manifest.attributes),
        ),
        "pictures": _digest(manifest.pictures.sha256, items.column("picture").to_pylist()),
    }


def fingerprint_of(parts: Mapping[str, str], read: Collection[ContentPart] = CONTENT_PARTS) -> str:
    """SHA-256 over the fingerprints of the parts that are read, whatever their order."""
    lines = [f"{part} {parts[part]}\n" for part in CONTENT_PARTS if part in read]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _digest(*contents: Any) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(json.dumps(content).encode())
        digest.update(b"\n")
    return digest.hexdigest()
