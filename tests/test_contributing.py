"""The worked examples of docs/add_*.md run, word for word."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep import CorpusCard
from data_prep.build import BuildOptions, build_corpus
from unimp_bench import registry
from unimp_bench.contracts import ModelCard, TaskCard
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace
from unimp_bench.kinds.rendering import Renderer
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.testing.conformance import ModelConformance

GUIDES = sorted((Path(__file__).resolve().parents[1] / "docs").glob("add_*.md"))


def _blocks() -> dict[str, list[str]]:
    """Python blocks of the guides, by the file in their first line."""
    blocks: dict[str, list[str]] = {}
    for guide in GUIDES:
        for code in re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL):
            name = re.match(r"# (\S+)\n", code)
            assert name, f"a python block of {guide.name} does not begin with its file's name"
            blocks.setdefault(name.group(1), []).append(code)
    return blocks


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Any:
    """The guides' files as modules and their cards in the catalogues, for this module's tests."""
    blocks = _blocks()
    names = {"baselines.recency": "baselines/recency.py", "tasks.brand_search": "tasks/brand_search.py"}
    names["data_prep.plays"] = "data_prep/plays.py"
    with pytest.MonkeyPatch.context() as patch:
        for name, file in names.items():
            module = types.ModuleType(name)
            patch.setitem(sys.modules, name, module)
            exec(compile(blocks[file][0], file, "exec"), module.__dict__)
        for finder, kind, file in (
            ("model_cards", ModelCard, "baselines/__init__.py"),
            ("task_cards", TaskCard, "tasks/__init__.py"),
            ("corpus_cards", CorpusCard, "data_prep/__init__.py"),
        ):
            card = eval(blocks[file][0].partition("\n")[2], {kind.__name__: kind})
            cards = {**getattr(registry, finder)(), card.name: card}
            patch.setattr(registry, finder, lambda cards=cards: cards)
        yield


class TestRecency(ModelConformance):
    """Conformance of the guides' baseline."""

    model = "recency"


def test_the_baseline_runs(planted: Corpus, tmp_path: Path) -> None:
    result, _ = run(RunRequest(task="recommendation", model="recency", corpus=planted.folder), Workspace(tmp_path))
    assert result.model.about == "items by the time of their last training interaction"


def test_the_task_draws_and_renders(planted: Corpus) -> None:
    task = registry.make_task("brand-search")
    examples = task.examples(planted, "loo", "test")
    for example in Renderer(planted, task.instruction).render(examples.select(slice(20))):
        assert example.query == planted.items.text("brand")[planted.items.names.index(example.target)]
        assert example.instruction.startswith(example.query)


def test_the_corpus_is_built(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(0)
    plays = [f"l{user},t{rng.integers(8)},{second}" for user in range(30) for second in range(20)]
    (raw / "plays.csv").write_text("\n".join([*plays, "l0,t1,never"]) + "\n")
    (raw / "tracks.csv").write_text("".join(f't{track},"Song, no. {track}",Genre{track % 2}\n' for track in range(8)))
    build_corpus("plays", tmp_path / "plays", raw, BuildOptions(user_core=3, item_core=3, held_out=0))
    corpus = Corpus.open(tmp_path / "plays")
    assert corpus.items.text("title")[1] == "Song, no. 1"
    assert corpus.manifest.counts.users == 30
    assert corpus.manifest.bad_lines["time out of range"].first == ("plays.csv:601",)
