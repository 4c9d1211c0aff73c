"""Sizes of a picture tokenizer, and its presets."""

from __future__ import annotations

from dataclasses import dataclass

from unimp_bench.errors import find


@dataclass(frozen=True)
class TokenizerConfig:
    """A convolutional VQ autoencoder of square pictures.

    Attributes:
        side: height and width of a picture in pixels.
        codes: size of the codebook.
        patch: the network reads and writes blocks of so many pixels a side as channels of one position (pixel
            unshuffle); 1 for pixels as they are. Convolutions at full size are most of the cost on a CPU.
        channels: width of each level; every level but the last halves the side.
        blocks: residual blocks a level of the encoder (the decoder has one more).
        latent: channels of the encoder's output and of a code.
        groups: of the group normalisations.
        attention: self-attention after each block of the lowest level, as VQGAN's f16 model has it.
        steps: training steps; 0 for a tokenizer that is only ever loaded.
        batch: pictures a step.
        learning_rate: at its peak; it falls to zero along a cosine.
        commitment: weight beta of the commitment term.
        most_pictures: training reads at most so many pictures, drawn with ``seed``, so that memory stays bounded.
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
        """Tokens a picture."""
        return self.grid**2


PRESETS = {
    # Six by six codes keep colour, outline and most patterns of a small catalogue; with four by four the patterns go.
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
        UsageError: there is no such preset.
    """
    config: TokenizerConfig = find(PRESETS, preset, "picture tokenizer")
    return config
