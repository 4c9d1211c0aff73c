"""How much memory this process has needed."""

from __future__ import annotations

import resource
import sys


def peak_memory_mib() -> float:
    """Largest resident size of this process so far, in MiB (``ru_maxrss`` is KiB on Linux, bytes on macOS)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
