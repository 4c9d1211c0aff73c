"""From raw interactions to a corpus, the same for all sources.

Skip interactions with undescribed items, keep the first interaction of each user and item unless repeats are kept,
take the k-core, order each user's rows by time, or by (part, time) if the source has a public split, and time ties by
a hash of user and item or as in the file, number users and items by name, draw the held-out users, and write. The
result depends only on inputs and options.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.cleaning import BuildOptions, draw_held_out, first_of_each_pair, k_core, number_by_name, tie_ranks
from data_prep.explanations import Rows, write_explanations
from data_prep.explanations.sentires import Extracted, extract, find_files
from data_prep.interactions import Interactions, Spill, collect, unpack_reviews
from data_prep.pictures import PictureLimits, add_pictures, fetch_pictures
from data_prep.raw_files import NO_METADATA, BadRecords
from data_prep.source import ItemAttributes, Source
from unimp_bench.corpus import CorpusWriter, Manifest
from unimp_bench.corpus.manifest import file_entry
from unimp_bench.errors import DataError
from unimp_bench.ragged import offsets_of
from unimp_bench.records import BoolArray, Histories, IntArray

PART_NAMES = ("training", "validation", "test")
Finishing = Callable[[CorpusWriter, list[str], list[str]], None]


@dataclass(frozen=True)
class _Kept:
    """Result of cleaning: rows of the raw interactions in file order, and the attributes of their items by name."""

    rows: IntArray
    items: ItemAttributes
    removed: dict[str, int]


def run_pipeline(
    source: Source,
    folder: Path,
    options: BuildOptions,
    synthetic: bool = False,
    finishing: Finishing | None = None,
    sentires: Path | None = None,
    pictures: PictureLimits | None = None,
) -> Manifest:
    """Build the corpus ``folder`` from a source.

    Args:
        finishing: called with the writer and the names of users and items before the corpus is closed.
        sentires: a folder of explanations extracted by the Sentires toolkit.
        pictures: first download the source's pictures into its folder, within these limits.

    Raises:
        DataError: the raw files are unreadable or have too many bad lines, or no interaction is left.
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
        by_domain = (source.interactions(code, bad) for code in range(len(source.domains)))
        raw = collect(by_domain, source.domains, reviews)
        extracted = extract(files, source.domains, raw, sentences) if files else None
        ranks = tie_ranks(raw, reviews, options.ties)
        kept = _clean(source, raw, ranks, records, options, bad)
        tables = _Tables(writer, source, raw, kept, options, bad)
        tables.write_users_and_items(pictures)
        tables.write_interactions(ranks, reviews, extracted)
        if finishing is not None:
            finishing(writer, tables.user_names, tables.item_names)
        return writer.finish(
            source=source.name,
            licence=source.licence,
            synthetic=synthetic,
            options=_report(options, source, raw, kept, tables),
            inputs={path.name: file_entry(path).sha256 for path in (*source.inputs(), *files.values())},
            domains=source.domains,
            new_domains=options.new_domains or (),
            bad_lines=bad.to_manifest(),
            bad_cells=bad.cells_to_manifest(),
        )


def _clean(
    source: Source, raw: Interactions, ranks: IntArray, records: Spill, options: BuildOptions, bad: BadRecords
) -> _Kept:
    table = source.items(raw.item_names, records, bad)
    described = table.described.copy()
    if len(raw) and not described.any():
        names = ", ".join(repr(name[:40]) for name in raw.item_names[:3])
        raise DataError(
            f"{source.raw}: no line of the item files describes an item of the interactions, whose ids are like "
            f"{names}; check that the files belong together and use the same ids"
        )
    rows = _skip_undescribed(source, raw, np.arange(len(raw)), described, bad)
    duplicates = 0
    if not options.repeats:
        unique = rows[first_of_each_pair(raw.users[rows], raw.items[rows], raw.times[rows], ranks[rows])]
        duplicates, rows = len(rows) - len(unique), unique
    while True:
        core = rows[k_core(raw.users[rows], raw.items[rows], options.user_core, options.item_core)]
        if not len(core):
            raise DataError(
                f"{source.raw}: no interaction is left in the core of {options.user_core} per user and "
                f"{options.item_core} per item; choose a smaller core"
            )
        items, _ = number_by_name(raw.items[core], raw.item_names)
        attributes = table.attributes(items)
        if attributes.sound.all():
            return _Kept(core, attributes, {"duplicates": duplicates, "outside the core": len(rows) - len(core)})
        # Metadata are parsed for kept items only and may turn out bad, which makes the core smaller.
        described[items] = attributes.sound
        rows = _skip_undescribed(source, raw, rows, described, bad)


def _skip_undescribed(
    source: Source, raw: Interactions, rows: IntArray, described: BoolArray, bad: BadRecords
) -> IntArray:
    """The rows of items with metadata; others are counted as bad lines."""
    good = described[raw.items[rows]]
    skipped = rows[~good]
    domain_of = raw.user_domains[raw.users[skipped]]
    for domain in np.unique(domain_of):
        path = source.interactions_file(int(domain))
        for line in raw.lines[skipped[domain_of == domain]].tolist():
            bad.add(NO_METADATA, path, line)
        bad.check(path)
    return rows[good]


class _Tables:
    """Numbers the users and items of the kept interactions and writes the tables of a corpus.

    Attributes:
        notes: facts for the manifest.
        explanations: their origin, by domain.
    """

    def __init__(
        self,
        writer: CorpusWriter,
        source: Source,
        raw: Interactions,
        kept: _Kept,
        options: BuildOptions,
        bad: BadRecords,
    ) -> None:
        self._writer, self._source, self._raw, self._kept, self._options = writer, source, raw, kept, options
        self._bad = bad
        user_codes, self._users = number_by_name(raw.users[kept.rows], raw.user_names)
        item_codes, self._items = number_by_name(raw.items[kept.rows], raw.item_names)
        self.user_names = [raw.user_names[code] for code in user_codes]
        self.item_names = [raw.item_names[code] for code in item_codes]
        self._user_domains = raw.user_domains[user_codes]
        self.notes: dict[str, object] = {}
        self.explanations: dict[str, object] = {}

    def write_users_and_items(self, pictures: PictureLimits | None) -> None:
        """Write users, pictures and items; an item of several domains belongs to the first one."""
        domains, options = self._source.domains, self._options
        item_domains = np.full(len(self.item_names), len(domains), dtype=np.int16)
        np.minimum.at(item_domains, self._items, self._user_domains[self._users])
        training = ~np.isin(self._user_domains, [domains.index(name) for name in options.new_domains or ()])
        held_out = draw_held_out(self.user_names, training, options.held_out, options.seed)
        self._writer.users(self.user_names, [domains[code] for code in self._user_domains], held_out)
        if pictures is not None:
            if not self._kept.items.picture_urls:
                raise DataError(
                    f"{self._source.raw} has no addresses of pictures, as metadata have them; omit pictures"
                )
            urls = dict(zip(self.item_names, self._kept.items.picture_urls, strict=True))
            self.notes["pictures"] = fetch_pictures(urls, self._source.raw / "images", pictures)
        unnamed = add_pictures(self._writer, self._source.picture_files(), self.item_names, self._bad)
        if unnamed:
            self.notes["pictures of no item"] = unnamed
        self._writer.items(self.item_names, [domains[code] for code in item_domains], self._kept.items.columns)

    def write_interactions(self, ranks: IntArray, reviews: Spill, extracted: Extracted | None) -> None:
        """Write histories, the public split, reviews and explanations."""
        raw, kept, writer = self._raw, self._kept, self._writer
        parts = None if raw.parts is None else raw.parts[kept.rows]
        by_time = (ranks[kept.rows], raw.times[kept.rows])
        order = np.lexsort((*by_time, self._users) if parts is None else (*by_time, parts, self._users))
        rows, items = kept.rows[order], self._items[order]
        offsets = offsets_of(np.bincount(self._users, minlength=len(self.user_names)))
        writer.histories(Histories(offsets, items, raw.ratings[rows], np.floor(raw.times[rows]).astype(np.int64)))
        if parts is not None:
            writer.parts(parts[order])
            sizes = np.bincount(parts, minlength=len(PART_NAMES)).tolist()
            self.notes["public split"] = dict(zip(PART_NAMES, sizes, strict=True))
        if len(reviews):
            writer.reviews(unpack_reviews(reviews, rows))
        if len(reviews) or extracted:
            titles = kept.items.columns.get("title")
            if titles is None or not pa.types.is_string(titles.type):
                titles = pa.nulls(len(self.item_names), pa.string())
            explained = Rows(rows, items, self._user_domains[self._users[order]])
            domains = self._source.domains
            self.explanations = write_explanations(writer, explained, titles, reviews, extracted, domains)


def _report(options: BuildOptions, source: Source, raw: Interactions, kept: _Kept, tables: _Tables) -> dict[str, Any]:
    """Build record of the manifest: options, notes of the reader, and counts of removed and merged input."""
    chosen = dataclasses.asdict(options) | {"new_domains": list(options.new_domains or ())}
    removed: dict[str, Any] = {"removed": kept.removed}
    if len(source.domains) > 1:
        seen = np.stack([raw.items[kept.rows], raw.user_domains[raw.users[kept.rows]]])
        _, domains_of_items = np.unique(np.unique(seen, axis=1)[0], return_counts=True)
        removed["items of several domains"] = int((domains_of_items > 1).sum())
    explained = {"explanations": tables.explanations} if tables.explanations else {}
    return chosen | source.notes | tables.notes | removed | explained
