"""Exact ranks of generated ids without scoring all of them, and the probability that falls on ids of no item.

No log-probability of a token is positive, so that the score of a prefix bounds those of all ids below it. Where the
target's id has score s*, found by reading its own tokens alone, only prefixes of score s* or more are followed:

    rank = 1 + #(other items i with  sum_l log p(c_l(i) | c_1(i) .. c_{l-1}(i)) >= s*)

which is the number of items at the leaves that are reached.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from unimp_bench.generative.beam import BeamDecoder, Growth, beam_search
from unimp_bench.generative.trie import Trie
from unimp_bench.ragged import Ragged
from unimp_bench.records import IntArray

TOLERANCE = 1e-4
"""Between the score of one id read alone and among others; leaves are compared with the target's score among them."""


def scores_of(decoder: BeamDecoder, trie: Trie, ids: IntArray, device: torch.device) -> Tensor:
    """The log-probability of one id per prompt, (B,).

    Args:
        decoder: that has read the prompts.
        trie: of ids of one length.
        ids: (B,) rows of the trie's ids.
    """
    tokens = torch.from_numpy(trie.tokens_of(ids)).to(device)
    total = torch.zeros(len(tokens), device=device)
    parents = torch.zeros((len(tokens), 1), dtype=torch.int64, device=device)
    for depth in range(trie.depth):
        step = tokens[:, depth, None]
        total = total + decoder.log_probabilities(step[..., None])[:, 0, 0]
        if depth + 1 < trie.depth:
            decoder.advance(parents, step)
    return total


def ids_above(
    decoder: BeamDecoder, trie: Trie, bars: Tensor, most: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """All ids at least as probable as a prompt's bar: rows and log-probabilities (B, K), and where this failed, (B,).

    Args:
        bars: (B,) log-probabilities.
        most: prefixes that are followed at most; a prompt with more fails, and its ids are incomplete.

    Returns:
        Log-probabilities are -inf where a prompt has fewer ids than another.
    """
    growth = Growth(trie, device)
    nodes, scores = growth.start(len(bars))
    failed = torch.zeros(len(bars), dtype=torch.bool, device=device)
    for depth in range(trie.depth):
        grown = growth.grow(decoder, nodes, scores, depth)
        kept = grown.scores >= bars[:, None, None]
        counts = kept.flatten(1).sum(dim=1)
        failed |= counts > most
        width = max(1, min(most, int(counts.max())))
        scores, numbers = grown.scores.masked_fill(~kept, -torch.inf).flatten(1).topk(width)
        nodes, tokens, parents = grown.pick(numbers)
        if depth + 1 < trie.depth:
            decoder.advance(parents, tokens)
    return growth.leaves[nodes], scores, failed


def exact_ranks(
    decoder: Callable[[], BeamDecoder],
    trie: Trie,
    id_of: IntArray,
    targets: IntArray,
    device: torch.device,
    seen: Ragged | None = None,
    most: int = 2000,
) -> tuple[IntArray, IntArray]:
    """The rank of each prompt's target among the items, (B,), and the prompts for which it was not found.

    Items with one id have one score, and ties count against the target. A rank that was not found is the worst one.

    Args:
        decoder: gives one that has read the prompts.
        trie: of the distinct ids, of one length.
        id_of: (items,) row in the trie of each item's id.
        targets: (B,) items.
        seen: (B, varying) distinct items that are not competitors.
        most: prefixes that are followed at most.
    """
    sizes = np.bincount(id_of, minlength=trie.size)
    wanted = id_of[targets]
    bars = scores_of(decoder(), trie, wanted, device)
    found = ids_above(decoder(), trie, bars - TOLERANCE, most, device)
    rows, scores, failed = (each.cpu().numpy() for each in found)
    ranks = np.empty(len(targets), dtype=np.int64)
    for prompt, target in enumerate(targets):
        hidden = seen[prompt] if seen is not None else np.zeros(0, dtype=np.int64)
        hidden = hidden[hidden != target]
        if failed[prompt]:
            ranks[prompt] = len(id_of) - len(hidden)
            continue
        own = scores[prompt][(rows[prompt] == wanted[prompt]) & np.isfinite(scores[prompt])]
        reached = rows[prompt][scores[prompt] >= own]
        ranks[prompt] = sizes[reached].sum() - np.isin(id_of[hidden], reached).sum()
    return ranks, np.flatnonzero(failed)


def illegal_share(decoder: BeamDecoder, trie: Trie, prompts: int, device: torch.device) -> Tensor:
    """The probability of all ids of no item, (B,): 1 less the sum over the distinct ids of the trie."""
    _, scores = beam_search(decoder, trie, prompts, trie.size, device)
    return 1 - scores.double().exp().sum(dim=1)
