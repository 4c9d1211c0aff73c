"""Named tensors on disk, as safetensors with a JSON note beside them. No pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from baselines.learning.reading import reading
from unimp_bench.files import written


@dataclass(frozen=True)
class Snapshot:
    """Named tensors, and plain JSON values beside them."""

    tensors: dict[str, Tensor]
    notes: dict[str, Any]

    def write(self, path: Path) -> None:
        """Replace ``path`` at once, so that a reader finds the old snapshot or the new one."""
        own = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in self.tensors.items()}
        with written(path) as partial:
            save_file(own, partial, metadata={"notes": json.dumps(self.notes)})

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """What ``write`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        with reading(path), safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            return cls(tensors, json.loads(stream.metadata()["notes"]))

    def below(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name starts with ``prefix`` and a dot, without it."""
        head = f"{prefix}."
        return {name.removeprefix(head): tensor for name, tensor in self.tensors.items() if name.startswith(head)}
