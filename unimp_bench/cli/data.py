"""``unimp-bench data``: raw files to a corpus."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import click

from unimp_bench import registry
from unimp_bench.corpus import Corpus, Manifest
from unimp_bench.errors import UsageError
from unimp_bench.names import find
from unimp_bench.paths import Workspace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RAW = "raw"
"""The folder in data/ for what is downloaded."""


@click.command("data")
@click.option("--corpus", default="sample", show_default=True, help="What to build; see 'unimp-bench list corpora'.")
@click.option(
    "--raw",
    "raws",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of the raw files, instead of a download; of atomic files several, a domain each.",
)
@click.option("--domain", "domains", multiple=True, help="Build from this domain only; may be given more than once.")
@click.option("--mirror", envvar="UNIMP_BENCH_MIRROR", help="Download from this address instead of the usual hosts.")
@click.option("--pictures", is_flag=True, help="Fetch the items' pictures by the addresses in their metadata.")
@click.option("--allow-private", is_flag=True, help="Fetch pictures from private and local addresses as well.")
@click.option("--sentires", type=click.Path(path_type=Path), help="Folder of Sentires' reviews_<Domain>.pickle files.")
@click.option("--name", help="Name of the corpus in data/; the kind's own name where none is given.")
@click.option("--held-out", type=click.FloatRange(0, 0.9), help="Share of users for the new-user split.")
@click.option("--core", type=click.IntRange(min=0), help="Fewest interactions of a user and of an item.")
def command(
    corpus: str,
    raws: tuple[Path, ...],
    domains: tuple[str, ...],
    mirror: str | None,
    pictures: bool,
    allow_private: bool,
    sentires: Path | None,
    name: str | None,
    held_out: float | None,
    core: int | None,
) -> None:
    """Build a corpus into data/NAME, from raw files that are downloaded into data/raw where none are named."""
    card = find(registry.corpus_cards(), corpus, "corpus")
    if card.needs_raw and not raws:
        hint = f" ({card.obtain})" if card.obtain else ""
        raise UsageError(f"{corpus} is built from raw files{hint}: name their folder with --raw <folder>")
    for folder in raws:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}")
    if name is not None and (not NAME.fullmatch(name) or name == RAW):
        raise UsageError(f"a corpus name has letters, digits, '.', '_' and '-', and is not {RAW!r}; {name!r} is none")
    if allow_private and not pictures:
        raise UsageError("--allow-private is about the addresses of pictures; add --pictures")
    room = importlib.import_module("data_prep.build")
    chosen = {"held_out": held_out, "user_core": core, "item_core": core}
    given = {key: value for key, value in chosen.items() if value is not None}
    options = dataclasses.replace(room.BuildOptions.usual(card), **given)
    workspace = Workspace.here()
    raw, further = (raws[0], raws[1:]) if raws else (None, ())
    if raw is None and card.download is not None:
        release = registry.load(card.download)
        raw, domains = workspace.data / RAW / corpus, release.choose(domains)
        click.echo(f"raw files of {', '.join(domains)} in {raw}; what is missing is fetched")
        release.fetch(domains, raw, mirror)
    manifest = room.build_corpus(
        corpus,
        workspace.data / (name or corpus),
        raw,
        options,
        further=further,
        domains=domains,
        pictures=room.PictureLimits(allow_private=allow_private) if pictures else None,
        sentires=sentires,
    )
    _tell(workspace.data / (name or corpus), manifest)


def _tell(folder: Path, manifest: Manifest) -> None:
    counts = manifest.counts
    click.echo(
        f"built {folder}: {counts.users:,} users, {counts.items:,} items, {counts.interactions:,} interactions, "
        f"{counts.pictures:,} pictures, {counts.explanations:,} explanations"
    )
    for kind, bad in manifest.bad_lines.items():
        click.echo(f"  skipped {bad.count:,} x {kind}, first at {', '.join(bad.first)}")
    click.echo(f"  fingerprint {manifest.fingerprint}")
    if manifest.source.startswith("mcauley-"):
        table = importlib.import_module("data_prep.table5").table5(Corpus.open(folder))
        if table is not None:
            click.echo(f"\nBeside Table 5 of the UniMP paper:\n{table}")
