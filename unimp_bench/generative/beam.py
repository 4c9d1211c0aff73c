"""Beam search over the tokens of item ids, constrained by their trie, for decoders that follow all beams at once."""

from __future__ import annotations

from typing import Protocol

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


def beam_search(
    decoder: BeamDecoder, trie: Trie, prompts: int, beams: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The most probable ids of each prompt, best first: their rows in the trie and their log-probabilities, (B, K).

    With as many beams as ids every id gets its exact log-probability.

    Args:
        trie: of ids of one length.
        prompts: B.
        beams: prefixes that are kept at each token; fewer where there are no more. Where the kept ones lead to fewer
            ids, the log-probability of the others is -inf, and their row means nothing.
    """
    first, token_of, leaf = (torch.from_numpy(each).to(device) for each in (trie.children, trie.tokens, trie.leaves))
    nodes = torch.full((prompts, 1), ROOT, device=device)
    scores = torch.zeros(nodes.shape, device=device)
    for depth in range(trie.depth):
        begin, end = (int(bound) for bound in trie.levels[depth + 1 : depth + 3])
        branching = int(np.diff(trie.children[trie.levels[depth] : begin + 1]).max())
        children = first[nodes][..., None] + torch.arange(branching, device=device)
        exists = children < first[nodes + 1][..., None]
        children = children.clamp(max=end - 1)
        tokens = token_of[children]
        grown = (scores[..., None] + decoder.log_probabilities(tokens)).masked_fill(~exists, -torch.inf)
        scores, picked = grown.flatten(1).topk(min(beams, end - begin, grown[0].numel()))
        nodes, tokens = (each.flatten(1).gather(1, picked) for each in (children, tokens))
        if depth + 1 < trie.depth:
            decoder.advance(picked // branching, tokens)
    return leaf[nodes], scores
