"""Loading a VQGAN checkpoint of CompVis/taming-transformers (Esser et al., CVPR 2021) into ``diffusers``' VQModel.

Both are the same network under other names: levels of residual blocks with optional attention, and one more such block
pair in the middle. VQGAN numbers the decoder's levels from the picture, diffusers from the codes; VQGAN's
attention projections are 1x1 convolutions, diffusers' are matrices. A checkpoint also holds the loss networks
(``loss.*``: LPIPS and the discriminator), which only training needs.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unimp_bench.errors import DataError
from unimp_bench.generative.picture_tokens.tokenizer import (
    PictureTokenizer,
    TokenizerConfig,
    assemble,
    build_network,
)

_LOSS = "loss."
_RENAMED = (
    (r"\bdown_blocks\b", "down"),
    (r"\bup_blocks\b", "up"),
    (r"\bmid_block\.resnets\.0\b", "mid.block_1"),
    (r"\bmid_block\.resnets\.1\b", "mid.block_2"),
    (r"\bmid_block\.attentions\.0\b", "mid.attn_1"),
    (r"\bresnets\b", "block"),
    (r"\battentions\b", "attn"),
    (r"\b(down|up)samplers\.0\b", r"\1sample"),
    (r"\bconv_shortcut\b", "nin_shortcut"),
    (r"\bgroup_norm\b", "norm"),
    (r"\bto_out\.0\b", "proj_out"),
    (r"\bto_([qkv])\b", r"\1"),
    (r"\bconv_norm_out\b", "norm_out"),
)
_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth")


def load_vqgan(path: Path, config: TokenizerConfig) -> PictureTokenizer:
    """A tokenizer with the weights of a VQGAN checkpoint.

    Args:
        path: a ``.ckpt`` (a torch file, of which only tensors and plain values are read) or a ``.safetensors`` with
            the same names; or a folder that holds one, at its top or in ``checkpoints``.
        config: the sizes that the checkpoint must have.

    Raises:
        DataError: there is no such file, it holds more than tensors, or it is no checkpoint of this architecture.
    """
    file = _checkpoint(path)
    given = {name: tensor for name, tensor in _tensors(file).items() if not name.startswith(_LOSS)}
    with torch.device("meta"):
        wanted = build_network(config).state_dict()
    names = {name: vqgan_name(name, len(config.channels)) for name in wanted}
    missing, unknown = set(names.values()) - given.keys(), given.keys() - set(names.values())
    if missing or unknown:
        raise DataError(
            f"{file}: another architecture than this VQGAN; missing {_few(missing)}, unknown {_few(unknown)}"
        )
    tensors = {}
    for name, other in names.items():
        tensor, shape = given[other], wanted[name].shape
        if tuple(tensor.shape) != (*shape, *(1,) * (tensor.ndim - len(shape))):
            raise DataError(f"{file}: a VQGAN of another size; {other} is {tuple(tensor.shape)}, not {tuple(shape)}")
        if not torch.isfinite(tensor).all():
            raise DataError(f"{file} is damaged: {other} is not finite; download it again")
        tensors[name] = tensor.to(torch.float32).view(shape)
    return PictureTokenizer(config, assemble(config, tensors))


def vqgan_name(name: str, levels: int) -> str:
    """What VQGAN calls the tensor that diffusers calls ``name``, in a network of so many levels."""
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return re.sub(r"\bup\.(\d+)\b", lambda found: f"up.{levels - 1 - int(found[1])}", name)


def _checkpoint(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(file for place in (path, path / "checkpoints") for file in place.glob("*") if _is_checkpoint(file))
    if len(found) != 1:
        what = "no such file or folder" if not path.exists() else f"{len(found)} checkpoints in this folder, not one"
        raise DataError(f"VQGAN checkpoint {path}: {what}; name a file that ends in {', '.join(_SUFFIXES)}")
    return found[0]


def _is_checkpoint(file: Path) -> bool:
    return file.is_file() and file.suffix in _SUFFIXES


def _tensors(file: Path) -> Mapping[str, Tensor]:
    """All tensors of a checkpoint by name."""
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{file} holds no weights ({error}); download it again") from None
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise DataError(
            f"{file} is damaged or holds pickled objects, which are not loaded; if you trust it, save its state_dict "
            f"as .safetensors and use that file (docs/pictures.md)"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"{file} holds no weights ({str(error).splitlines()[0]}); download it again") from None
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{file}: no VQGAN checkpoint, state_dict of tensors missing")
    return state


def _few(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:3]) or "nothing"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
