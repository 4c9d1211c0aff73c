"""The tree of ids, against lists of them."""

from __future__ import annotations

import numpy as np

from baselines.language.phrases import END, Phrases
from baselines.language.trie import Trie

IDS = [[9, 4], [9, 4, 5], [9, 6, 5], [9, 7]]
"""The first is the beginning of the second."""


def _following(pairs: tuple[np.ndarray, np.ndarray], rows: int) -> list[set[int]]:
    return [set(pairs[1][pairs[0] == row].tolist()) for row in range(rows)]


def test_what_may_follow_is_what_some_id_goes_on_with() -> None:
    trie = Trie(Phrases.words_of(IDS))
    begun = [[], [9], [9, 4], [9, 4, 5], [9, 6], [9, 8], [9, 7, END]]
    for tokens in begun:
        expected = {code[len(tokens)] for code in IDS if code[: len(tokens)] == tokens and len(code) > len(tokens)}
        expected |= {END} if tokens in IDS else set()
        nodes = trie.walk(np.array([tokens], dtype=np.int64).reshape(1, -1))
        assert _following(trie.next_tokens(nodes), 1) == [expected or {0}]


def test_lists_hold_candidates_once_each() -> None:
    """All lists that can be generated are the sequences of distinct candidates, and nothing else."""
    trie = Trie(Phrases.words_of(IDS))
    for candidates in ([0], [1], [0, 1], [0, 1, 3], [1, 2]):
        wanted = np.zeros((1, len(IDS)), dtype=np.bool_)
        wanted[0, candidates] = True
        assert _all_lists(trie, wanted) == _sequences(candidates)


def test_rows_do_not_mix() -> None:
    trie = Trie(Phrases.words_of(IDS))
    wanted = np.array([[True, False, False, True], [False, True, False, False]])
    pairs = trie.next_in_lists(np.array([[9, 4], [9, 4]]), wanted)
    assert _following(pairs, 2) == [{END, 9}, {5}]


def _all_lists(trie: Trie, wanted: np.ndarray) -> set[tuple[int, ...]]:
    found, open_ = set(), [()]
    while open_:
        tokens = open_.pop()
        pairs = trie.next_in_lists(np.array([tokens], dtype=np.int64).reshape(1, -1), wanted)
        for token in _following(pairs, 1)[0]:
            if token == END:
                found.add(tokens)
            else:
                open_.append((*tokens, token))
    return found


def _sequences(candidates: list[int], begun: tuple[int, ...] = (), used: tuple[int, ...] = ()) -> set[tuple[int, ...]]:
    found = {begun} if begun else set()
    for item in candidates:
        if item not in used:
            found |= _sequences(candidates, (*begun, *IDS[item]), (*used, item))
    return found
