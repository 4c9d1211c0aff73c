"""Where a result comes from: command, code, packages and machine."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from unimp_bench.machine import cores, device, processor
from unimp_bench.settings import Strict


class Provenance(Strict):
    """Origin of a result.

    Attributes:
        command: the exact command.
        commit: commit of the code, empty without a checkout; ``clean`` is false if files were changed.
        versions: versions of Python and relevant packages.
        machine: processor, cores and accelerator.
        host: a digest that distinguishes machines without naming them; empty in earlier results.
        time: UTC, ISO 8601, when the result was written.
    """

    command: str
    commit: str
    clean: bool
    versions: dict[str, str]
    machine: str
    host: str = ""
    time: str

    @property
    def origin(self) -> tuple[str, str]:
        """The machine, as far as it is known."""
        return self.machine, self.host


PACKAGES = (
    "unimp-bench", "torch", "transformers", "open_clip_torch", "diffusers", "recbole", "numpy", "pandas", "pyarrow",
    "nltk", "bert-score", "rouge-score",
)  # fmt: skip
CODE = ("unimp_bench", "tasks", "baselines", "data_prep")


def provenance(command: str, code: Sequence[str] = CODE, packages: Sequence[str] = PACKAGES) -> Provenance:
    """The provenance of a result written now by ``command``.

    Args:
        code: folders with the code of the result.
        packages: packages whose versions are recorded.
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
    """Commit of the checkout of this code, and whether the files in its folders are unchanged."""
    root = Path(__file__).resolve().parents[2]
    commit = _git(root, "rev-parse", "HEAD")
    return commit, bool(commit) and not _git(root, "status", "--porcelain", "--", *code)


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def _host() -> str:
    """A digest of the operating system's machine id, or of the machine's name if it has none."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    return hashlib.sha256(f"unimp-bench {name or platform.node()}".encode()).hexdigest()[:12]


def _machine() -> str:
    text = f"{platform.system()} {platform.machine()}, {cores()} cores"
    if found := processor():
        text += f" of {found}"
    torch = sys.modules.get("torch")
    if torch is not None and device().type == "cuda":
        text += f", {torch.cuda.get_device_name(device())}"
    return text
