"""The picture tokenizer: a VQ autoencoder of ``diffusers``, its presets, pictures to codes and codes to pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from unimp_bench.errors import DataError, find
from unimp_bench.files import written
from unimp_bench.generative.picture_tokens.pictures import UInt8Array, read_pictures
from unimp_bench.machine import device
from unimp_bench.records import IntArray
from unimp_bench.torch_setup import make_torchvision_importable

_CONFIG = "config"
_BATCH = 64


@dataclass(frozen=True)
class TokenizerConfig:
    """A convolutional VQ autoencoder of square pictures.

    Attributes:
        side: height and width of a picture in pixels.
        codes: size of the codebook.
        patch: side of the blocks of pixels that the network reads and writes as channels of one position (pixel
            unshuffle); 1 for plain pixels. Convolutions at full size are most of the cost on a CPU.
        channels: width of each level; every level but the last halves the side.
        blocks: residual blocks per level of the encoder (the decoder has one more).
        latent: channels of the encoder's output and of a code.
        groups: of the group normalisations.
        attention: self-attention after each block of the lowest level, as in VQGAN's f16 model.
        steps: training steps; 0 for a tokenizer that is only loaded.
        batch: pictures per step.
        learning_rate: peak; a cosine schedule lowers it to zero.
        commitment: weight beta of the commitment term.
        most_pictures: maximum number of training pictures, drawn with ``seed``; bounds the memory.
        seed: of the initial weights, the sample and the batches.
    """

    side: int
    codes: int
    patch: int
    channels: tuple[int, ...]
    blocks: int
    latent: int
    groups: int
    attention: bool
    steps: int
    batch: int = 64
    learning_rate: float = 1e-3
    commitment: float = 0.25
    most_pictures: int = 50_000
    seed: int = 0

    @property
    def grid(self) -> int:
        """Height and width of a picture in tokens."""
        return self.side // self.patch >> (len(self.channels) - 1)

    @property
    def length(self) -> int:
        """Tokens per picture."""
        return self.grid**2


PRESETS = {
    # Six by six codes keep colour, outline and most patterns of a small catalogue; four by four lose the patterns.
    "tiny": TokenizerConfig(
        side=36,
        codes=128,
        patch=6,
        channels=(48,),
        blocks=1,
        latent=16,
        groups=8,
        attention=False,
        steps=1000,
        batch=32,
        learning_rate=2e-3,
    ),
    "base": TokenizerConfig(
        side=128,
        codes=1024,
        patch=1,
        channels=(64, 64, 128, 128, 256),
        blocks=2,
        latent=64,
        groups=32,
        attention=True,
        steps=30_000,
        learning_rate=3e-4,
    ),
    "paper": TokenizerConfig(
        side=128,
        codes=1024,
        patch=1,
        channels=(128, 128, 256, 256, 512),
        blocks=2,
        latent=256,
        groups=32,
        attention=True,
        steps=0,
    ),
}


def tokenizer_config(preset: str) -> TokenizerConfig:
    """The configuration of a preset.

    Raises:
        UsageError: unknown preset.
    """
    config: TokenizerConfig = find(PRESETS, preset, "picture tokenizer")
    return config


def build_network(config: TokenizerConfig) -> Any:
    """A ``diffusers.VQModel`` of the given sizes with random weights.

    With ``attention`` and the sizes of the ``paper`` preset it is VQGAN's f16 architecture (Esser et al., CVPR 2021).
    """
    make_torchvision_importable()
    from diffusers.models.autoencoders.vq_model import VQModel

    plain = len(config.channels) - 1
    lowest = ("AttnDownEncoderBlock2D", "AttnUpDecoderBlock2D")
    down, up = lowest if config.attention else ("DownEncoderBlock2D", "UpDecoderBlock2D")
    return VQModel(
        in_channels=3 * config.patch**2,
        out_channels=3 * config.patch**2,
        down_block_types=("DownEncoderBlock2D",) * plain + (down,),
        up_block_types=(up,) + ("UpDecoderBlock2D",) * plain,
        block_out_channels=config.channels,
        layers_per_block=config.blocks,
        latent_channels=config.latent,
        vq_embed_dim=config.latent,
        num_vq_embeddings=config.codes,
        norm_num_groups=config.groups,
        sample_size=config.side,
    )


def assemble(config: TokenizerConfig, tensors: Mapping[str, Tensor]) -> Any:
    """The network with the given weights, without drawing random ones first.

    Raises:
        RuntimeError: names or shapes are not those of the configuration.
    """
    with torch.device("meta"):
        model = build_network(config)
    model.load_state_dict(tensors, assign=True)
    return model


def nearest_codes(latents: Tensor, codebook: Tensor) -> Tensor:
    """``argmin_k |z - e_k|^2`` of every position: (n, d, h, w) latents and (codes, d) codebook to (n, h, w) int64."""
    flat = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    distances = codebook.square().sum(1) - 2 * flat @ codebook.T
    return distances.argmin(1).view(latents.shape[0], *latents.shape[2:])


def codes_to_latents(codes: Tensor, codebook: Tensor) -> Tensor:
    """The code vectors of (n, h, w) int64 codes, as (n, d, h, w)."""
    return codebook[codes].permute(0, 3, 1, 2)


def to_signal(pictures: Tensor, patch: int) -> Tensor:
    """Pictures (n, side, side, 3) uint8 to the network's input (n, 3 patch^2, side / patch, side / patch) in [-1, 1].

    The range is the one that VQGAN was trained on.
    """
    return pixel_unshuffle(pictures.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1, patch)


def to_pictures(signal: Tensor, patch: int) -> Tensor:
    """The inverse of ``to_signal``, values outside of the range clipped."""
    pixels = (pixel_shuffle(signal, patch).clamp(-1, 1) + 1) * 127.5
    return pixels.round().to(torch.uint8).permute(0, 2, 3, 1)


class PictureTokenizer:
    """A trained VQ autoencoder.

    Attributes:
        config: its sizes.
        model: the ``diffusers.VQModel``, in evaluation mode.
        codes: size of the codebook.
        length: tokens per picture, row by row from the top left.
        side: height and width of a picture in pixels.
    """

    FILE = "picture_tokenizer.safetensors"
    """File name of a saved tokenizer."""

    def __init__(self, config: TokenizerConfig, model: Any) -> None:
        self.config = config
        self.device = device()
        self.model = model.eval().to(self.device)
        self.codes = config.codes
        self.length = config.length
        self.side = config.side

    @property
    def codebook(self) -> Tensor:
        """(codes, latent) float32."""
        codebook: Tensor = self.model.quantize.embedding.weight
        return codebook

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over configuration and weights: equal fingerprints give equal codes."""
        digest = hashlib.sha256(_config_json(self.config).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    @torch.inference_mode()
    def encode(self, pictures: Sequence[Path] | UInt8Array) -> npt.NDArray[np.int16]:
        """Codes (n, length) int16 of picture files or of a (n, side, side, 3) uint8 array.

        Raises:
            DataError: a file cannot be decoded.
        """

        def codes(start: int) -> npt.NDArray[np.int16]:
            batch = pictures[start : start + _BATCH]
            array = batch if isinstance(batch, np.ndarray) else read_pictures(batch, self.side)
            latents = self.model.encode(to_signal(torch.from_numpy(array).to(self.device), self.config.patch)).latents
            found = nearest_codes(latents, self.codebook).flatten(1)
            return found.to(torch.int16).cpu().numpy()

        return _in_batches(codes, len(pictures), np.empty((0, self.length), np.int16))

    @torch.inference_mode()
    def decode(self, tokens: IntArray) -> UInt8Array:
        """Pictures (n, side, side, 3) uint8 of codes (n, length).

        Raises:
            ValueError: wrong shape, or numbers outside of the codebook.
        """
        if tokens.ndim != 2 or tokens.shape[1] != self.length:
            raise ValueError(f"expected codes of shape (n, {self.length}), got {tokens.shape}")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.codes:
            raise ValueError(f"expected codes from 0 to {self.codes - 1}, got {tokens.min()} to {tokens.max()}")
        grid = self.config.grid

        def pictures(start: int) -> UInt8Array:
            batch = torch.from_numpy(tokens[start : start + _BATCH].astype(np.int64)).to(self.device)
            latents = codes_to_latents(batch.view(-1, grid, grid), self.codebook)
            signal = self.model.decode(latents, force_not_quantize=True).sample
            drawn: UInt8Array = to_pictures(signal, self.config.patch).cpu().numpy()
            return drawn

        return _in_batches(pictures, len(tokens), np.empty((0, self.side, self.side, 3), np.uint8))

    def save(self, folder: Path) -> None:
        """Write weights and configuration (JSON in the header) to one safetensors file in ``folder``."""
        from safetensors.torch import save_file

        tensors = {name: tensor.contiguous().cpu() for name, tensor in self.model.state_dict().items()}
        with written(folder / self.FILE) as partial:
            save_file(tensors, partial, {_CONFIG: _config_json(self.config)})

    @classmethod
    def load(cls, folder: Path) -> PictureTokenizer:
        """Read what ``save`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        from safetensors import SafetensorError, safe_open

        path = folder / cls.FILE
        try:
            with safe_open(path, "pt") as file:
                config = TypeAdapter(TokenizerConfig).validate_json((file.metadata() or {}).get(_CONFIG, ""))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            model = assemble(config, tensors)
        except (OSError, SafetensorError, ValidationError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: invalid picture tokenizer ({reason}); remove it to train it again") from None
        return cls(config, model)


def _config_json(config: TokenizerConfig) -> str:
    return TypeAdapter(TokenizerConfig).dump_json(config).decode()


def _in_batches(compute: Callable[[int], npt.NDArray[Any]], count: int, empty: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([empty, *(compute(start) for start in range(0, count, _BATCH))])
