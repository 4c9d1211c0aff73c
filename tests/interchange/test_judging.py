"""``unimp-bench judge``: judges that know and that are blind, where judgements are kept, and what is refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.baselines.llm.protocol_server import protocol_server
from tests.cli.test_cli import call
from unimp_bench.contracts import Usage
from unimp_bench.corpus import Corpus, Items
from unimp_bench.errors import DataError
from unimp_bench.files import Workspace
from unimp_bench.interchange.contributed import check_files
from unimp_bench.interchange.judging import judge_run
from unimp_bench.kinds.base import spaced
from unimp_bench.kinds.judging import Case, Judge, JudgeFacts, Opinions
from unimp_bench.reports.pages.write import pages_of
from unimp_bench.reports.store import Contents, place_of
from unimp_bench.reports.tables.judges import judging_of
from unimp_bench.runs.results import PREDICTIONS_NAME, RESULT_NAME, Result
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.runs.stored import StoredRun, find_run, stored_runs

MOST = 40
MODELS = {"constant-sentence": "Constant sentence", "nearest-sentence": "Nearest sentence"}
PARTS = re.compile(r"What the person wrote: (.*)\nSentence of the system: (.*)\n")


@dataclass(frozen=True)
class Planted(Judge):
    """A judge that scores by a rule."""

    name: str
    rule: Callable[[Case], float]

    @property
    def facts(self) -> JudgeFacts:
        return JudgeFacts(self.name, "rule-1", "0", "likelihood", {})

    @property
    def constant(self) -> str:
        return "so so"

    def judge(self, cases: Sequence[Case], items: Items, cache: Path) -> Opinions:
        scores = np.array([self.rule(case) for case in cases])
        return Opinions(scores, np.zeros(len(cases), dtype=np.bool_), Usage(len(cases), 2, 1))


KNOWS = Planted("knows", lambda case: 5.0 if case.text == case.reference else 2.0)
BLIND = Planted("blind", lambda case: 3.0)
WORDS = Planted("words", lambda case: 1.0 + 4 * (set(case.text.split()) == set(case.reference.split())))


@pytest.fixture(scope="module")
def finished(reviewed: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two runs that wrote sentences, and one that ranked; overlap metrics, which take long, are left
    out."""
    home = tmp_path_factory.mktemp("finished")
    workspace = Workspace(home)
    workspace.data.mkdir()
    (workspace.data / reviewed.name).symlink_to(reviewed.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unimp_bench.metrics.text.text_scores", lambda *_: {})
        for task, model in (
            ("explanation", "constant-sentence"),
            ("explanation", "nearest-sentence"),
            ("recommendation", "popularity"),
        ):
            run(RunRequest(task, model, workspace.data / reviewed.name), workspace)
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of it."""
    shutil.copytree(finished, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path / "home"))
    return Workspace(tmp_path / "home")


def of(home: Workspace, model: str) -> StoredRun:
    return next(each for each in stored_runs(home) if each.spec.fit.model == model)


def judged(home: Workspace, judge: Judge, model: str = "nearest-sentence") -> Result:
    return judge_run(of(home, model), judge, MOST, "a command", home)


def test_a_judge_that_knows_the_reference_agrees_wholly(home: Workspace) -> None:
    result = judged(home, KNOWS)
    (judgement,) = result.judgements
    shares = {name: score.value for name, score in judgement.agreement().items() if score is not None}
    assert shares == {"other": 1.0, "constant": 1.0, "shuffled": 1.0} and judgement.tells
    assert Result.read(of(home, "nearest-sentence").folder / RESULT_NAME) == result
    rows = pq.read_table(of(home, "nearest-sentence").folder / PREDICTIONS_NAME).to_pylist()
    wanted = [5.0 if rows[row]["text"] == rows[row]["truth"] else 2.0 for row in spaced(len(rows), MOST)]
    assert judgement.values().tolist() == wanted and judgement.usage.requests > MOST
    assert "unable" not in judging_of({"a": [result]}).words[0].lower()


def test_a_constant_judge_is_blind_and_marked(home: Workspace) -> None:
    result = judged(home, BLIND)
    (judgement,) = result.judgements
    shares = [(score.value, score.low, score.high) for score in judgement.agreement().values() if score is not None]
    assert shares == [(0.5, 0.5, 0.5)] * 3 and not judgement.tells
    found = judging_of({"a": [result], "b": [judged(home, BLIND, "constant-sentence")]})
    assert found.columns[0].head == "Judge blind, rule-1 (unable to tell)"
    assert "Unable to tell sentences apart" in found.words[0] and "Rows by" not in found.words[0]


def test_a_judge_that_sees_words_alone_tells_all_but_their_order(home: Workspace) -> None:
    (judgement,) = judged(home, WORDS).judgements
    shares = {name: score.value for name, score in judgement.agreement().items() if score is not None}
    assert shares == {"other": 1.0, "constant": 1.0, "shuffled": 0.5} and judgement.tells


def test_another_judgement_of_a_judge_replaces_the_first(home: Workspace) -> None:
    judged(home, KNOWS)
    judged(home, BLIND)
    result = judge_run(of(home, "nearest-sentence"), KNOWS, 25, "a command", home)
    assert [(each.judge.name, each.examples) for each in result.judgements] == [("blind", MOST), ("knows", 25)]
    assert result.model_copy(update={"judgements": ()}).metrics == judged(home, BLIND).metrics


def test_pages_have_a_column_and_the_test_of_each_judge(home: Workspace) -> None:
    before = pages_of(Contents.of_runs(home))
    assert not any("Judge" in page for name, page in before.items() if name.startswith("explanation"))
    for model in MODELS:
        for judge in (KNOWS, BLIND, WORDS):
            judged(home, judge, model)
    made = pages_of(Contents.of_runs(home))
    details, brief = made["explanation/reviewed_details.md"], made["explanation/reviewed.md"]
    head = next(line for line in details.splitlines() if line.startswith("| # |"))
    assert " Judge knows, rule-1 |" in head and " Judge blind, rule-1 (unable to tell) |" in head
    assert "Judge" not in brief
    row = next(line for line in details.splitlines() if line.startswith("|") and "Nearest sentence" in line)
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{4}, \d\.\d{4}\]", cells["Judge knows, rule-1"])
    assert cells["Judge blind, rule-1 (unable to tell)"] == "3.000"
    assert "user with the same rating 1.000 [1.000, 1.000] of 40" in details
    means = {label: judged(home, WORDS, label).judgements[-1].values().mean() for label in MODELS}
    order = ", ".join(MODELS[label] for label in sorted(means, key=lambda label: -means[label]))
    assert means["nearest-sentence"] != means["constant-sentence"]
    assert f"Rows by its mean, highest first: {order}." in details
    assert "Rank correlation of blind, rule-1 and knows, rule-1: undefined" in details
    places = [places_of(pages["explanation/reviewed_details.md"]) for pages in (before, made)]
    assert places[0] == places[1] and len(places[0]) == len(MODELS)


def places_of(details: str) -> list[tuple[str, ...]]:
    """Place and label of each row."""
    table = details.partition("<details>")[0]
    return [tuple(line.split(" | ")[:2]) for line in table.splitlines() if " sentence" in line[:40] and line[:1] == "|"]


def reply(prompt: str) -> str:
    """A judge behind a server that reads both sentences."""
    found = PARTS.search(prompt)
    assert found is not None
    return "5" if found[1] == found[2] else "2"


def served(address: str, *keys: str) -> tuple[str, ...]:
    settings = ("--set", "mode=generation", "--set", "chat=true", "--set", "attempts=1", "--set", "at_once=6")
    return ("judge", *keys, "--server", address, "--model", "a/judge", *settings, "--examples", "21")


def test_the_command_judges_by_a_server_and_goes_on(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [of(home, model) for model in MODELS]
    fails = True
    with protocol_server(lambda number: "500" if fails and number >= 30 else "ok", reply=reply) as book:
        code, _, error = call(capsys, *served(book.address, *(run.key[:8] for run in runs)))
        assert code == 3 and "its answers are kept: run the command again" in error
        assert not any(Result.read(run.folder / RESULT_NAME).judgements for run in runs)
        fails = False
        code, output, _ = call(capsys, *served(book.address, *(run.key[:8] for run in runs)))
        assert code == 0 and max(book.answered.values()) == 1, "nothing is asked twice"
        sent = len(book.bodies)
        assert call(capsys, *served(book.address, runs[0].key))[0] == 0 and len(book.bodies) == sent
    assert f"{runs[1].key} nearest-sentence: " in output and "by a/judge, explanation-1" in output
    assert "user with the same rating 1.000 [1.000, 1.000] of 21" in output
    (judgement,) = Result.read(runs[1].folder / RESULT_NAME).judgements
    assert judgement.judge.identity["model"] == "a/judge" and judgement.judge.rubric == "explanation-1"
    assert judgement.usage.prompt_tokens == 7 * judgement.usage.requests
    assert judgement.provenance.command.startswith(f"unimp-bench judge {runs[1].key} --model=a/judge --server=http")
    code, output, _ = call(capsys, "runs", "show", runs[1].key)
    assert code == 0 and "judge    a/judge, explanation-1: " in output


def test_a_random_model_judges_without_a_server(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    key = of(home, "nearest-sentence").key
    code, output, _ = call(capsys, "judge", key, "--model", "tiny", "--examples", "3")
    (judgement,) = find_run(home, key).result.judgements  # type: ignore[union-attr]
    assert code == 0 and "by tiny, explanation-1" in output and not judgement.tells
    assert judgement.judge.identity["weights"] == "tiny" and judgement.examples == 3
    assert len(set(judgement.values().round(5))) > 1, "small differences are kept"


def test_mistakes_are_one_line(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    key, ranked = of(home, "nearest-sentence").key, of(home, "popularity").key
    (of(home, "constant-sentence").folder / PREDICTIONS_NAME).unlink()
    mistakes = (
        (("ffffff",), "no run 'ffffff'"),
        ((ranked,), f"run {ranked} is of recommendation, which has no texts to be judged"),
        ((of(home, "constant-sentence").key,), "has no predictions.parquet; run it again with --fresh"),
        ((key, "--rubric", "explanation"), "did you mean 'explanation-1'"),
        ((key, "--server", "http://localhost:1/v1"), "--server needs --model"),
        ((key, "--set", "mod=generation"), "did you mean 'mode'"),
        ((key, "--set", "mode=guess"), "mode = 'guess'"),
        ((key, "--model", "./nothing"), "cannot be read"),
    )
    for arguments, message in mistakes:
        code, output, error = call(capsys, "judge", *arguments)
        assert code == 2 and message in error and error.count("\n") == 1 and not output
    code, _, error = call(capsys, "judge")
    assert code == 2 and "KEYS" in error


def test_texts_of_another_result_are_refused(home: Workspace) -> None:
    one, other = of(home, "nearest-sentence"), of(home, "constant-sentence")
    (one.folder / PREDICTIONS_NAME).write_bytes((other.folder / PREDICTIONS_NAME).read_bytes())
    with pytest.raises(DataError, match="has other texts than"):
        judged(home, KNOWS)


def test_a_result_that_changes_meanwhile_stays(home: Workspace) -> None:
    path = of(home, "nearest-sentence").folder / RESULT_NAME
    result = Result.read(path)

    def rule(case: Case) -> float:
        result.model_copy(update={"remarks": ("noted meanwhile",)}).write(path)
        return 3.0

    with pytest.raises(DataError, match="has changed while it was judged"):
        judged(home, Planted("slow", rule))
    assert Result.read(path).remarks == ("noted meanwhile",)


def test_a_damaged_judgement_is_refused(home: Workspace) -> None:
    path = of(home, "nearest-sentence").folder / RESULT_NAME
    result = judged(home, KNOWS)
    (judgement,) = result.judgements
    for changes in ({"scores": ""}, {"examples": 39}, {"controls": {}}, {"scores": judgement.scores[:-8] + "AAAA"}):
        result.model_copy(update={"judgements": (judgement.model_copy(update=changes),)}).write(path)
        with pytest.raises(DataError, match="a judgement without the scores of its examples"):
            Result.read(path)


def test_contributed_judgements_are_checked(home: Workspace) -> None:
    result = judged(home, KNOWS)
    origin = result.provenance.model_copy(update={"clean": True, "commit": "0" * 40})
    path = place_of(home.leaderboards, result)

    def found(**changes: object) -> list[str]:
        (judgement,) = result.judgements
        edited = judgement.model_copy(update={"provenance": origin, **changes})
        result.model_copy(update={"provenance": origin, "judgements": (edited,)}).write(path)
        return [each.text for each in check_files([path], home.leaderboards)[1] if each.is_problem]

    before = found()
    (unprintable,) = set(found(judge=replace(KNOWS.facts, name="a\x1b[2J"))) - set(before)
    assert "unprintable" in unprintable
    (uncommitted,) = set(found(provenance=origin.model_copy(update={"clean": False}))) - set(before)
    assert "changes that are not committed" in uncommitted
