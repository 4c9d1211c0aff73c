"""The command ``unimp-bench``: turns errors into one line and an exit code, imports commands on use.

Exit codes: 0 success; 1 failed runs of a suite, a published result not reproduced, an inconsistent row of an audited
table, or a problem of a checked result; 2 unknown name or option; 3 invalid file or corpus; 4 missing package; 5 broken
model contract; 6 locked by another process; 130 interrupted. Anything else is a defect of unimp-bench and shows its
traceback.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from unimp_bench import __version__
from unimp_bench.cli import Group
from unimp_bench.errors import BenchError, nearest
from unimp_bench.files import disk_error
from unimp_bench.machine import helping, share_cores
from unimp_bench.progress import nothing_goes_on

_LEVELS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hide warnings and log lines of libraries, except errors, within the block that imports them."""
    if sys.warnoptions:
        yield
        return
    levels = dict(_LEVELS)
    if not sys.stderr.isatty():
        levels["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # transformers' bars too; a log file would keep every state
    own = [name for name in levels if name not in os.environ]
    os.environ.update({name: levels[name] for name in own})
    handler = logging.NullHandler()  # without a handler, logging prints warnings to the terminal
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            # Not a filter: libraries insert theirs before it when they are imported.
            warnings.showwarning = lambda *_, **__: None
            yield
    finally:
        logging.getLogger().removeHandler(handler)
        for name in own:
            os.environ.pop(name, None)


COMMANDS = {
    "data": "Build a corpus from raw files, or the built-in sample.",
    "run": "Fit a model on a task and score it on the test part.",
    "tune": "Search settings of a model on validation, and store the best for a corpus.",
    "suite": "Run all rows of a table, such as the ablations.",
    "runs": "List, show, compare, complete and remove runs.",
    "top": "Show what a model recommends to one user.",
    "features": "Compute, list, import or export features of a corpus's items.",
    "ids": "Make, list, import or export semantic ids of a corpus's items.",
    "score": "Score a prediction file of an external system.",
    "judge": "Score explanations of finished runs by a language model with a rubric, and test it.",
    "ensemble": "Mix the rankings of finished runs, with weights chosen on validation.",
    "draw": "Generate pictures of the items that users may mean by a query.",
    "list": "List tasks, models, corpora or suites.",
    "describe": "Show details of a task, model or corpus.",
    "export": "Export the examples of tasks as instruction datasets.",
    "publish": "Copy results of runs into leaderboards/ and write its pages.",
    "leaderboard": "Show a table of published results or of your runs, or write all pages.",
    "audit": "Measure shortcuts and leakage in a corpus, or test the consistency of a printed table.",
    "check-results": "Check results that are added to leaderboards/, as in a pull request.",
    "reproduce": "Rerun a published result from its specification and compare.",
    "resources": "Show or install resources of METEOR (WordNet) and BERTScore (encoder).",
}
INTERRUPTED = 130
MADE = "UNIMP_BENCH_MAKE"
"""Set by ``make data``: error messages then name RAW=<folder>, not --raw <folder>."""

_OF_MAKE = re.compile(r"--(corpus|raw|name|held-out|core|domain|mirror|pictures)\b( <)?")


_RESUMES = "interrupted; the same command resumes"

_asked_to_end = threading.Event()
"""Set once the process was asked to terminate."""


class _Commands(Group):
    """Subcommands by name, each in a module that is imported when the command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"unimp_bench.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except EOFError as error:  # a defect or a damaged file; click would treat it as an interrupted prompt
            raise RuntimeError("a file ended too early") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="unimp-bench")
def root() -> None:
    """Benchmark models of multi-modal personalization and generate leaderboards."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script; always calls ``sys.exit``."""
    _asked_to_end.clear()
    signal.signal(signal.SIGTERM, _terminated)
    if helping():
        sys.stdout = io.StringIO()  # the main process prints the same
    share_cores(os.environ)
    try:
        with quiet_libraries():
            root.main(args=arguments, prog_name="unimp-bench", standalone_mode=False)
    except BenchError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.NoSuchOption as error:
        _fail(_no_such_option(error), error.exit_code)
    except click.ClickException as error:
        _fail(" ".join(error.format_message().split()), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail(_RESUMES, INTERRUPTED)
    except Exception as error:
        message = _of_system(error)
        if message is None and not _asked_to_end.is_set():
            raise
        _fail(message or _RESUMES, 3)
    sys.exit(0)


def _no_such_option(error: click.NoSuchOption) -> str:
    """The message for an unknown option: the nearest one, or the command that lists them."""
    known: set[str] = set()
    if error.ctx is not None:
        known.update(*(parameter.opts for parameter in error.ctx.command.get_params(error.ctx)))
    near = nearest(error.option_name.lstrip("-"), [name.lstrip("-") for name in known])
    owner = "unimp-bench" if error.ctx is None else error.ctx.command_path
    hint = f"did you mean '--{near}'?" if near else f"'{owner} --help' lists its options"
    return f"{owner} has no option {error.option_name!r}; {hint}"


def _of_system(error: Exception) -> str | None:
    """The operating system's message on a file, disk or network; None for other errors."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    number = disk_error(error)
    return None if number is None else os.strerror(number)


def _fail(message: str, code: int) -> None:
    if _asked_to_end.is_set():  # a library that is interrupted, as in an import, may fail by an error of its own
        message, code = _RESUMES, INTERRUPTED
    if MADE in os.environ:
        message = _OF_MAKE.sub(lambda found: found[1].upper().replace("-", "_") + ("=<" if found[2] else ""), message)
    nothing_goes_on()
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


def _terminated(number: int, frame: FrameType | None) -> None:
    _asked_to_end.set()
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
