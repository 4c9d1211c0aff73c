"""CLIP as a judge of pictures: its embeddings of pictures and of texts, on the unit sphere.

One is named ``NAME:TAG`` (an architecture and published weights of open_clip, found in the Hugging Face cache),
``NAME:FILE`` (an architecture and a weights file) or ``local-dir:FOLDER`` (a folder with ``open_clip_config.json`` and
weights); ``Resources.clip`` says which one a command uses. Weights are never downloaded here, so that a score does not
hang on a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unimp_bench.errors import DependencyError
from unimp_bench.generative.picture_tokens.pictures import squared
from unimp_bench.machine import device
from unimp_bench.metrics.resources import CLIP_OVERRIDE
from unimp_bench.progress import progress
from unimp_bench.records import FloatArray
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

_FOLDER = "local-dir"
_BATCH = 64
_PREPARATION = {"mean": "image_mean", "std": "image_std", "interpolation": "image_interpolation"}


def clip_label(choice: str) -> str:
    """How columns name a choice: the architecture with its tag, or the name of its file or folder."""
    name, _, weights = choice.partition(":")
    if name == _FOLDER:
        return Path(weights).name
    return f"{name} {Path(weights).stem if Path(weights).is_file() else weights}"


class ClipEncoder:
    """A frozen CLIP of open_clip.

    Attributes:
        label: as columns name it, such as ``ViT-L-14 openai``.
    """

    def __init__(self, choice: str) -> None:
        """Load the CLIP that ``choice`` names, as described above.

        Raises:
            DependencyError: open_clip knows no such name, or its weights are not on this machine.
        """
        make_torchvision_importable()
        self.label = clip_label(choice)
        self._device = device()
        model, self._prepare, self._tokenize = _load(choice)
        self._model = model.eval().to(self._device)

    @property
    def side(self) -> int:
        """Pixels a side that the visual tower reads."""
        size = self._model.visual.image_size
        return int(size[0] if isinstance(size, tuple) else size)

    def pictures(self, pictures: Sequence[Callable[[], Image.Image]]) -> FloatArray:
        """Unit vectors (n, width) of pictures, each opened when its turn comes and fitted whole into a square."""

        def embed(start: int) -> Tensor:
            opened = [squared(picture(), self.side) for picture in pictures[start : start + _BATCH]]
            batch = torch.stack([self._prepare(picture) for picture in opened]).to(self._device)
            embedded: Tensor = self._model.encode_image(batch, normalize=True)
            return embedded

        return _embedded(embed, len(pictures), "embedding pictures")

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors (n, width) of texts; what exceeds CLIP's context (77 tokens) is cut off by its tokenizer."""

        def embed(start: int) -> Tensor:
            batch = self._tokenize(list(texts[start : start + _BATCH])).to(self._device)
            embedded: Tensor = self._model.encode_text(batch, normalize=True)
            return embedded

        return _embedded(embed, len(texts), "embedding texts")


@torch.inference_mode()
def _embedded(embed: Callable[[int], Tensor], count: int, label: str) -> FloatArray:
    starts = progress(range(0, count, _BATCH), label, unit="batch")
    return np.concatenate([embed(start).to(torch.float64).cpu().numpy() for start in starts])


def _load(choice: str) -> tuple[Any, Callable[[Image.Image], Tensor], Callable[[list[str]], Tensor]]:
    """(model, what prepares a picture, what prepares texts)."""
    import open_clip
    from safetensors import SafetensorError

    name, _, weights = choice.partition(":")
    options: dict[str, Any] = {}
    if name == _FOLDER:
        name = choice
    else:
        published = open_clip.get_pretrained_cfg(name, weights)
        options = {argument: published[key] for key, argument in _PREPARATION.items() if key in published}
        options["pretrained"] = str(_cached(published, name, weights) if published else _own_file(choice))
        # open_clip only warns where published weights were trained with the other activation.
        options["force_quick_gelu"] = published.get("quick_gelu", False)
    try:
        with own_chance():
            model, _, prepare = open_clip.create_model_and_transforms(name, require_pretrained=True, **options)
        return model, prepare, open_clip.get_tokenizer(name)
    except (RuntimeError, OSError, ValueError, KeyError, UnpicklingError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise DependencyError(
            f"CLIP {clip_label(choice)} cannot be loaded ({reason}); set {CLIP_OVERRIDE} anew"
        ) from None


def _cached(published: dict[str, Any], name: str, tag: str) -> Path:
    """Where the Hugging Face cache holds published weights."""
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, file = str(published["hf_hub"]).rpartition("/")
    for candidate in (file,) if file else (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
        found = try_to_load_from_cache(repository, candidate)
        if isinstance(found, str):
            return Path(found)
    raise DependencyError(
        f"no weights of CLIP {name} {tag} in the Hugging Face cache: run once, with a network, python -c "
        f"\"import open_clip; open_clip.create_model('{name}', '{tag}')\", or set {CLIP_OVERRIDE}=NAME:FILE"
    )


def _own_file(choice: str) -> Path:
    name, _, weights = choice.partition(":")
    if not Path(weights).is_file():
        raise DependencyError(
            f"{CLIP_OVERRIDE}={choice} names neither weights of {name or 'a CLIP'} that open_clip publishes "
            f"nor a file; set it to NAME:TAG, NAME:FILE or {_FOLDER}:FOLDER"
        )
    return Path(weights)
