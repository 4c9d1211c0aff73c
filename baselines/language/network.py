"""T5 as P5 has it: the embedding of the whole word that a token belongs to is added to the encoder's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.language.lessons import Lessons
from baselines.language.phrases import Padded, Phrases
from baselines.language.settings import LanguageSettings
from baselines.language.vocabulary import PADDING
from baselines.learning.network import Trainable
from baselines.learning.settings import TrainingSettings


@dataclass(frozen=True)
class Source:
    """What the encoder reads, (B, L) each; see ``Padded``."""

    tokens: Tensor
    words: Tensor
    marks: Tensor

    @property
    def real(self) -> Tensor:
        """(B, L) int64, 0 at padding."""
        return (self.tokens != PADDING).long()


@dataclass(frozen=True)
class Batch:
    """Samples of one step.

    Attributes:
        source: the prompts.
        answers: (B, T) tokens, padded behind the end token.
        progress: share of its epoch that was over before.
    """

    source: Source
    answers: Tensor
    progress: float


class LanguageNetwork(Trainable):
    """T5 with whole-word embeddings.

    Attributes:
        t5: ``T5ForConditionalGeneration`` of transformers.
        whole_words: the table; row 0 is that of the end token.
        lessons: what it is trained on; given before the first epoch.
    """

    clip_norm = 1.0

    def __init__(self, t5: Any, settings: LanguageSettings) -> None:
        super().__init__()
        self.t5, self.settings = t5, settings
        self.whole_words = nn.Embedding(settings.whole_words, t5.config.d_model)
        if not settings.backbone:
            nn.init.normal_(self.whole_words.weight, std=t5.config.d_model**-0.5)
        self.lessons: Lessons | None = None
        self._epoch = 0

    def embed(self, source: Source) -> Tensor:
        """The encoder's inputs, (B, L, width)."""
        embedded: Tensor = self.t5.shared(source.tokens) + self.whole(source)
        return embedded

    def whole(self, source: Source) -> Tensor:
        """The embedding of the word that each token belongs to, (B, L, width)."""
        embedded: Tensor = self.whole_words(source.words.clamp(max=self.settings.whole_words - 1))
        return embedded

    def encode(self, source: Source) -> Tensor:
        """The encoder's states, (B, L, width)."""
        states: Tensor = self.t5.encoder(inputs_embeds=self.embed(source), attention_mask=source.real)[0]
        return states

    def loss(self, batch: Batch) -> Tensor:
        """-log P(answer | prompt), the mean over the tokens of each sample, then over the samples."""
        answers, real = batch.answers, (batch.answers != PADDING).float()
        begun = functional.pad(answers[:, :-1], (1, 0), value=PADDING)  # T5 starts a text with its padding token
        logits = self.t5(
            inputs_embeds=self.embed(batch.source), attention_mask=batch.source.real, decoder_input_ids=begun
        ).logits
        losses = functional.cross_entropy(logits.transpose(1, 2), answers, reduction="none") * real
        return (losses.sum(dim=1) / real.sum(dim=1)).mean()

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        assert self.lessons is not None, "it has nothing to learn from"
        for questions, answers, progress in self.lessons.epoch(rng, self.settings.batch_size):
            yield Batch(self.source(questions), self.tensor(answers.padded().tokens), progress)

    def source(self, phrases: Phrases) -> Source:
        """Prompts side by side."""
        padded: Padded = phrases.padded()
        return Source(*(self.tensor(part) for part in padded))

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        decay = self.settings.weight_decay
        return (torch.optim.AdamW(trained, lr=settings.learning_rate, eps=1e-6, weight_decay=decay),)

    def pace(self, epoch: int) -> float:
        """The rate changes within an epoch too, so ``step`` sets it."""
        self._epoch = epoch
        return 1.0

    def step(self, batch: Batch, optimizers: Sequence[torch.optim.Optimizer]) -> Tensor:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * self.rate(self._epoch + batch.progress)
        return super().step(batch, optimizers)

    def rate(self, epochs: float) -> float:
        """Factor on the learning rate after so many epochs: a linear rise, then a linear fall."""
        done, rise = epochs / self.settings.epochs, self.settings.warm_up
        return done / rise if done < rise else (1 - done) / (1 - rise)
