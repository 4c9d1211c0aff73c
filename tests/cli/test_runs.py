"""``unimp-bench runs`` and options from a TOML file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyarrow.parquet import read_table

from tests.cli.test_cli import call
from unimp_bench.corpus import Corpus
from unimp_bench.files import Workspace, locked
from unimp_bench.interchange.personal_page import personal_page
from unimp_bench.runs.estimate import Wanted, estimate
from unimp_bench.runs.personal import Recommended, ShownItem
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, run
from unimp_bench.runs.stored import compare, find_run, stored_runs


@pytest.fixture
def home(tmp_path: Path, planted: Corpus, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with the planted corpus and two finished runs on it."""
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    (workspace.data / planted.name).symlink_to(planted.folder)
    for model in ("popularity", "itemknn"):
        run(RunRequest("recommendation", model, workspace.data / planted.name, protocol="masked"), workspace)
    return workspace


def key_of(home: Workspace, model: str) -> str:
    return next(each.key for each in stored_runs(home) if each.spec.fit.model == model)


def test_runs_are_listed_with_state_and_main_metric(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    result = Result.read(home.runs / key_of(home, "itemknn") / "result.json")
    (home.runs / "0123456789abcdef").mkdir()
    spec = result.spec.model_dump_json()
    (home.runs / "0123456789abcdef" / "spec.json").write_text(spec)
    code, output, _ = call(capsys, "runs", "list")
    head, *rows = output.splitlines()
    assert code == 0 and head.split()[:4] == ["KEY", "STATE", "TASK", "MODEL"]
    assert sorted(re.split(r"  +", row)[1] for row in rows) == ["finished", "finished", "interrupted"]
    for text, state in (
        ("error: no reviews", "failed"),
        ("error: interrupted; the same command resumes", "interrupted"),
    ):
        (home.runs / "0123456789abcdef" / "log.txt").write_text(f"fitting\n{text}\n")
        assert find_run(home, "0123456789").state == state
    value = result.metrics["NDCG@10"].value
    assert any("itemknn" in row and f"NDCG@10 {value:.4f}" in row for row in rows)
    code, output, _ = call(capsys, "runs", "list", "--state", "interrupted", "--model", "itemknn")
    assert code == 0 and output.count("0123456789abcdef") == 1 and "finished" not in output


def test_a_run_in_progress_is_running_and_stays(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    key = key_of(home, "popularity")
    with locked(home.runs / key):
        assert find_run(home, key[:8]).state == "running"
        code, _, error = call(capsys, "runs", "remove", key, "--yes")
    assert code == 2 and "is running" in error and (home.runs / key / "result.json").is_file()


def test_a_run_is_shown_with_cost_command_and_fit(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    key = key_of(home, "itemknn")
    code, output, _ = call(capsys, "runs", "show", key[:6])
    assert code == 0
    for part in (
        "NDCG@10",
        "cost",
        "device cpu",
        "command  unimp-bench run",
        str(home.fits),
        "predictions.parquet",
        "settings {",
    ):
        assert part in output


def test_a_comparison_agrees_with_the_values_per_example(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    keys = [key_of(home, model) for model in ("itemknn", "popularity")]
    first, second = (Result.read(home.runs / key / "result.json") for key in keys)
    found = compare(first, second, "HR@10")
    assert found.test.difference == pytest.approx(first.metrics["HR@10"].value - second.metrics["HR@10"].value)
    assert found.low <= found.test.difference <= found.high
    assert found.identical == int((first.example_values("HR@10") == second.example_values("HR@10")).sum())
    code, output, _ = call(capsys, "runs", "compare", *keys, "--metric", "HR@10", "-n", "2")
    assert code == 0 and f"A - B  {found.test.difference:+.4f}" in output
    examples = [line for line in output.splitlines() if "recommendation/loo/test" in line]
    assert len(examples) == 2 and all(line.split()[0] in ("+1.0000", "-1.0000") for line in examples)
    title = Corpus.open(home.data / first.corpus.name).items
    target = examples[0].split()[2]
    assert title.text("title")[title.names.index(target)] in examples[0]


def test_runs_on_other_examples_are_not_compared(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = next(home.data.iterdir())
    other, _ = run(RunRequest("recommendation", "popularity", corpus, protocol="paper"), home)
    code, _, error = call(capsys, "runs", "compare", other.spec.key, key_of(home, "itemknn"))
    assert code == 2 and "different protocols" in error
    code, _, error = call(capsys, "runs", "compare", other.spec.key, key_of(home, "itemknn"), "--metric", "HR@7")
    assert code == 2 and "did you mean 'HR@" in error


def test_removal_keeps_fits_that_other_runs_need(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = next(home.data.iterdir())
    other, _ = run(RunRequest("recommendation", "itemknn", corpus, protocol="paper"), home)
    first = find_run(home, key_of(home, "popularity"))
    fit = home.fits / other.spec.fit.key
    masked = next(each for each in stored_runs(home) if each.spec.fit.key == fit.name and each.key != other.spec.key)
    code, output, _ = call(capsys, "runs", "remove", masked.key, first.key, "--fits", "--yes")
    assert code == 0 and not masked.folder.exists() and not (home.fits / first.spec.fit.key).exists()
    assert fit.is_dir(), "the run under the other protocol needs it"
    code, output, _ = call(capsys, "runs", "remove", other.spec.key, "--fits", "--yes")
    assert code == 0 and not fit.exists() and f"removed {fit}" in output


def test_removal_asks(home: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.confirm", lambda text, abort: (_ for _ in ()).throw(KeyboardInterrupt))
    key = key_of(home, "popularity")
    code, _, _ = call(capsys, "runs", "remove", key)
    assert code == 130 and (home.runs / key).is_dir()


def test_a_file_repeats_a_run(home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = next(home.data.iterdir())
    settings = {"neighbours": "7"}
    request = RunRequest("recommendation", "itemknn", corpus, protocol="masked", settings=settings, views=("NT:0.5:3",))
    result, _ = run(request, home)
    code, text, _ = call(capsys, "runs", "show", result.spec.key, "--toml")
    assert code == 0 and 'set = {"neighbours" = "7"}' in text.replace("{neighbours", '{"neighbours"')
    file = tmp_path / "again.toml"
    file.write_text(text)
    code, output, _ = call(capsys, "run", "--file", str(file))
    assert code == 0 and result.spec.key in output and "exists already" in output
    code, output, _ = call(capsys, "run", "--file", str(file), "--set", "neighbours=5")
    assert code == 0 and result.spec.key not in output, "the command line has precedence"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task = ", "is not TOML"),
        ('tsak = "search"', "did you mean 'task'"),
        ('set = "a=1"', "set takes a table"),
        ('fit-on = "search"', "fit-on takes an array"),
        ('fresh = "yes"', "fresh takes true or false"),
        ("model = [1]", "model takes a text or a number"),
        ('task = "serch"\nmodel = "bm25"', "did you mean 'search'"),
    ],
)
def test_a_bad_file_is_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    path = tmp_path / "run.toml"
    path.write_text(text)
    code, output, error = call(capsys, "run", "--file", str(path))
    assert code in (2, 3) and message in error and error.count("\n") == 1 and not output


def test_unknown_runs_and_states_are_named(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (("runs", "show", "ffffff"), "no run 'ffffff'"),
        (("runs", "show", "../data"), "no run '../data'"),
        (("runs", "list", "--state", "runing"), "did you mean 'running'"),
        (("runs", "lsit"), "did you mean 'list'"),
        (("runs", "list", "--corpus", "nothing"), "no such run"),
    ):
        code, _, error = call(capsys, *arguments)
        assert code == 2 and message in error and error.count("\n") == 1


def test_no_run_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    code, _, error = call(capsys, "runs", "list")
    assert code == 2 and "no run yet" in error and error.count("\n") == 1


def test_a_dry_run_estimates_from_earlier_runs(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = next(home.data.iterdir()).name
    before = sorted(home.runs.iterdir())
    code, output, _ = call(
        capsys, "run", "--task", "recommendation", "--model", "itemknn", "--corpus", corpus, "--dry-run"
    )
    assert code == 0 and ": exists" in output and ": fitted" in output and "setting   neighbours" in output
    assert f"estimate  0 s, from recommendation on {corpus}" in output
    code, output, _ = call(
        capsys, "run", "--task", "recommendation", "--model", "ease", "--corpus", corpus, "--dry-run"
    )
    assert code == 0 and "to be written" in output and "to be fitted" in output
    assert "estimate  none: no earlier result of ease" in output
    assert sorted(home.runs.iterdir()) == before


def test_estimates_prefer_equal_settings_then_size_and_scale_by_interactions(home: Workspace) -> None:
    corpus = Corpus.open(next(home.data.iterdir()))
    result = next(run.result for run in stored_runs(home) if run.spec.fit.model == "itemknn")
    assert result is not None and result.cost is not None
    cost = result.cost.model_copy(update={"fit_seconds": 9.0, "predict_seconds": 1.0})
    half = result.corpus.model_copy(update={"interactions": corpus.manifest.counts.interactions // 2})
    other = result.model_copy(update={"cost": cost, "corpus": half})
    facts = result.model.model_copy(update={"settings": {"neighbours": "7"}})
    changed = result.model_copy(update={"model": facts})
    wanted = Wanted("recommendation", "itemknn")
    interactions = corpus.manifest.counts.interactions
    found = estimate(wanted, interactions, [changed, other])
    assert found is not None and found.same and found.seconds == pytest.approx(20, rel=0.01)
    assert found.fit_seconds == pytest.approx(18, rel=0.01)
    found = estimate(wanted, interactions, [changed])
    assert found is not None and not found.same
    search = result.model_copy(update={"spec": result.spec.model_copy(update={"task": "search"})})
    found = estimate(wanted, interactions, [other, search])
    assert found is not None and found.source is search, "the same size rather than the same task"
    busy = {"cores": 2, "threads": 1, "cpu_seconds": 3.0}
    for load, seconds in ((5.0, 3), (2.0, 9)):
        crowded = result.model_copy(update={"cost": cost.model_copy(update=busy | {"load": load})})
        found = estimate(wanted, interactions, [crowded])
        assert found is not None and found.fit_seconds == seconds, "on a crowded machine by processor time"
    assert estimate(wanted, interactions, []) is None


def test_top_is_the_list_of_the_predictions(home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = next(home.data.iterdir()).name
    rows = read_table(home.runs / key_of(home, "itemknn") / "predictions.parquet").to_pylist()
    for row in (rows[0], rows[-1]):
        user = row["id"].split("/")[3]
        code, output, _ = call(capsys, "top", user, "--model", "itemknn", "--corpus", corpus, "-n", "5")
        listed = re.findall(r"^ +\d+  \S+  (\S+)", output, re.MULTILINE)
        assert code == 0 and listed == row["items"][:5]
        assert f"target  rank {row['rank']:,} of " in output and row["target"] in output.splitlines()[-1]
        assert ("<- target" in output) == (row["target"] in listed)


def test_top_as_a_page(home: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = next(home.data.iterdir()).name
    row = read_table(home.runs / key_of(home, "itemknn") / "predictions.parquet").to_pylist()[0]
    page = tmp_path / "top.html"
    user = row["id"].split("/")[3]
    code, output, _ = call(
        capsys, "top", user, "--model", "itemknn", "--corpus", corpus, "-n", "5", "--html", str(page)
    )
    text = page.read_text(encoding="utf-8")
    assert code == 0 and output.endswith(f"wrote {page}\n")
    listed = re.findall(r'class="name">([^<]+)<', text.partition("<h2>Recommended")[2])
    assert listed == [*row["items"][:5], row["target"]]
    assert f"rank {row['rank']:,} of " in text
    assert 'src="data:image' in text and "http" not in re.sub(r'http-equiv="[^"]*"', "", text), "one file"


def test_the_page_of_a_user_escapes_what_files_say() -> None:
    item = ShownItem("<b>", "a\n<script>", "", 1.0)
    text = personal_page("<i>", [Recommended([item], "<q>", [item], item, 1, 2)])
    assert not re.search("<(script|b|i)>", text) and text.count("&lt;script&gt;") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody", "--model", "itemknn"), "unknown test user 'nobody'"),
        (("x", "--model", "itemkn"), "did you mean 'itemknn'?"),
        (("x", "--model", "bias", "--task", "preference"), "bias cannot serve preference, which requires a Ranker"),
    ],
)
def test_mistakes_of_top_are_one_line(
    home: Workspace, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = call(capsys, "top", *arguments, "--corpus", next(home.data.iterdir()).name)
    assert code == 2 and message in error and error.count("\n") == 1
