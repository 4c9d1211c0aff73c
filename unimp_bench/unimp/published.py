"""Published decoders: reading their weights safely, their tables with new rows, and MPT's attention under our masks.

Weights are safetensors, or state dicts that torch reads without unpickling objects; no code of others is run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.errors import DataError, DependencyError, UsageError
from unimp_bench.pretrained import decoder_place
from unimp_bench.torch_setup import make_torchvision_importable

T = TypeVar("T")

REDPAJAMA_3B = "togethercomputer/RedPajama-INCITE-Instruct-3B-v1"
MPT_1B = "anas-awadalla/mpt-1b-redpajama-200b"
NEOX_TOKENS = 50277
"""Tokens of the tokenizer of GPT-NeoX-20B, which both of them use."""

_MOSAIC = "mosaic_gpt"
_MOSAIC_SETTINGS = {"alibi": True, "alibi_bias_max": 8, "no_bias": True, "prefix_lm": False, "logit_scale": None}
"""What MPT-1B is; other values would be another network."""

_MOSAIC_NAMES = (
    (re.compile(r"\.ln_(\d)\."), r".norm_\1."),
    (re.compile(r"\.ln_f\."), ".norm_f."),
    (re.compile(r"\.mlp\.mlp_(up|down)\."), r".ffn.\1_proj."),
)

_ALIBI_MAX = 8
"""Largest exponent of the slopes, in the paper and in all published weights."""


def find_file(name: str, *files: str) -> Path:
    """The first existing one of some files of a folder or of a Hugging Face repository (downloaded to the cache).

    Raises:
        OSError: none exists, or the repository is unreachable.
    """
    if Path(name).is_dir():
        found = [path for path in (Path(name) / file for file in files) if path.is_file()]
        if not found:
            raise OSError(f"no {' or '.join(files)} in this folder")
        return found[0]
    if Path(name).is_absolute() or name.startswith("."):
        raise OSError("no such folder")
    make_torchvision_importable()
    from transformers.utils import cached_file

    reason = OSError(name)
    for file in files:
        try:
            return Path(str(cached_file(name, file)))
        except OSError as error:
            reason = error
    raise reason


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a torch state dict of tensors and plain values.

    A training checkpoint's ``model_state_dict`` is used, and DDP's ``module.`` is dropped from the names.

    Raises:
        ValueError: other content.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    held: Any = torch.load(path, map_location="cpu", weights_only=True)
    held = held.get("model_state_dict", held) if isinstance(held, dict) else held
    if not isinstance(held, dict) or not all(isinstance(each, Tensor) for each in held.values()):
        raise ValueError("not a state dict of tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in held.items()}


def read(reader: Callable[[], T], noun: str, name: str) -> T:
    """What ``reader`` returns.

    Raises:
        UsageError: it fails; ``noun`` and ``name`` say what could not be read.
    """
    try:
        return reader()
    except (UsageError, DependencyError, DataError):
        raise
    except Exception as error:  # the libraries raise OSError, ValueError, KeyError, bare Exception
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{noun} {name!r} cannot be read ({reason}); pass a local path, or the name of a Hugging Face repository "
            "that is cached or reachable"
        ) from None


def read_tokenizer(name: str) -> Any:
    """The ``tokenizers.Tokenizer`` of a backbone, from its tokenizer.json.

    Raises:
        UsageError: it cannot be read.
    """
    from tokenizers import Tokenizer

    return read(lambda: Tokenizer.from_file(str(find_file(decoder_place(name), "tokenizer.json"))), "backbone", name)


def read_decoder(name: str) -> tuple[Any, int]:
    """The causal language model of transformers, float32, and the number of tokens of its tokenizer.

    On the meta device nothing is read, see ``outlined``.

    Raises:
        UsageError: it cannot be read, or its tables are not supported.
        DataError: weights are missing.
    """
    if torch.get_default_device().type == "meta":
        return outlined(name)
    model = _read_model(decoder_place(name))
    brought = max(read_tokenizer(name).get_vocab().values()) + 1
    _check_tables(model, brought, name)
    return model, brought


def _read_model(name: str) -> Any:
    raw: Any = read(lambda: json.loads(find_file(name, "config.json").read_bytes()), "backbone", name)
    if isinstance(raw, dict) and raw.get("model_type") == _MOSAIC:
        return _read_mosaic(name, raw)
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM

    settings = {"dtype": torch.float32, "weights_only": True, "output_loading_info": True}
    safe = {"trust_remote_code": False, "local_files_only": Path(name).is_dir()}
    model, report = read(lambda: AutoModelForCausalLM.from_pretrained(name, **settings, **safe), "backbone", name)
    absent = sorted(report["missing_keys"]) + sorted(str(each) for each in report["mismatched_keys"])
    if absent:
        raise DataError(f"the weights of backbone {name!r} do not fit its config.json, first at {absent[0]}")
    return model


def _read_mosaic(name: str, settings: dict[str, Any]) -> Any:
    """MPT-1B as it was published, before MPT was part of transformers, as transformers' MPT, float32.

    ``mosaicml/mpt-1b-redpajama-200b`` and its copies, OpenFlamingo-3B's among them, come with a model class of their
    own, whose code is not run here. It is an MPT with other names and a layer norm over the whole of queries and keys,
    which ``AlibiAttention`` applies.

    Raises:
        UsageError: the weights cannot be read, or the settings describe another network.
        DataError: the weights do not match the settings.
    """
    other = [key for key, value in _MOSAIC_SETTINGS.items() if settings.get(key, value) != value]
    if other:
        raise UsageError(f"backbone {name!r} is not MPT-1B: {other[0]} is {settings[other[0]]!r}")
    with torch.device("meta"):
        model = read(lambda: _mosaic_outline(settings), "backbone", name)
    files = ("model.safetensors", "pytorch_model.bin")
    state = read(lambda: read_state(find_file(name, *files)), "backbone", name)
    renamed = {}
    for key, tensor in state.items():
        for pattern, ours in _MOSAIC_NAMES:
            key = pattern.sub(ours, key)
        renamed[key] = tensor.float()
    own = {key: tuple(each.shape) for key, each in model.named_parameters()}
    for key in sorted(own.keys() | renamed.keys()):
        if key not in renamed or key not in own or tuple(renamed[key].shape) != own[key]:
            raise DataError(f"the weights of backbone {name!r} do not fit its config.json, first at {key}")
    model.load_state_dict(renamed, assign=True, strict=False)  # the output layer is the input embeddings
    model.tie_weights()
    return model.eval()


def _mosaic_outline(settings: dict[str, Any]) -> Any:
    """An MPT of the settings, with the norms that are missing from transformers'."""
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, MptConfig

    same = {key: settings[key] for key in ("d_model", "n_heads", "n_layers", "max_seq_len", "vocab_size")}
    attention = {"clip_qkv": settings.get("attn_clip_qkv"), "softmax_scale": settings.get("softmax_scale")}
    model = AutoModelForCausalLM.from_config(
        MptConfig(expansion_ratio=settings["mlp_ratio"], attn_config=attention, **same)
    )
    if settings.get("attn_qk_ln"):
        for block in model.transformer.blocks:
            block.attn.q_ln = nn.LayerNorm(settings["d_model"], bias=False)
            block.attn.k_ln = nn.LayerNorm(settings["d_model"], bias=False)
    return model


def outlined(name: str) -> tuple[Any, int]:
    """A published decoder without weights (to be called on the meta device), and the tokens of its tokenizer.

    Raises:
        UsageError: its architecture is not known here.
    """
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    if name == REDPAJAMA_3B:
        config = GPTNeoXConfig(
            vocab_size=50432,
            hidden_size=2560,
            num_hidden_layers=32,
            num_attention_heads=32,
            intermediate_size=10240,
            max_position_embeddings=2048,
            rotary_pct=1.0,
            use_parallel_residual=False,
        )
        return AutoModelForCausalLM.from_config(config), NEOX_TOKENS
    if name == MPT_1B:
        sizes = {"d_model": 2048, "n_heads": 16, "n_layers": 24, "mlp_ratio": 4, "max_seq_len": 2048}
        return _mosaic_outline({**sizes, "vocab_size": 50368, "attn_qk_ln": True}), NEOX_TOKENS
    raise UsageError(f"backbone {name!r} must be read to know its architecture, unlike {REDPAJAMA_3B} and {MPT_1B}")


def _check_tables(model: Any, brought: int, name: str) -> None:
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    if outputs is None or getattr(outputs, "bias", None) is not None:
        raise UsageError(f"backbone {name!r} has no output layer without bias, which UniMP extends by rows")
    for table in (inputs, outputs):
        rows, width = table.weight.shape
        if rows < brought or width != model.config.hidden_size:
            raise UsageError(
                f"backbone {name!r} has a table of {rows} x {width}, expected at least {brought} rows and a width of "
                f"{model.config.hidden_size}"
            )


class Table(nn.Module):
    """A pre-trained decoder's embedding table, with new rows behind its own.

    Two parameters instead of one resized table, so that ``requires_grad`` alone decides which rows are trained: no
    gradient masks, and no old row that weight decay or Adam's moments could change.

    Attributes:
        old: (brought, width), the decoder's own rows; frozen.
        new: (new, width), initialised from a normal distribution with the mean and deviation of the old ones.
    """

    def __init__(self, old: nn.Parameter, new: nn.Parameter) -> None:
        super().__init__()
        self.old = old
        self.new = new

    @classmethod
    def of(cls, rows: Tensor, count: int) -> Table:
        """A table of a decoder's ``rows``, (brought, width), and ``count`` new ones.

        The mean of all rows would do in an output layer. As input it is nearly zero, and the first norm of a decoder
        without biases would multiply it, and its gradient, a thousandfold.
        """
        rows = rows.detach().clone()
        spread, mean = torch.std_mean(rows, dim=0, correction=0)
        new = mean + spread * rows.new_empty(count, rows.shape[1]).normal_()
        return cls(nn.Parameter(rows, requires_grad=False), nn.Parameter(new))

    def rows(self, tokens: Tensor) -> Tensor:
        """Of tokens of any shape, (..., width)."""
        brought = len(self.old)
        own = functional.embedding((tokens - brought).clamp(min=0), self.new)
        theirs = functional.embedding(tokens.clamp(max=brought - 1), self.old)
        return torch.where((tokens >= brought)[..., None], own, theirs)

    def as_distinct(self, means: Tensor) -> Tensor:
        """Means of some own rows each, (n, width), moved away from the mean of all rows as far as own rows are.

        The mean of many words is nearer to the centre than any word: items would hardly differ, as input and as output.
        """
        centre = self.old.mean(dim=0)
        usual = (self.old - centre).norm(dim=1).mean()
        rows: Tensor = centre + functional.normalize(means - centre, dim=1) * usual
        return rows

    @torch.no_grad()
    def set_rows(self, tokens: Tensor, rows: Tensor) -> None:
        """Overwrite new rows, (n, width)."""
        if bool((tokens < len(self.old)).any()):
            raise ValueError("rows of the pre-trained decoder cannot be overwritten")
        self.new[tokens - len(self.old)] = rows.to(self.new.dtype)


class InputTable(Table):
    """Replaces a decoder's input embeddings."""

    def forward(self, tokens: Tensor) -> Tensor:
        return self.rows(tokens)


class OutputTable(Table):
    """Replaces a decoder's output layer."""

    def forward(self, states: Tensor) -> Tensor:
        """Logits, (..., brought + new)."""
        return torch.cat([functional.linear(states, self.old), functional.linear(states, self.new)], dim=-1)


def extend_tables(model: nn.Module, brought: int, count: int) -> None:
    """Give a causal language model of transformers ``count`` new rows behind its first ``brought`` ones.

    Rows beyond ``brought`` are padding without a token and are dropped. Tied tables remain tied, old rows and new.
    """
    read, written = model.get_input_embeddings().weight, model.get_output_embeddings().weight  # type: ignore[operator]
    inputs = InputTable.of(read[:brought], count)
    tied = written is read
    outputs = OutputTable(inputs.old, inputs.new) if tied else OutputTable.of(written[:brought], count)
    model.set_input_embeddings(inputs)  # type: ignore[operator]
    model.set_output_embeddings(outputs)  # type: ignore[operator]


@torch.no_grad()
def check_masks(model: Any, forward: Callable[..., Tensor], name: str) -> None:
    """Check that a decoder uses the given masks and positions; some families compute their own.

    Two branches of one trunk are read together, and the second also in a plain sentence of its own.

    Args:
        forward: ``Backbone.read``.

    Raises:
        UsageError: the two differ.
    """
    trunk, first, second = [1, 2, 3], [4, 5], [6, 7]
    tokens = torch.tensor([[*trunk, *first, *second]]) % len(model.get_input_embeddings().old)
    positions = torch.tensor([[0, 1, 2, 3, 4, 3, 4]])
    branch = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    attends = ((branch == 0) | (branch == branch[:, None])).tril()[None, None]
    try:
        together = forward(model.get_input_embeddings()(tokens), attends, positions, None, None)[:, -2:]
        alone = model.base_model(input_ids=tokens[:, [0, 1, 2, 5, 6]]).last_hidden_state[:, -2:]
        equal = bool(torch.allclose(together, alone, rtol=1e-3, atol=1e-3))
    except (TypeError, ValueError, RuntimeError, IndexError):
        equal = False
    if not equal:
        raise UsageError(
            f"backbone {name!r} ({model.config.model_type}) does not use the masks or positions that UniMP's sentences "
            "need; use a decoder such as GPT-NeoX, Llama or MPT"
        )


class AlibiAttention(nn.Module):
    """Attention with linear biases (Press et al., 2022) under any mask; replaces a layer's ``MptAttention``.

    MPT's own attention takes distances from the positions of a row of keys, so padding between a sentence and tokens
    generated behind it, and sentences that share a trunk, would change them. Here the distance from a token to an
    attended one is the number of attended tokens between them: what it is in a plain sentence.

    Attributes:
        bias: (B, heads, N, S) added to the attention's logits, -inf where a token does not attend (``alibi_bias``);
            set by ``Backbone``.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention
        self.bias: Tensor | None = None

    def forward(self, hidden_states: Tensor, past_key_values: Any = None, **_: Any) -> tuple[Tensor, None]:
        """(B, N, width) to the same."""
        own = self.attention
        joint = own.Wqkv(hidden_states)
        if own.clip_qkv:
            joint = joint.clamp(min=-own.clip_qkv, max=own.clip_qkv)
        queries, keys, values = joint.chunk(3, dim=-1)
        if hasattr(own, "q_ln"):
            queries, keys = own.q_ln(queries).to(values.dtype), own.k_ln(keys).to(values.dtype)
        queries, keys, values = (
            each.unflatten(-1, (own.n_heads, -1)).transpose(1, 2) for each in (queries, keys, values)
        )
        if past_key_values is not None:
            keys, values = past_key_values.update(keys, values, own.layer_idx)
        assert self.bias is not None
        attended = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=self.bias.to(queries.dtype), scale=own.softmax_scale
        )
        return own.out_proj(attended.transpose(1, 2).flatten(2)), None


def alibi_bias(attends: Tensor, heads: int) -> Tensor:
    """(B, heads, N, S) of a mask (B, 1, N, S), bool."""
    read = attends.cumsum(dim=-1, dtype=torch.int32)
    behind = read - read[..., -1:]
    slopes = torch.tensor(_slopes(heads), device=attends.device)
    return (slopes[:, None, None] * behind).masked_fill(~attends, -torch.inf)


def _slopes(heads: int) -> list[float]:
    """A geometric sequence; for other counts than powers of two, every second one of the next power first."""
    power = 2 ** math.ceil(math.log2(heads))
    slopes = [2.0 ** (-_ALIBI_MAX * head / power) for head in range(1, power + 1)]
    return slopes if power == heads else [*slopes[1::2], *slopes[::2]][:heads]
