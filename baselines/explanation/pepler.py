"""PEPLER: two learned vectors, of user and item, prompt a causal language model (Li, Zhang and Chen, TOIS 2023).

The model reads ``[p_u; q_i; e_start; e_{w_1}; ..; e_{w_T}]``, where the vectors have the width of its embeddings. The
loss is the negative log-likelihood of the sentence, a mean over all tokens and ends of a batch. Training has two
stages: first only the vectors learn; then, from the best of these, the whole model does. Decoding is greedy.

The preset ``tiny`` is a small Llama with random weights over the words of the training sentences: it shows what the
prompt does without any knowledge of language. ``smollm2`` prompts SmolLM2-135M over its own tokens. Departures: the
authors use GPT-2 and stop by the likelihood of validation sentences, here both stages are selected by the benchmark's
metric; the variants with a discrete prompt, or with a loss of ratings, are not included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.explanation.peter import INIT, shifted
from baselines.explanation.sentences import END, PAD, SentenceArtifacts, Wording
from baselines.explanation.writer import SentenceNetwork, SentenceWriter, WriterSettings, blocks, greedy
from baselines.learning.interactions import Interactions
from baselines.learning.network import TrainingSettings, shuffled
from baselines.learning.training import NetworkTrainer, Outcome, best_weights, train
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.early_stopping import Scores
from unimp_bench.ragged import Ragged
from unimp_bench.records import IntArray
from unimp_bench.settings import Count
from unimp_bench.torch_setup import make_torchvision_importable

SPECIAL = 4
"""Rows before those of tokens: padding, start, end and unknown words."""

_PROMPT = "prompt"


@dataclass(frozen=True)
class PEPLERConfig(WriterSettings):
    """Settings.

    Attributes:
        prompt_epochs: maximum number of epochs of the first stage.
        batch_size: sentences per step.
        length: maximum number of tokens of a sentence, including its end.
        min_count, vocabulary: of words, without a backbone.
        backbone: a package of weights, a folder or a name on the hub of a causal language model; empty for one with
            random weights.
        width, inner, layers, heads: of the latter.
    """

    epochs: Count = 20
    validate_every: Count = 5
    patience: Count = 2
    batch_size: Count = 64
    prompt_epochs: Count = 5
    backbone: str = ""
    width: Count = 64
    inner: Count = 256
    layers: Count = 2
    heads: Count = 2


SMOLLM2 = PEPLERConfig(
    epochs=5, validate_every=1, patience=2, batch_size=32, prompt_epochs=5, backbone="smollm2", length=40
)


@dataclass(frozen=True)
class Pieces:
    """The tokens of a language model as rows, after the special ones."""

    tokenizer: Any

    def tokens(self, sentences: Sequence[str], length: int) -> IntArray:
        """(n, length) int32 rows of each sentence and ``END``, cut to the length and padded on the right."""
        told = [self.tokenizer.encode(sentence, add_special_tokens=False) for sentence in sentences]
        return Ragged.of_rows([[*(number + SPECIAL for number in one), END] for one in told], np.int32).pad(length, PAD)

    def sentence(self, tokens: Sequence[int]) -> str:
        """The text of the tokens before the first special row."""
        kept = []
        for row in tokens:
            if row < SPECIAL:
                break
            kept.append(row - SPECIAL)
        return str(self.tokenizer.decode(kept, skip_special_tokens=True)).strip()


class Batch(NamedTuple):
    """Rows of users and items, (n,), and tokens (n, T)."""

    users: Tensor
    items: Tensor
    tokens: Tensor


class PEPLERNetwork(SentenceNetwork):
    """The prompts and the language model.

    Args:
        model: of transformers.
        start, end: its tokens.
    """

    clip_norm = 1.0
    decoupled = True
    weight_decay = 0.01

    def __init__(self, interactions: Interactions, model: Any, start: int, end: int, config: PEPLERConfig) -> None:
        super().__init__()
        self.config, self.model, self.start, self.end = config, model, start, end
        width = model.get_input_embeddings().weight.shape[1]
        self.users = nn.Embedding(len(interactions.users), width)
        self.items = nn.Embedding(len(interactions.items), width)
        for table in (self.users, self.items):
            nn.init.uniform_(table.weight, -INIT, INIT)

    def freeze(self, frozen: bool) -> None:
        """Whether only the prompts are trained; all weights of the model, its word vectors among them, are frozen."""
        for weight in self.model.parameters():
            weight.requires_grad_(not frozen)

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        return (self.adam((weight for weight in self.parameters() if weight.requires_grad), settings.learning_rate),)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        examples = self.examples
        assert examples is not None
        told = np.flatnonzero(examples.sentences >= 0)
        for chosen in shuffled(len(told), self.config.batch_size, rng):
            rows = told[chosen]
            tokens = examples.tokens[examples.sentences[rows]].astype(np.int64)
            longest = int((tokens != PAD).sum(axis=1).max())
            yield Batch(*map(self.tensor, (examples.users[rows], examples.items[rows], tokens[:, :longest])))

    def loss(self, batch: Batch) -> Tensor:
        """Mean negative log-likelihood per token, a scalar."""
        read = torch.cat([self.prompt(batch.users, batch.items), self.embed(shifted(batch.tokens))], dim=1)
        logits = self.model(inputs_embeds=read, use_cache=False).logits[:, 2:]
        real = batch.tokens != PAD
        return functional.cross_entropy(logits[real], self.numbers(batch.tokens[real]))

    def prompt(self, users: Tensor, items: Tensor) -> Tensor:
        """``[p_u; q_i]`` of user and item rows, (n, 2, width)."""
        return torch.stack([self.users(users), self.items(items)], dim=1)

    def embed(self, rows: Tensor) -> Tensor:
        """The model's word vectors of rows of any shape, (..., width)."""
        vectors: Tensor = self.model.get_input_embeddings()(self.numbers(rows))
        return vectors

    def numbers(self, rows: Tensor) -> Tensor:
        """The model's tokens of rows; padding, which no real token reads, as its end."""
        special = torch.tensor([self.end, self.start, self.end, self.end], device=rows.device)
        return torch.where(rows < SPECIAL, special[rows.clamp(max=SPECIAL - 1)], rows - SPECIAL)

    def write(self, users: IntArray, items: IntArray) -> Iterator[list[int]]:
        for block in blocks(len(users)):
            prompt = self.prompt(self.tensor(users[block]), self.tensor(items[block]))
            yield from greedy(self._reader(prompt), len(prompt), self.config.length, self.device).tolist()

    def _reader(self, prompt: Tensor) -> Callable[[Tensor], Tensor]:
        held: Any = None

        def step(tokens: Tensor) -> Tensor:
            nonlocal held
            read = self.embed(tokens)[:, None]
            read = read if held is not None else torch.cat([prompt, read], dim=1)
            answer = self.model(inputs_embeds=read, past_key_values=held, use_cache=True)
            held = answer.past_key_values
            logits: Tensor = answer.logits[:, -1]
            rows = logits.new_full((len(logits), SPECIAL + logits.shape[1]), -torch.inf)
            rows[:, SPECIAL:] = logits
            rows[:, SPECIAL + self.start] = rows[:, SPECIAL + self.end] = -torch.inf
            rows[:, END] = logits[:, self.end]
            return rows

        return step


class PEPLER(SentenceWriter[PEPLERConfig, PEPLERNetwork]):
    """Generates explanations."""

    Config = PEPLERConfig
    name = "pepler"
    presets: ClassVar[Mapping[str, Any]] = {"tiny": PEPLERConfig(), "smollm2": SMOLLM2}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {"learning_rate": (1e-4, 3e-4, 1e-3)}

    def wording(self) -> Wording:
        return Pieces(self._pretrained[0]) if self.config.backbone else self.artifacts.vocabulary

    def build(self, artifacts: SentenceArtifacts, items: Items, cache: Path) -> PEPLERNetwork:
        if not self.config.backbone:
            words = len(artifacts.vocabulary) - SPECIAL
            model, start, end = small_decoder(words + 2, self.config), words, words + 1
        else:
            tokenizer, model = self._pretrained
            end = tokenizer.eos_token_id
            start = end if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        return PEPLERNetwork(artifacts.interactions, model, start, end, self.config)

    def learn(self, network: PEPLERNetwork, data: FitData, validate: Callable[[], Scores]) -> Outcome:
        self.show(network, data)
        network.freeze(True)
        folder = data.work / _PROMPT
        settings = replace(self.config, epochs=self.config.prompt_epochs)
        trainer = NetworkTrainer(network, settings, data.seed, self.name)
        first = train(trainer, folder, validate=validate, metric=self.metric(data))
        network.load_state_dict(best_weights(folder, next(iter(first.stopping.best))).tensors)
        network.freeze(False)
        return super().learn(network, data, validate).after(first)

    @cached_property
    def _pretrained(self) -> tuple[Any, Any]:
        from baselines.llm.local import read_model

        tokenizer, model, _ = read_model(self.config.backbone)
        if tokenizer.eos_token_id is None:
            raise UsageError(f"backbone {self.config.backbone!r} has no token that ends a text; choose another")
        return tokenizer, model


def small_decoder(tokens: int, config: PEPLERConfig) -> Any:
    """A Llama with random weights.

    Raises:
        UsageError: the heads do not divide the width.
    """
    if config.width % (2 * config.heads):
        raise UsageError(f"width={config.width} is not an even multiple of heads={config.heads}; choose another width")
    make_torchvision_importable()
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokens,
            hidden_size=config.width,
            intermediate_size=config.inner,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            max_position_embeddings=config.length + 3,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
