"""TIGER: generative retrieval over semantic ids (Rajput et al., NeurIPS 2023).

An item is a sequence of codes c_1 .. c_L. A T5 encoder reads those of the last items, a decoder writes those of the
next:

    e = Encoder(c(i_1) .. c(i_n));    p(c_l | c_1 .. c_{l-1}) = softmax(W_l Decoder(begin, c_1 .. c_{l-1}; e)_l)
    score(j) = sum_l log p(c_l(j) | c_1(j) .. c_{l-1}(j))
    L = mean over samples of  -score(next)

Every prefix of a training sequence is a sample. The blocks are those of transformers' T5 (pre-norm, relative
positions in buckets, no biases). Departures: no token of the user, an output matrix per level, which most later
implementations have; residual k-means in the place of an RQ-VAE, fitted on the items of the training part; the
learning rate falls by a cosine over the epochs. The authors printed 13 M parameters, the sizes that they give make
4.7 M (preset ``paper``).

Scores are those of a beam search in the trie of the catalogue's ids; the other items rank last. ``beams=0`` scores
every item exactly. Items that share an id have one score. Remarks give the probability that falls on ids of no item.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.generative.coded import CodedInteractions, coded
from baselines.generative.t5 import T5, T5Beams
from baselines.learning.model import LearnedRanker
from baselines.learning.network import Network, TrainingSettings
from baselines.learning.sequences import Windows, batches, ends_of_histories, of_like_length, padded
from unimp_bench.contracts import FitData
from unimp_bench.corpus import Items
from unimp_bench.generative.beam import beam_search
from unimp_bench.generative.exact import exact_ranks, illegal_share
from unimp_bench.generative.trie import Trie
from unimp_bench.ragged import Ragged, offsets_of
from unimp_bench.records import Examples, IntArray, Protocol
from unimp_bench.settings import Count, Number, Share

UNFOUND = -1e9
"""Score of items that no beam reaches."""

WARM_UP = 0.5
"""Share of the learning rate in the first epoch."""

_AUDITED = 16
_BATCH = 128
_BEAMS_AT_ONCE = 4096


@dataclass(frozen=True)
class TigerConfig(TrainingSettings):
    """Settings.

    Attributes:
        batch_size: prefixes of users' sequences per step.
        max_length: maximum number of items of a history, the last ones.
        width: of the states.
        inner: width of the feed-forward layers.
        layers: of the encoder, and of the decoder.
        heads, head_width: attention heads, and the width of each.
        dropout: of T5.
        beams: prefixes of ids that are kept at each code; 0 keeps all, so that every score is exact.
        levels, codes: of residual k-means where no stored ids are named, before the code that resolves collisions.
    """

    epochs: Count = 30
    patience: Count = 5
    validate_every: Count = 2
    batch_size: Count = 256
    max_length: Count = 20
    width: Count = 64
    inner: Count = 256
    layers: Count = 2
    heads: Count = 4
    head_width: Count = 16
    dropout: Share = 0.1
    beams: Number = 50
    levels: Count = 3
    codes: Count = 256


PAPER = TigerConfig(width=128, inner=1024, layers=4, heads=6, head_width=64, epochs=100)


class Prefixes(NamedTuple):
    """Item rows (B, N), right-padded with I, and the rows of the next items, (B,)."""

    items: Tensor
    targets: Tensor


class TigerNetwork(Network):
    """Encoder and decoder over the codes of items.

    Args:
        interactions: the training part, with ids.
        config: the settings.

    Attributes:
        trie: of the distinct ids of the catalogue.
        id_of: (I,) row in the trie of each item's id.
        illegal: mean probability of ids of no item, as measured on validation; NaN before.
    """

    decoupled = True
    weight_decay = 1e-4
    illegal: Tensor
    token_of: Tensor

    def __init__(self, interactions: CodedInteractions, config: TigerConfig) -> None:
        super().__init__()
        self.interactions, self.config = interactions, config
        self.padding, self.sizes = len(interactions.items), interactions.sizes
        self.levels, self.bounds = len(self.sizes), offsets_of(self.sizes)
        width = config.width
        self.embed = nn.Embedding(int(self.bounds[-1]) + 1, width)
        self.begin = nn.Parameter(torch.randn(width))
        self.blocks = T5(width, config.inner, config.layers, config.heads, config.head_width, config.dropout)
        heads = [nn.Linear(width, size, bias=False) for size in self.sizes]
        nn.init.normal_(self.embed.weight)
        for head in heads:
            nn.init.normal_(head.weight, std=width**-0.5)
        self.heads = nn.ModuleList(heads)
        tokens = np.full((self.padding + 1, self.levels), self.bounds[-1])
        tokens[:-1] = interactions.codes + self.bounds[:-1]
        self.register_buffer("token_of", torch.from_numpy(tokens), persistent=False)
        self.register_buffer("illegal", torch.tensor(math.nan))
        distinct, id_of = np.unique(tokens[:-1], axis=0, return_inverse=True)
        self.trie = Trie(Ragged.of_lengths(np.full(len(distinct), self.levels), distinct.ravel()))
        self.id_of: IntArray = id_of.reshape(-1)

    @cached_property
    def _histories(self) -> Windows:
        """The history of every training interaction that has one, in which it is the next item."""
        owners, offsets = self.interactions.owners, self.interactions.sequences.offsets
        nexts = np.flatnonzero(np.arange(len(owners)) > offsets[owners])
        starts = np.maximum(offsets[owners[nexts]], nexts - self.config.max_length)
        return Windows(owners[nexts], starts, nexts)

    def batches(self, rng: np.random.Generator) -> Iterator[Prefixes]:
        sequence, histories = self.interactions.sequences.values, self._histories
        for rows in batches(histories, self.config.batch_size, rng):
            items = padded(sequence, histories.starts[rows], histories.stops[rows], self.padding)
            yield Prefixes(self.tensor(items), self.tensor(sequence[histories.stops[rows]]))

    def loss(self, batch: Prefixes) -> Tensor:
        memory, real = self.encode(batch.items)
        tokens = self.token_of[batch.targets]
        states = self.blocks.decode(self.decoder_input(tokens[:, :-1]), memory, real)
        codes = tokens - self.tensor(self.bounds[:-1])
        losses = [
            functional.cross_entropy(head(states[:, level]), codes[:, level]) for level, head in enumerate(self.heads)
        ]
        return torch.stack(losses).sum()

    def encode(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, N levels, width) of the codes of items (B, N), and which of them are no padding, (B, N levels)."""
        tokens = self.token_of[items].flatten(1)
        real = tokens < int(self.bounds[-1])
        return self.blocks.encode(self.embed(tokens), real), real

    def decoder_input(self, tokens: Tensor) -> Tensor:
        """Embeddings (B, 1 + T, width) of the begin and of tokens (B, T)."""
        return torch.cat([self.begin.expand(len(tokens), 1, -1), self.embed(tokens)], dim=1)

    def decoder(self, memory: Tensor, real: Tensor) -> IdDecoder:
        """A decoder of beams that has read histories, by what ``encode`` gave."""
        return IdDecoder(self, memory, real)

    def pace(self, epoch: int) -> float:
        return WARM_UP if epoch == 0 else 0.5 * (1 + math.cos(math.pi * epoch / self.config.epochs))

    def score(self, examples: Examples) -> Tensor:
        beams = self.config.beams or self.trie.size
        scores = torch.full((len(examples), self.trie.size), UNFOUND, device=self.device)
        for rows, memory, real in self._read(examples, max(1, _BATCH * _BEAMS_AT_ONCE // max(beams, _BEAMS_AT_ONCE))):
            ids, found = beam_search(self.decoder(memory, real), self.trie, len(rows), beams, self.device)
            reached = found > -torch.inf
            places = self.tensor(rows)[:, None].expand_as(ids)
            scores[places[reached], ids[reached]] = found[reached]
        return scores[:, self.tensor(self.id_of)]

    def ranks(self, examples: Examples, targets: IntArray, seen: Ragged | None = None) -> IntArray:
        """The exact rank of a target row of each example, (n,), without scoring all items; see ``exact_ranks``."""
        ranks = np.empty(len(examples), dtype=np.int64)
        for rows, memory, real in self._read(examples, _AUDITED):

            def fresh(memory: Tensor = memory, real: Tensor = real) -> IdDecoder:
                return self.decoder(memory, real)

            hidden = None if seen is None else seen.take(rows)
            ranks[rows], _ = exact_ranks(fresh, self.trie, self.id_of, targets[rows], self.device, hidden)
        return ranks

    def measure_illegal(self, examples: Examples) -> None:
        """Set ``illegal`` by the first examples."""
        shares = [
            illegal_share(self.decoder(memory, real), self.trie, len(rows), self.device)
            for rows, memory, real in self._read(examples.select(slice(0, _AUDITED)), 4)
        ]
        self.illegal.fill_(float(torch.cat(shares).mean()) if shares else math.nan)

    def _read(self, examples: Examples, size: int) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Numbers of examples, and what ``encode`` gives for their histories."""
        items, lengths = ends_of_histories(examples, self.interactions, self.config.max_length)
        for rows in of_like_length(lengths, size):
            yield rows, *self.encode(self.tensor(items[rows, : lengths[rows].max()]))


class IdDecoder:
    """Beams of ids that follow histories (``BeamDecoder``); tokens are numbered level by level."""

    def __init__(self, network: TigerNetwork, memory: Tensor, real: Tensor) -> None:
        self._network, self._level = network, 0
        self._beams = T5Beams(network.blocks, memory, real)
        self._states = self._beams.begin(network.begin.expand(len(memory), 1, -1))

    def log_probabilities(self, tokens: Tensor) -> Tensor:
        logits = self._network.heads[self._level](self._states)
        found: Tensor = logits.gather(2, tokens - int(self._network.bounds[self._level]))
        scores: Tensor = found - logits.logsumexp(dim=2, keepdim=True)
        return scores

    def advance(self, parents: Tensor, tokens: Tensor) -> None:
        self._level += 1
        self._states = self._beams.advance(parents, self._network.embed(tokens))


class Tiger(LearnedRanker[TigerConfig]):
    """See the module."""

    Config = TigerConfig
    Artifacts = CodedInteractions
    name = "tiger"
    presets: ClassVar[Mapping[str, Any]] = {"small": TigerConfig(), "paper": PAPER}
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (5e-4, 1e-3, 2e-3),
        "dropout": (0.1, 0.2),
        "width": (64, 96),
    }

    def gather(self, data: FitData) -> CodedInteractions:
        return coded(super().gather(data), data, "rkmeans", self.config.levels, self.config.codes, self.name)

    def build(self, artifacts: Any, items: Items, cache: Path) -> Network:
        return TigerNetwork(artifacts, self.config)

    def settle(self, protocol: Protocol, data: FitData, best: float) -> None:
        network = self.prepared()
        assert isinstance(network, TigerNetwork)
        with torch.no_grad():
            network.measure_illegal(data.examples[self.validated_by(data)].held_out.hidden())

    def remarks(self) -> tuple[str, ...]:
        network = self.network
        assert isinstance(network, TigerNetwork)
        share = float(network.illegal)
        told = () if math.isnan(share) else (f"ids of no item have {share:.1%} of the probability (validation)",)
        return (*told, *super().remarks())
