"""Picture features: every picture goes through a frozen open_clip encoder once, and the result is kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from unimp_bench.corpus import Items
from unimp_bench.errors import DataError, UsageError
from unimp_bench.progress import progress
from unimp_bench.records import IntArray
from unimp_bench.torch_setup import make_torchvision_importable

TINY = "tiny"
_TINY_VISION = {"image_size": 64, "patch_size": 16, "width": 128, "head_width": 32, "layers": 1}
_TINY_TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 1, "layers": 1}
_TINY_SEED = 0
_BATCH = 128
_SAMPLE = 1000


@dataclass(frozen=True)
class PictureFeatures:
    """Patch tokens of the pictures of a corpus.

    Attributes:
        rows: (items,) int64 row of each item's picture in ``tokens``, -1 for items without one.
        tokens: (pictures, patches, width) float16, memory-mapped.
        mean, spread: (width,) float32 over the pictures (a sample of them where they are many).
    """

    rows: IntArray
    tokens: npt.NDArray[np.float16]
    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]

    @property
    def width(self) -> int:
        return int(self.tokens.shape[2])

    def of(self, items: IntArray) -> npt.NDArray[np.float32]:
        """(items, patches, width) float32 of items that have a picture, each channel standardised.

        What all pictures have in common is most of what an encoder says of one, and tells nothing apart.
        """
        return (self.tokens[self.rows[items]].astype(np.float32) - self.mean) / self.spread


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


def picture_features(items: Items, encoder: str, pretrained: str, cache: Path) -> PictureFeatures | None:
    """Features of all pictures, from ``cache`` where they were computed before; None for a corpus without pictures.

    The patch tokens are those before the encoder's final projection, without the class token (OpenFlamingo).

    Raises:
        UsageError: open_clip has no such encoder or weights.
        DataError: a picture file cannot be decoded.
    """
    if not items.has_picture.any():
        return None
    key = hashlib.sha256(f"{encoder}/{pretrained}/{_TINY_VISION}/{_TINY_SEED}/{items.fingerprint}".encode()).hexdigest()
    path = cache / f"pictures-{key[:16]}.npy"
    if not path.is_file():
        _write(path, items, *_encoder(encoder, pretrained))
    rows = np.where(items.has_picture, np.cumsum(items.has_picture) - 1, -1)
    tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    seen = tokens[:: max(1, len(tokens) // _SAMPLE)].astype(np.float32)
    return PictureFeatures(rows, tokens, seen.mean(axis=(0, 1)), seen.std(axis=(0, 1)) + 1e-6)


def _encoder(name: str, pretrained: str) -> tuple[torch.nn.Module, Callable[[Image.Image], Tensor]]:
    """The visual tower, giving (pooled, patch tokens), and what prepares a picture for it."""
    make_torchvision_importable()
    import open_clip

    if name == TINY:
        # Nothing to download: random weights, the same for everyone. A random projection of each patch keeps its
        # colours and edges, which is what the resampler reads.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_TINY_SEED)
            model: Any = open_clip.CLIP(embed_dim=32, vision_cfg=_TINY_VISION, text_cfg=_TINY_TEXT)
        prepare = open_clip.image_transform(model.visual.image_size, is_train=False)
    else:
        try:
            # Weights that were trained with another activation say so; open_clip itself only warns of it.
            known = open_clip.get_pretrained_cfg(name, pretrained) if pretrained else {}
            model, _, prepare = open_clip.create_model_and_transforms(
                name, pretrained=pretrained or None, force_quick_gelu=known.get("quick_gelu", False)
            )
        except (RuntimeError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"open_clip gives no encoder {name!r} with weights {pretrained!r}: {reason}") from None
    visual: torch.nn.Module = model.visual
    visual.output_tokens = True  # type: ignore[assignment]
    return visual.eval(), prepare


@torch.inference_mode()
def _write(path: Path, items: Items, visual: torch.nn.Module, prepare: Callable[[Image.Image], Tensor]) -> None:
    """Encode all pictures, a batch at a time, straight into the file; it is there whole or not at all."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    visual.to(device)
    pictured = np.flatnonzero(items.has_picture)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    table: npt.NDArray[np.float16] | None = None
    try:
        for start, pictures in progress(_prepared(items, pictured, prepare), "encoding pictures", unit="batch"):
            tokens = visual(pictures.to(device))[1].to(torch.float16).cpu().numpy()
            if table is None:
                shape = (len(pictured), *tokens.shape[1:])
                table = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
            table[start : start + len(tokens)] = tokens
        assert isinstance(table, np.memmap)
        table.flush()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _prepared(
    items: Items, pictured: IntArray, prepare: Callable[[Image.Image], Tensor]
) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(pictured), _BATCH):
        batch = pictured[start : start + _BATCH]
        yield start, torch.stack([prepare(_opened(items, int(item))) for item in batch])


def _opened(items: Items, item: int) -> Image.Image:
    path = items.picture(item)
    assert path is not None
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"picture {path} cannot be read ({error}); build the corpus again") from None
