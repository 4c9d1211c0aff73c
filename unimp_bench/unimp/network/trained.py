"""What moves in a fit: each parameter is told so by its group, and none keeps the flag that a library left it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import nn

from unimp_bench.errors import UsageError
from unimp_bench.unimp.config import Trained
from unimp_bench.unimp.network.adaptation import LORA
from unimp_bench.unimp.network.fusion import FusedLayer
from unimp_bench.unimp.network.model import UniMPModel

Group = Literal["backbone", "fusion", "input", "new input", "output", "new output", "lora", "prompt"]
"""``backbone``: layers and norms of the decoder; ``fusion``: resampler and all that fuses pictures; ``input`` and
``output``: what a backbone brought of the two tables, their new rows apart."""

MOVED: Mapping[Trained, tuple[Group, ...]] = {
    "all": ("backbone", "fusion", "input", "new input", "output", "new output"),
    "fusion": ("fusion", "new input", "new output"),
    "output": ("output", "new output"),
    "lora": ("fusion", "new input", "new output", "lora"),
    "prompt": ("fusion", "new input", "new output", "prompt"),
}


def groups(model: UniMPModel) -> dict[str, Group]:
    """The group of each parameter, by its name; that of tied tables is an output."""
    decoder = model.decoder
    inputs, outputs = ({id(p) for p in table} for table in decoder.tables())
    new = {id(parameter) for parameter in decoder.new_rows()}
    fusion = {id(p) for m in model.modules() if isinstance(m, FusedLayer) for p in m.fusion.parameters()}
    prompt = set() if decoder.prompt is None else {id(p) for p in decoder.prompt.parameters()}
    backbone = {id(parameter) for parameter in decoder.parameters()}

    def group(name: str, parameter: nn.Parameter) -> Group:
        this = id(parameter)
        if this in outputs:
            return "new output" if this in new else "output"
        if this in inputs:
            return "new input" if this in new else "input"
        if this in prompt:
            return "prompt"
        if LORA in name:
            return "lora"
        return "backbone" if this in backbone and this not in fusion else "fusion"

    return {name: group(name, parameter) for name, parameter in model.named_parameters()}


def set_trained(model: UniMPModel, trained: Trained) -> None:
    """Let the parameters of the groups that ``trained`` names move, and freeze all others.

    Raises:
        UsageError: only the output layer is to move, and it is the input embeddings.
    """
    owners = groups(model)
    inputs, outputs = model.decoder.tables()
    if trained == "output" and {id(parameter) for parameter in inputs} & {id(parameter) for parameter in outputs}:
        raise UsageError("trained=output moves the output layer alone, which tied=true makes the input embeddings")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(owners[name] in MOVED[trained])
    # Answers need them: a library that leaves an output layer frozen, or adds nothing, is found out here.
    assert all(parameter.requires_grad for parameter in (outputs if trained == "output" else model.decoder.new_rows()))
    assert trained not in ("lora", "prompt") or trained in owners.values()
