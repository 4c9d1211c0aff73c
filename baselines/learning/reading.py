"""Files of saved models: whatever is wrong with one is said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from unimp_bench.files import damaged


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Surrounds what reads a file, or folder, of a saved model.

    Raises:
        DataError: it is missing, damaged, or holds something else.
    """
    try:
        yield
    except (OSError, SafetensorError, EOFError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
