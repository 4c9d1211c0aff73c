"""The preset ``tuned``: chosen settings, found by the corpus's fingerprint; not part of any key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from unimp_bench import registry
from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.reports.rows.labels import label_of
from unimp_bench.runs.identity import fit_fingerprint
from unimp_bench.runs.plan import Budget, cells
from unimp_bench.runs.results import Result
from unimp_bench.runs.runner import RunRequest, planned
from unimp_bench.runs.suites import SUITES
from unimp_bench.runs.tuned import Trial, Tuned, find_tuned, place
from unimp_bench.runs.tuning import space_of

MODEL = "transition-graph"
SEARCH = ["--task", "recommendation", "--model", MODEL, "--protocol", "paper"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    return Workspace(tmp_path)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


def test_tune_then_run(planted: Corpus, home: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = ["--corpus", str(planted.folder)]
    code, _, err = call(capsys, "run", *SEARCH, *corpus, "--preset", "tuned")
    assert code == 2 and err.startswith("error: no tuned configuration of transition-graph for recommendation on")
    assert "unimp-bench tune --task recommendation --model transition-graph --corpus planted" in err
    options = ["--over", "window=1,3", "--over", "reverse=0", "--set", "decay=0.9"]
    code, out, err = call(capsys, "tune", *SEARCH, *corpus, *options)
    assert code == 0, err
    assert err.count("  trial ") == 4 and "trial 4 of 4: window=1, reverse=0.0: 0." in err
    assert "Scores are validation NDCG@10 under protocol paper" in err
    assert out.startswith("VALIDATION NDCG@10  SECONDS  window  reverse\n")
    assert out.rstrip().endswith(f"--model {MODEL} --corpus {planted.folder} --protocol paper --preset tuned")
    scores = [float(line.split()[0]) for line in out.splitlines() if line.startswith("0.")]
    assert len(scores) == 4 and scores == sorted(scores, reverse=True)
    tuned = Tuned.read(home.leaderboards / "tuned" / "recommendation" / "planted" / "transition-graph.json")
    assert tuned.settings == {"decay": 0.9, "window": 1, "reverse": 0.0} and tuned.fixed == {"decay": 0.9}
    assert (
        tuned.fingerprint == fit_fingerprint(planted, registry.model_card(MODEL).reads, ("recommendation",))
        and len(tuned.trials) == 4
    )
    assert "--over window=1,3" in tuned.provenance.command and "/" not in tuned.provenance.command
    code, out, err = call(capsys, "run", *SEARCH, *corpus, "--preset", "tuned")
    assert code == 0, err
    fits = [path.name for path in home.fits.iterdir()]
    (path,) = home.runs.glob("*/result.json")
    result = Result.read(path)
    assert len(fits) == 4 and result.spec.fit.key in fits, "the run finds the fit of the search"
    assert result.tuning is not None and result.tuning.trials == 4
    assert result.tuning.seconds == pytest.approx(sum(trial.seconds for trial in tuned.trials), abs=1e-3)
    assert label_of(result) == "transition-graph (tuned)" and "--preset tuned" in result.provenance.command
    code, out, _ = call(capsys, "describe", "model", MODEL)
    assert "planted, recommendation  decay=0.9, window=1, reverse=0.0" in out and "best of 4 trials" in out


def test_a_smaller_search_keeps_the_trials_of_a_larger_one(
    planted: Corpus, home: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    question = ["tune", *SEARCH, "--corpus", str(planted.folder)]
    path = place(home, "recommendation", "planted", MODEL, "paper")
    assert call(capsys, *question, "--over", "window=1,3,10", "--over", "damping=0")[0] == 0
    larger = Tuned.read(path)
    code, out, err = call(capsys, *question, "--over", "damping=0.3", "--trials", "1")
    assert code == 0 and f"Kept the {len(larger.trials)} trials of {path} and added 1." in err
    joined = Tuned.read(path)
    assert joined.trials[:-1] == larger.trials and len(out.split("\n\n")[0].splitlines()) >= len(joined.trials)
    assert max(trial.score or 0 for trial in joined.trials) >= max(trial.score or 0 for trial in larger.trials)
    again = call(capsys, *question, "--over", "window=1", "--over", "damping=0", "--trials", "1")
    assert again[0] == 0 and Tuned.read(path) == joined, "what adds no trial changes nothing, its command included"
    before = path.read_bytes()
    fits = set(home.fits.iterdir())
    for change, named in {("--seed", "1"): "another seed", ("--set", "decay=0.9"): "other fixed settings"}.items():
        code, _, err = call(capsys, *question, *change)
        assert code == 2 and f"holds a search of {len(joined.trials)} trials with {named}; --replace replaces" in err
    assert path.read_bytes() == before and set(home.fits.iterdir()) == fits, "refused before any trial"
    code, out, _ = call(capsys, *question, "--seed", "1", "--trials", "1", "--replace")
    assert code == 0 and len(Tuned.read(path).trials) == 1 and Tuned.read(path).seed == 1
    assert "best of 1 trial)" in call(capsys, "describe", "model", MODEL)[1]
    found = Tuned.read(path)
    found.model_copy(update={"versions": {"model": 2}}).write(path)
    code, _, err = call(capsys, *question, "--seed", "1", "--trials", "1")
    assert code == 2 and "holds a search of 1 trial with another version of the model" in err


def test_a_failed_trial_replaces_no_score(planted: Corpus, home: Workspace) -> None:
    search = Tuned.read(kept(planted, home))
    scored = search.model_copy(update={"trials": (Trial(values={"window": 1}, score=0.5),)})
    failed = search.model_copy(update={"trials": (Trial(values={"window": 1}, failed="no memory"),)})
    assert failed.joined(scored).trials == scored.trials and scored.joined(failed).trials == scored.trials


def test_of_searches_under_two_corpus_names_the_better_is_used(planted: Corpus, home: Workspace) -> None:
    path = kept(planted, home, window=1)
    worse = Tuned.read(path).model_copy(update={"trials": (Trial(values={}, score=0.1),)})
    better = worse.model_copy(update={"trials": (Trial(values={}, score=0.2),), "settings": {"window": 2}})
    for name, search in {"another": worse, "planted": better, "third": worse}.items():
        (path.parent.with_name(name)).mkdir(exist_ok=True)
        search.write(path.parent.with_name(name) / path.name)
    assert find_tuned(home, "recommendation", MODEL, planted, "paper") == better


def kept(corpus: Corpus, home: Workspace, model: str = MODEL, **settings: object) -> Path:
    """An artificial search."""
    path = place(home, "recommendation", corpus.name, model, "paper")
    content = {
        "task": "recommendation",
        "model": model,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "settings": settings,
        "trials": [],
        "seed": 0,
        "provenance": {"command": "", "commit": "", "clean": True, "versions": {}, "machine": "", "time": ""},
    }
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return path


def test_the_preset_has_the_key_of_the_same_explicit_settings(planted: Corpus, home: Workspace) -> None:
    kept(planted, home, window=2, damping=0.5)
    request = RunRequest("recommendation", MODEL, planted.folder)
    by_hand = {"window": "2", "damping": "0.5"}
    preset = planned(RunRequest("recommendation", MODEL, planted.folder, preset="tuned"), home)
    hand = planned(RunRequest("recommendation", MODEL, planted.folder, settings=by_hand), home)
    assert preset.spec == hand.spec and preset.spec.key != planned(request, home).spec.key
    over = RunRequest("recommendation", MODEL, planted.folder, preset="tuned", settings={"window": "5"})
    assert planned(over, home).model.config.window == 5, "what is set by hand comes last"
    noisy = RunRequest("recommendation", MODEL, planted.folder, preset="tuned", views=("NT",))
    assert planned(noisy, home).model.config.window == 2


def test_searches_are_found_by_fingerprint(planted: Corpus, home: Workspace, tmp_path: Path) -> None:
    path = kept(planted, home, window=2)
    shutil.move(path.parent, path.parent.with_name("another"))
    assert find_tuned(home, "recommendation", MODEL, planted, "paper") is not None
    assert find_tuned(home, "recommendation", MODEL, planted, "masked") is None
    assert find_tuned(home, "search", MODEL, planted, "paper") is None
    assert find_tuned(home, "recommendation", MODEL, view_of(planted, View.parse("NT")), "paper") is None


def test_damaged_files_and_unknown_settings_are_one_line_errors(planted: Corpus, home: Workspace) -> None:
    request = RunRequest("recommendation", MODEL, planted.folder, preset="tuned")
    path = kept(planted, home, windw=2)
    with pytest.raises(UsageError, match="did you mean 'window'"):
        planned(request, home)
    path.write_text("{")
    with pytest.raises(DataError, match="is not a tuned configuration"):
        planned(request, home)


def test_names_of_family_models_become_plain_file_names(home: Workspace) -> None:
    assert place(home, "recommendation", "toy", "recbole:BPR", "paper").name == "recbole.BPR.json"
    assert place(home, "recommendation", "toy", "mf", "masked").name == "mf@masked.json"


def test_baselines_of_a_suite_run_as_they_were_tuned(planted: Corpus, home: Workspace) -> None:
    search = Tuned.read(kept(planted, home, window=2)).model_copy(update={"protocol": "masked"})
    search.write(place(home, "recommendation", "planted", MODEL, "masked"))
    found = cells(SUITES["new_user"], planted.folder, ("recommendation",), 1, Budget(), home)
    presets = {cell.row.model: cell.request.preset for cell in found}
    assert presets[MODEL] == "tuned" and presets["popularity"] is None and presets["unimp"] is None


@pytest.mark.parametrize("name", [card.name for card in registry.model_cards().values() if card.variant is None])
def test_models_accept_every_value_of_their_spaces(name: str) -> None:
    model = registry.make_model(name)
    if model.space:
        space = space_of(name, {}, {})
        for key, values in model.space.items():
            listed = [list(value) if isinstance(value, tuple) else value for value in values]
            assert len(space.values[key]) >= 2 and all(value in space.values[key] for value in listed)
