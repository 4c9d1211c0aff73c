"""Answers of many tokens: one after the other, the likeliest or by chance, under the grammar of their kind."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from unimp_bench.contracts import Sampling
from unimp_bench.records import BoolArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.answering.scoring import Asked, last_states
from unimp_bench.unimp.network.model import Memory, UniMPModel


class Grammar(ABC):
    """What may be written.

    Attributes:
        tokens: (A,) int64, all tokens that may ever be written.
        steps: tokens of the longest answer.
        end: place in ``tokens`` of the one that ends an answer, -1 where all answers are of one length.
        marks: (steps,) int64, of the token before each step, -1 for none.
        named: (n, A, levels) int64, the id that each token names in an example, -1 for none; None where no token does.
    """

    named: IntArray | None = None

    def __init__(self, tokens: IntArray, steps: int, end: int = -1, marks: IntArray | None = None) -> None:
        self.tokens = tokens
        self.steps = steps
        self.end = end
        self.marks = np.full(steps, -1) if marks is None else marks

    @abstractmethod
    def allowed(self, examples: IntArray, written: IntArray) -> BoolArray:
        """Which tokens may come next, (b, A) or (1, A).

        Args:
            examples: (b,) example numbers.
            written: (b, s) places in ``tokens`` of what was written so far.
        """


class Free(Grammar):
    """Any of the tokens, at any time."""

    def allowed(self, examples: IntArray, written: IntArray) -> BoolArray:
        return np.ones((1, len(self.tokens)), dtype=np.bool_)


class Increasing(Grammar):
    """Candidates in increasing order, at least one of them, then the end.

    Args:
        tokens: of the places of candidates, then the end.
        named: (n, A, levels) tokens of the candidates' ids of each example, -1 behind them.
    """

    def __init__(self, tokens: IntArray, named: IntArray) -> None:
        super().__init__(tokens, len(tokens), len(tokens) - 1)
        self.named = named
        self.candidates = (named[..., 0] >= 0).sum(axis=1)

    def allowed(self, examples: IntArray, written: IntArray) -> BoolArray:
        place = np.arange(len(self.tokens))
        last = written[:, -1:] if written.shape[1] else np.full((len(examples), 1), -1)
        may: BoolArray = (place > last) & (place < self.candidates[examples][:, None])
        may[:, self.end] = (last[:, 0] >= 0) | (self.candidates[examples] == 0)
        return may


class Dice:
    """Draws tokens by chance; each example has a die of its own, so a batch does not change what it gets.

    Args:
        examples: (b,) example numbers, a die each.
    """

    def __init__(self, sampling: Sampling, examples: IntArray) -> None:
        self._sampling = sampling
        self._dice = [np.random.default_rng((sampling.seed, int(example))) for example in examples]

    def throw(self, logits: Tensor) -> Tensor:
        """(b,) places drawn from ``softmax(logits / temperature)`` over the ``top_k`` highest of logits (b, A).

        The largest of the logits with Gumbel noise upon them is such a draw (Gumbel, 1954).
        """
        count = min(self._sampling.top_k or logits.shape[1], logits.shape[1])
        best, places = logits.double().topk(count, dim=1)
        noise = torch.from_numpy(np.stack([die.gumbel(size=count) for die in self._dice])).to(logits.device)
        drawn = (best / self._sampling.temperature + noise).argmax(dim=1, keepdim=True)
        return places.gather(1, drawn).squeeze(1)


@torch.inference_mode()
def written(model: UniMPModel, asked: Asked, grammar: Grammar, sampling: Sampling | None = None) -> IntArray:
    """The likeliest next token that is allowed, again and again, (sentences, steps) places in the grammar's tokens.

    Keys and values of what stands are kept, so a step costs one token. After the end stands the end.

    Args:
        sampling: draw each token by chance instead.
    """
    make_torchvision_importable()
    from transformers import DynamicCache

    tokens = torch.from_numpy(grammar.tokens).to(model.device)
    table = model.decoder.output_rows(tokens)
    answers = np.full((len(asked.sentences), grammar.steps), grammar.end, dtype=np.int64)
    for chosen, batch in asked.batches(model):
        memory = Memory(DynamicCache())
        states = last_states(model.hidden(batch, memory), batch)
        naming = None if grammar.named is None else torch.from_numpy(grammar.named[chosen]).to(model.device)
        dice = None if sampling is None else Dice(sampling, chosen)
        seen = torch.arange(batch.tokens.shape[1], device=model.device) < batch.lengths[:, None]
        for step in range(grammar.steps):
            may = torch.from_numpy(grammar.allowed(chosen, answers[chosen, :step])).to(model.device)
            logits = _logits(model, states, table, naming).masked_fill(~may, -torch.inf)
            picked = logits.argmax(dim=1) if dice is None else dice.throw(logits)
            places = picked.cpu().numpy()
            if step and grammar.end >= 0:
                places[answers[chosen, step - 1] == grammar.end] = grammar.end
            answers[chosen, step] = places
            if step + 1 == grammar.steps or (grammar.end >= 0 and (places == grammar.end).all()):
                break
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
            new, positions = tokens[picked][:, None], (batch.lengths + step)[:, None]
            marks = torch.full_like(new, int(grammar.marks[step + 1]))
            states = model.advance(new, marks, positions, seen[:, None], memory)[:, 0]
    return answers


def _logits(model: UniMPModel, states: Tensor, table: Tensor, naming: Tensor | None) -> Tensor:
    """(B, A), those of tokens that name an item as ``UniMPModel.logits`` has them."""
    logits = states @ table.T
    if naming is not None:
        rows = model.decoder.output_rows(naming.clamp(min=0)).sum(dim=2)
        logits = logits + torch.einsum("bw,baw->ba", states, rows) * (naming[..., 0] >= 0)
    return logits
