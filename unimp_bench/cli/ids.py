"""``unimp-bench ids``: make, list, import, export and publish stored ids of items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unimp_bench.cli import CorpusGroup
from unimp_bench.cli.common import corpus_folder, corpus_option
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.records import Split

if TYPE_CHECKING:
    from unimp_bench.corpus import Corpus
    from unimp_bench.corpus.features.ids import IdSet
    from unimp_bench.generative.id_files import Form

MAKE = "make"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("ids", cls=CorpusGroup, default=MAKE)
def command() -> None:
    """Make semantic ids of a corpus's items: unimp-bench ids CORPUS --quantizer rkmeans --features NAME.

    Generative models read them with 'unimp-bench run --features ids=NAME'.
    """


@command.command(MAKE)
@click.argument("corpus")
@click.option("--quantizer", default="rkmeans", show_default=True, help="rkmeans, rqvae, letter, cost or opq.")
@click.option("--features", required=True, metavar="NAME", help="Stored features to quantise; several, by commas.")
@click.option("--name", help="Name of the ids. [default: QUANTIZER-FEATURES]")
@click.option("--levels", type=click.IntRange(1, 64), help="Codes per item. [default: 3; opq: 16]")
@click.option("--codes", type=click.IntRange(2, 65536), help="Values of a code. [default: 256; cost: 64]")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option("--split", type=click.Choice(["loo", "global-time", "public"]), help="Whose training items to fit on.")
@click.option("--all-items", is_flag=True, help="Fit on all items, not on those of the training part alone.")
@click.option("--fresh", is_flag=True, help="Replace ids of this name.")
def make(
    corpus: str,
    quantizer: str,
    features: str,
    name: str | None,
    levels: int | None,
    codes: int | None,
    seed: int,
    split: Split | None,
    all_items: bool,
    fresh: bool,
) -> None:
    """Quantise stored features of all items of CORPUS; the quantizer is fitted on those of the training part."""
    if split and all_items:
        raise UsageError("--split and --all-items exclude each other")
    opened = _opened(corpus)

    from unimp_bench.corpus.splits import default_split
    from unimp_bench.errors import find
    from unimp_bench.generative.making import DEFAULTS, make_ids
    from unimp_bench.generative.quantizers import QuantizerSettings

    usual = find(DEFAULTS, quantizer, "quantizer")
    names = [each for each in features.split(",") if each]
    settings = QuantizerSettings(levels or usual[0], codes or usual[1], seed)
    fitted = None if all_items else split or default_split(opened)
    name = name or "-".join([quantizer, *names])[:64]
    record, there = make_ids(opened, name, quantizer, names, settings, fitted, fresh=fresh)
    click.echo(f"ids {record.name} of {opened.name} {'exist already' if there else 'made'}: {record.words}")
    _show(record)
    click.echo(f"  unimp-bench run --corpus {corpus} --model tiger --features ids={record.name} ...")


@command.command("list")
@corpus_option
def listed(corpus: str) -> None:
    """List the ids of a corpus."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.ids import all_ids

    known = all_ids(opened.folder)
    if not known:
        click.echo(f"{opened.name} has no stored ids; 'unimp-bench ids {corpus} --features NAME' makes some")
    for record in known.values():
        click.echo(f"ids={record.name}  {record.words}")


@command.command("show")
@click.argument("name")
@corpus_option
def shown(name: str, corpus: str) -> None:
    """Show how the ids NAME were made, and how many items share their codes at each level."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.ids import open_ids

    record = open_ids(opened, name).record
    click.echo(f"ids {record.name} of {opened.name}: {record.words}")
    _show(record)


@command.command("import")
@click.argument("file", type=FILE)
@corpus_option
@click.option("--name", help="Name of the ids (default: that of the file).")
@click.option("--items", type=FILE, help="File with the items' names by number, where FILE has numbers.")
def imported(file: Path, corpus: str, name: str | None, items: Path | None) -> None:
    """Store the ids of FILE: index.json of LC-Rec and LETTER, or a table of items and codes (.tsv, .tsv.gz)."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.ids import new_folder, write_ids
    from unimp_bench.generative.id_files import placed_ids, read_ids

    name = name or file.name.split(".")[0]
    new_folder(opened.folder, name)
    rows = read_ids(file, items)
    codes, how = placed_ids(rows, opened.items.names)
    record = write_ids(opened.folder, opened.items.names, name, codes, source=rows.source)
    click.echo(f"ids {name} of {opened.name} imported {how}: {record.words}")
    _show(record)


@command.command("export")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@corpus_option
@click.option("--format", "form", default="json", show_default=True, type=click.Choice(["json", "tsv"]))
def exported(name: str, file: Path, corpus: str, form: Form) -> None:
    """Write the ids NAME into FILE for other programs, under the names of the items."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.ids import open_ids
    from unimp_bench.generative.id_files import write_file

    write_file(open_ids(opened, name), opened.items.names, file, form)
    click.echo(f"wrote {file}")


@command.command("publish")
@click.argument("corpus")
@click.argument("names", nargs=-1)
def published(corpus: str, names: tuple[str, ...]) -> None:
    """Copy the records of ids of CORPUS into leaderboards/, and write the pages.

    Those of NAMES join what is published of the same build of the corpus; without NAMES all stored ids replace it.
    """
    workspace, opened = Workspace.here(), _opened(corpus)

    from unimp_bench.corpus.features.ids import all_ids, open_ids
    from unimp_bench.reports.ids import PublishedIds
    from unimp_bench.reports.pages.write import write_all

    chosen = sorted(set(names) or all_ids(opened.folder))
    if not chosen:
        raise UsageError(f"{opened.name} has no stored ids; 'unimp-bench ids {corpus} --features NAME' makes some")
    sets = tuple(open_ids(opened, name).record for name in chosen)
    new = PublishedIds(corpus=opened.name, fingerprint=opened.fingerprint, sets=sets)
    path = (new.beside_others(workspace.leaderboards) if names else new).write(workspace.leaderboards)
    for each in (path, *write_all(workspace.leaderboards)):
        click.echo(f"wrote {each}")


def _show(record: IdSet) -> None:
    if (made := record.quantization) is not None:
        click.echo(f"  squared error {made.error:.3f} of the variance of the features, on {made.fitted_on:,} items")
    click.echo("  level  codes  entropy (bits)  prefixes  items that share theirs")
    for number, level in enumerate(record.levels, 1):
        click.echo(f"  {number:5}  {level.codes:5}  {level.entropy:14.2f}  {level.prefixes:8,}  {level.collisions:23,}")


def _opened(name: str) -> Corpus:
    folder = corpus_folder(name, Workspace.here())

    from unimp_bench.corpus import Corpus

    return Corpus.open(folder)
