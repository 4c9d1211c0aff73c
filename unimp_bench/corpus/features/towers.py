"""Frozen picture encoders of timm and open_clip, by name, folder or file: one vector a picture, or one a region."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unimp_bench.corpus.features.encoder import TINY, Prepare, load_encoder, middle
from unimp_bench.corpus.pictures import open_picture
from unimp_bench.errors import UsageError, did_you_mean
from unimp_bench.machine import device, threads
from unimp_bench.pretrained import PACKAGES, packaged, read_weights, weights_hash
from unimp_bench.records import FloatArray
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

BATCH = 64
_BATCHES = {"cpu": 8}  # whose states fit its caches

_ARCHITECTURES = {"efficientnet-lite0": "tf_efficientnet_lite0"}
"""timm's name of the network whose weights a package holds."""

_LOCAL = "local-dir:"

# Lukas Melas-Kyriazi's PyTorch port of EfficientNet numbers all blocks in one row and names layers by what they do.
_PORTED_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_EXPANDING = {
    **{"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"},
    **{"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"},
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_PORTED = re.compile(r"_blocks\.(\d+)\.(\w+?)\.(.+)")


@dataclass(frozen=True)
class Tower:
    """What a picture encoder is, before it is loaded.

    Attributes:
        library: ``tiny``, ``timm`` or ``open_clip``.
        name: of the architecture; ``local-dir:`` and a folder for one that describes itself.
        tag: open_clip's tag of the weights, or timm's.
        file: of the weights; None for those of the tag or the folder.
    """

    library: str
    name: str
    tag: str = ""
    file: Path | None = None

    @property
    def weights(self) -> str:
        """Hash of the weights on disk, or their published tag."""
        if self.file is not None:
            return weights_hash(self.file)
        return weights_hash(Path(self.name.removeprefix(_LOCAL))) if self.name.startswith(_LOCAL) else self.tag


def find_tower(encoder: str, weights: Path | None = None) -> Tower:
    """The encoder that a user names.

    Args:
        encoder: ``tiny``; a package of weights (``efficientnet-lite0``); ``NAME/TAG`` of open_clip
            (``ViT-L-14/openai``); a model of timm (``resnet50.a1_in1k``); or a folder with the configuration and
            weights of one of the two.
        weights: a file of weights of the named architecture, instead of published ones.

    Raises:
        UsageError: neither library has such a model.
        DependencyError: the package is not installed.
    """
    if encoder == TINY:
        return Tower("tiny", TINY, "random")
    if encoder in _ARCHITECTURES:
        return Tower("timm", _ARCHITECTURES[encoder], file=weights or packaged(encoder))
    if Path(encoder).is_dir():
        clip = (Path(encoder) / "open_clip_config.json").is_file()
        return Tower("open_clip" if clip else "timm", f"{_LOCAL}{Path(encoder).resolve()}")
    make_torchvision_importable()
    import timm
    from timm.models import get_pretrained_cfg

    name, _, tag = encoder.partition("/")
    if not tag and timm.is_model(name):
        if weights is not None:
            return Tower("timm", name, file=weights)
        found = get_pretrained_cfg(name)
        tag = "" if found is None else found.tag or ""
        return Tower("timm", name if "." in name or not tag else f"{name}.{tag}", f"{name.partition('.')[0]}.{tag}")
    import open_clip

    if name in open_clip.list_models():
        if weights is None and not tag:
            tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none published"
            raise UsageError(f"name the weights of {name} as {name}/TAG ({tags}), or a file with --weights")
        return Tower("open_clip", name, tag, weights)
    known = [*_ARCHITECTURES, TINY, *timm.list_models(), *open_clip.list_models()]
    hint = "; name its architecture, and the file with --weights" if Path(encoder).is_file() else ""
    raise UsageError(f"unknown picture encoder {encoder!r}{hint or did_you_mean(encoder, known)}")


class PictureEncoder:
    """A frozen picture encoder on the chosen device.

    Args:
        tower: what to load.
        regions: side of the square of regions that a picture is divided into; 0 for one vector a picture.
        batch: pictures that are encoded at once; None for a number that suits the device.

    Raises:
        UsageError: the weights cannot be had.
        DataError: a file of weights cannot be read.
    """

    def __init__(self, tower: Tower, regions: int = 0, batch: int | None = None) -> None:
        self._batch = batch or _BATCHES.get(device().type, BATCH)
        load = _load_timm if tower.library == "timm" else _load_clip
        self._features, self._prepare = load(tower, regions)

    def __call__(self, files: list[Path]) -> FloatArray:
        """The vectors of picture files, (n, width) or (n, regions, width) float32.

        Files are decoded and scaled by threads while earlier batches are encoded.

        Raises:
            DataError: a picture cannot be decoded.
        """
        found = []
        with ThreadPoolExecutor(max(1, threads())) as pool:
            ready = pool.map(self._read, files)
            for start in range(0, len(files), self._batch):
                batch = torch.stack([next(ready) for _ in files[start : start + self._batch]])
                with torch.inference_mode():
                    features = self._features(batch.to(device()))
                found.append(features.float().cpu().numpy())
        return np.concatenate(found)

    def _read(self, file: Path) -> Tensor:
        return self._prepare(middle(open_picture(file)))


Features = Callable[[Tensor], Tensor]


def _load_clip(tower: Tower, regions: int) -> tuple[Features, Prepare]:
    tag = str(tower.file or tower.tag) if tower.library == "open_clip" else ""
    visual, prepare = load_encoder(tower.name, tag, tokens=bool(regions) or tower.library == "tiny")
    visual.to(device())

    def features(pictures: Tensor) -> Tensor:
        if not regions and tower.library != "tiny":
            pooled: Tensor = visual(pictures)
            return pooled
        found = visual(pictures)
        if not isinstance(found, tuple):
            raise UsageError(f"{tower.name} gives no patches of a picture; omit --regions")
        tokens: Tensor = found[1]
        return squares(tokens, regions) if regions else torch.cat([tokens.mean(1), tokens.std(1, correction=0)], dim=1)

    return features, prepare


def _load_timm(tower: Tower, regions: int) -> tuple[Features, Prepare]:
    make_torchvision_importable()
    import timm
    from timm.data import create_transform, resolve_model_data_config

    try:
        with own_chance():
            model: Any = timm.create_model(tower.name, pretrained=tower.file is None)
    except Exception as error:  # the hub, the cache and the weights fail by many kinds of errors
        reason = " ".join(str(error).split())[:150]
        raise UsageError(
            f"timm gives no weights of {tower.name!r} ({reason}); with a network they are downloaded unless "
            "HF_HUB_OFFLINE is set, without one give a file with --weights"
        ) from None
    if tower.file is not None:
        load_state(model, read_weights(tower.file), tower.file)
    model.reset_classifier(0)
    model = model.eval().to(device())
    prepare: Prepare = create_transform(**resolve_model_data_config(model), is_training=False)

    def features(pictures: Tensor) -> Tensor:
        if not regions:
            pooled: Tensor = model(pictures)
            return pooled
        states: Tensor = model.forward_features(pictures)
        if states.ndim == 4 and states.shape[1] == model.num_features:
            return squares(states.flatten(2).transpose(1, 2), regions)
        if states.ndim == 4:  # channels last, as of Swin
            return squares(states.flatten(1, 2), regions)
        return squares(states[:, getattr(model, "num_prefix_tokens", 0) :], regions)

    return features, prepare


def squares(tokens: Tensor, side: int) -> Tensor:
    """Means of patch tokens over a square of ``side * side`` regions, (B, side * side, C).

    Args:
        tokens: (B, n * n, C), by rows of the picture.

    Raises:
        UsageError: the patches are no square.
    """
    size = round(tokens.shape[1] ** 0.5)
    if size * size != tokens.shape[1]:
        raise UsageError(f"this encoder's {tokens.shape[1]} patches are no square; omit --regions")
    grid = tokens.transpose(1, 2).reshape(len(tokens), -1, size, size)
    return functional.adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)


def load_state(model: Any, state: Mapping[str, Tensor], file: Path) -> None:
    """Load weights of timm's layout, or of the PyTorch port of EfficientNet, into a model of timm.

    A classifier of another number of classes is left out.

    Raises:
        UsageError: the weights are those of another network.
    """
    own = model.state_dict()
    if any(name.startswith("_blocks.") for name in state):
        state = {_from_port(name, [len(stage) for stage in model.blocks]): tensor for name, tensor in state.items()}
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    head = tuple(f"{name}." for name in _names_of_classifier(model))
    kept = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    other = [name for name in (own.keys() | state.keys()) - kept.keys() if not name.startswith(head)]
    if other:
        raise UsageError(
            f"{file} does not hold the weights of {type(model).__name__}: {len(other)} of {len(own)} tensors differ, "
            f"such as {min(other)}"
        )
    model.load_state_dict(kept, strict=False)


def _names_of_classifier(model: Any) -> tuple[str, ...]:
    names = model.pretrained_cfg.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _from_port(name: str, stages: list[int]) -> str:
    """timm's name of a tensor of the port, in a network with these numbers of blocks per stage."""
    found = _PORTED.fullmatch(name)
    if found is None:
        layer, _, kind = name.partition(".")
        return f"{_PORTED_STEM.get(layer, layer)}.{kind}"
    stage, block = 0, int(found[1])
    while stage < len(stages) and block >= stages[stage]:
        stage, block = stage + 1, block - stages[stage]
    layers = _EXPANDING if stage else _PLAIN  # the blocks of the first stage do not expand
    return f"blocks.{stage}.{block}.{layers.get(found[2], found[2])}.{found[3]}"


def library_of(encoder: str) -> str:
    """The published name of an encoder of a package, else the name itself; a folder by its last part."""
    if encoder in PACKAGES:
        return PACKAGES[encoder].source
    return Path(encoder).resolve().name if Path(encoder).exists() else encoder
