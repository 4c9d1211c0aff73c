"""What the presets of published backbones move and need, on the meta device: the table of docs/unimp.md.

Usage: python benchmarks/footprint.py [ITEMS]
"""

from __future__ import annotations

import sys

from unimp_bench.unimp.config import PRESETS
from unimp_bench.unimp.network.footprint import footprint, outline
from unimp_bench.unimp.network.published import NEOX_TOKENS

PRESETS_OF_PAPERS = ("paper", "small")
CLIP_WIDTH = 1024
OTHER_TOKENS = 1100
"""About as many as the codes of pictures, ratings, places and marks take."""


def main(items: int) -> None:
    """Print a line for each preset."""
    for name in PRESETS_OF_PAPERS:
        print(f"{name}: {footprint(outline(PRESETS[name], NEOX_TOKENS + OTHER_TOKENS + items, CLIP_WIDTH))}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 124_000)
