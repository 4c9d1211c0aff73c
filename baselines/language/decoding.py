"""Answers of a language model: a beam search for the id of an item, a greedy walk over ids of candidates, free text.

Ids are held to those of items by a trie of their tokens, so that all beams are items and no two the same; an item's
score is then the log-probability of its id, and with as many beams as items every item has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.language.network import LanguageNetwork
from baselines.language.phrases import Phrases
from baselines.language.trie import Trie
from baselines.learning.sequences import of_like_length
from unimp_bench.progress import progress
from unimp_bench.records import FloatArray, IntArray, Shown

_LOGITS = 1 << 24
_ROWS = 128
"""Bounds of a batch: logits of one step, and prompts."""

_GREEDY: dict[str, Any] = {"num_beams": 1}
_SEARCHING = {"length_penalty": 0.0, "output_scores": True}
_NEVER = -1e8  # transformers gives beams that are none about -1e9


@dataclass(frozen=True)
class Beams:
    """What a search found for n prompts.

    Attributes:
        tokens: (n, k, T) of the answers, 0 behind the end token.
        scores: (n, k) log-probabilities, minus infinity where a beam is none.
    """

    tokens: IntArray
    scores: FloatArray


Rule = Callable[[IntArray], Any]
"""Makes the logits processor of the prompts with the given numbers."""


@torch.no_grad()
def search(network: LanguageNetwork, prompts: Phrases, beams: int, most_tokens: int, rule: Rule | None = None) -> Beams:
    """The best answers to each prompt, by their log-probability, ``beams`` of them.

    Args:
        most_tokens: of an answer, its end included; one that has not ended by then is cut.
        rule: what may be generated; None for anything.
    """
    from transformers import LogitsProcessorList
    from transformers.modeling_outputs import BaseModelOutput

    tokens = np.zeros((len(prompts), beams, most_tokens), dtype=np.int64)
    scores = np.zeros((len(prompts), beams))
    size = max(1, min(_ROWS, _LOGITS // (beams * network.t5.config.vocab_size)))
    for rows in progress(list(of_like_length(prompts.lengths(), size)), "generating", unit="batch"):
        source = network.source(prompts.take(rows))
        found = network.t5.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=network.encode(source)),
            attention_mask=source.real,
            logits_processor=LogitsProcessorList([] if rule is None else [rule(rows)]),
            do_sample=False,
            max_new_tokens=most_tokens,
            return_dict_in_generate=True,
            **(_GREEDY if beams == 1 else {**_SEARCHING, "num_beams": beams, "num_return_sequences": beams}),
        )
        said = found.sequences[:, 1:].reshape(len(rows), beams, -1).cpu().numpy()
        tokens[rows, :, : said.shape[2]] = said
        if beams > 1:
            scores[rows] = found.sequences_scores.reshape(len(rows), beams).cpu().numpy()
    return Beams(tokens, np.where(scores > _NEVER, scores, -np.inf))


def one_id(trie: Trie) -> Rule:
    """One id of an item, and its end."""

    def process(tokens: Tensor, scores: Tensor) -> Tensor:
        return _only(scores, *trie.next_tokens(trie.walk(tokens[:, 1:].cpu().numpy())))

    return lambda rows: process


def some_ids(trie: Trie, candidates: Shown) -> Rule:
    """One id or more, each of a candidate and none twice, and their end; candidates are item rows."""

    def rule(rows: IntArray) -> Any:
        offsets, places = candidates.rows_of(rows)
        asked = Shown(offsets, candidates.items[places])
        wanted = np.zeros((len(rows), trie.size), dtype=np.bool_)
        wanted[asked.owners(), asked.items] = True

        def process(tokens: Tensor, scores: Tensor) -> Tensor:
            return _only(scores, *trie.next_in_lists(tokens[:, 1:].cpu().numpy(), wanted))

        return process

    return rule


def _only(scores: Tensor, rows: IntArray, tokens: IntArray) -> Tensor:
    """Scores of the given tokens of rows, minus infinity elsewhere."""
    kept = torch.full_like(scores, -torch.inf)
    place = torch.from_numpy(rows).to(scores.device), torch.from_numpy(tokens).to(scores.device)
    kept[place] = scores[place]
    return kept
