"""Packs what the benchmark on a GPU reads into one folder: ``python -m benchmarks.gpu.pack CORPUS --out FOLDER``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from unimp_bench.cli.common import corpus_folder
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.stored import set_folder
from unimp_bench.corpus.writer import FEATURES
from unimp_bench.errors import BenchError, UsageError
from unimp_bench.files import Workspace

LIMIT_MIB = 60
_LEFT_OUT = shutil.ignore_patterns(FEATURES, "cache", ".*", "*.md")


@click.command("pack")
@click.argument("corpus")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder: a workspace.")
@click.option("--features", multiple=True, metavar="NAME", help="Stored features that travel along; repeatable.")
def command(corpus: str, out: Path, features: tuple[str, ...]) -> None:
    """Copy CORPUS, without its other features, into a workspace below 60 MiB that can be taken to another machine."""
    try:
        size = pack(corpus_folder(corpus, Workspace.here()), out, features)
    except BenchError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out}: {size:.1f} MiB; there: UNIMP_BENCH_HOME={out} python -m benchmarks gpu.training")


def pack(corpus: Path, out: Path, features: tuple[str, ...] = ()) -> float:
    """Copy a corpus and some of its features into the workspace ``out``; returns its size in MiB.

    Raises:
        UsageError: ``out`` is there, features are not, or the folder would be too large; nothing is left then.
    """
    name = Corpus.open(corpus).name
    if out.exists():
        raise UsageError(f"{out} is there already; name another folder")
    for each in features:
        if not set_folder(corpus, each).is_dir():
            raise UsageError(f"corpus {name} has no features {each!r}; 'unimp-bench features list' shows those it has")
    target = out / "data" / name
    try:
        shutil.copytree(corpus, target, ignore=_LEFT_OUT)
        for each in features:
            shutil.copytree(set_folder(corpus, each), set_folder(target, each))
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 2**20
        if size > LIMIT_MIB:
            raise UsageError(
                f"{name} takes {size:.0f} MiB, more than {LIMIT_MIB}: pack a corpus without pictures, or fewer features"
            )
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return size


if __name__ == "__main__":
    command(prog_name="python -m benchmarks.gpu.pack")
