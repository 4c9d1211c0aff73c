"""The command line: ``python -m benchmarks NAME``, and ``python -m benchmarks page``."""

from __future__ import annotations

import os

# Before any import of NumPy, which fixes its number of threads.
os.environ |= {
    name: os.environ.get("OMP_NUM_THREADS", "1")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}
os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import click

from benchmarks import BENCHMARKS
from benchmarks.harness import PAGE, RESULTS, command_named, page, text_of
from unimp_bench.errors import BenchError
from unimp_bench.files import write_atomically


class _Benchmarks(click.Group):
    """The benchmarks by name, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BENCHMARKS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return command_named(cmd_name) if cmd_name in BENCHMARKS else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Benchmarks"):
            formatter.write_dl([(name, text_of(name)[0]) for name in BENCHMARKS])
        with formatter.section("Page"):
            formatter.write_dl([("page", "Write docs/speed.md from the records.")])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Benchmarks)
def root() -> None:
    """Measure speed and memory, with one thread per side unless OMP_NUM_THREADS is set."""


@root.command("page")
def page_command() -> None:
    """Write docs/speed.md from the records."""
    write_atomically(PAGE, page(RESULTS))


if __name__ == "__main__":
    root(prog_name="python -m benchmarks")
