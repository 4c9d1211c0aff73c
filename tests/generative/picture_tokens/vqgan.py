"""VQGAN's f16 network written down a second time: names and shapes of its tensors, and its equations in plain torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

Shapes = dict[str, tuple[int, ...]]
State = dict[str, Tensor]


def shapes(channels: tuple[int, ...], blocks: int, latent: int, codes: int) -> Shapes:
    """Every tensor of the autoencoder, with self-attention in the lowest level and in the middle."""
    found: Shapes = {}

    def conv(name: str, out: int, into: int, kernel: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (out, into, kernel, kernel), (out,)

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"] = found[f"{name}.bias"] = (width,)

    def residual(name: str, into: int, out: int) -> None:
        norm(f"{name}.norm1", into)
        conv(f"{name}.conv1", out, into, 3)
        norm(f"{name}.norm2", out)
        conv(f"{name}.conv2", out, out, 3)
        if into != out:
            conv(f"{name}.nin_shortcut", out, into, 1)

    def attention(name: str, width: int) -> None:
        norm(f"{name}.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            conv(f"{name}.{part}", width, width, 1)

    def middle(side: str, width: int) -> None:
        residual(f"{side}.mid.block_1", width, width)
        attention(f"{side}.mid.attn_1", width)
        residual(f"{side}.mid.block_2", width, width)

    last = len(channels) - 1
    conv("encoder.conv_in", channels[0], 3, 3)
    width = channels[0]
    for level, out in enumerate(channels):
        for block in range(blocks):
            residual(f"encoder.down.{level}.block.{block}", width, out)
            width = out
            if level == last:
                attention(f"encoder.down.{level}.attn.{block}", out)
        if level != last:
            conv(f"encoder.down.{level}.downsample.conv", out, out, 3)
    middle("encoder", width)
    norm("encoder.norm_out", width)
    conv("encoder.conv_out", latent, width, 3)
    conv("quant_conv", latent, latent, 1)
    found["quantize.embedding.weight"] = (codes, latent)
    conv("post_quant_conv", latent, latent, 1)
    conv("decoder.conv_in", width, latent, 3)
    middle("decoder", width)
    for level, out in reversed(list(enumerate(channels))):
        for block in range(blocks + 1):
            residual(f"decoder.up.{level}.block.{block}", width, out)
            width = out
            if level == last:
                attention(f"decoder.up.{level}.attn.{block}", out)
        if level:
            conv(f"decoder.up.{level}.upsample.conv", out, out, 3)
    norm("decoder.norm_out", width)
    conv("decoder.conv_out", 3, width, 3)
    return found


def random_state(channels: tuple[int, ...], blocks: int, latent: int, codes: int) -> State:
    """Weights large enough that every one of them moves the output."""
    generator = torch.Generator().manual_seed(0)

    def drawn(name: str, shape: tuple[int, ...]) -> Tensor:
        noise = torch.randn(shape, generator=generator)
        if "norm" in name:
            return 0.2 * noise + (1.0 if name.endswith("weight") else 0.0)
        return noise / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.2 * noise

    return {name: drawn(name, shape) for name, shape in shapes(channels, blocks, latent, codes).items()}


class Network:
    """The equations (Esser et al., CVPR 2021) over a state; a part that the state lacks is left out."""

    def __init__(self, state: State, groups: int) -> None:
        self.state, self.groups = state, groups

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(latents (n, d, h, w), codes (n, h, w))."""
        x = self._conv("encoder.conv_in", x)
        level = 0
        while f"encoder.down.{level}.block.0.conv1.weight" in self.state:
            x = self._blocks(f"encoder.down.{level}", x)
            if f"encoder.down.{level}.downsample.conv.weight" in self.state:
                x = self._conv(f"encoder.down.{level}.downsample.conv", pad(x, (0, 1, 0, 1)), stride=2, padding=0)
            level += 1
        x = self._conv(
            "quant_conv", self._conv("encoder.conv_out", self._active("encoder.norm_out", self._middle("encoder", x)))
        )
        book = self.state["quantize.embedding.weight"]
        return x, (x[:, None] - book[None, :, :, None, None]).square().sum(2).argmin(1)

    def decode(self, codes: Tensor) -> Tensor:
        """Pictures (n, 3, side, side) of codes (n, h, w)."""
        x = self.state["quantize.embedding.weight"][codes].permute(0, 3, 1, 2)
        x = self._middle("decoder", self._conv("decoder.conv_in", self._conv("post_quant_conv", x)))
        levels = {int(name.split(".")[2]) for name in self.state if name.startswith("decoder.up.")}
        for level in sorted(levels, reverse=True):
            x = self._blocks(f"decoder.up.{level}", x)
            if level:
                x = self._conv(f"decoder.up.{level}.upsample.conv", x.repeat_interleave(2, 2).repeat_interleave(2, 3))
        return self._conv("decoder.conv_out", self._active("decoder.norm_out", x))

    def _conv(self, name: str, x: Tensor, stride: int = 1, padding: int | None = None) -> Tensor:
        weight = self.state[f"{name}.weight"]
        return conv2d(
            x, weight, self.state[f"{name}.bias"], stride, weight.shape[2] // 2 if padding is None else padding
        )

    def _norm(self, name: str, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        grouped = x.reshape(n, self.groups, -1)
        centred = grouped - grouped.mean(2, keepdim=True)
        scaled = (centred / (centred.square().mean(2, keepdim=True) + 1e-6).sqrt()).view(n, c, h, w)
        return scaled * self.state[f"{name}.weight"][:, None, None] + self.state[f"{name}.bias"][:, None, None]

    def _active(self, name: str, x: Tensor) -> Tensor:
        x = self._norm(name, x)
        return x * torch.sigmoid(x)

    def _residual(self, name: str, x: Tensor) -> Tensor:
        h = self._conv(f"{name}.conv1", self._active(f"{name}.norm1", x))
        h = self._conv(f"{name}.conv2", self._active(f"{name}.norm2", h))
        return h + (self._conv(f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in self.state else x)

    def _attention(self, name: str, x: Tensor) -> Tensor:
        normal = self._norm(f"{name}.norm", x)
        q, k, v = (self._conv(f"{name}.{part}", normal).flatten(2) for part in "qkv")
        weights = torch.softmax(torch.einsum("ncq,nck->nqk", q, k) / math.sqrt(q.shape[1]), 2)
        return x + self._conv(f"{name}.proj_out", torch.einsum("nqk,nck->ncq", weights, v).view_as(x))

    def _middle(self, side: str, x: Tensor) -> Tensor:
        x = self._attention(f"{side}.mid.attn_1", self._residual(f"{side}.mid.block_1", x))
        return self._residual(f"{side}.mid.block_2", x)

    def _blocks(self, name: str, x: Tensor) -> Tensor:
        block = 0
        while f"{name}.block.{block}.conv1.weight" in self.state:
            x = self._residual(f"{name}.block.{block}", x)
            if f"{name}.attn.{block}.q.weight" in self.state:
                x = self._attention(f"{name}.attn.{block}", x)
            block += 1
        return x
