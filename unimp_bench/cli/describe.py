"""``unimp-bench describe``: details of a task, model or corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unimp_bench import registry
from unimp_bench.cli.common import built, chosen_split, corpus_folder, pairs, split_option, task_option
from unimp_bench.contracts import Model, Task, TaskCard
from unimp_bench.errors import UsageError, find
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.records import Split
from unimp_bench.reports.documentation.describing import class_words, model_facts, task_facts
from unimp_bench.reports.documentation.docstrings import differences, settings_of, typed
from unimp_bench.reports.tables.columns import columns, paragraphs

if TYPE_CHECKING:
    from data_prep.public import PublicCorpus

KINDS = ("task", "model", "corpus")


@click.command("describe")
@click.argument("kind", metavar="[task|model|corpus]")
@click.argument("name")
@click.option("--corpus", default="sample", show_default=True, help="Corpus of the examples of a task.")
@split_option
@task_option
@click.option("--example", type=click.IntRange(min=0), help="For a task: print this test example.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="For a task: write examples as an HTML page."
)
@click.option(
    "--count", type=click.IntRange(1, 1000), default=12, show_default=True, help="Number of examples on the page."
)
@click.option("--verify", is_flag=True, help="For a corpus: check every file against its hash.")
def command(
    kind: str,
    name: str,
    corpus: str,
    split: Split | None,
    options: tuple[str, ...],
    example: int | None,
    html: Path | None,
    count: int,
    verify: bool,
) -> None:
    """Show details of a task, model or corpus; show examples of a task."""
    find(dict.fromkeys(KINDS), kind, "kind of description")
    if kind == "task":
        card = find(registry.task_cards(), name, "task")
        task = registry.make_task(name, pairs("--option", options))
        _task(card, task)
        if example is not None or html is not None:
            _examples(card, task, corpus, split, example, html, count)
    elif kind == "model":
        _model(name)
    else:
        _corpus(name, verify)


def _task(card: TaskCard, task: Task) -> None:
    _facts(task_facts(card, task))
    _doc(task)
    _settings("options (--option KEY=VALUE)", task.config)


def _examples(
    card: TaskCard, task: Task, corpus_name: str, named: Split | None, number: int | None, html: Path | None, count: int
) -> None:
    """Print one test example, write a page of examples evenly spaced over all, or both."""
    workspace = Workspace.here()
    folder = corpus_folder(corpus_name, workspace)

    import numpy as np

    from unimp_bench.corpus import Corpus
    from unimp_bench.interchange.page import as_text, sheets
    from unimp_bench.kinds import draw_examples
    from unimp_bench.runs.fitting import corpus_cache

    corpus, split = Corpus.open(folder), chosen_split(named, folder)
    if split not in task.splits:
        raise UsageError(f"{task.name} has no split {split}; it has {', '.join(task.splits)}")
    examples = draw_examples(task, corpus, split, "test", corpus_cache(corpus, workspace))
    if number is not None:
        if number >= len(examples):
            raise UsageError(f"no test example {number}: the {len(examples)} examples are numbered from 0")
        click.echo()
        click.echo(as_text(next(sheets(corpus, examples.select(slice(number, number + 1))))))
    if html is not None:
        from unimp_bench.interchange.page import page

        spread = np.unique(np.linspace(0, len(examples) - 1, count).astype(np.int64))
        heading = f"{card.name} on {corpus.name}: {len(spread)} of {len(examples):,} test examples, split {split}"
        chosen = sheets(corpus, examples.select(spread))
        write_atomically(html, page(heading, f"Prediction: {card.about}.", card.kind, chosen))
        click.echo(f"\nwrote {html}")


def _model(name: str) -> None:
    model = registry.make_model(name)
    _facts(model_facts(registry.model_card(name), model))
    _doc(model)
    _settings("settings (--set KEY=VALUE)", model.config)
    _presets(model)
    if model.space:
        click.echo("\nsearch space of 'unimp-bench tune':")
        _facts({f"  {key}": ", ".join(map(str, values)) for key, values in model.space.items()})
    _tuned(name)


def _settings(heading: str, config: Any) -> None:
    """Print the fields of a configuration with their values and meanings."""
    found = settings_of(config)
    if found:
        click.echo(f"\n{heading}:")
        rows = [(f"  {each.name}", each.default, _plain(each.kind), _plain(each.about)) for each in found]
        click.echo("\n".join(columns(rows, wrapping=(1, 2, 3))))


def _presets(model: Model[Any]) -> None:
    """Print the settings in which each preset differs from the first."""
    from unimp_bench.runs.tuned import words

    if model.presets:
        click.echo("\npresets (--preset NAME; default: the first):")
        changes = {name: differences(preset, model.config) for name, preset in model.presets.items()}
        _facts({f"  {name}": words(changed) or "the settings above" for name, changed in changes.items()})


def _tuned(model: str) -> None:
    from unimp_bench.runs.tuned import all_tuned, best, counted, words

    found = all_tuned(Workspace.here(), model)
    if found:
        click.echo("\ntuned (--preset tuned):")
        leaders = {f"  {tuned.corpus}, {tuned.task}": (tuned, best(tuned.trials)) for tuned in found}
        _facts(
            {
                place: f"{words(tuned.settings)} (validation {leader.score:.4f}, best of {counted(tuned.trials)})"
                for place, (tuned, leader) in leaders.items()
                if leader is not None
            }
        )


def _corpus(name: str, verify: bool) -> None:
    workspace = Workspace.here()
    public = registry.public_corpora().get(name)
    if public is not None:
        _public(public)
        if name not in built(workspace):
            if verify:
                raise UsageError(f"corpus {name!r} is not built; build it with: {public.command}")
            click.echo(f"\nnot built; build it with: {public.command}")
            return
        click.echo("\nbuilt:")

    from unimp_bench.corpus import Corpus

    corpus = Corpus.open(corpus_folder(name, workspace))
    manifest = corpus.manifest
    counts = manifest.counts.model_dump(exclude_none=True)
    _facts(
        {
            "corpus": manifest.name,
            "source": manifest.source + (" (synthetic)" if manifest.synthetic else ""),
            "licence": manifest.licence,
            **{key.replace("_", " "): f"{value:,}" for key, value in counts.items()},
            "domains": ", ".join(manifest.domains),
            "held-out domains": ", ".join(manifest.new_domains) or "none",
            "attributes": ", ".join(manifest.attributes),
            **{key.replace("_", " "): _words(value) for key, value in manifest.options.items()},
            "fingerprint": manifest.fingerprint,
            **{f"fingerprint of {part}": found for part, found in corpus.part_fingerprints.items()},
        }
    )
    for kind, bad in manifest.bad_lines.items():
        click.echo(f"skipped: {bad.count:,} x {kind}, first at {', '.join(bad.first)}")
    for column, bad in manifest.bad_cells.items():
        click.echo(f"treated as missing: {bad.count:,} values of {column}, first at {', '.join(bad.first)}")
    if verify:
        corpus.verify()
        click.echo("all files match their hashes")


def _public(corpus: PublicCorpus) -> None:
    """Print where a published corpus comes from."""
    counts = {"users": corpus.users, "items": corpus.items, "interactions": corpus.interactions}
    _facts(
        {
            "published corpus": f"{corpus.name}: {corpus.about}",
            "terms": corpus.terms,
            "cite": "; ".join(corpus.cite),
            **{key: f"{count:,}" for key, count in counts.items()},
            "order": corpus.order,
            "missing": corpus.missing,
            **{
                f"{part.part}, {'rebuilt' if part.same else 'not rebuilt'}": f"{part.about} ({part.fingerprint})"
                for part in corpus.parts
            },
        }
    )
    click.echo("\nfiles:")
    for file in corpus.files:
        size = "" if file.size is None else f", {file.size:,} bytes"
        click.echo(f"  {file.name}{' (optional)' if file.optional else ''}: {file.gives}{size}")
        for line in (f"sha256 {file.sha256}" if file.sha256 else "", *file.urls, file.obtain):
            if line:  # not wrapped, so that it can be copied
                click.echo(f"    {line}")


def _words(value: object) -> str:
    """An option of a corpus in words."""
    if isinstance(value, dict):
        return ", ".join(
            f"{key} ({_words(part)})" if isinstance(part, dict) else f"{key} {_words(part)}"
            for key, part in value.items()
        )
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return typed(value)


def _doc(described: object) -> None:
    """Print the docstring of its class."""
    click.echo(paragraphs(_plain(class_words(type(described)))))


def _plain(text: str) -> str:
    """A docstring without code marks."""
    return text.replace("``", "")


def _facts(facts: dict[str, str]) -> None:
    click.echo("\n".join(columns(list(facts.items()), wrapping=(1,))))
