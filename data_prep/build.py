"""Entry point: builds a corpus of any kind."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from pathlib import Path

from data_prep.cleaning import BuildOptions
from data_prep.mcauley import amazon_2014
from data_prep.pictures import PictureLimits
from data_prep.pipeline import run_pipeline
from data_prep.public import PublicCorpus
from data_prep.source import Source
from unimp_bench import registry
from unimp_bench.corpus import CorpusWriter, Manifest
from unimp_bench.errors import DataError, UsageError, find
from unimp_bench.files import storing

__all__ = ["BuildOptions", "PictureLimits", "build_corpus", "build_public", "recognised"]


def build_corpus(
    kind: str,
    folder: Path,
    raw: Path | None,
    options: BuildOptions | None = None,
    *,
    further: tuple[Path, ...] = (),
    domains: tuple[str, ...] = (),
    pictures: PictureLimits | None = None,
    sentires: Path | None = None,
) -> Manifest:
    """Build the corpus ``folder``, which replaces an earlier one of that name when it is complete.

    Args:
        kind: a name of ``data_prep.CATALOGUE``.
        raw: the folder of raw files; None if the kind needs none.
        options: None for the kind's defaults.
        further: more folders of raw files, for a kind that merges several sets into one corpus.
        domains: the domains to build; all by default.
        pictures: fetch the items' pictures by their addresses, within these limits.
        sentires: the folder of the Sentires toolkit's explanations, ``reviews_<Domain>.pickle``.

    Raises:
        UsageError: unknown kind, a raw folder missing or too many, options or choices that do not fit the source.
        DataError: raw files are missing, unreadable or have too many bad lines; or ``folder`` has other content.
    """
    card = find(registry.corpus_cards(), kind, "corpus")
    options = options or BuildOptions.usual(card)
    if card.source is None:
        if raw is not None or further or domains or pictures or sentires:
            raise UsageError(f"corpus {kind} is generated: omit raw folders, domains, pictures and explanations")
        return _build_sample(folder, options)
    if raw is None:
        raise UsageError(f"corpus {kind} is built from raw files; give their folder")
    for folder_of_raw in (raw, *further):
        if not folder_of_raw.is_dir():
            raise DataError(f"raw folder {folder_of_raw} does not exist")
    if further and "further" not in card.choices:
        raise UsageError(f"corpus {kind} is built from a single folder of raw files")
    for choice, value in (("further", further), ("domains", domains), ("pictures", pictures)):
        if value and choice not in card.choices:
            raise UsageError(f"corpus {kind} does not support a choice of {choice}")
    choices = {name: value for name, value in (("further", further), ("domains", domains)) if value}
    source: Source = registry.load(card.source)(raw, **choices)
    with storing(folder):
        return run_pipeline(source, folder, options, sentires=sentires, pictures=pictures)


def recognised(raw: Path) -> str:
    """The kind of corpus whose raw files a folder holds, by their names.

    Raises:
        UsageError: they are those of no kind, or of several.
    """
    names = [path.name for path in raw.iterdir()]
    matching: dict[str, int] = {}
    for card in registry.corpus_cards().values():
        if card.marks and all(any(re.fullmatch(mark, name) for name in names) for mark in card.marks):
            matching[card.name] = len(card.marks)
    best = [name for name, marks in matching.items() if marks == max(matching.values())]
    if len(best) != 1:
        what = f"files of {' and '.join(best)}" if best else "files of no known form"
        raise UsageError(f"{raw} has {what}: name the kind with --corpus; 'unimp-bench list corpora' has all")
    return best[0]


def build_public(corpus: PublicCorpus, folder: Path, raw: Path) -> Manifest:
    """Build a published corpus from its public files, with the options of the published results.

    Args:
        raw: the folder of its files, already checked.

    Raises:
        DataError: the files are unreadable or do not belong together; or ``folder`` has other content.
    """
    options = dataclasses.replace(BuildOptions.usual(corpus), ties=corpus.ties)
    source: Source = registry.load(corpus.reader)(raw)
    with storing(folder):
        return run_pipeline(source, folder, options)


def _build_sample(folder: Path, options: BuildOptions) -> Manifest:
    """Generate the raw store, build it like an Amazon set, and add the generator's parameters in corpus numbering."""
    from data_prep import sample

    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch)
        with storing(raw):
            sample.generate(raw, options.seed)

        def attach(writer: CorpusWriter, users: list[str], items: list[str]) -> None:
            sample.attach_truth(raw, writer.extra_folder("truth"), users, items)

        source = amazon_2014(raw)
        source.name, source.licence = "sample", "generated by this project; no rights reserved"
        with storing(folder):
            return run_pipeline(source, folder, options, synthetic=True, finishing=attach)
