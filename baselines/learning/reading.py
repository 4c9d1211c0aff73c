"""Files of saved models: whatever is wrong with one is said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from unimp_bench.errors import DataError


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Surrounds what reads a file, or folder, of a saved model.

    Raises:
        DataError: it is missing, damaged, or holds something else.
    """
    try:
        yield
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"model file {path} cannot be read ({reason}); fit the model again") from None
