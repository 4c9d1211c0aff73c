"""Finds the corpus that a user names."""

from __future__ import annotations

from pathlib import Path

from unimp_bench import registry
from unimp_bench.errors import UsageError, did_you_mean
from unimp_bench.files import Workspace


def corpus_folder(name: str, workspace: Workspace) -> Path:
    """The folder of a built corpus: a name below ``data/``, or a path.

    Raises:
        UsageError: nothing is there; says how to build it, or which name is near.
    """
    if "/" in name:
        return Path(name)
    folder = workspace.data / name
    if folder.is_dir():
        return folder
    if name in registry.corpus_cards():
        raise UsageError(f"corpus {name!r} is not built yet; build it with 'make data CORPUS={name}'")
    raise UsageError(f"no corpus is called {name!r} in {workspace.data}{did_you_mean(name, built(workspace))}")


def built(workspace: Workspace) -> list[str]:
    """Names of the corpora that are built."""
    if not workspace.data.is_dir():
        return []
    return sorted(path.parent.name for path in workspace.data.glob("[!.]*/manifest.json"))
