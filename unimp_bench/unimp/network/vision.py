"""What the resampler makes of pictures, kept for reading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unimp_bench.records import IntArray


@dataclass(frozen=True)
class VisualEmbeddings:
    """What the resampler makes of pictures, kept for sentences that are read without training.

    Attributes:
        rows: (items,) int64 row of each item's picture in ``tokens``, -1 for items that have none here.
        tokens: (pictures, latents, width) float32.
    """

    rows: IntArray
    tokens: npt.NDArray[np.float32]

    def of(self, items: IntArray) -> npt.NDArray[np.float32]:
        """(items, latents, width) of items that have a picture."""
        return self.tokens[self.rows[items]]
