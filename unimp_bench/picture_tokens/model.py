"""The network: a VQ autoencoder of ``diffusers``, and its quantiser's nearest-code rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from unimp_bench.picture_tokens.config import TokenizerConfig
from unimp_bench.torch_setup import make_torchvision_importable


def build(config: TokenizerConfig) -> Any:
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
        model = build(config)
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
    """The inverse of ``to_signal``, with what lies outside of the range cut off."""
    pixels = (pixel_shuffle(signal, patch).clamp(-1, 1) + 1) * 127.5
    return pixels.round().to(torch.uint8).permute(0, 2, 3, 1)
