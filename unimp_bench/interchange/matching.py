"""Matches the rows of a predictions file with the examples that they answer, by their ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unimp_bench.contracts import Kind
from unimp_bench.errors import DataError
from unimp_bench.kinds import Setting
from unimp_bench.kinds.picture import PictureReader
from unimp_bench.kinds.predictions import ID, AnswerError, AnswerReader, PredictionFile, quoted
from unimp_bench.kinds.ranking import RankingReader
from unimp_bench.kinds.rating import RatingReader
from unimp_bench.kinds.rendering import example_ids
from unimp_bench.kinds.selection import SelectionReader
from unimp_bench.kinds.text import TextReader
from unimp_bench.records import Examples

READERS: dict[Kind, type[AnswerReader]] = {
    "ranking": RankingReader,
    "rating": RatingReader,
    "text": TextReader,
    "selection": SelectionReader,
    "picture": PictureReader,
}
"""What reads a prediction of each kind from the rows of a file: ``Kind.table`` the other way round."""

NAMED = 3


@dataclass
class _Tally:
    """Ids that something is wrong with: how many, and the first few."""

    wrong: str
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if self.count <= NAMED:
            self.first.append(quoted(name))

    def __str__(self) -> str:
        more = ", ..." if self.count > NAMED else ""
        return f"{self.count:,} {self.wrong} ({', '.join(self.first)}{more})"


def read_predictions(file: PredictionFile, examples: Examples, setting: Setting) -> Any:
    """The prediction that a file holds for some examples, one row for each, in any order.

    Raises:
        DataError: an id is missing, doubled or unknown, or an answer is none.
    """
    reader = READERS[setting.task.kind](examples, setting)
    ids = example_ids(setting.corpus, examples)
    example_of = {name: example for example, name in enumerate(ids)}
    answered = np.zeros(len(ids), dtype=np.bool_)
    missing, doubled, unknown = _Tally("missing"), _Tally("doubled"), _Tally("unknown")
    for row in file.rows(type(reader)):
        name = row.fields[ID]
        if not isinstance(name, str):
            raise DataError(f"{file.name}, {row.place}: its id is {quoted(name)}, no string")
        example = example_of.get(name)
        if example is None:
            unknown.add(name)
        elif answered[example]:
            doubled.add(name)
        else:
            answered[example] = True
            try:
                reader.take(example, row.fields)
            except AnswerError as error:
                raise DataError(f"{file.name}, {row.place} ({quoted(name)}): {error}") from None
    for number in np.flatnonzero(~answered):
        missing.add(ids[number])
    wrong = [str(tally) for tally in (missing, doubled, unknown) if tally.count]
    if wrong:
        raise DataError(
            f"{file.name} does not answer the {len(ids):,} {examples.part} examples of {examples.task}, split "
            f"{examples.split}, one row for each: {'; '.join(wrong)}"
        )
    try:
        return reader.finish()
    except AnswerError as error:
        raise DataError(f"{file.name}: {error}") from None
