"""The tokenizer as others use it: pictures to codes and codes to pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from unimp_bench.errors import DataError
from unimp_bench.files import written
from unimp_bench.machine import device
from unimp_bench.picture_tokens.config import TokenizerConfig
from unimp_bench.picture_tokens.files import UInt8Array, read_pictures
from unimp_bench.picture_tokens.model import assemble, codes_to_latents, nearest_codes, to_pictures, to_signal
from unimp_bench.records import IntArray

_CONFIG = "config"
_BATCH = 64


class PictureTokenizer:
    """A trained VQ autoencoder.

    Attributes:
        config: its sizes.
        model: the ``diffusers.VQModel``, in evaluation mode.
        codes: size of the codebook.
        length: tokens a picture, row by row from the top left.
        side: height and width of a picture in pixels.
    """

    FILE = "picture_tokenizer.safetensors"
    """Name of the one file that a saved tokenizer is."""

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
        """SHA-256 over configuration and weights: two tokenizers with the same one give the same codes."""
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
            ValueError: the array has another length, or a number that is no code.
        """
        if tokens.ndim != 2 or tokens.shape[1] != self.length:
            raise ValueError(f"a picture has {self.length} tokens, the array is {tokens.shape}")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.codes:
            raise ValueError(f"codes run from 0 to {self.codes - 1}, found {tokens.min()} to {tokens.max()}")
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
            raise DataError(f"{path} is no picture tokenizer ({reason}); remove it to train it again") from None
        return cls(config, model)


def _config_json(config: TokenizerConfig) -> str:
    return TypeAdapter(TokenizerConfig).dump_json(config).decode()


def _in_batches(compute: Callable[[int], npt.NDArray[Any]], count: int, nothing: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([nothing, *(compute(start) for start in range(0, count, _BATCH))])
