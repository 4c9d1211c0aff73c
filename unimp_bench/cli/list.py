"""``unimp-bench list``: tasks, models, corpora and suites, without loading them."""

from __future__ import annotations

import click

from unimp_bench import registry
from unimp_bench.cli.common import built
from unimp_bench.errors import find
from unimp_bench.files import Workspace
from unimp_bench.reports.documentation.describing import served_splits
from unimp_bench.reports.tables.columns import columns
from unimp_bench.runs.suites import CATALOGUE

KINDS = ("tasks", "models", "corpora", "suites")


@click.command("list")
@click.argument("kind", metavar="[tasks|models|corpora|suites]")
def command(kind: str) -> None:
    """List tasks, models, corpora or suites.

    READS are the inputs of a model; SPLITS are those that it supports after a fit on loo (for global-time, on the
    interactions before the cut-off time). With --fit-split new-domain any model can be fitted on the new domain.
    """
    find(dict.fromkeys(KINDS), kind, "list")
    rows = {"tasks": _tasks, "models": _models, "corpora": _corpora, "suites": _suites}[kind]()
    whole = 2 if kind == "corpora" else 1  # commands are not wrapped, so that they can be copied
    click.echo("\n".join(columns(rows, wrapping=range(whole, len(rows[0])))))


def _tasks() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("TASK", "KIND", "PAPER", "PREDICTION")]
    return rows + [(card.name, card.kind, card.table, card.about) for card in registry.task_cards().values()]


def _models() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("MODEL", "TASKS", "READS", "SPLITS", "DESCRIPTION")]
    for card in registry.model_cards().values():
        name = f"{card.name}:<Model>" if card.variant else card.name
        tasks = "all" if set(card.tasks) == set(registry.task_cards()) else ", ".join(card.tasks)
        rows.append((name, tasks, ", ".join(card.reads) or "nothing", ", ".join(served_splits(card)), card.about))
    return rows


def _corpora() -> list[tuple[str, ...]]:
    present = built(Workspace.here())
    rows: list[tuple[str, ...]] = [("CORPUS", "STATE", "DESCRIPTION")]
    for card in registry.corpus_cards().values():
        how = f"make data CORPUS={card.name}" + (" RAW=<folder>" if card.needs_raw else "")
        rows.append((card.name, "built" if card.name in present else how, card.about))
    rows += [
        (corpus.name, "built" if corpus.name in present else corpus.command, corpus.about)
        for corpus in registry.public_corpora().values()
    ]
    known = registry.corpus_cards() | registry.public_corpora()
    rows += [(name, "built", f"in {Workspace.here().data / name}") for name in present if name not in known]
    return rows


def _suites() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("SUITE", "PAPER", "TASKS", "ROWS", "COMPARISON")]
    return rows + [
        (suite.name, suite.table, ", ".join(suite.tasks), str(len(suite.rows)), suite.about) for suite in CATALOGUE
    ]
