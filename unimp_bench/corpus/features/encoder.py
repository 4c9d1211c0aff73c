"""Frozen open_clip encoders of pictures, and the passes of a corpus's pictures through one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unimp_bench.corpus import Items
from unimp_bench.corpus.pictures import open_picture, picture_files
from unimp_bench.errors import UsageError
from unimp_bench.machine import device
from unimp_bench.progress import progress
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

Prepare = Callable[[Image.Image], Tensor]

TINY = "tiny"
TINY_VISION = {"image_size": 64, "patch_size": 16, "width": 128, "head_width": 32, "layers": 1}
RANDOM_SEED = 0
"""Of the weights of a tower that has none of its own, ``tiny`` or any other: the same for every fit."""

_TINY_TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 1, "layers": 1}
_BATCH = 128
_LONGEST = 32  # times its shorter side


def load_encoder(name: str, pretrained: str, *, tokens: bool = False) -> tuple[torch.nn.Module, Prepare]:
    """The visual tower of ``tiny`` or of an open_clip model, and what prepares a picture for it.

    Args:
        tokens: let the tower give (pooled vectors, patch tokens), not pooled vectors alone.

    Raises:
        UsageError: open_clip has no such encoder or weights.
    """
    make_torchvision_importable()
    import open_clip

    if name == TINY:
        # Nothing to download: random weights, the same for everyone. A random projection of each patch keeps its
        # colours and edges.
        with own_chance(RANDOM_SEED):
            model: Any = open_clip.CLIP(embed_dim=32, vision_cfg=TINY_VISION, text_cfg=_TINY_TEXT)
        prepare = open_clip.image_transform(model.visual.image_size, is_train=False)
    else:
        try:
            # Weights that were trained with another activation say so; open_clip itself only warns of it.
            known = open_clip.get_pretrained_cfg(name, pretrained) if pretrained else {}
            with own_chance(RANDOM_SEED):
                model, _, prepare = open_clip.create_model_and_transforms(
                    name, pretrained=pretrained or None, force_quick_gelu=known.get("quick_gelu", False)
                )
        except (RuntimeError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"open_clip gives no encoder {name!r} with weights {pretrained!r}: {reason}") from None
    visual: torch.nn.Module = model.visual
    if tokens:
        visual.output_tokens = True  # type: ignore[assignment]
    return visual.eval(), prepare


def encode_pictures(items: Items, encode: torch.nn.Module, prepare: Prepare) -> Iterator[Any]:
    """What ``encode`` makes of all pictures, a batch at a time, in the order of the items that have one.

    Raises:
        DataError: a picture file cannot be decoded.
    """
    place = device()
    encode.to(place)
    pictured = np.flatnonzero(items.has_picture)
    starts = range(0, len(pictured), _BATCH)
    for start in progress(starts, "encoding pictures", unit="batch"):
        paths = picture_files(items, pictured[start : start + _BATCH])
        batch = [prepare(middle(open_picture(path))) for path in paths]
        with torch.inference_mode():
            yield encode(torch.stack(batch).to(place))


def middle(picture: Image.Image) -> Image.Image:
    """What a preparation can see of a very long picture, which crops its middle: scaled first, it would fill memory."""
    shorter, (width, height) = min(picture.size), picture.size
    if max(width, height) <= _LONGEST * shorter:
        return picture
    left, top = max(0, (width - _LONGEST * shorter) // 2), max(0, (height - _LONGEST * shorter) // 2)
    return picture.crop((left, top, width - left, height - top))
