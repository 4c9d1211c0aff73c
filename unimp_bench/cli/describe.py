"""``unimp-bench describe``: all about one task, model or corpus."""

from __future__ import annotations

import dataclasses
import inspect

import click

from unimp_bench import registry
from unimp_bench.cli.corpora import corpus_folder
from unimp_bench.errors import UsageError
from unimp_bench.names import find
from unimp_bench.paths import Workspace

KINDS = ("task", "model", "corpus")


@click.command("describe")
@click.argument("kind", metavar="[task|model|corpus]")
@click.argument("name")
@click.option("--corpus", default="sample", show_default=True, help="Where --example takes its example from.")
@click.option("--example", type=click.IntRange(min=0), help="Of a task: print this test example as it is rendered.")
@click.option("--verify", is_flag=True, help="Of a corpus: check every file against its hash.")
def command(kind: str, name: str, corpus: str, example: int | None, verify: bool) -> None:
    """Tell all about one task, model or corpus."""
    find(dict.fromkeys(KINDS), kind, "kind of description")
    if kind == "task":
        _task(name, corpus, example)
    elif kind == "model":
        _model(name)
    else:
        _corpus(name, verify)


def _task(name: str, corpus_name: str, number: int | None) -> None:
    card = find(registry.task_cards(), name, "task")
    task = registry.make_task(name)
    _facts({"task": card.name, "asks": card.about, "kind": card.kind, "paper": card.table})
    _facts({"version": str(task.version), "splits": ", ".join(task.splits)})
    click.echo(inspect.getdoc(type(task)))
    if number is None:
        return

    from unimp_bench.corpus import Corpus

    corpus = Corpus.open(corpus_folder(corpus_name, Workspace.here()))
    examples = task.examples(corpus, "loo", "test")
    if number >= len(examples):
        raise UsageError(f"there are {len(examples)} test examples, numbered from 0; {number} is none of them")
    from unimp_bench.rendering import Renderer

    rendered = next(Renderer(corpus, task.instruction).render(examples.select(slice(number, number + 1))))
    click.echo()
    _facts({key: str(value) for key, value in dataclasses.asdict(rendered).items()})


def _model(name: str) -> None:
    card = registry.model_card(name)
    model = registry.make_model(name)
    _facts(
        {
            "model": name,
            "is": card.about,
            "source": card.source,
            "serves": ", ".join(card.tasks),
            "reads": ", ".join(card.reads),
            "new users": "yes" if card.new_users else "no",
            "new items": "yes" if card.new_items else "no",
            "presets": ", ".join(model.presets) or "default",
        }
    )
    click.echo(inspect.getdoc(type(model)))
    click.echo("\nsettings (--set KEY=VALUE):")
    _facts({f"  {field.name}": repr(getattr(model.config, field.name)) for field in dataclasses.fields(model.config)})


def _corpus(name: str, verify: bool) -> None:
    from unimp_bench.corpus import Corpus

    corpus = Corpus.open(corpus_folder(name, Workspace.here()))
    manifest = corpus.manifest
    _facts(
        {
            "corpus": manifest.name,
            "source": manifest.source + (" (synthetic)" if manifest.synthetic else ""),
            "licence": manifest.licence,
            **{key.replace("_", " "): f"{value:,}" for key, value in manifest.counts.model_dump().items()},
            "domains": ", ".join(manifest.domains),
            "held-out domains": ", ".join(manifest.new_domains) or "none",
            "attributes": ", ".join(manifest.attributes),
            **{key: str(value) for key, value in manifest.options.items()},
            "fingerprint": manifest.fingerprint,
        }
    )
    for kind, bad in manifest.bad_lines.items():
        click.echo(f"skipped: {bad.count:,} x {kind}, first at {', '.join(bad.first)}")
    if verify:
        corpus.verify()
        click.echo("every file agrees with its hash")


def _facts(facts: dict[str, str]) -> None:
    width = max(len(key) for key in facts)
    for key, value in facts.items():
        click.echo(f"{key.ljust(width)}  {value}")
