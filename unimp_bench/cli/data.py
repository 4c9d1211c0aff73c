"""``unimp-bench data``: build a corpus from raw files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unimp_bench import registry
from unimp_bench.corpus import Corpus, Manifest
from unimp_bench.errors import DataError, UsageError, find
from unimp_bench.files import Workspace

if TYPE_CHECKING:
    from data_prep.public import PublicCorpus

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RAW = "raw"
"""Folder of downloads in data/."""


@click.command("data")
@click.option(
    "--corpus",
    help="Kind of corpus, or name of a published one; see 'unimp-bench list corpora'. [default: the kind of the files "
    "in --raw, or sample]",
)
@click.option(
    "--raw",
    "raws",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of raw files, instead of a download; repeatable for atomic files, one domain per folder.",
)
@click.option("--domain", "domains", multiple=True, help="Build this domain only; repeatable.")
@click.option("--mirror", envvar="UNIMP_BENCH_MIRROR", help="Alternative address, or folder, for downloads.")
@click.option("--pictures", is_flag=True, help="Download the item pictures named in the metadata.")
@click.option("--allow-private", is_flag=True, help="Also download pictures from private and local addresses.")
@click.option(
    "--sentires",
    type=click.Path(path_type=Path),
    help="Folder of Sentires' reviews_<Domain>.pickle files, for explanations.",
)
@click.option("--name", help="Name of the corpus in data/ (default: the kind, and -file with --ties file).")
@click.option("--held-out", type=click.FloatRange(0, 0.9), help="Share of users for the new-user split.")
@click.option("--core", type=click.IntRange(min=0), help="Minimum number of interactions per user and item (k-core).")
@click.option("--repeats", is_flag=True, help="Keep repeated interactions of a user with an item, not only the first.")
@click.option(
    "--ties",
    type=click.Choice(["hash", "file"]),
    help="Order of a user's interactions of one time: by a hash of user and item (default), or as in the raw file.",
)
@click.option("--optional", is_flag=True, help="Also download the optional files of a published corpus.")
@click.option("--partial", is_flag=True, help="Build from the available part of a truncated raw file.")
def command(
    corpus: str | None,
    raws: tuple[Path, ...],
    domains: tuple[str, ...],
    mirror: str | None,
    pictures: bool,
    allow_private: bool,
    sentires: Path | None,
    name: str | None,
    held_out: float | None,
    core: int | None,
    repeats: bool,
    ties: str | None,
    optional: bool,
    partial: bool,
) -> None:
    """Build a corpus in data/NAME, from RAW or from files downloaded into data/raw."""
    for folder in raws:
        if not folder.is_dir():
            raise UsageError(f"raw folder {folder} does not exist")
    if corpus is None and raws:
        from data_prep.build import recognised

        corpus = recognised(raws[0])
        click.echo(f"{raws[0]} has files of the kind {corpus}")
    corpus = corpus or "sample"
    public = registry.public_corpora().get(corpus)
    if public is not None:
        fixed = {
            "--domain": domains,
            "--pictures": pictures,
            "--sentires": sentires,
            "--held-out": held_out is not None,
            "--core": core is not None,
            "--repeats": repeats,
            "--ties": ties,
            "--partial": partial,
        }
        for option, value in fixed.items():
            if value:
                raise UsageError(f"corpus {corpus} is built as published: omit {option}")
        _build_public(public, raws, mirror, _checked(name), optional)
        return
    card = find(registry.corpus_cards() | registry.public_corpora(), corpus, "corpus")
    if optional:
        raise UsageError(f"--optional is for published corpora, and {corpus} is none")
    if card.needs_raw and not raws:
        hint = f" ({card.obtain})" if card.obtain else ""
        raise UsageError(f"{corpus} is built from raw files{hint}: give their folder with --raw <folder>")
    name = _checked(name)
    if allow_private and not pictures:
        raise UsageError("--allow-private needs --pictures")

    from data_prep.build import BuildOptions, PictureLimits, build_corpus

    chosen = {"held_out": held_out, "user_core": core, "item_core": core, "ties": ties}
    given: dict[str, Any] = {key: value for key, value in chosen.items() if value is not None}
    given |= {"repeats": repeats, "partial": partial}
    options = dataclasses.replace(BuildOptions.usual(card), **given)
    workspace = Workspace.here()
    raw, further = (raws[0], raws[1:]) if raws else (None, ())
    if raw is None and card.download is not None:
        release = registry.load(card.download)
        raw, domains = workspace.data / RAW / corpus, release.choose(domains)
        click.echo(f"raw files of {', '.join(domains)} in {raw}; missing ones are downloaded")
        release.fetch(domains, raw, mirror)
    folder = workspace.data / (name or (f"{corpus}-file" if options.ties == "file" else corpus))
    earlier = _earlier(folder)
    manifest = build_corpus(
        corpus,
        folder,
        raw,
        options,
        further=further,
        domains=domains,
        pictures=PictureLimits(allow_private=allow_private) if pictures else None,
        sentires=sentires,
    )
    _report(folder, manifest, earlier)


def _build_public(
    corpus: PublicCorpus, raws: tuple[Path, ...], mirror: str | None, name: str | None, optional: bool
) -> None:
    """Build a published corpus from its public files, downloaded or in a folder of the user."""
    from data_prep.build import build_public
    from data_prep.public.files import check_files, gather

    workspace = Workspace.here()
    if len(raws) > 1:
        raise UsageError(f"corpus {corpus.name} is built from a single folder of raw files")
    if raws:
        raw = raws[0]
        check_files(corpus, raw)
    elif corpus.without_address:
        wanted = ", ".join(f"{file.name} ({file.obtain})" for file in corpus.without_address)
        raise UsageError(f"{corpus.name} needs {wanted}: give their folder with --raw <folder>")
    else:
        raw = workspace.data / RAW / corpus.raw
        click.echo(f"files of {corpus.name} in {raw}; missing ones are downloaded")
        gather(corpus, raw, mirror, optional=optional)
    folder = workspace.data / (name or corpus.name)
    earlier = _earlier(folder)
    manifest = build_public(corpus, folder, raw)
    _report(folder, manifest, earlier)
    for part in corpus.parts:
        same = manifest.parts[part.part] == part.fingerprint
        click.echo(f"  {part.part}: {'as published' if same else f'not as published ({part.about})'}")
        if part.same and not same:
            raise DataError(f"{part.part} of {folder} differ from those of the published corpus")


def _checked(name: str | None) -> str | None:
    """A name for a corpus.

    Raises:
        UsageError: it cannot be the name of a folder of data/.
    """
    if name is not None and (not NAME.fullmatch(name) or name == RAW):
        raise UsageError(f"invalid corpus name {name!r}: use letters, digits, '.', '_' and '-', and not {RAW!r}")
    return name


def _earlier(folder: Path) -> Manifest | None:
    """The manifest of the corpus that a build will replace, None if there is no readable one."""
    try:
        return Manifest.read(folder)
    except DataError:
        return None


def _report(folder: Path, manifest: Manifest, earlier: Manifest | None) -> None:
    """Print what was built, merged and dropped."""
    counts = manifest.counts
    click.echo(
        f"built {folder}: {counts.users:,} users, {counts.items:,} items, {counts.interactions:,} interactions, "
        f"{counts.pictures:,} pictures, {counts.explanations:,} explanations"
    )
    for line in _account(manifest):
        click.echo(f"  {line}")
    if earlier is not None:
        click.echo(f"  {_replaced(manifest, earlier)}")
    click.echo(f"  fingerprint {manifest.fingerprint}")
    if manifest.source.startswith("mcauley-"):
        from data_prep.table5 import table5

        table = table5(Corpus.open(folder))
        if table is not None:
            click.echo(f"\nComparison with Table 5 of the UniMP paper:\n{table}")


def _account(manifest: Manifest) -> Iterator[str]:
    counts, options = manifest.counts, manifest.options
    each = ", ".join(f"{name} {count:,}" for name, count in manifest.described.items())
    yield f"{counts.described_items or 0:,} of {counts.items:,} items have attributes" + (f" ({each})" if each else "")
    if "missing metadata" in options:
        missing = ", ".join(options["missing metadata"])
        yield f"no titles, categories, brands and prices: no {missing} in the raw folder"
    if counts.pictures:
        yield f"{counts.pictures:,} of {counts.items:,} items have a picture"
    shared = options.get("items of several domains")
    if shared:
        yield f"merged {_number(shared, 'item')} in several domains"
    scale = manifest.rating_scale
    if scale is None:
        yield "no ratings, or all equal"
    else:
        yield "ratings from {:g} to {:g} in steps of {:g}".format(*scale)
    if "public split" in options:
        yield "public split: " + ", ".join(f"{part} {count:,}" for part, count in options["public split"].items())
    removed = options["removed"]
    if removed["duplicates"]:
        yield (
            f"dropped {_number(removed['duplicates'], 'repeated interaction')} of a user and an item, the first is "
            "kept (--repeats keeps all)"
        )
    if removed["outside the core"]:
        yield (
            f"dropped {_number(removed['outside the core'], 'interaction')} outside the core of "
            f"{options['user_core']} per user and {options['item_core']} per item"
        )
    if options.get("left_out"):
        yield f"dropped {', '.join(options['left_out'])}: not supported"
    if "pictures of no item" in options:
        yield f"dropped {_number(options['pictures of no item'], 'picture')} without an item of the corpus"
    for kind, bad in manifest.bad_lines.items():
        yield f"skipped {bad.count:,} x {kind}, first at {', '.join(bad.first)}"
    for column, bad in manifest.bad_cells.items():
        values = _number(bad.count, "unreadable value")
        yield f"treated {values} of {column} as missing, first at {', '.join(bad.first)}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _replaced(manifest: Manifest, earlier: Manifest) -> str:
    if earlier.fingerprint == manifest.fingerprint:
        return "identical to the previous corpus of that name"
    counts = earlier.counts
    return (
        f"replaced another corpus of that name ({counts.users:,} users, {counts.items:,} items, "
        f"{counts.interactions:,} interactions, fingerprint {earlier.fingerprint}); its results are not comparable"
    )
