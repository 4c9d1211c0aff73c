"""Training of a pre-trained decoder: a plain transformers loop and ours.

One pass of preset `smol` over some examples of recommendation, with LoRA of the same rank on the same projections, the
same new rows of the tables, the same tokens and answers. The plain loop is transformers with peft: a sentence per
example, in shuffled batches of eight padded to the longest, logits at all positions. Ours: the batches of a fit, where
examples of a window share their items, and logits at labelled positions. Both have plain cross-entropy on the answers
alone, no pictures and no dropout, and must have the same loss before timing. In the third line each item of a window
predicts the next one, as in a fit of the preset: the same answers, fewer tokens, another loss. Tokens of the plain loop
are ready: its tokenisation is not timed. Each side runs in a process of its own; memory is the peak of that process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.harness import Measure, Seconds, benchmark, in_turns, times
from benchmarks.workloads import Worker, in_own_process
from tasks.recommendation import Recommendation
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.files import Workspace
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.pretrained import decoder_place
from unimp_bench.torch_setup import make_torchvision_importable, seed_everything
from unimp_bench.unimp.adaptation import adapt
from unimp_bench.unimp.batches import Batch, collate, drawn_starts, plan_batches, window_ends
from unimp_bench.unimp.config import SMOL, UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.objective import Objective
from unimp_bench.unimp.pieces import catalogue_pieces
from unimp_bench.unimp.published import read_tokenizer
from unimp_bench.unimp.sentences import Sentences, answered, sentences
from unimp_bench.unimp.tokens import Vocabulary
from unimp_bench.unimp.training import parameter_groups

_BATCH = 8
_CLOSE = 1e-3
_OURS, _NEXT, _PLAIN = "ours", "ours, each item predicts the next", "transformers and peft"


@dataclass(frozen=True)
class Setting:
    """The same for both sides.

    Attributes:
        shared, apart: the sentences of the same examples, with and without sharing of items.
        windows: one sentence per window, in which each item predicts the next.
    """

    config: UniMPConfig
    vocabulary: Vocabulary
    shared: Sentences
    apart: Sentences
    windows: Sentences

    @classmethod
    def opened(cls, folder: Path, backbone: str, examples: int) -> Setting:
        """All examples of random users, as many users as give enough."""
        corpus, task = Corpus.open(folder), Recommendation()
        config = replace(
            SMOL, backbone=backbone, fusion="none", context=(), gamma=0.0, recommendation_weight=1.0, dropout=0.0
        )
        vocabulary = Vocabulary.pretrained(read_tokenizer(backbone), ItemIds.atomic(len(corpus.items)))
        train = replace(task.examples(corpus, "loo", "train"), instruction=task.instruction)
        counts = np.bincount(train.users)
        users = np.random.default_rng(0).permutation(np.flatnonzero(counts))
        users = users[: np.searchsorted(np.cumsum(counts[users]), examples) + 1]
        train = train.select(np.flatnonzero(np.isin(train.users, users)))
        pieces, branches = answered([train], catalogue_pieces(corpus.items, vocabulary, config), vocabulary)
        starts = drawn_starts(train, config.history, seed=0)
        shared, apart = (sentences(pieces, branches, [starts], vocabulary, each) for each in (True, False))
        ends = window_ends(starts, train.users, train.ends)
        last = [branches[0].select(ends)]
        windows = sentences(pieces, last, [starts[ends]], vocabulary, next_item=True)
        return cls(config, vocabulary, shared, apart, windows)

    def batch(self, source: Sentences, chosen: Any) -> Batch:
        return collate(source, chosen, None, self.vocabulary)

    def model(self) -> UniMPModel:
        """The adapted model; the same for the same setting."""
        seed_everything(0)
        model = build_model(self.config, len(self.vocabulary), None)
        adapt(model, self.config)
        return model

    def optimizer(self, groups: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)


class Ours:
    """The steps of ``unimp.training`` in one process.

    Args:
        windows: learn from the windows, not from the sentences of the examples.
    """

    def __init__(self, *opened: Any, windows: bool = False) -> None:
        self._setting = Setting.opened(*opened)
        self._source = self._setting.windows if windows else self._setting.shared
        self.network = self._setting.model().train()
        self._objective = Objective(self.network, self._setting.config)
        self._optimizer = self._setting.optimizer(parameter_groups(self.network, self._setting.config.weight_decay))
        self._plan = list(plan_batches(self._source, self._setting.config.batch_tokens, seed=0))

    def train(self) -> None:
        """One pass over all examples."""
        for chosen in self._plan:
            batch = self._setting.batch(self._source, chosen)
            self._objective(batch).whole.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self._setting.config.clip)
            self._optimizer.step()
            self._optimizer.zero_grad()

    def loss(self) -> float:
        """The mean over all examples."""
        with torch.no_grad():
            whole = [self._setting.batch(self._source, chosen) for chosen in self._plan]
            losses = [float(self._objective(batch).whole) * len(batch.labels) for batch in whole]
        return sum(losses) / sum(len(batch.labels) for batch in whole)


class Plain:
    """The same network by transformers and peft alone, initialised with our new rows."""

    def __init__(self, *opened: Any) -> None:
        self._setting = Setting.opened(*opened)
        make_torchvision_importable()
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        config, ours = self._setting.config, self._setting.model()
        model = AutoModelForCausalLM.from_pretrained(decoder_place(config.backbone), dtype=torch.float32)
        brought, rows = ours.decoder.pretrained_tokens, ours.decoder.new_rows()[0].detach()
        model.resize_token_embeddings(brought + len(rows), mean_resizing=False)
        with torch.no_grad():
            model.get_input_embeddings().weight[brought:] = rows
        lora = LoraConfig(
            r=config.lora_rank,
            lora_alpha=2 * config.lora_rank,
            target_modules=["q_proj", "v_proj"],
            trainable_token_indices=list(range(brought, brought + len(rows))),
        )
        del ours
        self.network = get_peft_model(model, lora).train()
        self._optimizer = self._setting.optimizer([p for p in self.network.parameters() if p.requires_grad])
        order = np.random.default_rng(0).permutation(len(self._setting.apart))
        cuts = range(_BATCH, len(order), _BATCH)
        self._batches = [self._tensors(chosen) for chosen in np.split(order, cuts)]

    def _tensors(self, chosen: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, padding mask and next tokens, (sentences, length) each; -100 where none is predicted."""
        batch = self._setting.batch(self._setting.apart, chosen)
        following = torch.full((batch.tokens.numel(),), -100).scatter(0, batch.answer_rows, batch.labels)
        mask = torch.arange(batch.tokens.shape[1]) < batch.lengths[:, None]
        return batch.tokens, mask.long(), following.view_as(batch.tokens)

    def _loss(self, tokens: Tensor, mask: Tensor, following: Tensor) -> Tensor:
        logits = self.network(input_ids=tokens, attention_mask=mask, use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1), following.flatten())

    def train(self) -> None:
        """One pass over all examples."""
        for each in self._batches:
            self._loss(*each).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.network.parameters(), self._setting.config.clip)
            self._optimizer.step()
            self._optimizer.zero_grad()

    def loss(self) -> float:
        """The mean over all examples."""
        with torch.no_grad():
            losses = [float(self._loss(*each)) * len(each[0]) for each in self._batches]
        return sum(losses) / sum(len(each[0]) for each in self._batches)


class OursOfWindows(Ours):
    """The same, each item of a window predicting the next."""

    def __init__(self, *opened: Any) -> None:
        super().__init__(*opened, windows=True)


def before(side: type[Ours] | type[Plain], *opened: Any) -> tuple[float, int]:
    """The loss before training, and the number of trained parameters."""
    way = side(*opened)
    return way.loss(), sum(p.numel() for p in way.network.parameters() if p.requires_grad)


def tokens_of(*opened: Any) -> dict[str, int]:
    """Tokens of all sentences on each side, without padding, and the number of examples."""
    setting = Setting.opened(*opened)
    sources = {_PLAIN: setting.apart, _OURS: setting.shared, _NEXT: setting.windows}
    return {"": len(setting.apart), **{side: int(source.lengths().sum()) for side, source in sources.items()}}


@benchmark("torch", "transformers", "peft")
@click.option("--corpus", default="gift_cards", help="A built corpus, by name.")
@click.option("--backbone", default=SMOL.backbone, help="Of a Llama with tied tables.")
@click.option("--examples", default=32)
@click.option("--rounds", default=3)
def command(corpus: str, backbone: str, examples: int, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    opened = Workspace.here().data / corpus, backbone, examples
    sides: dict[str, type[Ours] | type[Plain]] = {_PLAIN: Plain, _OURS: Ours}
    found = {side: in_own_process(before, way, *opened) for side, way in sides.items()}
    losses = {side: [loss] for side, (loss, _) in found.items()}
    if abs(losses[_OURS][0] - losses[_PLAIN][0]) > _CLOSE * losses[_PLAIN][0]:
        raise UsageError(f"the same examples have different losses: {losses}")
    counts = in_own_process(tokens_of, *opened)
    case = f"a pass over {counts['']} examples"
    yield Measure.of("the same to be computed", "loss before training", "", losses)
    yield Measure.of("the same to be computed", "trained parameters", "", {side: [n] for side, (_, n) in found.items()})
    yield Measure.of(case, "tokens", "", {side: [counts[side]] for side in (*sides, _NEXT)})
    workers = {side: Worker(way, *opened) for side, way in {**sides, _NEXT: OursOfWindows}.items()}
    for worker in workers.values():
        worker.timed("train")  # warm-up
    passes = in_turns({side: partial(worker.timed, "train") for side, worker in workers.items()}, rounds)
    each: dict[str, list[Seconds]] = {side: [one.each(counts[""]) for one in turns] for side, turns in passes.items()}
    yield from times(case, "an example", each)
    yield Measure.of(
        case, "peak memory", "MiB", {side: [worker.end()] for side, worker in workers.items()}, compared=True
    )
