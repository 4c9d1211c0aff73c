"""Pre-trained decoders and their tokenizers, by name or from a folder, without pickle and without code of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unimp_bench.errors import DataError, UsageError
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.network.mosaic import mosaic_settings, read_mosaic
from unimp_bench.unimp.network.published import outlined
from unimp_bench.unimp.network.sources import find_file, read


def read_tokenizer(name: str) -> Any:
    """The ``tokenizers.Tokenizer`` of a backbone, from its tokenizer.json.

    Raises:
        UsageError: it cannot be read.
    """
    from tokenizers import Tokenizer

    return read(lambda: Tokenizer.from_file(str(find_file(name, "tokenizer.json"))), "backbone", name)


def read_decoder(name: str) -> tuple[Any, int]:
    """The causal language model of transformers, float32, and how many tokens its tokenizer has.

    Weights are safetensors, or a state dict that torch reads without unpickling objects. On the meta device nothing is
    read but an outline.

    Raises:
        UsageError: it cannot be read, or UniMP has no use for its tables.
        DataError: weights are missing.
    """
    if torch.get_default_device().type == "meta":
        return outlined(name)
    model = _read_model(name)
    brought = max(read_tokenizer(name).get_vocab().values()) + 1
    _check_tables(model, brought, name)
    return model, brought


def _read_model(name: str) -> Any:
    mosaic = mosaic_settings(name)
    if mosaic is not None:
        return read_mosaic(name, mosaic)
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM

    settings = {"dtype": torch.float32, "weights_only": True, "output_loading_info": True}
    safe = {"trust_remote_code": False, "local_files_only": Path(name).is_dir()}
    model, report = read(lambda: AutoModelForCausalLM.from_pretrained(name, **settings, **safe), "backbone", name)
    absent = sorted(report["missing_keys"]) + sorted(str(each) for each in report["mismatched_keys"])
    if absent:
        raise DataError(f"the weights of backbone {name!r} do not fit its config.json, first at {absent[0]}")
    return model


@torch.no_grad()
def check_reading(model: Any, forward: Callable[..., Tensor], name: str) -> None:
    """Make sure that a decoder heeds masks and positions, which some families make for themselves.

    Two branches behind one trunk are read at once, and the second also in a plain sentence of its own.

    Args:
        forward: ``Backbone.forward`` without pictures.

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
        heeded = bool(torch.allclose(together, alone, rtol=1e-3, atol=1e-3))
    except (TypeError, ValueError, RuntimeError, IndexError):
        heeded = False
    if not heeded:
        raise UsageError(
            f"backbone {name!r} ({model.config.model_type}) reads masks or positions in a way of its own, and UniMP's "
            "sentences would be misread; take a decoder such as GPT-NeoX, Llama or MPT"
        )


def _check_tables(model: Any, brought: int, name: str) -> None:
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    if outputs is None or getattr(outputs, "bias", None) is not None:
        raise UsageError(f"backbone {name!r} has no output layer without bias, which UniMP gives new rows to")
    for table in (inputs, outputs):
        rows, width = table.weight.shape
        if rows < brought or width != model.config.hidden_size:
            raise UsageError(
                f"backbone {name!r} has a table of {rows} x {width}, which does not fit its {brought} tokens and its "
                f"width of {model.config.hidden_size}"
            )
