"""Predictions: scores of one token or of ids, and generation of sentences, selections and pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unimp_bench.contracts import Sampling
from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.generative.beam import beam_search
from unimp_bench.generative.trie import Trie
from unimp_bench.progress import progress
from unimp_bench.ragged import Ragged
from unimp_bench.records import BoolArray, FloatArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.batches import Batch, ResampledPictures, collate, plan_batches
from unimp_bench.unimp.model import KVCache, UniMPModel
from unimp_bench.unimp.pieces import FIRST_ITEM_PIECE
from unimp_bench.unimp.sentences import Sentences
from unimp_bench.unimp.tokens import Vocabulary

_RESAMPLED_BYTES = 2**30
_PICTURES_AT_ONCE = 256
_ITEMS_AT_ONCE = 256
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class EncodedQueries:
    """Sentences that end at ``<answer>``, one per example, and what is needed to batch them."""

    sentences: Sentences
    features: PictureFeatures | None
    vocabulary: Vocabulary
    batch_tokens: int

    def batches(self, model: UniMPModel) -> Iterator[tuple[IntArray, Batch]]:
        """The sentences in batches of like length, with their numbers, on the device of the model.

        An item is in many sentences, so each picture is resampled once for all of them, where the visual embeddings
        fit ``_RESAMPLED_BYTES``.
        """
        features = self.features if self.features is None else self._resampled(model, self.features)
        plan = list(plan_batches(self.sentences, self.batch_tokens, seed=None))
        for chosen in progress(plan, "unimp: predicting", unit="batch"):
            yield chosen, collate(self.sentences, chosen, features, self.vocabulary).to(model.device)

    def _resampled(self, model: UniMPModel, features: PictureFeatures) -> PictureFeatures | ResampledPictures:
        resampler = model.resampler
        items = np.unique(self.sentences.runs) - FIRST_ITEM_PIECE
        items = items[(items >= 0) & (items < self.vocabulary.items)]
        items = items[features.rows[items] >= 0]
        if resampler is None or 4 * len(items) * resampler.latents.numel() > _RESAMPLED_BYTES:
            return features
        rows = np.full(self.vocabulary.items, -1, dtype=np.int64)
        rows[items] = np.arange(len(items))
        tokens = np.empty((len(items), *resampler.latents.shape), dtype=np.float32)
        for begin in range(0, len(items), _PICTURES_AT_ONCE):
            block = torch.from_numpy(features.of(items[begin : begin + _PICTURES_AT_ONCE])).to(model.device)
            tokens[begin : begin + _PICTURES_AT_ONCE] = resampler(block).float().cpu().numpy()
        return ResampledPictures(rows, tokens)


@torch.inference_mode()
def catalogue_scores(model: UniMPModel, queries: EncodedQueries, catalogue: IntArray) -> FloatArray:
    """Logits of the catalogue's atomic ids after each sentence's ``<answer>``, (sentences, catalogue) float32.

    They order the items as their next-token probabilities do, the order of the paper's beam search.
    """
    rows = torch.from_numpy(queries.vocabulary.item_tokens(catalogue)[:, 0]).to(model.device)
    table = model.decoder.output_rows(rows)
    scores = np.empty((len(queries.sentences), len(catalogue)), dtype=np.float32)
    for chosen, batch in queries.batches(model):
        scores[chosen] = (last_states(model.hidden(batch), batch) @ table.T).float().cpu().numpy()
    return scores


@torch.inference_mode()
def probabilities(model: UniMPModel, queries: EncodedQueries, tokens: IntArray) -> FloatArray:
    """Of some tokens after each sentence's ``<answer>``, among the whole vocabulary, (sentences, tokens) float64."""
    found = np.empty((len(queries.sentences), len(tokens)))
    for chosen, batch in queries.batches(model):
        logits = model.logits(last_states(model.hidden(batch), batch))
        found[chosen] = logits.double().softmax(dim=-1)[:, torch.from_numpy(tokens).to(model.device)].cpu().numpy()
    return found


def last_states(hidden: Tensor, batch: Batch) -> Tensor:
    """Of the last token of each sentence, (B, width)."""
    return hidden[torch.arange(len(hidden), device=hidden.device), batch.lengths - 1]


def posterior(focal: FloatArray, gamma: float) -> FloatArray:
    """The class probabilities behind those of a model trained by the focal loss, rows summing to 1.

    The focal loss rewards underconfidence: at its minimum, the true probability of a class is proportional to
    ``1 / -l'(p)`` with ``l(p) = -(1 - p)^gamma log p`` (Charoenphakdee et al., 2021, Theorem 11). The order of the
    classes is the same.

    Args:
        focal: (n, classes) the model's probabilities, positive.
        gamma: exponent of the loss; 0 leaves the probabilities unchanged.
    """
    p = np.clip(focal, 1e-12, 1 - 1e-9)
    slope = (1 - p) ** gamma / p - gamma * (1 - p) ** (gamma - 1) * np.log(p)
    true: FloatArray = 1 / (slope * (1 / slope).sum(axis=1, keepdims=True))
    return true


@torch.inference_mode()
def id_scores(model: UniMPModel, queries: EncodedQueries, catalogue: IntArray, beams: int) -> FloatArray:
    """Log-probabilities of the catalogue's ids after each sentence's ``<answer>``, (sentences, catalogue) float32.

    That of an id is the sum over its tokens, each among the whole vocabulary. An item whose id no beam reached is
    ranked below all that were found.

    Args:
        beams: prefixes of ids that are kept at each token (paper: 10); 0 keeps all, so every item is scored.
    """
    make_torchvision_importable()
    from transformers import DynamicCache

    tries = _tries(queries.vocabulary.item_tokens(catalogue), beams)
    scores = np.full((len(queries.sentences), len(catalogue)), -np.inf, dtype=np.float32)
    for chosen, batch in queries.batches(model):
        cache = KVCache(DynamicCache())
        states = last_states(model.hidden(batch, cache), batch)
        length = cache.cache.get_seq_length()
        for items, trie in tries:
            decoder = _Continuation(model, batch, states, cache)
            rows, found = beam_search(decoder, trie, len(chosen), beams or trie.size, model.device)
            if added := cache.cache.get_seq_length() - length:
                cache.cache.crop(-added)
            reached = found > -torch.inf
            sentence, _ = torch.where(reached)
            indices = items[rows[reached].cpu().numpy()]
            scores[chosen[sentence.cpu().numpy()], indices] = found[reached].float().cpu().numpy()
    least = np.where(np.isfinite(scores), scores, np.inf).min(axis=1, keepdims=True, initial=0)
    return np.where(np.isfinite(scores), scores, least - 1)


def illegal_share(model: UniMPModel, queries: EncodedQueries, items: IntArray) -> FloatArray:
    """The probability after each sentence's ``<answer>`` of all that is the id of no item, (sentences,).

    It is 1 less the sum over the items, whose ids are distinct; each token is among the whole vocabulary.

    Args:
        items: all that have an id.
    """
    legal = np.exp(id_scores(model, queries, items, beams=0).astype(np.float64)).sum(axis=1)
    share: FloatArray = np.clip(1 - legal, 0, 1)
    return share


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
        cache: of the sentences; grows.
    """

    def __init__(self, model: UniMPModel, batch: Batch, states: Tensor, cache: KVCache) -> None:
        self._model, self._cache = model, cache
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
        self._states = self._model.advance(tokens, none, positions, self._seen, self._cache)


class Grammar(ABC):
    """What may be generated.

    Attributes:
        tokens: (A,) int64, all tokens that may occur.
        steps: tokens of the longest answer.
        end: index in ``tokens`` of the one that ends an answer, -1 where all answers have one length.
        marks: (steps,) int64, marker of the token before each step, -1 for none.
        named: (n, A, levels) int64, the id that each token names in an example, -1 for none; None if no token does.
    """

    named: IntArray | None = None

    def __init__(self, tokens: IntArray, steps: int, end: int = -1, marks: IntArray | None = None) -> None:
        self.tokens = tokens
        self.steps = steps
        self.end = end
        self.marks = np.full(steps, -1) if marks is None else marks

    @abstractmethod
    def allowed(self, examples: IntArray, generated: IntArray) -> BoolArray:
        """Which tokens may come next, (b, A) or (1, A).

        Args:
            examples: (b,) example numbers.
            generated: (b, s) indices in ``tokens`` of what was generated so far.
        """


class Free(Grammar):
    """Any of the tokens, at any time."""

    def allowed(self, examples: IntArray, generated: IntArray) -> BoolArray:
        return np.ones((1, len(self.tokens)), dtype=np.bool_)


class Increasing(Grammar):
    """Candidates in increasing order, at least one of them, then the end.

    Args:
        tokens: of the positions of candidates, then the end.
        named: (n, A, levels) tokens of the candidates' ids of each example, -1 after them.
    """

    def __init__(self, tokens: IntArray, named: IntArray) -> None:
        super().__init__(tokens, len(tokens), len(tokens) - 1)
        self.named = named
        self.candidates = (named[..., 0] >= 0).sum(axis=1)

    def allowed(self, examples: IntArray, generated: IntArray) -> BoolArray:
        index = np.arange(len(self.tokens))
        last = generated[:, -1:] if generated.shape[1] else np.full((len(examples), 1), -1)
        allowed: BoolArray = (index > last) & (index < self.candidates[examples][:, None])
        allowed[:, self.end] = (last[:, 0] >= 0) | (self.candidates[examples] == 0)
        return allowed


class Sampler:
    """Draws tokens; each example has a random generator of its own, so results do not depend on the batch.

    Args:
        examples: (b,) example numbers.
    """

    def __init__(self, sampling: Sampling, examples: IntArray) -> None:
        self._sampling = sampling
        self._generators = [np.random.default_rng((sampling.seed, int(example))) for example in examples]

    def draw(self, logits: Tensor) -> Tensor:
        """(b,) indices drawn from ``softmax(logits / temperature)`` over the ``top_k`` highest of logits (b, A).

        The largest of the logits plus Gumbel noise is such a draw (Gumbel, 1954).
        """
        count = min(self._sampling.top_k or logits.shape[1], logits.shape[1])
        best, indices = logits.double().topk(count, dim=1)
        noise = np.stack([generator.gumbel(size=count) for generator in self._generators])
        noisy = best / self._sampling.temperature + torch.from_numpy(noise).to(logits.device)
        return indices.gather(1, noisy.argmax(dim=1, keepdim=True)).squeeze(1)


@torch.inference_mode()
def generate(
    model: UniMPModel, queries: EncodedQueries, grammar: Grammar, sampling: Sampling | None = None
) -> IntArray:
    """Greedy generation under a grammar, (sentences, steps) indices in its tokens; the end is repeated.

    Args:
        sampling: draw each token at random instead.
    """
    make_torchvision_importable()
    from transformers import DynamicCache

    tokens = torch.from_numpy(grammar.tokens).to(model.device)
    table = model.decoder.output_rows(tokens)
    answers = np.full((len(queries.sentences), grammar.steps), grammar.end, dtype=np.int64)
    for chosen, batch in queries.batches(model):
        cache = KVCache(DynamicCache())
        states = last_states(model.hidden(batch, cache), batch)
        naming = None if grammar.named is None else torch.from_numpy(grammar.named[chosen]).to(model.device)
        sampler = None if sampling is None else Sampler(sampling, chosen)
        seen = torch.arange(batch.tokens.shape[1], device=model.device) < batch.lengths[:, None]
        for step in range(grammar.steps):
            allowed = torch.from_numpy(grammar.allowed(chosen, answers[chosen, :step])).to(model.device)
            logits = _logits(model, states, table, naming).masked_fill(~allowed, -torch.inf)
            picked = logits.argmax(dim=1) if sampler is None else sampler.draw(logits)
            indices = picked.cpu().numpy()
            if step and grammar.end >= 0:
                indices[answers[chosen, step - 1] == grammar.end] = grammar.end
            answers[chosen, step] = indices
            if step + 1 == grammar.steps or (grammar.end >= 0 and (indices == grammar.end).all()):
                break
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
            new, positions = tokens[picked][:, None], (batch.lengths + step)[:, None]
            marks = torch.full_like(new, int(grammar.marks[step + 1]))
            states = model.advance(new, marks, positions, seen[:, None], cache)[:, 0]
    return answers


def _logits(model: UniMPModel, states: Tensor, table: Tensor, naming: Tensor | None) -> Tensor:
    """(B, A), those of tokens that name an item as ``UniMPModel.logits`` has them."""
    logits = states @ table.T
    if naming is not None:
        rows = model.decoder.output_rows(naming.clamp(min=0)).sum(dim=2)
        logits = logits + torch.einsum("bw,baw->ba", states, rows) * (naming[..., 0] >= 0)
    return logits
