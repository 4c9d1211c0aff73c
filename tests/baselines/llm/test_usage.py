"""Requests and tokens as costs: in results, in tables that have them, and in those of before."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from tests.baselines.llm.protocol_server import protocol_server
from tests.cli.test_cli import call
from tests.reports.pretended import make_result, place
from unimp_bench.contracts import Usage
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.registry import task_cards
from unimp_bench.reports.pages.write import pages_of
from unimp_bench.reports.rows.sections import sections
from unimp_bench.reports.store import Contents
from unimp_bench.reports.tables.build import USAGE, table_of
from unimp_bench.runs.results import RESULT_NAME, Result
from unimp_bench.runs.runner import RunRequest, run

RANKS = np.arange(1, 31)


def asked(result: Result, usage: Usage | None) -> Result:
    assert result.cost is not None
    return result.model_copy(update={"cost": result.cost.model_copy(update={"usage": usage})})


def test_a_result_keeps_what_its_predictions_took(
    planted: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    workspace = Workspace(tmp_path)
    with protocol_server(reply=lambda _: "4.0") as book:
        settings = {"model": "x", "server": book.address, "chat": True, "mode": "generation", "validated": 20}
        result, _ = run(RunRequest("preference", "llm", planted.folder, settings=settings), workspace)
    used = result.cost and result.cost.usage
    assert used and used.prompt_tokens == 7 * used.requests and used.generated_tokens == 3 * used.requests
    assert used.requests <= result.examples and used.requests < len(book.bodies), "validation does not count"
    assert Result.read(workspace.runs / result.spec.key / RESULT_NAME) == result
    code, output, _ = call(capsys, "runs", "show", result.spec.key)
    told = f"usage    {used.requests:,} requests, {used.prompt_tokens:,} prompt tokens, {used.generated_tokens:,} gen"
    assert code == 0 and told in output
    other, _ = run(RunRequest("preference", "global-mean", planted.folder), workspace)
    assert other.cost is not None and other.cost.usage is None
    assert "usage" not in call(capsys, "runs", "show", other.spec.key)[1]


def test_a_table_has_the_columns_where_a_row_has_the_values() -> None:
    first, second = (make_result("llm", RANKS, seed=seed, settings={"base": "bm25"}) for seed in (0, 1))
    rows = [asked(first, Usage(30, 1_000, 90)), asked(second, Usage(30, 3_000, 110)), make_result("bm25", RANKS)]
    (found,) = sections(rows, task_cards()["search"])
    table = table_of(found, [], [])
    cells = {row.name: [table.cell(row, name).text for name in USAGE] for row in table.filled}
    assert cells == {"llm": ["30", "2,000", "100"], "BM25": ["", "", ""]}
    (found,) = sections([make_result("bm25", RANKS)], task_cards()["search"])
    assert not {column.name for column in table_of(found, [], []).columns} & {*USAGE}


def test_results_of_before_are_read_and_their_pages_stay(tmp_path: Path) -> None:
    path = place(tmp_path, make_result("bm25", RANKS))
    before = pages_of(Contents.published(tmp_path))
    path.write_text(path.read_text().replace(',\n  "usage": null', ""))
    assert "usage" not in path.read_text()
    assert pages_of(Contents.published(tmp_path)) == before


def test_usage_adds_up() -> None:
    assert astuple(sum([Usage(1, 2, 3), Usage(10, 20, 30)], Usage())) == (11, 22, 33)
