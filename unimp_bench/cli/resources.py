"""``unimp-bench resources``: files that text metrics require in addition to packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from unimp_bench.cli import Group
from unimp_bench.errors import DependencyError
from unimp_bench.files import Workspace
from unimp_bench.metrics.resources import DEFAULT_ENCODER, OVERRIDE, Resources

EXISTING = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group("resources", cls=Group, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show the resources of METEOR and BERTScore, whose cells are empty without them."""
    if context.invoked_subcommand is None:
        resources = Resources.of(Workspace.here())
        _state("METEOR", lambda: f"WordNet in {resources.wordnet()}")
        _state("BERTScore", lambda: "the encoder {0.name} in {0.folder}".format(resources.encoder()))
        click.echo(
            f"{'':10} without a network: 'unimp-bench resources get --help'; {OVERRIDE}=<name or folder> overrides"
        )


def _state(metric: str, found: Callable[[], str]) -> None:
    try:
        click.echo(f"{metric:10} ready: {found()}")
    except DependencyError as error:
        click.echo(f"{metric:10} empty: {error}")


@command.group("get", cls=Group)
def get() -> None:
    """Install a resource from the network or a local folder."""


@get.command("wordnet")
@click.option("--from", "source", type=EXISTING, help="Folder of WordNet's files, such as Debian's /usr/share/wordnet.")
def wordnet(source: Path | None) -> None:
    """WordNet 3.0, for METEOR: from nltk's index, Debian's wordnet-base, or a folder."""
    from unimp_bench.metrics.resources import get_wordnet

    click.echo(get_wordnet(Resources.of(Workspace.here()), source))


@get.command("bertscore")
@click.option(
    "--encoder", default=DEFAULT_ENCODER, show_default=True, help="Name on the Hugging Face Hub, or a folder."
)
def bertscore(encoder: str) -> None:
    """Encoder for BERTScore; part of the column name, so two encoders never share a column."""
    from unimp_bench.metrics.resources import get_encoder

    click.echo(get_encoder(Resources.of(Workspace.here()), encoder))
