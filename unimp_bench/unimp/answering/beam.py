"""Scores of ids of several tokens: constrained beam search behind the sentences of a batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unimp_bench.generative.beam import beam_search
from unimp_bench.generative.trie import Trie
from unimp_bench.ragged import Ragged
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.answering.scoring import Asked, last_states
from unimp_bench.unimp.network.model import Memory, UniMPModel
from unimp_bench.unimp.sentence.batches import Batch

_ITEMS_AT_ONCE = 256
_ROWS_AT_ONCE = 1024


@torch.inference_mode()
def id_scores(model: UniMPModel, asked: Asked, catalogue: IntArray, beams: int) -> FloatArray:
    """Log-probabilities of the catalogue's ids after each sentence's ``<answer>``, (sentences, catalogue) float32.

    That of an id is the sum over its tokens, each among the whole vocabulary. An item whose id no beam reached is
    ranked below all that were found.

    Args:
        beams: prefixes of ids that are kept at each token (paper: 10); 0 keeps all, so every item is scored.
    """
    make_torchvision_importable()
    from transformers import DynamicCache

    tries = _tries(asked.vocabulary.item_tokens(catalogue), beams)
    scores = np.full((len(asked.sentences), len(catalogue)), -np.inf, dtype=np.float32)
    for chosen, batch in asked.batches(model):
        memory = Memory(DynamicCache())
        states = last_states(model.hidden(batch, memory), batch)
        length = memory.cache.get_seq_length()
        for items, trie in tries:
            decoder = _Continuation(model, batch, states, memory)
            rows, found = beam_search(decoder, trie, len(chosen), beams or trie.size, model.device)
            if added := memory.cache.get_seq_length() - length:
                memory.cache.crop(-added)
            reached = found > -torch.inf
            sentence, _ = torch.where(reached)
            indices = items[rows[reached].cpu().numpy()]
            scores[chosen[sentence.cpu().numpy()], indices] = found[reached].float().cpu().numpy()
    least = np.where(np.isfinite(scores), scores, np.inf).min(axis=1, keepdims=True, initial=0)
    return np.where(np.isfinite(scores), scores, least - 1)


def _tries(ids: IntArray, beams: int) -> list[tuple[IntArray, Trie]]:
    """Tries of ids (n, levels), each with the rows of its ids.

    One trie; but where all prefixes are kept, some hundred similar ids each, as every prefix adds a token to the
    sentence and those of one trie are read together.
    """
    order = np.lexsort(ids.T[::-1])
    size = _ITEMS_AT_ONCE if beams == 0 else max(1, len(ids))
    parts = [order[begin : begin + size] for begin in range(0, len(order), size)]
    lengths = [np.full(len(part), ids.shape[1]) for part in parts]
    return [(part, Trie(Ragged.of_lengths(each, ids[part].ravel()))) for part, each in zip(parts, lengths, strict=True)]


class _Continuation:
    """Sentences that are continued in several beams (``BeamDecoder``).

    All tokens of a step are read behind their sentence in one row, each attending to the sentence, its own prefix and
    itself: keys and values of the sentence are kept once, not once per beam.

    Args:
        states: (B, width) at ``<answer>``.
        memory: of the sentences; grows.
    """

    def __init__(self, model: UniMPModel, batch: Batch, states: Tensor, memory: Memory) -> None:
        self._model, self._memory = model, memory
        self._states = states[:, None]
        self._positions = batch.lengths
        self._seen = (torch.arange(batch.tokens.shape[1], device=states.device) < batch.lengths[:, None])[:, None]

    def log_probabilities(self, tokens: Tensor) -> Tensor:
        parts = (torch.split(each.flatten(0, 1), _ROWS_AT_ONCE) for each in (self._states, tokens))
        found = []
        for states, candidates in zip(*parts, strict=True):
            logits = self._model.logits(states).float()
            found.append(logits.gather(1, candidates) - logits.logsumexp(dim=1, keepdim=True))
        return torch.cat(found).view(tokens.shape)

    def advance(self, parents: Tensor, tokens: Tensor) -> None:
        rows = torch.arange(len(tokens), device=tokens.device)[:, None]
        itself = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device).expand(len(rows), -1, -1)
        self._seen = torch.cat([self._seen[rows, parents], itself], dim=2)
        positions = self._positions[:, None].expand_as(tokens)
        self._positions = self._positions + 1
        none = torch.full_like(tokens, -1)
        self._states = self._model.advance(tokens, none, positions, self._seen, self._memory)
