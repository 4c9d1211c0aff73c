"""Published records of ids, and their page."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_cli import call
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.ids import Quantization, write_ids
from unimp_bench.errors import DataError
from unimp_bench.files import Workspace
from unimp_bench.reports.ids import IDS_PAGE, PublishedIds, ids_markdown, load_ids
from unimp_bench.reports.store import Contents
from unimp_bench.testing.planted import write_planted_corpus


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose corpus has computed and imported ids."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    folder = tmp_path / "data" / "planted"
    write_planted_corpus(folder)
    names = Corpus.open(folder).items.names
    rows = np.arange(len(names))
    made = Quantization(
        quantizer="rkmeans",
        levels=1,
        codes=2,
        seed=3,
        features={"lsa": "0" * 16},
        fitted_on=9,
        fitted="1" * 16,
        split="loo",
        error=0.25,
    )
    write_ids(folder, names, "mine", np.stack([rows % 2, rows // 2], axis=1), quantization=made)
    write_ids(folder, names, "theirs", np.stack([rows % 2, rows * 0], axis=1), source="index.json 0123")
    return Workspace(tmp_path)


def test_records_are_published_with_a_page(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = call(capsys, "ids", "publish", "planted")
    assert code == 0 and "ids.md" in output
    (found,) = load_ids(home.leaderboards)
    assert [each.name for each in found.sets] == ["mine", "theirs"]
    items = found.sets[0].items
    page = (home.leaderboards / IDS_PAGE).read_text()
    assert page == ids_markdown(Contents.published(home.leaderboards).ids())
    assert f"| mine | rkmeans | lsa | 9 items of training (loo) | 3 | 0.250 | {items} | {items} |" in page
    assert f"| theirs | imported | index.json 0123 |  |  |  | {items} | 2 |" in page
    assert f"| mine | 1 | 2 | 1.00 | 100.0% | 2 | {items} |" in page
    assert f"| theirs | 2 | 1 | 0.00 |  | 2 | {items} |" in page
    assert "[semantic ids](ids.md)" in (home.leaderboards / "README.md").read_text()


def test_ids_of_names_join_the_published_ones(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    def names() -> list[str]:
        return [each.name for each in load_ids(home.leaderboards)[0].sets]

    assert call(capsys, "ids", "publish", "planted", "theirs")[0] == 0 and names() == ["theirs"]
    assert call(capsys, "ids", "publish", "planted", "mine")[0] == 0 and names() == ["mine", "theirs"]
    shutil.rmtree(home.data / "planted" / "ids" / "theirs")
    assert call(capsys, "ids", "publish", "planted", "mine")[0] == 0 and names() == ["mine", "theirs"]
    assert call(capsys, "ids", "publish", "planted")[0] == 0 and names() == ["mine"], "all stored ids, and no others"
    (published,) = load_ids(home.leaderboards)
    other = published.model_copy(update={"fingerprint": "0" * 64})
    assert other.beside_others(home.leaderboards) == other, "another build of the corpus"


def test_only_records_of_this_form_are_read(
    tmp_path: Path, home: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = call(capsys, "ids", "publish", "planted", "minne")
    assert code == 2 and "did you mean 'mine'" in error and not (home.leaderboards / "ids").exists()
    with pytest.raises(DataError, match="not a plain name"):
        PublishedIds(corpus="../x", fingerprint="", sets=()).write(tmp_path)
    (tmp_path / "ids").mkdir()
    (tmp_path / "ids" / "x.json").write_text('{"corpus": 3}')
    with pytest.raises(DataError, match="holds no published ids"):
        load_ids(tmp_path)
