"""Answers of one id: beam search over the tokens of ids, held to those of the catalogue."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unimp_bench.records import FloatArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.answering.scoring import Asked, last_states
from unimp_bench.unimp.answering.trie import Trie
from unimp_bench.unimp.network.model import Memory, UniMPModel
from unimp_bench.unimp.sentence.batches import Batch

_ITEMS_AT_ONCE = 256
_ROWS_AT_ONCE = 1024


@torch.inference_mode()
def id_scores(model: UniMPModel, asked: Asked, catalogue: IntArray, beams: int) -> FloatArray:
    """Log-probabilities of the catalogue's ids after each sentence's ``<answer>``, (sentences, catalogue) float32.

    That of an id is the sum over its tokens, each among the whole vocabulary. An item whose id no beam reached stands
    below all that were found.

    Args:
        beams: beginnings of ids that are followed at each token (paper: 10); 0 follows all, so every item is found.
    """
    make_torchvision_importable()
    from transformers import DynamicCache

    tries = _tries(asked.vocabulary.item_tokens(catalogue), beams, model.device)
    scores = np.full((len(asked.sentences), len(catalogue)), -np.inf, dtype=np.float32)
    for chosen, batch in asked.batches(model):
        memory = Memory(DynamicCache())
        states = last_states(model.hidden(batch, memory), batch)
        sentence = memory.cache.get_seq_length()
        for trie in tries:
            leaves, found = _searched(model, batch, states, memory, trie, beams or len(trie.items))
            if behind := memory.cache.get_seq_length() - sentence:
                memory.cache.crop(-behind)
            reached = found > -torch.inf
            row, _ = torch.where(reached)
            places = trie.items[leaves[reached].cpu().numpy()]
            scores[chosen[row.cpu().numpy()], places] = found[reached].float().cpu().numpy()
    least = np.where(np.isfinite(scores), scores, np.inf).min(axis=1, keepdims=True, initial=0)
    return np.where(np.isfinite(scores), scores, least - 1)


def _tries(ids: IntArray, beams: int, device: torch.device) -> list[Trie]:
    """One of all ids; where all are to be found some hundreds each, of like ones, as a beginning of an id that is
    followed costs a token behind the sentence and all of a trie stand there together."""
    order = np.lexsort(ids.T[::-1])
    size = _ITEMS_AT_ONCE if beams == 0 else max(1, len(ids))
    parts = (order[begin : begin + size] for begin in range(0, len(order), size))
    return [Trie.of(ids[part], part, device) for part in parts]


def _searched(
    model: UniMPModel, batch: Batch, states: Tensor, memory: Memory, trie: Trie, beams: int
) -> tuple[Tensor, Tensor]:
    """The likeliest leaves of each sentence and their log-probabilities, (B, K), -inf where there are fewer.

    All beginnings of a step stand behind their sentence in one row, each seeing the sentence and itself: keys and
    values of the sentence are held once, not once a beam.

    Args:
        states: (B, width) at ``<answer>``.
        memory: of the sentences; grows.
    """
    device = states.device
    rows = torch.arange(len(states), device=device)[:, None]
    nodes = torch.zeros_like(rows)
    scores = torch.zeros(rows.shape, device=device)
    states = states[:, None]
    seen = (torch.arange(batch.tokens.shape[1], device=device) < batch.lengths[:, None])[:, None]
    for depth, level in enumerate(trie.levels):
        children = level.first[nodes][..., None] + torch.arange(level.most, device=device)
        real = children < level.first[nodes + 1][..., None]
        children = children.clamp(max=len(level) - 1)
        tokens = level.tokens[children]
        grown = (scores[..., None] + _log_probabilities(model, states, tokens)).masked_fill(~real, -torch.inf)
        scores, picked = grown.flatten(1).topk(min(beams, len(level), grown[0].numel()))
        nodes, tokens = (each.flatten(1).gather(1, picked) for each in (children, tokens))
        if level is not trie.levels[-1]:
            itself = torch.eye(tokens.shape[1], dtype=torch.bool, device=device).expand(len(rows), -1, -1)
            seen = torch.cat([seen[rows, picked // level.most], itself], dim=2)
            positions = (batch.lengths + depth)[:, None].expand_as(tokens)
            states = model.advance(tokens, torch.full_like(tokens, -1), positions, seen, memory)
    return nodes, scores


def _log_probabilities(model: UniMPModel, states: Tensor, tokens: Tensor) -> Tensor:
    """Of some tokens (B, K, M) after each state (B, K, width), among the whole vocabulary."""
    parts = (torch.split(each.flatten(0, 1), _ROWS_AT_ONCE) for each in (states, tokens))
    found = []
    for some, asked in zip(*parts, strict=True):
        logits = model.logits(some).float()
        found.append(logits.gather(1, asked) - logits.logsumexp(dim=1, keepdim=True))
    return torch.cat(found).view(tokens.shape)
