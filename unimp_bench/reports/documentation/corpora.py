"""The page of a kind of corpora, from its card and its reader."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, get_type_hints

from unimp_bench import registry
from unimp_bench.reports.documentation.docstrings import docstring
from unimp_bench.reports.documentation.markdown import code, documented, facts, further, settings_list, words
from unimp_bench.reports.documentation.settings import settings_of

OPTIONS = "data_prep.cleaning:BuildOptions"
SAMPLE = "data_prep.sample:generate"
"""The raw files of the kind that has no reader of its own come from here."""


def corpus_page(card: Any, root: Path) -> str:
    """All about one kind of corpora (``data_prep.CorpusCard``) of the project below ``root``."""
    source = registry.load(card.source or SAMPLE)
    reader = _reader(source)
    module = sys.modules[source.__module__ if card.source else SAMPLE.partition(":")[0]]
    options = registry.load(OPTIONS).usual(card)
    how = f"make data CORPUS={card.name}" + (" RAW=<folder>" if card.needs_raw else "")
    return "\n".join(
        [
            f"# {words(card.name)}",
            "",
            f"{words(card.about[0].upper() + card.about[1:])}.",
            "",
            "```sh",
            how,
            "```",
            "",
            *facts(
                {
                    "raw files": "" if card.needs_raw else "downloaded" if card.download else "generated",
                    "how to get them": card.obtain,
                    "licence": getattr(reader, "licence", ""),
                    "may be chosen": ", ".join(card.choices),
                    "filtered already": "yes: no core is taken, and nobody held out" if card.filtered else "",
                }
            ),
            "",
            *further(card.name, root),
            *_download(card),
            "## How it is read",
            "",
            *documented(docstring(module.__doc__)),
            "",
            *(documented(docstring(source.__doc__)) if inspect.isfunction(source) and card.source else []),
            "",
            "## Options",
            "",
            "What the pipeline behind every reader may be told, with the defaults of this kind.",
            "",
            *settings_list(settings_of(options)),
            "",
            "What the corpus became (counts, attributes, skipped lines, fingerprint): "
            f"`unimp-bench describe corpus {card.name}`. More on [where corpora come from](../../data.md).",
            "",
        ]
    )


def _reader(source: Any) -> Any:
    """The class of a source, which a card may name by a function that makes it."""
    return get_type_hints(source)["return"] if inspect.isfunction(source) else source


def _download(card: Any) -> list[str]:
    if card.download is None:
        return []
    release = registry.load(card.download)
    return [
        "## Where its files come from",
        "",
        *(f"* {code(host)}" for host in release.hosts),
        "",
        f"Domains that are fetched unless others are named: {', '.join(map(code, release.usual))}. Further ones: "
        f"{', '.join(map(code, release.others))}.",
        "",
    ]
