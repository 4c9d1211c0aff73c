"""What a language model counts in the training part and keeps with its weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from baselines.language.ids import Ids
from baselines.language.prompts import literals
from baselines.language.settings import LanguageSettings
from baselines.language.vocabulary import Vocabulary
from baselines.learning.reading import reading
from unimp_bench.contracts import FitData
from unimp_bench.errors import UsageError
from unimp_bench.torch_setup import make_torchvision_importable

_FILE = "language.json"
_OFTEN = 100
"""How often the words of a prompt count in the training of a tokenizer: they stand in every sample."""


@dataclass(frozen=True)
class LanguageFacts:
    """The words, the ids, and the shape of the network.

    Attributes:
        vocabulary: text as tokens.
        ids: what users and items are called.
        shape: the ``T5Config``.
        source: name or folder of the weights to begin with; empty for random ones and for those of a saved model.
    """

    vocabulary: Vocabulary
    ids: Ids
    shape: dict[str, Any]
    source: str = ""

    @classmethod
    def of(cls, data: FitData, settings: LanguageSettings) -> LanguageFacts:
        """Of a fit."""
        ids = Ids.of(data, settings.ids)
        if settings.backbone:
            vocabulary, shape = read_pretrained(settings.backbone)
        else:
            vocabulary = Vocabulary.train(_texts(data, ids), settings.vocabulary)
            shape = _shape(settings, len(vocabulary))
        if settings.ids == "own":
            vocabulary.add(ids.item_names())
            shape["vocab_size"] = max(shape["vocab_size"], len(vocabulary))
        return cls(vocabulary, ids, shape, settings.backbone)

    def t5(self) -> Any:
        """The network, with weights to begin with."""
        make_torchvision_importable()
        from transformers import T5Config, T5ForConditionalGeneration

        if not self.source:
            t5 = T5ForConditionalGeneration(T5Config.from_dict(self.shape))
            # T5's own first embeddings, of deviation 1, go with logits that are scaled down; here they are not.
            torch.nn.init.normal_(t5.shared.weight, std=t5.config.d_model**-0.5)
            return t5
        t5 = _reading(self.source, lambda safe: _whole(self.source, T5ForConditionalGeneration, safe))
        if self.shape["vocab_size"] > t5.config.vocab_size:
            t5.resize_token_embeddings(self.shape["vocab_size"])
        return t5

    def write(self, folder: Path) -> None:
        self.vocabulary.write(folder)
        self.ids.write(folder)
        (folder / _FILE).write_text(json.dumps({"shape": self.shape}), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> LanguageFacts:
        path = folder / _FILE
        with reading(path):
            notes = json.loads(path.read_text(encoding="utf-8"))
            return cls(Vocabulary.read(folder), Ids.read(folder), dict(notes["shape"]))


def item_titles(items: Any, ids: Ids, most_words: int) -> list[str]:
    """The beginning of the title of each item row, empty where there is none."""
    if "title" not in items.attributes:
        return [""] * len(ids.catalogue)
    titles = items.text("title")
    return [" ".join(titles[item].split()[:most_words]) for item in ids.catalogue]


def read_pretrained(name: str) -> tuple[Vocabulary, dict[str, Any]]:
    """Tokenizer and configuration of a T5, by name or from a folder; code that comes with it is not run.

    Raises:
        UsageError: it cannot be read.
    """
    make_torchvision_importable()
    from transformers import AutoTokenizer, T5Config

    def read(safe: dict[str, Any]) -> tuple[Vocabulary, dict[str, Any]]:
        vocabulary = Vocabulary(AutoTokenizer.from_pretrained(name, **safe).backend_tokenizer)
        shape: dict[str, Any] = T5Config.from_pretrained(name, **safe).to_dict()
        if len(vocabulary) > shape["vocab_size"]:
            raise ValueError(f"its tokenizer has {len(vocabulary)} tokens, its network {shape['vocab_size']}")
        return vocabulary, shape

    found: tuple[Vocabulary, dict[str, Any]] = _reading(name, read)
    return found


def _reading(name: str, read: Any) -> Any:
    safe = {"trust_remote_code": False, "local_files_only": Path(name).is_dir()}
    try:
        return read(safe)
    except Exception as error:  # transformers raises of every kind: OSError, ValueError, KeyError
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"backbone {name!r} cannot be read ({reason}); give the name or folder of a T5 of transformers, or leave "
            "backbone empty"
        ) from None


def _whole(name: str, network: Any, safe: dict[str, Any]) -> Any:
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
    """What the training part says, and what is asked of it."""
    yield from _OFTEN * literals()
    yield from ids.item_names()
    yield from ids.user_names()
    yield from item_titles(data.items, ids, most_words=100)
    for part in data.examples.values():
        yield from part.train.query_texts
        if part.train.texts is not None:
            yield from part.train.texts.read()
