"""A whole audit: cuts, page, files and command."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from data_prep.build import build_corpus
from tests.reports.audit.corpus.planting import DAY, START, write_planted
from unimp_bench import registry
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue, target_examples
from unimp_bench.errors import DataError, UsageError
from unimp_bench.records import DRAWN_SPLITS, Split
from unimp_bench.reports.audit.corpus.cuts import CUTS, FEW_INTERACTIONS, HEAD_SHARE, SHORT_HISTORY
from unimp_bench.reports.audit.corpus.measure import audit_corpus
from unimp_bench.reports.audit.corpus.page import audit_page
from unimp_bench.reports.audit.corpus.record import (
    AUDIT_NAME,
    PAGE_NAME,
    CorpusAudit,
    Duplicates,
    Group,
    load_audits,
    pack_mask,
)
from unimp_bench.testing.planted import write_planted_corpus

CLOCK_CUTS = {"future", "tied"}
TIMELESS = [[(item, place) for place, item in enumerate(walk)] for walk in ((0, 1, 2, 3), (3, 0, 1), (1, 2, 3, 0, 4))]


@pytest.fixture(scope="module")
def audited(planted: Corpus) -> CorpusAudit:
    return audit_corpus(planted)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one call."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


def test_every_served_task_and_split_has_examples(planted: Corpus, audited: CorpusAudit) -> None:
    served = set()
    for name in registry.task_cards():
        for split in DRAWN_SPLITS:
            try:
                test = registry.make_task(name).examples(planted, split, "test")
            except UsageError:
                assert all(name not in found.tasks for found in audited.sets if found.split == split)
                continue
            served.add((name, split))
            found = audited.examples_of(name, split, len(test))
            assert found is not None and set(found.masks) == {cut.name for cut in CUTS}
    assert len(served) > 20
    assert sorted(served) == sorted((name, found.split) for found in audited.sets for name in found.tasks)


@pytest.mark.parametrize("task", ["recommendation", "selection", "image_generation"])
@pytest.mark.parametrize("split", DRAWN_SPLITS)
def test_cuts_match_plain_loops(planted: Corpus, audited: CorpusAudit, task: str, split: Split) -> None:
    check_cuts(planted, audited, task, split)


def test_cuts_of_a_random_corpus_match_plain_loops(chance: Corpus) -> None:
    audit = audit_corpus(chance)
    for task in ("recommendation", "selection"):
        for split in DRAWN_SPLITS:
            check_cuts(chance, audit, task, split)


def check_cuts(corpus: Corpus, audit: CorpusAudit, task: str, split: Split) -> None:
    """Compare the masks of a task with plain loops over its examples and training."""
    test = registry.make_task(task).examples(corpus, split, "test")
    train = target_examples(corpus, "loo" if split == "new-user" else split, "train", "any").histories
    walks = [
        list(zip(train.items[a:b].tolist(), train.times[a:b].tolist(), strict=True))
        for a, b in zip(train.offsets[:-1].tolist(), train.offsets[1:].tolist(), strict=True)
    ]
    bought = [item for walk in walks for item, _ in walk]
    size = int(np.ceil(HEAD_SHARE * len(catalogue(corpus, split))))
    head = sorted(catalogue(corpus, split).tolist(), key=lambda item: (-bought.count(item), item))[:size]
    expected: dict[str, list[bool]] = {cut.name: [] for cut in CUTS if cut.no and cut.name != "copy"}
    for number, user in enumerate(test.users.tolist()):
        history, target = test.history(number).tolist(), int(test.targets[number])
        now = int(corpus.histories.times[test.rows[number]])
        last = int(test.histories.times[test.ends[number] - 1])
        went = [
            walk[place + 1][1]
            for other, walk in enumerate(walks)
            if other != user
            for place in range(len(walk) - 1)
            if (walk[place][0], walk[place + 1][0]) == (history[-1], target)
        ]
        expected["transition"].append(bool(went))
        expected["future"].append(bool(went) and min(went) > now)
        expected["tied"].append(last == now)
        expected["file_order"].append(corpus.items.names[target] > corpus.items.names[history[-1]])
        expected["repeat"].append(target in history)
        expected["cold_user"].append(len(history) < SHORT_HISTORY)
        expected["cold_item"].append(bought.count(target) < FEW_INTERACTIONS)
        expected["head"].append(target in head)
    found = audit.examples_of(task, split, len(test))
    assert found is not None
    for name, mask in expected.items():
        kept = found.mask(name)
        assert kept is not None and kept.tolist() == mask, name


def test_cuts_that_do_not_apply_are_absent(tmp_path: Path, chance: Corpus) -> None:
    """Without timestamps there are no ties and no future, without titles and pictures no copies."""
    timeless = audit_corpus(
        write_planted(tmp_path / "timeless", TIMELESS, 5, titles=["cup", "cup!", "rug", "saw", "pen"])
    )
    assert {found.split for found in timeless.sets} == {"loo"}
    assert all(set(found.masks) == {cut.name for cut in CUTS} - CLOCK_CUTS for found in timeless.sets)
    assert [(each.tied, each.leaks) for each in timeless.splits] == [(None, None)]
    bare = audit_corpus(chance)
    assert all(set(found.masks) == {cut.name for cut in CUTS} - {"copy"} for found in bare.sets)
    assert {found.split for found in bare.sets} == set(DRAWN_SPLITS)
    assert all("preference" not in found.tasks and "search" not in found.tasks for found in bare.sets)
    pages = audit_page(timeless), audit_page(bare)
    assert "This corpus has no timestamps" in pages[0] and "neither titles nor pictures" not in pages[0]
    assert "has no timestamps" not in pages[1] and "neither titles nor pictures" in pages[1]


def test_audits_are_deterministic(tmp_path: Path, planted: Corpus, audited: CorpusAudit) -> None:
    write_planted_corpus(tmp_path / planted.name)
    again = audit_corpus(Corpus.open(tmp_path / planted.name))
    audited.write(tmp_path / "a.json")
    again.write(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert audit_page(CorpusAudit.read(tmp_path / "a.json")) == audit_page(again)


def test_the_page_of_a_planted_corpus(tmp_path: Path) -> None:
    """Targets are 2, 2, 4 and 1. The first two are along an edge of the third user alone, later than the targets."""
    early = [[(item, START + day * DAY) for day, item in enumerate(walk)] for walk in ((0, 3, 1, 2), (3, 0, 1, 2))]
    late = [(item, START + (50 + day) * DAY) for day, item in enumerate((1, 2, 0, 3, 4))]
    tied = [(item, START + 49 * DAY) for item in (0, 3, 2, 1)]
    titles = ["Tea | `cup`", "Tea <b>cup</b>", "tea: B - CUP b", "Rug", "Lamp"]
    corpus = write_planted(tmp_path / "cards", [*early, late, tied], 5, titles=titles)
    page = audit_page(audit_corpus(corpus))
    assert page.startswith("<!-- Generated by 'unimp-bench audit corpus'.")
    assert "# Audit of corpus `cards`\n\n*Generated corpus" in page
    # Training is 0 3, 3 0, 1 2 0 and 0 3, so each of the last items 1, 1, 3 and 2 has an edge.
    assert "| loo | 4 | 5 | 9 |" in page
    assert "| loo | 50.0% (20.0%, 27.8%) | 75.0% (25.0%, 30.6%) | 50.0% (40.0%, 66.7%) | 1.0 |" in page
    assert "* Split loo: 25.0% of the targets are tied." in page
    # 8 of 13 neighbours ascend, 3 of 4 last pairs, 1 of 3 tied pairs.
    assert "| Ascending neighbours | 13 | 61.5% | " in page and "(test target) | | 75.0% | " in page
    assert "| Ascending tied neighbours | | 33.3% | 50.0% |" in page
    assert "| Ascending untied neighbours | | 70.0% | |" in page
    assert "| Frequent pairs in one direction only | 0 | none | none |" in page
    assert "| loo | 46.4% [32.1%, 57.1%, 71.4%] | 50.0% | 100.0% | 75.0% | 25.0% |" in page
    assert "* 5 items compared.\n* 40.0% have an equal one, 40.0% a near-duplicate or an equal one.\n" in page
    assert "  * 2 items: `Tea <b>cup</b>`, `tea: B - CUP b`\n" in page
    assert "| loo | 75.0% | none | 75.0% |" in page
    assert "| loo | 0.444 | 44.4%, 0.0% | 44.4%, 0.0% | 44.4%, 0.0% | 3.2 [3, 3, 3] | 45.0% | 0.0% |" in page
    cuts = "| 50.0% | 50.0% | 25.0% | 75.0% | 0.0% | 75.0% | 100.0% | 100.0% | 0.0% "
    # The edges of the first two are in training, the target of the third is not, and the fourth reverses 1 -> 2.
    classes = "| 50.0% | 0.0% | 25.0% | 0.0% | 0.0% | 25.0% |"
    assert f"| recommendation, selection | loo | 4 {cuts}{classes}" in page
    assert "| loo | memorised | 50.0% |  |  |  | 50.0% |" in page
    assert "| loo | symmetric | 25.0% | 0.0% | 0.0% | 0.0% | 25.0% |" in page
    assert "| loo | none of these |  |  |  |  | 25.0% |" in page
    assert "* *symmetric*: for an h from 1 to 4" in page and "else **" not in page
    assert not any(line != line.rstrip() for line in page.splitlines()) and "\n\n\n" not in page


def test_earlier_audits_have_no_section_on_memorisation(audited: CorpusAudit) -> None:
    splits = tuple(each.model_copy(update={"logics": None}) for each in audited.splits)
    earlier = CorpusAudit.model_validate_json(audited.model_copy(update={"splits": splits}).model_dump_json())
    assert "## Memorisation" in audit_page(audited)
    assert "## Memorisation" not in audit_page(earlier)


def test_only_pages_of_synthetic_corpora_say_generated(audited: CorpusAudit) -> None:
    assert "Generated corpus" in audit_page(audited)
    assert "Generated corpus" not in audit_page(audited.model_copy(update={"synthetic": False}))


def test_untrusted_names_are_escaped(audited: CorpusAudit) -> None:
    group = Group(items=9, examples=("a`b\n# c | d <script>\u202e", "long " * 40))
    titles = Duplicates(items=9, left_out=0, exact=0, near=1, groups=1, largest=(group,))
    page = audit_page(audited.model_copy(update={"titles": titles}))
    (line,) = [line for line in page.splitlines() if line.startswith("  * 9 items: ")]
    assert line.startswith("  * 9 items: `a'b # c | d <script>`, `long long") and line.endswith("…`, …")
    assert len(line) < 130


def _damaged(text: str, examples: int) -> str:
    """A mask with the damage that ``text`` names."""
    return {
        "no base64": "?",
        "no zlib": base64.b64encode(b"nothing").decode(),
        "too short": pack_mask(np.zeros(examples - 8, dtype=np.bool_)),
        "too long": pack_mask(np.zeros(examples + 8, dtype=np.bool_)),
        "a bomb": base64.b64encode(zlib.compress(bytes(1 << 24))).decode(),
    }[text]


@pytest.mark.parametrize("how", ["no base64", "no zlib", "too short", "too long", "a bomb"])
def test_a_damaged_mask_raises_one_line(tmp_path: Path, audited: CorpusAudit, how: str) -> None:
    path = tmp_path / "audits" / "planted.json"
    audited.write(path)
    assert load_audits(tmp_path) == [audited]
    content = json.loads(path.read_text())
    content["sets"][0]["masks"]["head"] = _damaged(how, audited.sets[0].examples)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"planted.json is damaged .*audit the corpus again") as caught:
        load_audits(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"version": 2}', "\x00"])
def test_an_invalid_audit_raises_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(DataError, match="is not an audit of this version") as caught:
        CorpusAudit.read(tmp_path / "audit.json")
    assert "\n" not in str(caught.value)


def test_the_command_writes_into_the_corpus_folder_and_publishes_on_request(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    folder = tmp_path / "data" / "tiny"
    corpus = write_planted(folder, TIMELESS, 5)
    code, out, _ = call(capsys, "audit", "corpus", "tiny")
    assert "split loo: 66.7% of 3 targets are one transition away, 33.3% by chance\n" in out
    assert code == 0 and f"wrote {folder / PAGE_NAME}" in out
    assert not (tmp_path / "leaderboards").exists()
    audit = CorpusAudit.read(folder / AUDIT_NAME)
    assert audit == audit_corpus(corpus) and (folder / PAGE_NAME).read_text() == audit_page(audit)
    again = Corpus.open(folder)
    again.verify()
    assert again.fingerprint == corpus.fingerprint
    assert call(capsys, "audit", "corpus", f"{tmp_path}/data/tiny", "--publish")[0] == 0
    assert load_audits(tmp_path / "leaderboards") == [audit]
    assert (tmp_path / "leaderboards" / "README.md").is_file()
    # A rebuild removes the earlier audit.
    rebuilt = write_planted(folder, TIMELESS, 5)
    assert rebuilt.fingerprint == corpus.fingerprint
    assert not (folder / AUDIT_NAME).exists() and not (folder / PAGE_NAME).exists()


def test_a_damaged_audit_is_replaced_and_a_bad_name_is_not_published(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    folder = tmp_path / "data" / "tiny"
    corpus = write_planted(folder, TIMELESS, 5)
    (folder / AUDIT_NAME).write_text("broken")
    assert call(capsys, "audit", "corpus", "tiny")[0] == 0
    assert CorpusAudit.read(folder / AUDIT_NAME).fingerprint == corpus.fingerprint
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "name": "../../tiny"}))
    code, _, err = call(capsys, "audit", "corpus", "tiny", "--publish")
    assert code == 3 and "not a plain name" in err and err.count("\n") == 1
    assert not list(tmp_path.glob("**/audits"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nothing",), 2, "unknown corpus 'nothing'"),
        (("tinny",), 2, "did you mean 'tiny'"),
        (("beauty+NT",), 2, "unknown corpus 'beauty+NT'"),
        (("sample",), 2, "make data"),
        (("./nowhere",), 3, "there is no corpus at nowhere"),
        (("short/",), 2, "no test examples to audit"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_planted(tmp_path / "data" / "tiny", TIMELESS, 5)
    write_planted(tmp_path / "short", [[(0, START), (1, START)]], 2)
    got, _, err = call(capsys, "audit", "corpus", *arguments)
    assert got == code and message in err and err.startswith("error: ") and err.count("\n") == 1


def test_gift_cards_have_days_only_and_frequent_ties(realdata: Path, tmp_path: Path) -> None:
    build_corpus("amazon-2018", tmp_path / "cards", realdata / "gift_cards_raw_2018")
    audit = audit_corpus(Corpus.open(tmp_path / "cards"))
    assert audit.ties is not None
    assert audit.ties.whole_days == 1 and 0.5 < audit.ties.neighbours < 0.8
    loo = next(each for each in audit.splits if each.split == "loo")
    assert loo.tied is not None and loo.tied > 0.5
    assert loo.leaks is not None and loo.leaks.after.mean > 0.1
    assert loo.transitions.direct.share > loo.transitions.direct.random_interaction
