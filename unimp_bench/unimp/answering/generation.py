"""Answers of many tokens: written greedily, one token after the other, under the grammar of their kind."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from unimp_bench.records import BoolArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.answering.scoring import Asked, last_states
from unimp_bench.unimp.network.model import UniMPModel


class Grammar(ABC):
    """What may be written.

    Attributes:
        tokens: (A,) int64, all tokens that may ever be written.
        steps: tokens of the longest answer.
        end: place in ``tokens`` of the one that ends an answer, -1 where all answers are of one length.
        marks: (steps,) int64, of the token before each step, -1 for none.
        named: (n, A) int64, the item that each token names in an example, -1 for none; None where no token does.
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
        named: (n, A) item tokens of the candidates of each example, -1 behind them.
    """

    def __init__(self, tokens: IntArray, named: IntArray) -> None:
        super().__init__(tokens, len(tokens), len(tokens) - 1)
        self.named = named
        self.candidates = (named >= 0).sum(axis=1)

    def allowed(self, examples: IntArray, written: IntArray) -> BoolArray:
        place = np.arange(len(self.tokens))
        last = written[:, -1:] if written.shape[1] else np.full((len(examples), 1), -1)
        may: BoolArray = (place > last) & (place < self.candidates[examples][:, None])
        may[:, self.end] = (last[:, 0] >= 0) | (self.candidates[examples] == 0)
        return may


@torch.inference_mode()
def written(model: UniMPModel, asked: Asked, grammar: Grammar) -> IntArray:
    """The likeliest next token that is allowed, again and again, (sentences, steps) places in the grammar's tokens.

    Keys and values of what stands are kept, so a step costs one token. After the end stands the end.
    """
    make_torchvision_importable()
    from transformers import DynamicCache

    tokens = torch.from_numpy(grammar.tokens).to(model.device)
    table = model.decoder.output_rows(tokens)
    answers = np.full((len(asked.sentences), grammar.steps), grammar.end, dtype=np.int64)
    for chosen, batch in asked.batches(model.device):
        cache = DynamicCache()
        states = last_states(model.hidden(batch, cache), batch)
        naming = None if grammar.named is None else torch.from_numpy(grammar.named[chosen]).to(model.device)
        seen = torch.arange(batch.tokens.shape[1], device=model.device) < batch.lengths[:, None]
        for step in range(grammar.steps):
            may = torch.from_numpy(grammar.allowed(chosen, answers[chosen, :step])).to(model.device)
            picked = _logits(model, states, table, naming).masked_fill(~may, -torch.inf).argmax(dim=1)
            places = picked.cpu().numpy()
            if step and grammar.end >= 0:
                places[answers[chosen, step - 1] == grammar.end] = grammar.end
            answers[chosen, step] = places
            if step + 1 == grammar.steps or (grammar.end >= 0 and (places == grammar.end).all()):
                break
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
            marks = torch.full_like(picked, int(grammar.marks[step + 1]))
            states = model.advance(tokens[picked], marks, batch.lengths + step, seen, cache)
    return answers


def _logits(model: UniMPModel, states: Tensor, table: Tensor, naming: Tensor | None) -> Tensor:
    """(B, A), those of tokens that name an item as ``UniMPModel.forward`` has them."""
    logits = states @ table.T
    if naming is not None:
        rows = model.decoder.output_rows(naming.clamp(min=0))
        logits = logits + torch.einsum("bw,baw->ba", states, rows) * (naming >= 0)
    return logits
