"""Synthetic leaderboards with all features of the page, and malicious labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.reports.pretended import make_result, place
from unimp_bench.records import IntArray
from unimp_bench.reports.audit.corpus.record import CorpusAudit, ExampleSet, pack_mask
from unimp_bench.reports.gallery.page import RECORD_NAME, Record
from unimp_bench.reports.tables.printed import Reported, ReportedRow
from unimp_bench.runs.results import Estimate, Result

HOSTILE = "</script><script>window.harmed=1</script><!--<img src=x onerror=window.harmed=1>\"'&\u2028"
FINGERPRINT = "f" * 64
EXAMPLES = 400


def ranks(seed: int, highest: int) -> IntArray:
    """Of pretended examples: the higher the highest, the worse."""
    return np.random.default_rng(seed).integers(1, highest, EXAMPLES)


def publish(folder: Path) -> None:
    """Write results, reported numbers, an audit and a gallery."""
    for result in _results():
        place(folder, _banded(result))
    reported = Reported(
        source="A paper <b>",
        task="search",
        data="other data",
        corpus="toy",
        protocol="theirs",
        rows=(ReportedRow(system="Middle", models=("middle",), metrics={"HR@5": 0.25, "NDCG@5": 0.125}),),
    )
    (folder / "reported").mkdir()
    (folder / "reported" / "paper.json").write_text(reported.model_dump_json())
    late = np.arange(EXAMPLES) % 4 == 0
    known = ExampleSet(
        tasks=("recommendation", "search"),
        split="loo",
        examples=EXAMPLES,
        masks={"transition": pack_mask(late), "head": pack_mask(np.arange(EXAMPLES) < 3)},
    )
    audit = CorpusAudit(name="toy", fingerprint=FINGERPRINT, synthetic=True, sets=(known,))
    audit.write(folder / "audits" / "toy.json")
    draw(folder / "image_generation_gallery")


def draw(folder: Path) -> None:
    """A gallery of two pictures."""
    files = ("gallery.html", "user-1-history-1.png", "user-1-generated.png", "../outside.png")
    folder.mkdir(parents=True)
    for number, name in enumerate(files[1:3]):
        Image.new("RGB", (4, 4), (90 * number, 40, 10)).save(folder / name)
    record = Record(
        command=f"unimp-bench draw --query '{HOSTILE}'",
        fit="a",
        fingerprint=FINGERPRINT,
        query=HOSTILE,
        users=("somebody",),
        retrieved=(),
        codes=(),
        files=files,
    )
    (folder / RECORD_NAME).write_text(record.model_dump_json())


def _results() -> list[Result]:
    """Results of search (five models and an upper bound on one corpus, fewer on others) and an ablation."""
    ablation = {"task": "recommendation", "preset": "tiny"}
    return [
        make_result("best", ranks(0, 9), reads=("order", "text", "pictures", "query")),
        make_result("middle", ranks(1, 30), reads=("text", "query"), settings={"k": "2"}),
        make_result("middle", ranks(2, 30), reads=("text", "query"), settings={"k": "2"}, seed=1),
        make_result("worse", ranks(3, 60), reads=("order", "pictures")),
        make_result(HOSTILE, ranks(4, 120), reads=("popularity",)),
        make_result("popularity", ranks(5, 250), reads=("popularity",)).model_copy(update={"cost": None}),
        make_result("oracle", np.ones(EXAMPLES, dtype=np.int64), reads=("truth",)),
        make_result("best", ranks(6, 12), split="new-user", reads=("order", "text", "pictures", "query")),
        make_result("bm25", ranks(7, 50), split="new-user", reads=("text", "query")),
        make_result("bm25", ranks(8, 50), corpus="other", fingerprint="e" * 64, reads=("text", "query")),
        make_result("worse", ranks(9, 60), reads=("order", "pictures"), protocol="paper"),
        make_result("unimp", ranks(10, 20), reads=("order", "pictures"), **ablation),
        make_result("unimp", ranks(11, 30), reads=("order", "pictures"), settings={"fusion": "none"}, **ablation),
    ]


def _banded(result: Result) -> Result:
    """With intervals of a width of their own."""
    metrics = {
        name: Estimate(value=each.value, low=each.value - 0.02, high=each.value + 0.02)
        for name, each in result.metrics.items()
    }
    return result.model_copy(update={"metrics": metrics})
