"""Names and hashes of the sets that are stored with a corpus, features and ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NOTHING = "none"
"""In the place of a set's name: the model reads no features of this modality."""


def names_hash(names: Iterable[str]) -> str:
    """Hash of the names of items, in the order of their numbers."""
    return digest_of(*names)


def digest_of(*words: str) -> str:
    """A short hash of some words in order."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(f"{len(word)} {word}\n".encode())
    return digest.hexdigest()[:16]
