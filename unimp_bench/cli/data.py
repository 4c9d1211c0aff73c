"""``unimp-bench data``: raw files to a corpus."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import click

from unimp_bench import registry
from unimp_bench.errors import UsageError
from unimp_bench.names import find
from unimp_bench.paths import Workspace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@click.command("data")
@click.option("--corpus", default="sample", show_default=True, help="What to build; see 'unimp-bench list corpora'.")
@click.option("--raw", type=click.Path(path_type=Path), help="Folder of the raw files.")
@click.option("--name", help="Name of the corpus in data/; the kind's own name where none is given.")
@click.option("--held-out", type=click.FloatRange(0, 0.9), help="Share of users for the new-user split.")
@click.option("--core", type=click.IntRange(min=0), help="Fewest interactions of a user and of an item.")
def command(corpus: str, raw: Path | None, name: str | None, held_out: float | None, core: int | None) -> None:
    """Build a corpus into data/NAME."""
    card = find(registry.corpus_cards(), corpus, "corpus")
    if card.needs_raw and raw is None:
        raise UsageError(f"{corpus} is built from raw files: name their folder (RAW=<folder>, or --raw <folder>)")
    if raw is not None and not raw.is_dir():
        raise UsageError(f"there is no folder {raw}")
    if name is not None and not NAME.fullmatch(name):
        raise UsageError(f"a corpus name has letters, digits, '.', '_' and '-'; {name!r} has others")
    folder = Workspace.here().data / (name or corpus)
    room = importlib.import_module("data_prep.build")
    chosen = {"held_out": held_out, "user_core": core, "item_core": core}
    given = {key: value for key, value in chosen.items() if value is not None}
    options = dataclasses.replace(room.BuildOptions.usual(card), **given)
    manifest = room.build_corpus(corpus, folder, raw, options)
    counts = manifest.counts
    click.echo(
        f"built {folder}: {counts.users:,} users, {counts.items:,} items, {counts.interactions:,} interactions, "
        f"{counts.pictures:,} pictures"
    )
    for kind, bad in manifest.bad_lines.items():
        click.echo(f"  skipped {bad.count:,} x {kind}, first at {', '.join(bad.first)}")
    click.echo(f"  fingerprint {manifest.fingerprint}")
