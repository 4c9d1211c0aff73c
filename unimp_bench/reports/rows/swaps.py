"""What an encoder is worth: pairs of rows of one model that differ in the encoder of one modality."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unimp_bench.corpus.features.names import NOTHING
from unimp_bench.metrics.paired import PairedTest
from unimp_bench.reports.rows.labels import ENCODERS, encoders_of, left_over
from unimp_bench.reports.rows.scored import Scored
from unimp_bench.runs.suite import Suite, SuiteRow

MODALITIES = ("text", "pictures")


@dataclass(frozen=True)
class Swap:
    """Two rows that differ in what their model reads.

    Attributes:
        group: of the suite's rows: the model.
        reads, instead: encoders of the row and of the other one, as tables name them.
        modality: ``text``, ``pictures`` or both, in words.
        row, base: their labels.
        test: of the difference of the two, after Holm; None where the standard compares neither.
    """

    group: str
    modality: str
    reads: str
    instead: str
    row: str
    base: str
    test: PairedTest | None = None


@dataclass(frozen=True)
class _Line:
    """A row with results: its encoders, without modalities that are not read, and its other settings.

    Attributes:
        settings: preset and settings besides features.
        budget: epochs at most, which a default of before may have set otherwise.
        given: modalities in which it does not read its model's own encoder.
    """

    encoders: Mapping[str, str]
    settings: tuple[object, ...]
    budget: int | None
    given: frozenset[str]
    scored: Scored

    def reads(self, modality: str) -> str:
        return self.encoders.get(modality, NOTHING)

    def is_like(self, other: _Line) -> bool:
        """Whether the two can differ in encoders alone."""
        return (self.settings, self.budget) == (other.settings, other.budget)

    def differs_from(self, other: _Line) -> tuple[str, ...]:
        return tuple(each for each in MODALITIES if self.reads(each) != other.reads(each))


def swaps(suite: Suite, lines: Iterable[tuple[SuiteRow, Scored]]) -> list[Swap]:
    """The pairs of a suite of features, untested: stored features against the model's own encoders, and against none.

    Rows of a pair have the same other settings and budgets and agree in the other modality; stored features of both
    modalities are compared with both own encoders as well. A model that cannot run without features is compared with
    the one that its group names for that, if possible with the same settings, a row that reads both modalities too.
    """
    groups: dict[str, list[tuple[SuiteRow, Scored]]] = {}
    for row, scored in lines:
        groups.setdefault(row.group, []).append((row, scored))
    return [swap for name, group in groups.items() for swap in _of_group(suite, name, group)]


def default_of(suite: Suite, row: SuiteRow, scored: Scored, lines: Sequence[tuple[SuiteRow, Scored]]) -> Scored:
    """The row that reads its model's own encoders, in the group and of the settings of another row; else that row."""
    group = [(other, each) for other, each in lines if other.group == row.group]
    found = [each for other, each in group if not other.features and other.model == _model(suite, row.group)]
    same = [each for each in found if _settings(suite, row, each) == _settings(suite, row, scored)]
    return next(iter(same or (found if row.model != _model(suite, row.group) else [])), scored)


def _of_group(suite: Suite, name: str, group: Sequence[tuple[SuiteRow, Scored]]) -> Iterator[Swap]:
    model = _model(suite, name)
    own = [_line(suite, row, scored) for row, scored in group if row.model == model]
    without = [(row, scored) for row, scored in group if row.model != model]
    for line in own:
        for modality in MODALITIES:
            if line.reads(modality) == NOTHING:
                continue
            others = [other for other in own if line.is_like(other) and line.differs_from(other) == (modality,)]
            default = [other for other in others if modality in line.given - other.given]
            none = [other for other in others if other.reads(modality) == NOTHING]
            for other in (*default, *none):
                reads, instead = _named(line.reads(modality)), _named(other.reads(modality))
                yield Swap(name, modality, reads, instead, line.scored.label, other.scored.label)
            alone = all(line.reads(each) == NOTHING for each in MODALITIES if each != modality)
            if alone and not none and without:
                reads, (instead, label) = _named(line.reads(modality)), _none_but(suite, line, without)
                yield Swap(name, modality, reads, instead, line.scored.label, label)
        if NOTHING not in map(line.reads, MODALITIES):
            for other in own:
                if not other.given and line.is_like(other) and line.differs_from(other) == MODALITIES:
                    yield Swap(name, "both", _both(line), _both(other), line.scored.label, other.scored.label)
            if without:
                instead, label = _none_but(suite, line, without)
                yield Swap(name, "both", _both(line), instead, line.scored.label, label)


def _both(line: _Line) -> str:
    return ", ".join(_named(line.reads(each)) for each in MODALITIES)


def _none_but(suite: Suite, line: _Line, without: Sequence[tuple[SuiteRow, Scored]]) -> tuple[str, str]:
    """The row without features for a row, in words and by its label; its settings are only named if they differ.

    Of several with the settings of the row, or of all if none has them, the first of those with the most results.
    """
    same = [(row, each) for row, each in without if _settings(suite, row, each)[1:] == line.settings[1:]]
    row, scored = max(same or without, key=lambda found: len(found[1].results))
    label = row.label if same else scored.label
    return f"none ({label.rpartition(': ')[2]})", scored.label


def _line(suite: Suite, row: SuiteRow, scored: Scored) -> _Line:
    result = scored.results[0]
    budget = result.spec.fit.config.get("epochs")
    return _Line(encoders_of(result), _settings(suite, row, scored), budget, frozenset(row.features), scored)


def _settings(suite: Suite, row: SuiteRow, scored: Scored) -> tuple[object, ...]:
    """Preset and settings besides features: rows that differ in them do not compare encoders."""
    result = scored.results[0]
    return (result.model.name, result.model.preset, *left_over(suite, row, result).items())


def _model(suite: Suite, group: str) -> str:
    """The model whose encoders a group compares: that of its first row."""
    return next(row.model for row in suite.rows if row.group == group)


def _named(encoder: str) -> str:
    return ENCODERS.get(encoder, encoder)
