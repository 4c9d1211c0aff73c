"""Exact ranks by following only prefixes of the target's score or more, against scores of all ids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from unimp_bench.generative.beam import beam_search
from unimp_bench.generative.exact import exact_ranks, ids_above, illegal_share, scores_of
from unimp_bench.generative.trie import Trie
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray, IntArray

PROMPTS, CODES, LEVELS = 5, 4, 3
CPU = torch.device("cpu")


class TableDecoder:
    """Log-probabilities of the next code by a table of all prefixes; tokens are numbered level by level."""

    def __init__(self, table: Tensor) -> None:
        self.table = table  # (prompts, prefixes, codes)
        self.prefixes = torch.zeros((len(table), 1), dtype=torch.int64)
        self.level = self.read = 0

    def log_probabilities(self, tokens: Tensor) -> Tensor:
        rows = torch.arange(len(tokens))[:, None]
        return self.table[rows, self.prefixes].gather(2, tokens - CODES * self.level)

    def advance(self, parents: Tensor, tokens: Tensor) -> None:
        codes = tokens - CODES * self.level
        self.prefixes = self.prefixes.gather(1, parents) * (CODES + 1) + codes + 1
        self.level += 1
        self.read += self.prefixes.shape[1]


def table(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(PROMPTS, (CODES + 1) ** LEVELS, CODES, generator=generator)).log_softmax(dim=-1)


def ids_of(seed: int, items: int = 40) -> IntArray:
    """Codes (items, levels); some items share theirs."""
    return np.random.default_rng(seed).integers(CODES, size=(items, LEVELS))


def brute(probabilities: Tensor, codes: IntArray) -> FloatArray:
    """The score of every item by multiplying along its own id, (prompts, items)."""
    scores = np.zeros((PROMPTS, len(codes)))
    for prompt in range(PROMPTS):
        for item, row in enumerate(codes.tolist()):
            prefix = 0
            for code in row:
                scores[prompt, item] += float(probabilities[prompt, prefix, code])
                prefix = prefix * (CODES + 1) + code + 1
    return scores


def trie_of(codes: IntArray) -> tuple[Trie, IntArray]:
    distinct, id_of = np.unique(codes, axis=0, return_inverse=True)
    tokens = distinct + CODES * np.arange(LEVELS)
    return Trie(Ragged.of_lengths(np.full(len(tokens), LEVELS), tokens.ravel())), id_of.reshape(-1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("masked", [False, True])
def test_ranks_are_those_of_all_scores(seed: int, masked: bool) -> None:
    codes, probabilities = ids_of(seed), table(seed)
    trie, id_of = trie_of(codes)
    rng = np.random.default_rng(seed)
    targets = rng.integers(len(codes), size=PROMPTS)
    hidden = [rng.permutation(len(codes))[:7] for _ in range(PROMPTS)]
    scores, expected = brute(probabilities, codes), []
    for prompt, target in enumerate(targets):
        others = np.setdiff1d(np.arange(len(codes)), [target, *(hidden[prompt] if masked else [])])
        expected.append(1 + int((scores[prompt, others] >= scores[prompt, target] - 1e-6).sum()))
    seen = Ragged.of_rows(hidden, np.int64) if masked else None
    ranks, missed = exact_ranks(lambda: TableDecoder(probabilities), trie, id_of, targets, CPU, seen)
    assert ranks.tolist() == expected and not len(missed)
    assert len(np.unique(codes, axis=0)) < len(codes), "items that share an id are among them"


def test_all_beams_give_the_score_of_every_item() -> None:
    codes, probabilities = ids_of(1), table(1)
    trie, id_of = trie_of(codes)
    rows, found = beam_search(TableDecoder(probabilities), trie, PROMPTS, trie.size, CPU)
    scores = torch.full((PROMPTS, trie.size), -torch.inf).scatter(1, rows, found).numpy()[:, id_of]
    np.testing.assert_allclose(scores, brute(probabilities, codes), atol=1e-5)
    alone = scores_of(TableDecoder(probabilities), trie, id_of[[3, 4, 5, 6, 7]], CPU).numpy()
    np.testing.assert_allclose(alone, brute(probabilities, codes)[np.arange(5), np.arange(3, 8)], atol=1e-5)


def test_likely_targets_need_few_prefixes_and_unlikely_ones_fail_at_the_limit() -> None:
    codes, probabilities = ids_of(2), table(2)
    trie, id_of = trie_of(codes)
    scores = brute(probabilities, codes)
    best, worst = scores.argmax(axis=1), scores.argmin(axis=1)
    decoder = TableDecoder(probabilities)
    bars = torch.from_numpy(scores.max(axis=1) - 1e-4)
    ids_above(decoder, trie, bars, 1000, CPU)
    whole = TableDecoder(probabilities)
    beam_search(whole, trie, PROMPTS, trie.size, CPU)
    assert decoder.read < whole.read / 2
    ranks, missed = exact_ranks(lambda: TableDecoder(probabilities), trie, id_of, worst, CPU, most=2)
    assert missed.tolist() == list(range(PROMPTS)) and (ranks == len(codes)).all()
    ranks, missed = exact_ranks(lambda: TableDecoder(probabilities), trie, id_of, best, CPU, most=20)
    assert not len(missed) and ranks.max() <= 2


def test_what_is_left_is_on_ids_of_no_item() -> None:
    codes, probabilities = ids_of(3), table(3)
    trie, _ = trie_of(codes)
    every = brute(probabilities, np.array(list(np.ndindex(*[CODES] * LEVELS))))
    np.testing.assert_allclose(np.exp(every).sum(axis=1), 1, atol=1e-5)
    legal = np.exp(brute(probabilities, np.unique(codes, axis=0))).sum(axis=1)
    share = illegal_share(TableDecoder(probabilities), trie, PROMPTS, CPU).numpy()
    np.testing.assert_allclose(share, 1 - legal, atol=1e-5)
    assert (share > 0.01).all()
