"""T5 with whole-word embeddings added to the encoder's inputs, as in P5; and its decoding.

Decoding is a beam search for the id of an item, a greedy search for the ids of candidates, or free text. A trie over
the tokens of all ids restricts the output to items, so all beams are distinct items. The score of an item is the
log-probability of its id; with as many beams as items, the scores of all items are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.language.artifacts import LanguageSettings
from baselines.language.examples import TrainingExamples
from baselines.language.tokens import END, PADDING, TokenizedTexts
from baselines.learning.network import Trainable, TrainingSettings
from baselines.learning.sequences import of_like_length
from unimp_bench.generative.trie import Trie
from unimp_bench.progress import progress
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray, IntArray, Shown

_LOGITS = 1 << 24
_ROWS = 128
"""Maximum sizes of a batch: logits of one step, and prompts."""

_GREEDY: dict[str, Any] = {"num_beams": 1}
_SEARCHING = {"length_penalty": 0.0, "output_scores": True}
_INVALID = -1e8  # transformers gives invalid beams scores of about -1e9


@dataclass(frozen=True)
class Prompts:
    """Inputs of the encoder, (B, L) each; see ``PaddedTexts``."""

    tokens: Tensor
    words: Tensor
    items: Tensor

    @property
    def real(self) -> Tensor:
        """(B, L) int64, 0 at padding."""
        return (self.tokens != PADDING).long()


@dataclass(frozen=True)
class Batch:
    """The samples of a step.

    Attributes:
        prompts: of the samples.
        answers: (B, T) tokens, padded after the end token.
        progress: share of the epoch before this batch.
    """

    prompts: Prompts
    answers: Tensor
    progress: float


class LanguageNetwork(Trainable):
    """T5 with whole-word embeddings.

    Attributes:
        t5: ``T5ForConditionalGeneration`` of transformers.
        whole_words: the embedding table; row 0 is for the end token.
        examples: set before training.
    """

    clip_norm = 1.0
    decoupled = True
    adam_options: ClassVar[Mapping[str, Any]] = {"eps": 1e-6}

    def __init__(self, t5: Any, settings: LanguageSettings) -> None:
        super().__init__()
        self.t5, self.settings = t5, settings
        self.weight_decay = settings.weight_decay
        self.whole_words = nn.Embedding(settings.whole_words, t5.config.d_model)
        if not settings.backbone:
            nn.init.normal_(self.whole_words.weight, std=t5.config.d_model**-0.5)
        self.examples: TrainingExamples | None = None
        self._epoch = 0

    def embed(self, prompts: Prompts) -> Tensor:
        """The input embeddings of the encoder, (B, L, width)."""
        embedded: Tensor = self.t5.shared(prompts.tokens) + self.whole(prompts)
        return embedded

    def whole(self, prompts: Prompts) -> Tensor:
        """The whole-word embedding of each token, (B, L, width)."""
        embedded: Tensor = self.whole_words(prompts.words.clamp(max=self.settings.whole_words - 1))
        return embedded

    def encode(self, prompts: Prompts) -> Tensor:
        """The output states of the encoder, (B, L, width)."""
        states: Tensor = self.t5.encoder(inputs_embeds=self.embed(prompts), attention_mask=prompts.real)[0]
        return states

    def loss(self, batch: Batch) -> Tensor:
        """-log P(answer | prompt), averaged over the tokens of each sample, then over samples."""
        answers, real = batch.answers, (batch.answers != PADDING).float()
        shifted = functional.pad(answers[:, :-1], (1, 0), value=PADDING)  # T5 uses the padding token as start token
        logits = self.t5(
            inputs_embeds=self.embed(batch.prompts), attention_mask=batch.prompts.real, decoder_input_ids=shifted
        ).logits
        losses = functional.cross_entropy(logits.transpose(1, 2), answers, reduction="none") * real
        return (losses.sum(dim=1) / real.sum(dim=1)).mean()

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        assert self.examples is not None
        for prompts, answers, done in self.examples.epoch(rng, self.settings.batch_size):
            yield Batch(self.batch(prompts), self.tensor(answers.padded().tokens), done)

    def size(self, batch: Batch) -> int:
        return len(batch.answers)

    def batch(self, prompts: TokenizedTexts) -> Prompts:
        """Prompts as encoder inputs."""
        return Prompts(*map(self.tensor, prompts.padded()))

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        trained = (weight for weight in self.parameters() if weight.requires_grad)
        return (self.adam(trained, settings.learning_rate),)

    def pace(self, epoch: int) -> float:
        """The rate also changes within an epoch, so ``step`` sets it."""
        self._epoch = epoch
        return 1.0

    def step(self, batch: Batch, optimizers: Sequence[torch.optim.Optimizer]) -> Tensor:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * self.rate(self._epoch + batch.progress)
        return super().step(batch, optimizers)

    def rate(self, epochs: float) -> float:
        """Learning rate factor after ``epochs`` epochs: linear warm-up, then linear decay."""
        done, rise = epochs / self.settings.epochs, self.settings.warm_up
        return done / rise if done < rise else (1 - done) / (1 - rise)


@dataclass(frozen=True)
class Beams:
    """The k best answers to n prompts.

    Attributes:
        tokens: (n, k, T) of the answers, 0 after the end token.
        scores: (n, k) log-probabilities, minus infinity for an invalid beam.
    """

    tokens: IntArray
    scores: FloatArray


Rule = Callable[[IntArray], Any]
"""Returns the logits processor for the prompts with the given numbers."""


@torch.no_grad()
def search(
    network: LanguageNetwork, prompts: TokenizedTexts, beams: int, max_tokens: int, rule: Rule | None = None
) -> Beams:
    """The ``beams`` most probable answers to each prompt.

    Args:
        max_tokens: maximum length of an answer, including its end; longer ones are cut.
        rule: constraint on the generated tokens; None for free text.
    """
    from transformers import LogitsProcessorList
    from transformers.modeling_outputs import BaseModelOutput

    tokens = np.zeros((len(prompts), beams, max_tokens), dtype=np.int64)
    scores = np.zeros((len(prompts), beams))
    size = max(1, min(_ROWS, _LOGITS // (beams * network.t5.config.vocab_size)))
    for rows in progress(list(of_like_length(prompts.lengths(), size)), "generating", unit="batch"):
        batch = network.batch(prompts.take(rows))
        generated = network.t5.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=network.encode(batch)),
            attention_mask=batch.real,
            logits_processor=LogitsProcessorList([] if rule is None else [rule(rows)]),
            do_sample=False,
            max_new_tokens=max_tokens,
            return_dict_in_generate=True,
            **(_GREEDY if beams == 1 else {**_SEARCHING, "num_beams": beams, "num_return_sequences": beams}),
        )
        answers = generated.sequences[:, 1:].reshape(len(rows), beams, -1).cpu().numpy()
        tokens[rows, :, : answers.shape[2]] = answers
        if beams > 1:
            scores[rows] = generated.sequences_scores.reshape(len(rows), beams).cpu().numpy()
    return Beams(tokens, np.where(scores > _INVALID, scores, -np.inf))


def one_id(trie: Trie) -> Rule:
    """Constraint: the id of one item, then the end token."""

    def process(tokens: Tensor, scores: Tensor) -> Tensor:
        return _only(scores, *trie.next_tokens(trie.walk(tokens[:, 1:].cpu().numpy()), END))

    return lambda rows: process


def some_ids(trie: Trie, candidates: Shown) -> Rule:
    """Constraint: one or more distinct ids of the candidates (item rows), then the end token."""

    def rule(rows: IntArray) -> Any:
        allowed = np.zeros((len(rows), trie.size), dtype=np.bool_)
        offsets, positions = candidates.positions_of(rows)
        allowed[Ragged(offsets, positions).owners(), candidates.items[positions]] = True

        def process(tokens: Tensor, scores: Tensor) -> Tensor:
            return _only(scores, *trie.next_in_lists(tokens[:, 1:].cpu().numpy(), allowed, END))

        return process

    return rule


def _only(scores: Tensor, rows: IntArray, tokens: IntArray) -> Tensor:
    """Keep the scores of the given tokens of each row; minus infinity elsewhere."""
    kept = torch.full_like(scores, -torch.inf)
    entries = torch.from_numpy(rows).to(scores.device), torch.from_numpy(tokens).to(scores.device)
    kept[entries] = scores[entries]
    return kept
