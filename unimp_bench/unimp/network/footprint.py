"""What a model takes: parameters that move and that stay, and the memory of their training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.adaptation import adapt
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.trained import set_trained

_FLOAT = 4
_MOMENTS = 2


@dataclass(frozen=True)
class Footprint:
    """Of a model whose weights are float32, as they are under bf16 autocast too.

    Attributes:
        trained, frozen: parameters, shared ones once.
    """

    trained: int
    frozen: int

    @property
    def weights(self) -> int:
        """Bytes of all parameters."""
        return _FLOAT * (self.trained + self.frozen)

    @property
    def training(self) -> int:
        """Bytes of a training without the activations of a step: weights, gradients and Adam's two moments."""
        return self.weights + _FLOAT * (1 + _MOMENTS) * self.trained

    def __str__(self) -> str:
        return (
            f"{self.trained:,} parameters move, {self.frozen:,} stay; weights {self.weights / 2**30:.1f} GiB, "
            f"with gradients and Adam's moments {self.training / 2**30:.1f} GiB, beside the activations of a step"
        )


def footprint(model: nn.Module) -> Footprint:
    """Of a model on any device, the meta device too."""
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return Footprint(sum(n for n, moves in counts if moves), sum(n for n, moves in counts if not moves))


def outline(config: UniMPConfig, vocabulary_size: int, picture_width: int | None) -> UniMPModel:
    """The model of some settings on the meta device, without weights and without a download.

    Raises:
        UsageError: the architecture of a pre-trained backbone is not known without reading it.
    """
    with torch.device("meta"):
        model = UniMPModel(config, vocabulary_size, picture_width)
        adapt(model, config)
    set_trained(model, config.trained)
    return model
