"""What a language model has to be told beside the course of its training."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.language.ids import Scheme
from baselines.learning.settings import TrainingSettings
from unimp_bench.settings import Count, Rate, Share, Weight


@dataclass(frozen=True)
class LanguageSettings(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: prompts, with their answers a step.
        backbone: name or folder of a T5 of transformers, with its own tokenizer; empty for one made here, from its
            first weights on, with the sizes below.
        vocabulary: subwords of a tokenizer trained here.
        width, inner: of the states, and inside the feed-forward layers.
        layers: of the encoder, and of the decoder.
        heads: of each attention.
        dropout: of a T5 made here.
        whole_words: rows of the table of whitespace-separated words; later words share the last.
        warm_up: share of the training in which the learning rate rises; it falls to 0 in the rest, both linearly.
        weight_decay: of AdamW.
        ids: how users and items are numbered, and whether an item is its digits or a token of its own, see
            ``baselines.language.ids``.
        history: items of a history that are read, the last ones.
        title_words: words of a shown item's title that are read.
        draws: training examples of each user that an epoch takes from each task, with random prompts.
        options: items of a prompt that has the target chosen among others.
        jitter: a training rating is drawn about the true one and written with one more decimal.
        beams: of the search for items.
        constrained: only ids of items are generated; else what is no id is a miss, as in the released evaluation.
        text_beams: of the search for a sentence.
        text_tokens: the most that a sentence has.
    """

    learning_rate: Rate = 2e-3
    batch_size: Count = 32
    epochs: Count = 60
    patience: Count = 5
    validate_every: Count = 15
    backbone: str = ""
    vocabulary: Count = 2000
    width: Count = 64
    inner: Count = 128
    layers: Count = 2
    heads: Count = 4
    dropout: Share = 0.0
    whole_words: Count = 512
    warm_up: Share = 0.05
    weight_decay: Weight = 0.01
    ids: Scheme = "random"
    history: Count = 20
    title_words: Count = 6
    draws: Count = 1
    options: Count = 10
    jitter: bool = True
    beams: Count = 20
    constrained: bool = True
    text_beams: Count = 1
    text_tokens: Count = 40

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} is no multiple of heads = {self.heads}")
