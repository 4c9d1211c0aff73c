"""Beam search over the tokens of item ids, constrained by their trie, for decoders that follow all beams at once."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from unimp_bench.generative.trie import ROOT, Trie


class BeamDecoder(Protocol):
    """A decoder that has read B prompts; at first it follows one beam of each, which is empty."""

    def log_probabilities(self, tokens: Tensor) -> Tensor:
        """Of next tokens (B, K, M) of each of K beams, among the whole vocabulary, same shape."""

    def advance(self, parents: Tensor, tokens: Tensor) -> None:
        """Follow other beams: those of number ``parents`` (B, K) so far, each continued by its token (B, K)."""


class Grown(NamedTuple):
    """The continuations of some beams in the trie, (B, K, M) each, M the largest number of children.

    Attributes:
        nodes, tokens: of the continuations.
        scores: their log-probabilities; -inf where a beam has fewer.
    """

    nodes: Tensor
    tokens: Tensor
    scores: Tensor

    def pick(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes, tokens and parents (B, kept) of chosen continuations, by their numbers in all of a prompt's."""
        nodes, tokens = (each.flatten(1).gather(1, numbers) for each in (self.nodes, self.tokens))
        return nodes, tokens, numbers // self.nodes.shape[2]


class Growth:
    """Grows beams along a trie, token by token.

    Args:
        trie: of ids of one length.
        device: of the decoder.

    Attributes:
        leaves: (nodes,) row of the id that ends at a node.
    """

    def __init__(self, trie: Trie, device: torch.device) -> None:
        arrays = (trie.children, trie.tokens, trie.leaves)
        self._first, self._token_of, self.leaves = (torch.from_numpy(each).to(device) for each in arrays)
        self._trie, self._device = trie, device

    def start(self, prompts: int) -> tuple[Tensor, Tensor]:
        """The node and score of one empty beam per prompt, (prompts, 1)."""
        nodes = torch.full((prompts, 1), ROOT, device=self._device)
        return nodes, torch.zeros(nodes.shape, device=self._device)

    def width(self, depth: int) -> int:
        """Number of prefixes of ``depth`` tokens."""
        return int(self._trie.levels[depth + 1] - self._trie.levels[depth])

    def grow(self, decoder: BeamDecoder, nodes: Tensor, scores: Tensor, depth: int) -> Grown:
        """All continuations of beams (B, K) of ``depth`` tokens with these scores."""
        trie = self._trie
        begin, end = (int(bound) for bound in trie.levels[depth + 1 : depth + 3])
        branching = int(np.diff(trie.children[trie.levels[depth] : begin + 1]).max())
        children = self._first[nodes][..., None] + torch.arange(branching, device=self._device)
        exists = children < self._first[nodes + 1][..., None]
        children = children.clamp(max=end - 1)
        tokens = self._token_of[children]
        grown = scores[..., None] + decoder.log_probabilities(tokens)
        return Grown(children, tokens, grown.masked_fill(~exists, -torch.inf))


def beam_search(
    decoder: BeamDecoder, trie: Trie, prompts: int, beams: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The most probable ids of each prompt, best first: their rows in the trie and their log-probabilities, (B, K).

    With as many beams as ids every id gets its exact log-probability; the decoder then reads each prefix once, not each
    id.

    Args:
        trie: of ids of one length.
        prompts: B.
        beams: prefixes that are kept at each token; fewer where there are no more. Where the kept ones lead to fewer
            ids, the log-probability of the others is -inf, and their row means nothing.
    """
    growth = Growth(trie, device)
    nodes, scores = growth.start(prompts)
    for depth in range(trie.depth):
        grown = growth.grow(decoder, nodes, scores, depth)
        kept = min(beams, growth.width(depth + 1), grown.scores[0].numel())
        scores, numbers = grown.scores.flatten(1).topk(kept)
        nodes, tokens, parents = grown.pick(numbers)
        if depth + 1 < trie.depth:
            decoder.advance(parents, tokens)
    return growth.leaves[nodes], scores
