"""Settings of a language model, and what a fit of one chooses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from baselines.learning.files import reading
from baselines.llm.place import Place
from baselines.llm.prompts import Way
from baselines.llm.rerank import Weights
from baselines.selection.selectors import Threshold
from unimp_bench.settings import Count, Number, Portion, Weight


@dataclass(frozen=True)
class LLMConfig(Place):
    """Settings.

    Attributes:
        template: file of prompts, with its version.
        mode: ``likelihood`` of titles and ratings, or ``generation`` of numbers. Explanations are always generated.
        base: recommender whose items are ordered; empty for ``itemknn`` in recommendation and ``bm25`` in search.
        depth: number of its items that are ordered; more than the catalogue for all.
        history: items of a history in the prompt, the last ones; 0 for none.
        shots: demonstrations from the training part in a prompt; 0 for none.
        rotations: orders in which candidates are shown in generation, the mean of whose answers counts.
        title_words: words of a title, at most.
        chosen: choose weights, thresholds and calibration on validation; else the following three are used as they are.
        length_power: exponent of the number of tokens that divides a likelihood.
        null_weight: weight of the likelihood without history, which is subtracted.
        mix: weight of the model's order beside that of the base.
        validated: validation examples by which is chosen, at most.
        sentence_tokens: of a generated sentence, at most.
    """

    template: str = "plain-1"
    mode: Way = "likelihood"
    base: str = ""
    depth: Count = 10
    history: Number = 5
    shots: Number = 0
    rotations: Count = 1
    title_words: Count = 12
    chosen: bool = True
    length_power: Weight = 1.0
    null_weight: Weight = 0.0
    mix: Portion = 1.0
    validated: Number = 100
    sentence_tokens: Count = 40

    @property
    def weights(self) -> Weights:
        """Those of the settings."""
        return Weights(self.length_power, self.null_weight, self.mix)


@dataclass
class State:
    """What a fit chose.

    Attributes:
        catalogue: sorted items of the fit.
        weights: by task.
        notes: on the choices, for remarks.
        threshold: of selection.
        calibration: constant, factor of the expectation, factor of the user's mean; the mean rating of training.
    """

    catalogue: list[int] = field(default_factory=list)
    weights: dict[str, Weights] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    threshold: Threshold = field(default_factory=lambda: Threshold(True, 0.0))
    calibration: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)

    @classmethod
    def read(cls, path: Path) -> State:
        with reading(path):
            held = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                [int(item) for item in held["catalogue"]],
                {str(task): Weights(**each) for task, each in held["weights"].items()},
                {str(task): str(note) for task, note in held["notes"].items()},
                Threshold(**held["threshold"]),
                tuple(map(float, held["calibration"])),  # type: ignore[arg-type]
            )
