"""P5: recommendation as language processing (Geng, Liu, Fu, Ge and Zhang, RecSys 2022).

Users, items and ratings are words of prompts, and one T5 is trained to write the answers of all tasks:

    L = mean over samples of  -1/T sum_t log P(y_t | y_<t, prompt)

An item's id is several tokens, and so is a user's; the encoder is told which tokens make one word by the embedding of
the word's number, added to theirs. Every epoch takes some training examples of each user and task, each with a prompt
drawn from the task's family.

Departures from the released code: ids are a random permutation, since numbers that are given along whole histories
give the test items away (``ids=leaky`` shows by how much); whole-word embeddings are there when the model answers, not
only in training; beams are held to ids of items (``constrained=false`` lifts this, and what is no item is a miss).
With ``ids=own`` an item is no number but a token of its own (Hua et al., "How to index item IDs", 2023).
Search and selection, which P5 has not, have prompts of their own; a prompt for explanation holds neither the review's
summary nor a word of the sentence, as some of P5's do. Every prompt is trained on. The tokenizer and the T5 of the
preset ``tiny`` are trained from scratch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from baselines.language.model import LanguageModel
from baselines.language.settings import LanguageSettings


@dataclass(frozen=True)
class P5Config(LanguageSettings):
    """Settings of P5: those of a language model."""


_RELEASED: dict[str, Any] = {
    "learning_rate": 1e-3,
    "epochs": 10,
    "validate_every": 1,
    "draws": 5,
    "title_words": 12,
    "options": 100,
    "text_tokens": 64,
}


class P5(LanguageModel[P5Config]):
    """See the module."""

    Config = P5Config
    name = "p5"
    presets: ClassVar[Mapping[str, P5Config]] = {
        "tiny": P5Config(),
        "small": P5Config(backbone="t5-small", batch_size=32, **_RELEASED),
        "base": P5Config(backbone="t5-base", batch_size=16, **_RELEASED),
    }
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 3e-3, 5e-3),
        "width": (64, 128),
        "dropout": (0.0, 0.1, 0.2),
        "history": (5, 10, 20),
    }
