"""The command line: one-line errors, exit codes, fast help and lists."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.reports.pretended import make_result, place
from unimp_bench import registry
from unimp_bench.cli.main import main, root
from unimp_bench.corpus import Corpus
from unimp_bench.errors import BenchError
from unimp_bench.reports import store
from unimp_bench.reports.rows.sections import sections

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one call."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


MISTAKES = [
    ("rnu", 2, "did you mean 'run'"),
    ("run --tsk x", 2, "--task"),
    ("run --model bm25", 2, "--task"),
    ("run --task serch --model bm25", 2, "did you mean 'search'"),
    ("run --task search --model bm26", 2, "did you mean 'bm25'"),
    ("run --task search --model recbole:SASRek", 2, ""),
    ("run --task search --model bm25", 2, "make data"),
    ("run --task search --model bm25 --corpus smaple", 2, "unknown corpus 'smaple'"),
    ("run --task search --model bm25 --corpus ./nowhere", 3, "there is no corpus at nowhere"),
    ("run --task search --model bm25 --split lo", 2, "loo"),
    ("run --task search --model bm25 --seed -1", 2, "seed"),
    ("run --task search --model bm25 --set k1", 2, "KEY=VALUE"),
    ("tune --task recommendation --model transition-graf", 2, "did you mean 'transition-graph'"),
    ("tune --task recommendation --model transition-graph --over window", 2, "--over takes KEY=VALUE"),
    ("tune --task recommendation --model transition-graph --over window=,", 2, "--over window has no values"),
    ("tune --task recommendation --model transition-graph --trials 0", 2, "trials"),
    ("list modles", 2, "did you mean 'models'"),
    ("describe task serch", 2, "did you mean 'search'"),
    ("describe tsak search", 2, "did you mean 'task'"),
    ("describe model bm26", 2, "did you mean 'bm25'"),
    ("describe corpus nothing", 2, "unknown corpus 'nothing'"),
    ("data --corpus amazon-2015", 2, "did you mean 'amazon-201"),
    ("data --corpus atomic", 2, "--raw"),
    ("data --corpus atomic --raw /nowhere", 2, "raw folder /nowhere does not exist"),
    ("data --corpus hm --raw . --raw .", 2, "corpus hm is built from a single folder"),
    ("data --raw . --raw .", 2, "files of no known form"),
    ("data --corpus atomic --raw . --name ../x", 2, "letters, digits"),
    ("data --held-out 3", 2, "held-out"),
    ("publish", 2, "--all"),
    ("publish --all", 2, "no finished run"),
    ("publish ../x", 2, "no finished run"),
    ("leaderboard serch", 2, "did you mean 'search'"),
    ("leaderboard ablaton", 2, "did you mean 'ablation'"),
    ("leaderboard search --runs", 2, "no finished run"),
    ("leaderboard --corpus sample", 2, "--corpus needs a TOPIC"),
    ("run --task search --model bm25 --fit-on nosuch", 2, "unknown task 'nosuch'; available: explanation,"),
    ("run --task search --model bm25 --device gpu", 2, "unknown device 'gpu'; available: cpu"),
    ("run --task search --model bm25 --limit 3", 2, "no option '--limit'; 'unimp-bench run --help' lists"),
    ("run --task search --model bm25 --sede 1", 2, "no option '--sede'; did you mean '--seed'?"),
    ("--verson", 2, "did you mean '--version'?"),
    ("audit corpsu", 2, "did you mean 'corpus'?"),
    ("audit nosuch", 2, "available: corpus, table"),
    ("suite search --row nosuch", 2, "'AEM, ZAM without the zero', 'BM25'"),
    ("suite ablaton", 2, "did you mean 'ablation'"),
    ("suite ablation --row UniMQ", 2, "did you mean 'UniMP'"),
    ("suite ablation --task serch", 2, "did you mean 'search'"),
    ("suite ablation", 2, "make data"),
    ("suite ablation --address head:6379", 2, "--address needs --executor ray"),
    ("suite ablation --executor dask", 2, "'processes', 'ray'"),
]


@pytest.mark.parametrize(("line", "code", "message"), MISTAKES, ids=[line for line, *_ in MISTAKES])
def test_a_user_error_is_one_line_with_its_exit_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, code: int, message: str
) -> None:
    got, out, err = call(capsys, *line.split())
    assert got == code, err
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert out == "" and not any(tmp_path.iterdir())


def test_help_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Fit a model on a task" in call(capsys, "--help")[1]
    assert "recommendation" in call(capsys, "list", "tasks")[1]
    assert "recbole:<Model>" in call(capsys, "list", "models")[1]
    assert "make data CORPUS=atomic" in call(capsys, "list", "corpora")[1]
    assert "Table 3" in call(capsys, "list", "suites")[1]
    assert call(capsys, "suite") == call(capsys, "list", "suites")


HEAVY = {"torch", "transformers", "pandas", "pyarrow", "scipy"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "models"], ["list", "corpora"], ["list", "suites"], ["run", "--help"]]
)
def test_help_and_lists_load_no_torch(arguments: list[str]) -> None:
    unwanted = HEAVY | {"numpy"} if arguments == ["--help"] else HEAVY
    script = (
        "import sys\nfrom unimp_bench.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"heavy = {unwanted} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize(
    "arguments",
    [
        "list tasks",
        "list models",
        "list suites",
        "describe model sasrec",
        "describe model unimp",
        "describe task search",
    ],
)
def test_lists_and_descriptions_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, arguments: str
) -> None:
    def said(columns: int) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        code, out, _ = call(capsys, *arguments.split())
        assert code == 0
        assert max(map(len, out.splitlines())) <= columns
        return out

    def letters(text: str) -> Counter[str]:
        return Counter("".join(text.split()))

    assert letters(said(width)) == letters(said(120)), "nothing is cut off"


def test_python_m_runs_the_command() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "unimp_bench", "list", "tasks"], capture_output=True, text=True, check=True
    )
    assert "recommendation" in answer.stdout


def test_messages_name_the_options_of_the_caller(
    capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options for callers of the command, variables for callers of ``make data``."""
    for arguments, option, variable in (
        ("data --corpus atomic", "--raw <folder>", "RAW=<folder>"),
        ("data --held-out 3", "'--held-out'", "'HELD_OUT'"),
        ("data --core -1", "'--core'", "'CORE'"),
        ("data --corpus smaple --name ../x", "did you mean 'sample'", "did you mean 'sample'"),
    ):
        monkeypatch.delenv("UNIMP_BENCH_MAKE", raising=False)
        _, _, err = call(capsys, *arguments.split())
        assert option in err and (option == variable or variable not in err)
        monkeypatch.setenv("UNIMP_BENCH_MAKE", "1")
        _, _, err = call(capsys, *arguments.split())
        assert variable in err and (option == variable or option not in err)
    made = subprocess.run(
        ["make", "--dry-run", "data", "CORPUS=atomic", "VENV=/nowhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "UNIMP_BENCH_MAKE=1 /nowhere/bin/unimp-bench data --corpus atomic" in made.stdout


def test_showing_a_table_writes_no_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards = tmp_path / "leaderboards"
    place(boards, make_result("a", np.array([1, 2, 300])))
    place(boards, make_result("a", np.array([1, 2, 300]), corpus="other"))
    before = sorted(boards.rglob("*"))
    code, out, _ = call(capsys, "leaderboard", "search", "--corpus", "toy")
    assert code == 0 and "toy, split loo" in out and "other" not in out and "wrote" not in out
    assert sorted(boards.rglob("*")) == before
    code, out, err = call(capsys, "leaderboard", "search", "--corpus", "ohter")
    assert (code, out) == (2, "") and "corpus 'ohter'; did you mean 'other'?" in err
    code, out, err = call(capsys, "leaderboard", "search", "--corpus", "nosuch")
    assert (code, out) == (2, "") and "'nosuch'; available: other, toy" in err
    grouped = []
    monkeypatch.setattr(store, "sections", lambda results, card: grouped.append(card.name) or sections(results, card))
    code, out, _ = call(capsys, "leaderboard", "search", "--write")
    assert code == 0 and "toy, split loo" in out and (boards / "search.md").is_file()
    assert sorted(grouped) == sorted(registry.task_cards()), "each table is computed once"


def test_a_run_a_publication_and_its_table(capsys: pytest.CaptureFixture[str], planted: Corpus, tmp_path: Path) -> None:
    run = ["run", "--task", "search", "--model", "bm25", "--corpus", str(planted.folder)]
    code, out, err = call(capsys, *run)
    assert code == 0, err
    assert "HR@5" in out and "written" in out
    assert all(line.startswith("bm25: ") for line in err.splitlines()), "what takes seconds is said, and nothing else"
    assert "exists already" in call(capsys, *run)[1]
    assert "--fresh reruns it; note added\n" in call(capsys, *run, "--note", "by night")[1]
    assert "--fresh reruns it; note already present\n" in call(capsys, *run, "--note", "by night")[1]
    key = next(tmp_path.glob("runs/*/result.json")).parent.name
    assert call(capsys, "publish", key[:8], "--dirty")[0] == 0
    assert "\n|  | BM25 | " in (tmp_path / "leaderboards" / "search" / f"{planted.name}.md").read_text()
    assert "BM25" in call(capsys, "leaderboard", "search")[1]


def test_descriptions(capsys: pytest.CaptureFixture[str], planted: Corpus) -> None:
    _, out, _ = call(capsys, "describe", "task", "search", "--example", "3", "--corpus", str(planted.folder))
    assert "Can you retrieve the items that aligns with both the user's history and the given query?" in out
    assert "k1" in call(capsys, "describe", "model", "bm25")[1]
    out = call(capsys, "describe", "model", "sasrec")[1]
    assert "one of ce, original" in out, "the choices of a setting"
    assert "  ce        the settings above" in out, "and what a preset sets"
    assert "  original  batch_size=128, width=50, inner=50, heads=1, form=original" in out
    assert "windows of users' sequences per step" in out and "see the module" not in out.lower()
    assert "a causal transformer pre-trained to predict items" in call(capsys, "describe", "model", "s3rec")[1]
    code, out, _ = call(capsys, "describe", "corpus", str(planted.folder), "--verify")
    assert code == 0 and planted.fingerprint in out and "match their hashes" in out
    code, _, err = call(capsys, "describe", "task", "search", "--example", "9999", "--corpus", str(planted.folder))
    assert code == 2 and "numbered from 0" in err


@pytest.mark.parametrize("error", [SystemError("of an extension"), BenchError("of a wrapped import")])
def test_an_interrupt_that_a_library_turns_into_its_own_error_is_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(**_: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise error from None

    monkeypatch.setattr(root, "main", interrupted)
    code, _, err = call(capsys, "list")
    assert (code, err) == (130, "error: interrupted; the same command resumes\n")


def test_an_interrupt_leaves_one_line_and_no_result(planted: Corpus, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "unimp_bench.cli.main", "run", "--task", "search", "--model", "unimp"]
    with subprocess.Popen(
        [*command, "--corpus", str(planted.folder)], stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        fits = tmp_path / "runs" / "fits"
        while process.poll() is None and not list(fits.glob("*/work")):
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    # Where the interrupt fell into code that an extension runs on import, Python itself ends by SIGINT: 130 to a shell.
    assert process.returncode in (130, -signal.SIGINT)
    assert err.strip().splitlines()[-1].startswith("error: interrupted")
    assert "Traceback" not in err and not list(tmp_path.rglob("result.json"))
