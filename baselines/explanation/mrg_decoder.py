"""The sentence decoder of MRG: an LSTM that at each word weighs the user's view of the item against its picture.

With ``p`` and ``q`` the vectors of user and item, ``h`` the trunk's state and ``V_1 .. V_L`` the regions of the
picture, projected to D channels:

    s = BatchNorm(h)                            V = BatchNorm(regions)
    h_0 = tanh(W_h [p; q] + b_h)                c_0 = tanh(W_c [p; q] + b_c)
    e_l = w_a . tanh(W_v V_l + W_a h_{t-1} + b_a) + b      a = softmax(e)      v_t = sum_l a_l V_l
    beta_t = sigmoid(w_x . x_t + w_h . h_{t-1} + b)        z_t = beta_t s + (1 - beta_t) v_t
    c_t, h_t = LSTM([x_t; z_t], c_{t-1}, h_{t-1})
    o_t = tanh(W_1 h_t + b_1 + W_2 z_t + x_t)              logits = W_o o_t + b_o

``x_t`` is the vector of the word before. Batch norms average with a decay of 0.95.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.explanation.mrg_words import END, PAD, START, UNKNOWN

_MOMENTUM = 0.05
_WORD_STD = 0.1


class Scene(NamedTuple):
    """What all words of a sentence see: ``s`` (n, D), ``V`` and ``W_v V`` (n, L, D)."""

    sentiment: Tensor
    regions: Tensor
    keys: Tensor


class State(NamedTuple):
    """``h_t`` and ``c_t``, (n, C) each."""

    hidden: Tensor
    cell: Tensor


class Decoder(nn.Module):
    """The equations of the module.

    Args:
        width: D, of ``[p; q]``, ``h`` and the projected regions.
        channels: of a region as the encoder gives it.
        vocabulary: number of words, those of ``mrg_words`` below 4 included.
        word_width: of ``x_t``.
        state_width: C.
        dropout: of ``h_t`` and ``o_t`` on their way to the words.
    """

    def __init__(
        self, *, width: int, channels: int, vocabulary: int, word_width: int, state_width: int, dropout: float
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, word_width)
        self.project = nn.Linear(channels, width, bias=False)
        self.sentiment_norm = nn.BatchNorm1d(width, momentum=_MOMENTUM)
        self.region_norm = nn.BatchNorm1d(width, momentum=_MOMENTUM)
        self.first_hidden = nn.Linear(width, state_width)
        self.first_cell = nn.Linear(width, state_width)
        self.key = nn.Linear(width, width, bias=False)
        self.query = nn.Linear(state_width, width)
        self.relevance = nn.Linear(width, 1)
        self.word_gate = nn.Linear(word_width, 1, bias=False)
        self.state_gate = nn.Linear(state_width, 1)
        self.lstm = nn.LSTMCell(word_width + width, state_width)
        self.from_state = nn.Linear(state_width, word_width)
        self.from_context = nn.Linear(width, word_width, bias=False)
        self.out = nn.Linear(word_width, vocabulary)
        self.dropout = nn.Dropout(dropout)

    def initialise(self) -> None:
        """First values of the word vectors, which no general rule gives."""
        nn.init.normal_(self.words.weight, std=_WORD_STD)

    def loss(self, pairs: Tensor, trunk: Tensor, regions: Tensor, tokens: Tensor) -> Tensor:
        """Mean negative log likelihood of all words that are no padding, a scalar.

        Args:
            pairs: (n, D) ``[p; q]``.
            trunk: (n, D) ``h``.
            regions: (n, L, channels).
            tokens: (n, T) the sentences.
        """
        scene, state = self.scene(trunk, regions), self.begin(pairs)
        before = torch.cat([torch.full_like(tokens[:, :1], START), tokens[:, :-1]], dim=1)
        words = self.words(before)
        hidden, contexts = [], []
        for word in words.unbind(dim=1):
            state, context = self.step(scene, state, word)
            hidden.append(state.hidden)
            contexts.append(context)
        real = tokens != PAD
        logits = self.logits(torch.stack(hidden, 1)[real], torch.stack(contexts, 1)[real], words[real])
        return functional.cross_entropy(logits, tokens[real])

    def write(self, pairs: Tensor, trunk: Tensor, regions: Tensor, length: int) -> Tensor:
        """(n, at most length) the likeliest word at each step, ended by ``END``; no word of ``mrg_words`` but it."""
        scene, state = self.scene(trunk, regions), self.begin(pairs)
        tokens = torch.full((len(pairs),), START, device=pairs.device)
        ended = torch.zeros_like(tokens, dtype=torch.bool)
        written: list[Tensor] = []
        while len(written) < length and not ended.all():
            word = self.words(tokens)
            state, context = self.step(scene, state, word)
            logits = self.logits(state.hidden, context, word)
            logits[:, [PAD, START, UNKNOWN]] = -torch.inf
            tokens = logits.argmax(dim=1)
            ended |= tokens == END
            written.append(tokens)
        return torch.stack(written, dim=1)

    def scene(self, trunk: Tensor, regions: Tensor) -> Scene:
        """What ``s`` and ``V`` are."""
        projected = self.project(regions)
        normed = self.region_norm(projected.flatten(0, 1)).view_as(projected)
        return Scene(self.sentiment_norm(trunk), normed, self.key(normed))

    def begin(self, pairs: Tensor) -> State:
        """``h_0`` and ``c_0``."""
        return State(torch.tanh(self.first_hidden(pairs)), torch.tanh(self.first_cell(pairs)))

    def step(self, scene: Scene, state: State, word: Tensor) -> tuple[State, Tensor]:
        """The next state, and ``z_t`` (n, D), from ``x_t`` (n, word_width)."""
        seen = (self.attention(scene, state)[:, None] @ scene.regions).squeeze(1)
        beta = self.gate(state, word)
        context = beta * scene.sentiment + (1 - beta) * seen
        return State(*self.lstm(torch.cat([word, context], dim=1), state)), context

    def attention(self, scene: Scene, state: State) -> Tensor:
        """``a``, (n, L), by the state before the word."""
        scores: Tensor = self.relevance(torch.tanh(scene.keys + self.query(state.hidden)[:, None]))
        return scores.squeeze(2).softmax(dim=1)

    def gate(self, state: State, word: Tensor) -> Tensor:
        """``beta_t``, (n, 1)."""
        return torch.sigmoid(self.word_gate(word) + self.state_gate(state.hidden))

    def logits(self, hidden: Tensor, context: Tensor, word: Tensor) -> Tensor:
        """(n, vocabulary)."""
        mixed = torch.tanh(self.from_state(self.dropout(hidden)) + self.from_context(context) + word)
        logits: Tensor = self.out(self.dropout(mixed))
        return logits
