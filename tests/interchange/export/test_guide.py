"""The guide to the datasets: its columns are complete and its code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.interchange.card import COLUMNS, ITEM_COLUMNS
from unimp_bench.interchange.dataset import ExportRequest, export_datasets
from unimp_bench.kinds.rendering import SCHEMA

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "datasets.md"


def test_every_column_is_documented() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert list(COLUMNS) == SCHEMA.names
    assert all(f"`{name}`" in guide for name in (*COLUMNS, *ITEM_COLUMNS))
    assert all(name in guide for name in registry.task_cards())


def test_the_code_of_the_guide_and_of_the_card_runs(planted: Corpus, datasets: Any, tmp_path: Path) -> None:
    request = ExportRequest(tasks=("selection",), corpus=planted.folder, out=tmp_path)
    outcome = next(export_datasets(request, Workspace(tmp_path)))
    guide, card = GUIDE.read_text(encoding="utf-8"), (outcome.folder / "README.md").read_text(encoding="utf-8")
    room: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", guide, re.DOTALL):
        exec(code.replace('"exports/sample/search"', repr(str(outcome.folder))), room)
    pair = room["pairs"][7]
    assert pair["prompt"].count("[IMG]") == len(pair["pictures"]) > 2
    assert all(Path(path).is_file() for path in pair["pictures"])
    room = {}
    for code in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
        exec(code.replace('folder = "."', f"folder = {str(outcome.folder)!r}"), room)
    assert room["prompt"].endswith(room["example"]["instruction"]) and room["answer"]
