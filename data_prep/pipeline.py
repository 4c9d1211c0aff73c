"""The one way from raw interactions to a corpus, whatever they were read from.

Skip interactions with undescribed items, keep the earliest interaction of each user and item unless repeats are wanted,
take the k-core, order each user's rows by (time, place in the file), or by (part, time, place) where the source has a
split of its own, number users and items by name, draw the held-out users, and write. The result depends on the inputs
and the options alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.bad_records import NO_METADATA, BadRecords
from data_prep.cleaning import draw_held_out, first_of_each_pair, k_core, number_by_name
from data_prep.explanations.sentires import Extracted, extract, find_files
from data_prep.explanations.writing import Rows, write_explanations
from data_prep.interactions import Interactions
from data_prep.options import BuildOptions
from data_prep.pictures import add_pictures
from data_prep.source import Source
from data_prep.spill import Spill, unpack_reviews
from unimp_bench.corpus import CorpusWriter, Manifest
from unimp_bench.corpus.manifest import file_entry
from unimp_bench.errors import DataError
from unimp_bench.records import BoolArray, Histories, IntArray

PART_NAMES = ("training", "validation", "test")
Finishing = Callable[[CorpusWriter, list[str], list[str]], None]


@dataclass(frozen=True)
class _Kept:
    """What cleaning leaves: rows of the raw interactions in file order, and the attributes of their items by name."""

    rows: IntArray
    attributes: dict[str, pa.Array]
    removed: dict[str, int]


def run_pipeline(
    source: Source,
    folder: Path,
    options: BuildOptions,
    synthetic: bool = False,
    finishing: Finishing | None = None,
    sentires: Path | None = None,
) -> Manifest:
    """Build the corpus ``folder`` from a source.

    Args:
        sentires: a folder of explanations that the Sentires toolkit extracted.
        finishing: called with the writer and the names of users and items before the corpus is closed.

    Raises:
        DataError: the raw files are unreadable, too bad, or leave nothing.
        UsageError: the options do not fit the source.
    """
    options = dataclasses.replace(options, new_domains=options.new_domains_among(source.domains))
    bad = BadRecords(options.partial)
    files = {} if sentires is None else find_files(sentires, source.domains)
    with (
        CorpusWriter(folder) as writer,
        Spill(writer.work) as reviews,
        Spill(writer.work) as records,
        Spill(writer.work) as sentences,
    ):
        raw = source.interactions(reviews, bad)
        extracted = extract(files, source.domains, raw, sentences) if files else None
        kept = _clean(source, raw, records, options, bad)
        users, items, explanations = _write_tables(writer, source, raw, kept, reviews, extracted, options, bad)
        if finishing is not None:
            finishing(writer, users, items)
        return writer.finish(
            source=source.name,
            licence=source.licence,
            synthetic=synthetic,
            options=_report(options, source, raw, kept, explanations),
            inputs={path.name: file_entry(path).sha256 for path in (*source.inputs(), *files.values())},
            domains=source.domains,
            new_domains=options.new_domains or (),
            bad_lines=bad.to_manifest(),
            bad_cells=bad.cells_to_manifest(),
        )


def _clean(source: Source, raw: Interactions, records: Spill, options: BuildOptions, bad: BadRecords) -> _Kept:
    described = source.described(raw.item_names, records, bad)
    if len(raw) and not described.any():
        names = ", ".join(repr(name[:40]) for name in raw.item_names[:3])
        raise DataError(
            f"{source.raw}: no line of the items' files describes an item of the interactions, whose ids are such as "
            f"{names}; check that the files belong together and write ids in one way"
        )
    rows = _skip_undescribed(source, raw, np.arange(len(raw)), described, bad)
    removed = {"duplicates": 0}
    if not options.repeats:
        unique = rows[first_of_each_pair(raw.users[rows], raw.items[rows], raw.times[rows])]
        removed = {"duplicates": len(rows) - len(unique)}
        rows = unique
    while True:
        core = rows[k_core(raw.users[rows], raw.items[rows], options.user_core, options.item_core)]
        if not len(core):
            raise DataError(
                f"nothing of {source.raw} is left in the core of {options.user_core} interactions a user and "
                f"{options.item_core} an item; ask for a smaller core"
            )
        items, _ = number_by_name(raw.items[core], raw.item_names)
        sound, attributes = source.attributes(items, bad)
        if sound.all():
            break
        # Metadata are parsed for kept items only, so some turn out bad here; without them the core is smaller.
        described[items] = sound
        rows = _skip_undescribed(source, raw, rows, described, bad)
    return _Kept(core, attributes, removed | {"outside the core": len(rows) - len(core)})


def _skip_undescribed(
    source: Source, raw: Interactions, rows: IntArray, described: BoolArray, bad: BadRecords
) -> IntArray:
    """The rows whose items have metadata; the others are counted as bad lines of their files."""
    good = described[raw.items[rows]]
    skipped = rows[~good]
    domain_of = raw.user_domains[raw.users[skipped]]
    for domain in np.unique(domain_of):
        path = source.review_file(int(domain))
        bad.add_all(NO_METADATA, path, raw.lines[skipped[domain_of == domain]].tolist())
        bad.check(path)
    return rows[good]


def _write_tables(
    writer: CorpusWriter,
    source: Source,
    raw: Interactions,
    kept: _Kept,
    reviews: Spill,
    extracted: Extracted | None,
    options: BuildOptions,
    bad: BadRecords,
) -> tuple[list[str], list[str], dict[str, object]]:
    """Write users, items with pictures, interactions, reviews and explanations.

    Returns the names of users and items, and where the explanations come from.
    """
    user_codes, users = number_by_name(raw.users[kept.rows], raw.user_names)
    item_codes, items = number_by_name(raw.items[kept.rows], raw.item_names)
    user_names = [raw.user_names[code] for code in user_codes]
    item_names = [raw.item_names[code] for code in item_codes]
    user_domains = raw.user_domains[user_codes]
    item_domains = np.full(len(item_names), len(source.domains), dtype=np.int16)
    np.minimum.at(item_domains, items, user_domains[users])

    training = ~np.isin(user_domains, [source.domains.index(name) for name in options.new_domains or ()])
    held_out = draw_held_out(user_names, training, options.held_out, options.seed)
    writer.users(user_names, [source.domains[code] for code in user_domains], held_out)
    unnamed = add_pictures(writer, source.picture_files(item_names), item_names, bad)
    if unnamed:
        source.notes["pictures of no item"] = unnamed
    writer.items(item_names, [source.domains[code] for code in item_domains], kept.attributes)

    parts = None if raw.parts is None else raw.parts[kept.rows]
    keys = (raw.times[kept.rows], users) if parts is None else (raw.times[kept.rows], parts, users)
    order = np.lexsort(keys)  # stable: at equal times the place in the file decides
    rows = kept.rows[order]
    lengths = np.bincount(users, minlength=len(user_names))
    writer.histories(
        Histories(
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            items=items[order],
            ratings=raw.ratings[rows],
            times=np.floor(raw.times[rows]).astype(np.int64),
        )
    )
    if parts is not None:
        writer.parts(parts[order])
        sizes = zip(PART_NAMES, np.bincount(parts, minlength=len(PART_NAMES)).tolist(), strict=True)
        source.notes["public split"] = dict(sizes)
    if len(reviews):
        writer.reviews(unpack_reviews(reviews, rows))
    explanations: dict[str, object] = {}
    if len(reviews) or extracted:
        titles = kept.attributes.get("title")
        if titles is None or not pa.types.is_string(titles.type):
            titles = pa.nulls(len(item_names), pa.string())
        corpus_rows = Rows(rows, items[order], user_domains[users[order]])
        explanations = write_explanations(writer, corpus_rows, titles, reviews, extracted, source.domains)
    return user_names, item_names, explanations


def _report(
    options: BuildOptions, source: Source, raw: Interactions, kept: _Kept, explanations: dict[str, object]
) -> dict[str, Any]:
    """The manifest's account of the build: the options, what reading noted, and what each rule removed or merged."""
    chosen = dataclasses.asdict(options) | {"new_domains": list(options.new_domains or ())}
    removed: dict[str, Any] = {"removed": kept.removed}
    if len(source.domains) > 1:
        seen = np.stack([raw.items[kept.rows], raw.user_domains[raw.users[kept.rows]]])
        _, domains_of_items = np.unique(np.unique(seen, axis=1)[0], return_counts=True)
        removed["items of several domains"] = int((domains_of_items > 1).sum())
    explained = {"explanations": explanations} if explanations else {}
    return chosen | source.notes | removed | explained
