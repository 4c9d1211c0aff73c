"""The trie of ids, against lists of them."""

from __future__ import annotations

import numpy as np

from unimp_bench.generative.trie import ROOT, Trie
from unimp_bench.ragged import Ragged

END = 1
IDS = [[9, 4], [9, 4, 5], [9, 6, 5], [9, 7]]
"""The first is a prefix of the second."""


def trie_of(ids: list[list[int]]) -> Trie:
    return Trie(Ragged.of_rows(ids, np.int64))


def _following(pairs: tuple[np.ndarray, np.ndarray], rows: int) -> list[set[int]]:
    return [set(pairs[1][pairs[0] == row].tolist()) for row in range(rows)]


def test_the_leaves_are_the_ids_and_no_other() -> None:
    for ids in (IDS, [[0, 5, 7], [2, 3, 6], [0, 4, 6], [0, 5, 6], [1, 3, 8]]):
        trie = trie_of(ids)
        paths: dict[int, list[int]] = {ROOT: []}
        for depth in range(trie.depth):
            for node in range(trie.levels[depth], trie.levels[depth + 1]):
                children = range(trie.children[node], trie.children[node + 1])
                assert sorted(trie.tokens[children]) == trie.tokens[children].tolist()
                paths |= {child: [*paths[node], int(trie.tokens[child])] for child in children}
        assert len(paths) == len(trie) == trie.levels[-1]
        leaves = {int(trie.leaves[node]): path for node, path in paths.items() if trie.leaves[node] >= 0}
        assert leaves == dict(enumerate(ids))


def test_next_tokens_are_the_continuations_of_ids() -> None:
    begun = [[], [9], [9, 4], [9, 4, 5], [9, 6], [9, 8], [9, 7, END]]
    for tokens in begun:
        expected = {code[len(tokens)] for code in IDS if code[: len(tokens)] == tokens and len(code) > len(tokens)}
        expected |= {END} if tokens in IDS else set()
        trie = trie_of(IDS)
        nodes = trie.walk(np.array([tokens], dtype=np.int64).reshape(1, -1))
        assert _following(trie.next_tokens(nodes, END), 1) == [expected or {0}]


def test_lists_hold_candidates_once_each() -> None:
    """All lists that can be generated are the sequences of distinct candidates, and nothing else."""
    for candidates in ([0], [1], [0, 1], [0, 1, 3], [1, 2]):
        mask = np.zeros((1, len(IDS)), dtype=np.bool_)
        mask[0, candidates] = True
        assert _all_lists(trie_of(IDS), mask) == _sequences(candidates)


def test_rows_do_not_mix() -> None:
    mask = np.array([[True, False, False, True], [False, True, False, False]])
    pairs = trie_of(IDS).next_in_lists(np.array([[9, 4], [9, 4]]), mask, END)
    assert _following(pairs, 2) == [{END, 9}, {5}]


def _all_lists(trie: Trie, candidates: np.ndarray) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = set()
    unfinished: list[tuple[int, ...]] = [()]
    while unfinished:
        tokens = unfinished.pop()
        pairs = trie.next_in_lists(np.array([tokens], dtype=np.int64).reshape(1, -1), candidates, END)
        for token in _following(pairs, 1)[0]:
            if token == END:
                found.add(tokens)
            else:
                unfinished.append((*tokens, token))
    return found


def _sequences(candidates: list[int], begun: tuple[int, ...] = (), used: tuple[int, ...] = ()) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = {begun} if begun else set()
    for item in candidates:
        if item not in used:
            found |= _sequences(candidates, (*begun, *IDS[item]), (*used, item))
    return found
