"""Where the generated leaderboards speak of a model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from unimp_bench.markdown import anchor

PAGES = "../../../leaderboards"
"""The leaderboards, from a page of the reference."""

_HEADING = re.compile(r"## (.*)")
_COMMAND = re.compile(r"unimp-bench run .*--model (\S+)")


@dataclass(frozen=True)
class Place:
    """A section of a page that has published results of a model."""

    page: str
    title: str

    @property
    def link(self) -> str:
        """From a page of the reference."""
        return f"{PAGES}/{self.page}.md#{anchor(self.title)}"


def places(folder: Path) -> dict[str, list[Place]]:
    """By model (a family's under its own name), the sections whose rows name its commands, in the order of pages."""
    found: dict[str, dict[Place, None]] = {}
    for path in sorted(folder.glob("*.md")):
        title = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            heading, command = _HEADING.fullmatch(line), _COMMAND.match(line)
            if heading:
                title = heading[1]
            elif command:
                found.setdefault(command[1].partition(":")[0], {})[Place(path.stem, title)] = None
    return {model: list(sections) for model, sections in found.items()}
