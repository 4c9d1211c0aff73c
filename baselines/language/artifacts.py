"""The settings of a language model, and the artifacts stored with its weights: tokenizer, ids, configuration of T5."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from baselines.language.ids import Ids, Scheme, item_titles
from baselines.language.prompts import literals
from baselines.language.tokens import SubwordTokenizer
from baselines.learning.files import reading
from baselines.learning.network import TrainingSettings
from unimp_bench.contracts import FitData
from unimp_bench.errors import UsageError
from unimp_bench.kinds.text import TextExamples
from unimp_bench.settings import Count, Rate, Share, Weight
from unimp_bench.torch_setup import make_torchvision_importable

_FILE = "language.json"
_OFTEN = 100
"""Weight of prompt words in the training of a tokenizer, since they occur in every sample."""


@dataclass(frozen=True)
class LanguageSettings(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: prompts, with their answers, per step.
        backbone: name or folder of a T5 of transformers, with its own tokenizer; empty for one trained from scratch,
            with the sizes below.
        vocabulary: subwords of a tokenizer trained from scratch.
        width, inner: size of the states, and of the feed-forward layers.
        layers: of the encoder, and of the decoder.
        heads: of each attention.
        dropout: of a T5 trained from scratch.
        whole_words: rows of the whole-word embedding table; words further on in a text share the last row.
        warm_up: share of the training steps in which the learning rate rises linearly; then it falls linearly to 0.
        weight_decay: of AdamW.
        ids: how users and items are numbered, and whether an item is a number or a single token, see
            ``baselines.language.ids``.
        history: maximum number of items of a history in a prompt, the last ones.
        title_words: maximum number of words of a shown item's title.
        draws: training examples per user, task and epoch, with random prompts.
        options: number of items in a prompt that offers the target among others.
        jitter: add noise to training ratings, written with one more decimal.
        beams: beam width for items.
        constrained: generate ids of items only; else any other text is a miss, as in the released evaluation.
        text_beams: beam width for sentences.
        text_tokens: maximum number of tokens of a sentence.
    """

    learning_rate: Rate = 2e-3
    batch_size: Count = 32
    epochs: Count = 60
    patience: Count = 5
    validate_every: Count = 15
    backbone: str = ""
    vocabulary: Count = 2000
    width: Count = 64
    inner: Count = 128
    layers: Count = 2
    heads: Count = 4
    dropout: Share = 0.0
    whole_words: Count = 512
    warm_up: Share = 0.05
    weight_decay: Weight = 0.01
    ids: Scheme = "random"
    history: Count = 20
    title_words: Count = 6
    draws: Count = 1
    options: Count = 10
    jitter: bool = True
    beams: Count = 20
    constrained: bool = True
    text_beams: Count = 1
    text_tokens: Count = 40

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} must be a multiple of heads = {self.heads}")


@dataclass(frozen=True)
class LanguageArtifacts:
    """Tokenizer, ids, and configuration of the T5; stored with the weights.

    Attributes:
        tokenizer: of texts.
        ids: of users and items.
        shape: the ``T5Config``.
        source: name or folder of pre-trained weights; empty for random initialisation and for saved models.
    """

    tokenizer: SubwordTokenizer
    ids: Ids
    shape: dict[str, Any]
    source: str = ""

    @classmethod
    def of(cls, data: FitData, settings: LanguageSettings) -> LanguageArtifacts:
        """Build from the training part."""
        ids = Ids.of(data, settings.ids)
        if settings.backbone:
            tokenizer, shape = read_pretrained(settings.backbone)
        else:
            tokenizer = SubwordTokenizer.train(_texts(data, ids), settings.vocabulary)
            shape = _shape(settings, len(tokenizer))
        if settings.ids == "own":
            tokenizer.add(ids.item_names())
            shape["vocab_size"] = max(shape["vocab_size"], len(tokenizer))
        return cls(tokenizer, ids, shape, settings.backbone)

    def t5(self) -> Any:
        """The T5 with its initial weights."""
        make_torchvision_importable()
        from transformers import T5Config, T5ForConditionalGeneration

        if not self.source:
            t5 = T5ForConditionalGeneration(T5Config.from_dict(self.shape))
            # T5 initialises embeddings with deviation 1 and scales its logits down; here logits are not scaled.
            torch.nn.init.normal_(t5.shared.weight, std=t5.config.d_model**-0.5)
            return t5
        t5 = _loading(self.source, lambda safe: _load_whole(self.source, T5ForConditionalGeneration, safe))
        if self.shape["vocab_size"] > t5.config.vocab_size:
            t5.resize_token_embeddings(self.shape["vocab_size"])
        return t5

    def write(self, folder: Path) -> None:
        self.tokenizer.write(folder)
        self.ids.write(folder)
        (folder / _FILE).write_text(json.dumps({"shape": self.shape}), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> LanguageArtifacts:
        path = folder / _FILE
        with reading(path):
            notes = json.loads(path.read_text(encoding="utf-8"))
            return cls(SubwordTokenizer.read(folder), Ids.read(folder), dict(notes["shape"]))


def read_pretrained(name: str) -> tuple[SubwordTokenizer, dict[str, Any]]:
    """Tokenizer and configuration of a T5, by name or from a folder; remote code is not run.

    Raises:
        UsageError: the T5 cannot be read.
    """
    make_torchvision_importable()
    from transformers import AutoTokenizer, T5Config

    def read(safe: dict[str, Any]) -> tuple[SubwordTokenizer, dict[str, Any]]:
        tokenizer = SubwordTokenizer(AutoTokenizer.from_pretrained(name, **safe).backend_tokenizer)
        shape: dict[str, Any] = T5Config.from_pretrained(name, **safe).to_dict()
        if len(tokenizer) > shape["vocab_size"]:
            raise ValueError(f"its tokenizer has {len(tokenizer)} tokens, its network {shape['vocab_size']}")
        return tokenizer, shape

    found: tuple[SubwordTokenizer, dict[str, Any]] = _loading(name, read)
    return found


def _loading(name: str, read: Any) -> Any:
    safe = {"trust_remote_code": False, "local_files_only": Path(name).is_dir()}
    try:
        return read(safe)
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and others
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"backbone {name!r} cannot be read ({reason}); give the name or folder of a T5 of transformers, or leave "
            "backbone empty"
        ) from None


def _load_whole(name: str, network: Any, safe: dict[str, Any]) -> Any:
    settings = {"dtype": torch.float32, "weights_only": True, "output_loading_info": True}
    t5, report = network.from_pretrained(name, **settings, **safe)
    absent = sorted(str(key) for kind in ("missing_keys", "mismatched_keys") for key in report[kind])
    if absent:
        raise ValueError(f"its weights do not fit its config.json, first at {absent[0]}")
    return t5


def _shape(settings: LanguageSettings, tokens: int) -> dict[str, Any]:
    make_torchvision_importable()
    from transformers import T5Config

    shape: dict[str, Any] = T5Config(
        vocab_size=tokens,
        d_model=settings.width,
        d_kv=settings.width // settings.heads,
        d_ff=settings.inner,
        num_layers=settings.layers,
        num_heads=settings.heads,
        dropout_rate=settings.dropout,
        decoder_start_token_id=0,
        scale_decoder_outputs=False,
    ).to_dict()
    return shape


def _texts(data: FitData, ids: Ids) -> Iterator[str]:
    """The training texts of the tokenizer."""
    yield from _OFTEN * literals()
    yield from ids.item_names()
    yield from ids.user_names()
    yield from item_titles(data.items, ids.catalogue, max_words=100)
    for part in data.examples.values():
        yield from part.train.query_texts
        if isinstance(part.train, TextExamples):
            yield from part.train.texts.read()
