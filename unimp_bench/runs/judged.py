"""What a judge says of the texts of a run, and what its scores are worth."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from pydantic import Field

from unimp_bench.contracts import Usage
from unimp_bench.kinds.judging import CONTROLS, HIGHEST, LOWEST, Control, JudgeFacts
from unimp_bench.metrics.judging import preferred, tells
from unimp_bench.metrics.scores import Score
from unimp_bench.records import FloatArray
from unimp_bench.runs.packed import scores_of
from unimp_bench.runs.provenance import Provenance
from unimp_bench.settings import Strict


class Judgement(Strict):
    """Scores of a judge for a run's texts, and for texts of known worth on the same examples.

    Means, shares and intervals follow from the scores, so they are not stored.

    Attributes:
        judge: what identifies it.
        examples: number of those that were judged, evenly spaced over the test examples.
        scores: of the run's texts in example order: float32, zlib-packed, base64.
        controls: by control, packed likewise, NaN where an example has no such text.
        unread: number of all these texts for which the judge gave no score; they have the lowest.
        usage: of the judge's language model, answers that were kept from earlier included.
        provenance: of the judgement.
    """

    judge: JudgeFacts
    examples: int = Field(ge=1)
    scores: str
    controls: dict[Control, str]
    unread: int
    usage: Usage
    provenance: Provenance

    @property
    def key(self) -> tuple[str, int]:
        """What two judgements must share for their scores to be comparable."""
        return self.judge.key, self.examples

    @property
    def is_whole(self) -> bool:
        """Whether every example has its scores, all on the scale."""
        own, known = self.values(), [scores_of(self.controls.get(name, "")) for name in CONTROLS]
        every = np.concatenate([own, *(each[~np.isnan(each)] for each in known)])
        whole = all(len(each) == self.examples for each in (own, *known))
        return whole and bool(((every >= LOWEST) & (every <= HIGHEST)).all())

    def values(self) -> FloatArray:
        """(examples,) scores of the run's texts."""
        return scores_of(self.scores)

    def agreement(self) -> Mapping[Control, Score | None]:
        """By control other than ``own``, the share of examples in which the own reference has the higher score."""
        return {name: _preferred(self.controls["own"], self.controls[name]) for name in CONTROLS if name != "own"}

    @property
    def tells(self) -> bool:
        """Whether the judge tells the own reference from that of another user with the same rating."""
        return tells(self.agreement()["other"])


@lru_cache(maxsize=1024)
def _preferred(own: str, other: str) -> Score | None:
    return preferred(scores_of(own), scores_of(other))
