"""Pre-trained text encoders as a part of a recommender: adapted by a few weights, or trained as a whole.

    x_j = (pool(Encoder(tokens of j)) - mean) / spread

``mean`` and ``spread`` of each channel are those of the pre-trained encoder over the items, so that ``x`` equals the
features of the frozen encoder at the start. What is trained of the encoder (``trained``):

    adapters    an adapter behind the attention and the feed-forward part of each layer, before the residual addition
                and its norm (Houlsby et al., ICML 2019; ``baselines.learning.adapters``)
    lora        low-rank updates of the attention (``unimp_bench.low_rank``)
    full        all weights

The encoder's dropout is off, so that variants of one start differ by what is trained alone. With ``top_layers`` the
states below the last layers of the encoder are constant: they are computed once, and a step begins with them (as in
ONCE, Liu et al., WSDM 2024).

Memory: the states of ``_TOKENS`` tokens in all trained layers, about 170 KB a token of MiniLM. A step with more tokens
computes the vectors of each part twice, without states and then with those of one part. With ``top_layers`` in addition
one state of every token of the catalogue.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from baselines.learning.adapters import insert_adapters
from unimp_bench import low_rank
from unimp_bench.corpus import Items
from unimp_bench.corpus.features import VERSIONS
from unimp_bench.corpus.features.sentence import Form, SentenceEncoder, load_text_model, pooled, tokens_of
from unimp_bench.corpus.features.text import ATTRIBUTES, form_of, item_texts
from unimp_bench.corpus.features.vectors import Channels
from unimp_bench.errors import UsageError
from unimp_bench.files import kept_array
from unimp_bench.machine import device
from unimp_bench.pretrained import weights_hash
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.settings import Count, Number, Rate

_TOKENS = 8192

Trained = Literal["frozen", "adapters", "lora", "full"]


@dataclass(frozen=True)
class EncoderSettings:
    """What is trained of a text encoder.

    Attributes:
        trained: ``frozen``, nothing: its vectors are constant features; ``adapters``; ``lora``; ``full``.
        tokens: that are read of a text, its first ones.
        bottleneck: inner width of an adapter.
        rank: of low-rank updates.
        top_layers: last layers of the encoder that are trained; 0 for all, and with ``full`` the embeddings.
        encoder_rate: learning rate of what is trained of the encoder.
    """

    trained: Trained = "adapters"
    tokens: Count = 32
    bottleneck: Count = 64
    rank: Count = 8
    top_layers: Number = 0
    encoder_rate: Rate = 1e-4


@dataclass(frozen=True)
class PretrainedTexts:
    """The different texts of a corpus, and what a pre-trained encoder makes of them.

    Attributes:
        folder: of the encoder.
        form: of its vectors.
        weights: hash of its weights.
        texts: that some item has.
        of: (items,) the text of each item, -1 for none.
        vectors: (texts, width) as the encoder gives them.
        channels: of the vectors over the items with a text.
    """

    folder: Path
    form: Form
    weights: str
    texts: list[str]
    of: IntArray
    vectors: FloatArray
    channels: Channels

    @classmethod
    def read(cls, items: Items, encoder: str, tokens: int, cache: Path) -> Self:
        """The texts of items; at test those of the fit, moved where a view moves texts.

        Args:
            items: of the corpus.
            encoder: name or folder, as ``unimp_bench.corpus.features.text.text_vectors`` takes it.
            tokens: that are read of a text at most.
            cache: where vectors are kept.

        Raises:
            UsageError: there is no such encoder, or no text, or all texts have the same vector.
            DependencyError: its package is not installed.
        """
        folder, form = form_of(encoder)
        form, weights = replace(form, longest=min(form.longest, tokens)), weights_hash(folder)
        origin = items.origin or items
        shown = item_texts(origin)
        texts = sorted(set(shown) - {""})
        number = {text: place for place, text in enumerate(texts)}
        of = np.array([number.get(text, -1) for text in shown], dtype=np.int64)
        if not texts:
            raise UsageError("no item of this corpus has a text; set text=none, or run sasrec instead")
        inputs = f"{VERSIONS['text']}/{weights}/{form}/{ATTRIBUTES}/{origin.fingerprint}"
        path = cache / f"text-starts-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}.npy"
        vectors = kept_array(path, lambda partial: np.save(partial, SentenceEncoder(folder, form)(texts)), len(texts))
        channels = Channels.of(vectors[of[of >= 0]])
        if channels.silent.all():
            raise UsageError("the texts of all items have equal vectors; set text=none, or run sasrec instead")
        if items.origin is not None:
            source = items.moved("texts")
            of = np.where(source < 0, -1, of[source])
        return cls(folder, form, weights, texts, of, vectors, channels)

    @property
    def width(self) -> int:
        """Of the vectors."""
        return int(self.vectors.shape[1])

    def features(self) -> FloatArray:
        """``x`` of all items at the start, (items, width) float32; zero, which is the mean, without a text."""
        scaled = self.channels(self.vectors) * np.sqrt(self.width)
        values: FloatArray = np.where(self.of[:, None] < 0, 0, scaled[self.of]).astype(np.float32)
        return values


class TrainedEncoder(nn.Module):
    """The vectors ``x`` of texts by an encoder that is trained.

    Args:
        texts: of the corpus.
        settings: what is trained.

    Attributes:
        model: the encoder; under ``top_layers`` its last layers.
        inputs: numbers of all tokens, text after text, or the states that ``model`` begins with.

    Raises:
        UsageError: the encoder has not the layers that the settings need.
    """

    inputs: Tensor
    starts: Tensor
    lengths: Tensor
    mean: Tensor
    gain: Tensor

    def __init__(self, texts: PretrainedTexts, settings: EncoderSettings) -> None:
        super().__init__()
        self.form = texts.form
        tokenizer, self.model = load_text_model(texts.folder)
        self.model.requires_grad_(False)
        if getattr(self.model, "pooler", None) is not None:  # a layer of another task
            self.model.pooler = None
        self._padding = int(tokenizer.pad_token_id)
        tokens = Ragged.of_rows(tokens_of(tokenizer, texts.texts, texts.form.longest)["input_ids"], np.int64)
        spread = texts.channels.spread
        for name, values in {
            "inputs": tokens.values,
            "starts": tokens.offsets[:-1],
            "lengths": tokens.lengths(),
            "mean": texts.channels.mean.astype(np.float32),
            "gain": np.where(texts.channels.silent, 0, 1 / spread).astype(np.float32),
        }.items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        self.to(device())
        if settings.top_layers:
            self._keep_layers(settings.top_layers)
        if settings.trained == "adapters":
            parts = [part for layer in bert_layers(self.model) for part in (layer.attention.output, layer.output)]
            insert_adapters(parts, texts.width, settings.bottleneck)
        elif settings.trained == "lora":
            low_rank.inject(self.model, settings.rank)
        else:
            self.model.requires_grad_(settings.trained == "full")

    def train(self, mode: bool = True) -> Self:
        """Without dropout in either mode."""
        return super().train(False)

    def forward(self, numbers: Tensor) -> Tensor:
        """``x`` of texts by number, (n, width); zero for -1, no text."""
        known = numbers >= 0
        vectors = self.mean.new_zeros(len(numbers), len(self.mean))
        return vectors.index_put((known,), self._vectors(numbers[known])) if known.any() else vectors

    def _vectors(self, numbers: Tensor) -> Tensor:
        order = self.lengths[numbers].argsort(stable=True)
        parts = self._parts(numbers[order])
        if torch.is_grad_enabled() and len(parts) > 1:
            found = [checkpoint(self._encoded, part, use_reentrant=False) for part in parts]
        else:
            found = [self._encoded(part) for part in parts]
        return (torch.cat(found)[order.argsort()] - self.mean) * self.gain

    def _parts(self, numbers: Tensor) -> tuple[Tensor, ...]:
        """Batches of a limited number of tokens."""
        return torch.split(numbers, max(1, _TOKENS // int(self.lengths[numbers].max())))

    def _encoded(self, numbers: Tensor) -> Tensor:
        states, mask = self._states(numbers)
        return pooled(states, mask, self.form)

    def _states(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """States of the last layer, (n, N, width), and 1 where there is a token, (n, N)."""
        lengths = self.lengths[numbers][:, None]
        places = torch.arange(int(lengths.max()), device=lengths.device)
        real = places < lengths
        read = self.inputs[torch.where(real, self.starts[numbers][:, None] + places, 0)]
        mask = real.long()
        if read.is_floating_point():
            return self.model(inputs_embeds=read, attention_mask=mask).last_hidden_state, mask
        read = read.masked_fill(~real, self._padding)
        return self.model(input_ids=read, attention_mask=mask).last_hidden_state, mask

    @torch.no_grad()
    def _keep_layers(self, count: int) -> None:
        """Compute the states below the last layers for all texts, and keep these layers alone."""
        layers = bert_layers(self.model)
        below = len(layers) - count
        if below < 0:
            raise UsageError(f"top_layers={count}: the text encoder has {len(layers)} layers")
        self.model.encoder.layer = layers[:below]
        found = []
        for part in self._parts(torch.arange(len(self.lengths), device=self.lengths.device)):
            states, mask = self._states(part)
            found.append(states[mask.bool()])
        self.inputs = torch.cat(found)
        self.model.encoder.layer, self.model.embeddings = layers[below:], _Embedded()


class _Embedded(nn.Module):
    """In the place of an encoder's embeddings: states that are given."""

    def forward(self, inputs_embeds: Tensor, **_: Any) -> Tensor:
        return inputs_embeds


def bert_layers(model: Any) -> Any:
    """The layers of an encoder of BERT's form, such as RoBERTa.

    Raises:
        UsageError: it has other layers.
    """
    layers = getattr(getattr(model, "encoder", None), "layer", None)
    if layers is None or not all(hasattr(layer, "output") and hasattr(layer.attention, "output") for layer in layers):
        raise UsageError(
            f"the layers of a {model.config.model_type!r} encoder are not BERT's, which trained=adapters and "
            "top_layers need; set trained=frozen, or lora or full with top_layers=0"
        )
    return layers
