"""Collects where a result comes from: commit, versions, machine."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from unimp_bench.device import device
from unimp_bench.results import Provenance

PACKAGES = (
    "unimp-bench", "torch", "transformers", "open_clip_torch", "diffusers", "recbole", "numpy", "pandas", "pyarrow",
    "nltk", "bert-score", "rouge-score",
)  # fmt: skip
CODE = ("unimp_bench", "tasks", "baselines", "data_prep")


def provenance(command: str, code: Sequence[str] = CODE, packages: Sequence[str] = PACKAGES) -> Provenance:
    """The provenance of a result written now by ``command``.

    Args:
        code: folders whose files make the result.
        packages: whose versions matter.
    """
    commit, clean = _commit(code)
    return Provenance(
        command=command,
        commit=commit,
        clean=clean,
        versions={"python": platform.python_version(), **_versions(packages)},
        machine=_machine(),
        host=_host(),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit(code: Sequence[str]) -> tuple[str, bool]:
    """Commit of the checkout this code runs from, and whether the files of its folders are as committed."""
    root = Path(__file__).resolve().parent.parent
    commit = _git(root, "rev-parse", "HEAD")
    return commit, bool(commit) and not _git(root, "status", "--porcelain", "--", *code)


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def _host() -> str:
    """A digest of the id that the operating system was given, or of the machine's name where it has none."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    return hashlib.sha256(f"unimp-bench {name or platform.node()}".encode()).hexdigest()[:12]


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{platform.system()} {platform.machine()}, {cores} cores"
    torch = sys.modules.get("torch")
    if torch is not None and device().type == "cuda":
        text += f", {torch.cuda.get_device_name(device())}"
    return text
