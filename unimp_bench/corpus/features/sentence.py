"""Frozen text encoders of transformers: one vector a text, pooled as the model's own configuration says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from unimp_bench.errors import UsageError
from unimp_bench.machine import device
from unimp_bench.pretrained import PACKAGES, UNTRAINED, decoder_place, hub_folder, untrained
from unimp_bench.records import FloatArray
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

if TYPE_CHECKING:
    from torch import Tensor

Pooling = Literal["mean", "cls", "last"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

BATCH = 64

_LONGEST = 512
_CHUNK = 4096
_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "*/config.json")
_KINDS = ("Transformer", "Pooling", "Normalize")
_MODES: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "last"}


@dataclass(frozen=True)
class Form:
    """How the states of a model's last layer become the vector of a text.

    Attributes:
        pooling: ``mean`` of the tokens, the first one (``cls``), or the ``last`` one.
        normalised: whether vectors have length 1.
        longest: tokens that are read of a text.
    """

    pooling: Pooling = "cls"
    normalised: bool = False
    longest: int = _LONGEST

    @classmethod
    def of(cls, folder: Path, pooling: Pooling | None = None) -> Form:
        """The form that a folder of sentence-transformers describes; the default one of any other folder.

        Args:
            folder: of the model.
            pooling: instead of the one described.

        Raises:
            UsageError: it has a module that is not supported, such as a layer of its own.
        """
        modules = _read(folder / "modules.json", [])
        if not modules:
            return cls(pooling or "cls")
        found = {str(module.get("type", "")).rpartition(".")[2]: module for module in modules}
        other = sorted(set(found) - set(_KINDS))
        if other:
            raise UsageError(f"text encoder {folder} has a module {other[0]}; {', '.join(_KINDS)} are supported")
        chosen = _read(folder / str(found.get("Pooling", {}).get("path", "")) / "config.json", {})
        modes = [name for name, on in chosen.items() if name.startswith("pooling_mode_") and on is True]
        known = [_MODES[name] for mode in modes if (name := mode.removeprefix("pooling_mode_")) in _MODES]
        if pooling is None and (len(modes) != 1 or not known):
            raise UsageError(f"text encoder {folder} pools by {modes or 'nothing known'}; name one with --pooling")
        longest = _read(folder / "sentence_bert_config.json", {}).get("max_seq_length") or _LONGEST
        return cls(pooling or known[0], "Normalize" in found, int(longest))


def encoder_folder(name: str) -> Path:
    """The folder of a text encoder: a folder, the name of a package of weights, or of a model of the hub.

    A package's name with ``-untrained`` behind it is its architecture with random weights.

    Raises:
        DependencyError: the package is not installed.
        UsageError: there is no such model.
    """
    if name in PACKAGES:
        return Path(decoder_place(name))
    if name.endswith(UNTRAINED) and (package := name.removesuffix(UNTRAINED)) in PACKAGES:
        return untrained(package)
    if Path(name).is_dir():
        return Path(name)
    if Path(name).is_absolute() or name.startswith("."):
        raise UsageError(f"text encoder {name!r} cannot be read (no such folder)")
    folder = hub_folder(name, _PATTERNS)
    return folder if any(folder.glob("*.safetensors")) else hub_folder(name, (*_PATTERNS, "pytorch_model*.bin"))


class SentenceEncoder:
    """A frozen encoder of transformers on the chosen device.

    Args:
        folder: of the model and its tokenizer.
        form: of its vectors.
        prefix: text in front of every text (``passage: `` of E5).
        batch: number of texts that are encoded at once.
        precision: of the weights and states; vectors are float32.

    Raises:
        UsageError: the model cannot be read.
    """

    def __init__(
        self, folder: Path, form: Form, prefix: str = "", batch: int = BATCH, precision: Precision = "float32"
    ) -> None:
        self.form, self._prefix, self._batch = form, prefix, batch
        self._tokenizer, self._model = load_text_model(folder, precision)
        self._model.to(device())

    @property
    def width(self) -> int:
        return int(self._model.config.hidden_size)

    def __call__(self, texts: list[str]) -> FloatArray:
        """The vectors of texts, (texts, width) float32. Of equal texts one is encoded."""
        different = sorted(dict.fromkeys(texts), key=len)
        row_of = {text: row for row, text in enumerate(different)}
        vectors = np.empty((len(different), self.width), dtype=np.float32)
        for start in range(0, len(different), _CHUNK):
            chunk = different[start : start + _CHUNK]
            vectors[start : start + len(chunk)] = self._encoded(chunk)
        found: FloatArray = vectors[np.array([row_of[text] for text in texts], dtype=np.int64)]
        return found

    def _encoded(self, texts: list[str]) -> FloatArray:
        """Vectors of some texts, tokenised together and encoded in batches of like length: little is padding."""
        tokens = tokens_of(self._tokenizer, [f"{self._prefix}{text}" for text in texts], self.form.longest)
        lengths = np.array([len(ids) for ids in tokens["input_ids"]])
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        by_length = np.argsort(lengths, kind="stable")
        for start in range(0, len(texts), self._batch):
            rows = by_length[start : start + self._batch]
            vectors[rows] = self._pooled({name: [values[row] for row in rows] for name, values in tokens.items()})
        return vectors

    def _pooled(self, tokens: dict[str, Any]) -> FloatArray:
        import torch

        self._tokenizer.padding_side = "right"
        batch = self._tokenizer.pad(tokens, return_tensors="pt").to(self._model.device)
        with torch.inference_mode():
            states = self._model(**batch).last_hidden_state.float()
            vectors: FloatArray = pooled(states, batch["attention_mask"], self.form).cpu().numpy()
        return vectors


def tokens_of(tokenizer: Any, texts: list[str], longest: int) -> Any:
    """The tokens of texts, the first ``longest`` of those that the model can read, without padding."""
    return tokenizer(texts, truncation=True, max_length=min(longest, tokenizer.model_max_length))


def pooled(states: Tensor, mask: Tensor, form: Form) -> Tensor:
    """The vectors of texts, (B, width), of the states of their tokens.

    Args:
        states: (B, N, width), padded on the right.
        mask: (B, N), 1 at tokens, 0 at padding.
        form: of the vectors.
    """
    import torch
    from torch.nn import functional

    if form.pooling == "mean":
        vectors = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    elif form.pooling == "last":
        vectors = states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
    else:
        vectors = states[:, 0]
    return functional.normalize(vectors, dim=1) if form.normalised else vectors


def load_text_model(folder: Path, precision: Precision = "float32") -> tuple[Any, Any]:
    """The tokenizer and the model of a folder of transformers, in eval mode; of two stacks the one that reads.

    Raises:
        UsageError: they cannot be read.
    """
    make_torchvision_importable()
    import torch
    from transformers import AutoModel, AutoTokenizer

    safe = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        with own_chance():
            model, report = AutoModel.from_pretrained(
                folder, dtype=getattr(torch, precision), weights_only=True, output_loading_info=True, **safe
            )
        absent = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if absent:
            raise ValueError(f"its weights lack {absent[0]}")
    except Exception as error:  # transformers raises of every kind: OSError, ValueError, KeyError
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"text encoder {str(folder)!r} cannot be read ({reason}); write lsa, or the name or folder of a "
            "transformers model"
        ) from None
    return tokenizer, (model.get_encoder() if model.config.is_encoder_decoder else model).eval()


def _read(path: Path, usual: Any) -> Any:
    """The content of a JSON file of the type of ``usual``, which is taken where there is no file.

    Raises:
        UsageError: it holds something else.
    """
    if not path.is_file():
        return usual
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"text encoder {str(path.parent)!r} cannot be read ({path.name}: {error})") from None
    if not isinstance(content, type(usual)):
        raise UsageError(
            f"text encoder {str(path.parent)!r} cannot be read ({path.name} holds no {type(usual).__name__})"
        )
    return content
