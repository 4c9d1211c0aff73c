"""A training in a process of its own, for tests that start several or kill one.

Arguments: corpus, work folder, cache, file for the final weights, settings as JSON, and ``sharded`` for FSDP on a CPU.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.unimp.small import SMALL, fit_data
from unimp_bench.corpus import Corpus
from unimp_bench.machine import join
from unimp_bench.records import Protocol
from unimp_bench.unimp import training
from unimp_bench.unimp.checkpoint import save_weights
from unimp_bench.unimp.unimp import UniMP


def steady(model: UniMP, task: str) -> dict[Protocol, float]:
    """A constant validation score."""
    return {"paper": 0.5}


def shard_on_cpu() -> None:
    """Let accelerate shard the weights where it otherwise would not, for want of graphics cards."""
    from accelerate import PartialState
    from accelerate.utils import DistributedType

    join()
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    clipped = training.whole

    def checked(tensor: Any) -> Any:
        assert type(tensor).__name__ == "DTensor", "the weights are not sharded"
        return clipped(tensor)

    training.whole = checked


def main(corpus: str, work: str, cache: str, out: str, settings: str, kind: str = "") -> None:
    torch.set_num_threads(1)
    if kind == "sharded":
        shard_on_cpu()
    model = UniMP(replace(SMALL, **json.loads(settings)))
    model.fit(fit_data(Corpus.open(Path(corpus)), Path(work), Path(cache), "search", validate=steady))
    save_weights(model._model, Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
