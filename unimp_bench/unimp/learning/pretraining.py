"""In-domain pre-training: the network learns the items by their words and pictures before it sees an interaction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from unimp_bench.corpus.features.pictures import PictureFeatures
from unimp_bench.errors import ModelError, UsageError
from unimp_bench.machine import main_first
from unimp_bench.progress import training
from unimp_bench.records import IntArray
from unimp_bench.torch_setup import seed_everything
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.learning.checkpoint import load_weights, save_weights
from unimp_bench.unimp.learning.devices import accelerator_for
from unimp_bench.unimp.learning.memory import memory_answered
from unimp_bench.unimp.learning.pretext import Autoregressive, Contrastive, Pretext, Reconstructive
from unimp_bench.unimp.learning.training import BETAS, parameter_groups, schedule
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.network.trained import set_trained
from unimp_bench.unimp.sentence.batches import collate, planned
from unimp_bench.unimp.sentence.pieces import CLS_PIECE, FIRST_ITEM_PIECE, NONE, Pieces
from unimp_bench.unimp.sentence.sentences import Sentences
from unimp_bench.unimp.sentence.tokens import Vocabulary

PRETRAINED = "pretrained.safetensors"


def pretrain(
    model: UniMPModel,
    pieces: Pieces,
    features: PictureFeatures | None,
    vocabulary: Vocabulary,
    config: UniMPConfig,
    seed: int,
    work: Path,
) -> list[float]:
    """Train all of ``model`` but its adaptation on the items, in place, as ``config.pretraining`` says.

    Its end is kept in the work folder: a fit that was killed later does not repeat it; one killed before begins anew.

    Args:
        pieces: those of the items, in words.
        features: of their pictures; items without one take part with their words.

    Returns:
        The mean loss of each epoch; none where it was finished before.

    Raises:
        UsageError: the contrastive objective has no pictures to learn from.
        ModelError: the pre-training diverged, or memory did not suffice.
        DataError: what the work folder keeps is damaged.
    """
    kept = work / PRETRAINED
    losses: list[float] = []
    with main_first():
        if not kept.is_file():
            set_trained(model, "all")
            with memory_answered(config):
                losses = _pretrain(model, pieces, features, vocabulary, config, seed)
            set_trained(model, config.trained)
            save_weights(model, kept)
    load_weights(model, kept)
    return losses


def _pretrain(
    model: UniMPModel,
    pieces: Pieces,
    features: PictureFeatures | None,
    vocabulary: Vocabulary,
    config: UniMPConfig,
    seed: int,
) -> list[float]:
    seed_everything(seed)
    pretext, items = _pretext(model, features, vocabulary, config)
    source = item_sentences(pieces, items)
    accelerator, home = accelerator_for(config), model.device
    pretext.to(accelerator.device).train()
    own = [parameter for name, parameter in pretext.named_parameters() if not name.startswith("model.")]
    groups = [*parameter_groups(model, config.weight_decay), {"params": own, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=BETAS)
    seeds = np.random.default_rng(seed).integers(2**31, size=config.pretraining_epochs)
    plans = [list(planned(source, config.batch_tokens, int(each))) for each in seeds]
    total, step, means = sum(map(len, plans)), 0, []
    with training(f"unimp, {config.pretraining} pre-training", len(plans)) as shown:
        for epoch, plan in enumerate(plans):
            losses = []
            for chosen in shown.batches(plan, total=len(plan)):
                for group in optimizer.param_groups:
                    group["lr"] = config.learning_rate * schedule(step, total, config.warmup)
                with accelerator.autocast():
                    loss = pretext(collate(source, chosen, features, vocabulary).to(accelerator.device))
                loss.backward()
                norm = nn.utils.clip_grad_norm_(pretext.parameters(), config.clip)
                if not torch.isfinite(norm):
                    raise ModelError(f"unimp: the pre-training diverged at step {step}; lower learning_rate")
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
                step += 1
            means.append(float(np.mean(losses)))
            shown.reached(epoch + 1, means[-1])
    model.to(home).eval()
    return means


def _pretext(
    model: UniMPModel, features: PictureFeatures | None, vocabulary: Vocabulary, config: UniMPConfig
) -> tuple[Pretext, IntArray]:
    """The objective that ``config.pretraining`` names, and the items that it is about."""
    items = np.arange(vocabulary.items)
    match config.pretraining:
        case "autoregressive":
            return Autoregressive(model, config, vocabulary), items
        case "reconstructive":
            _, patches, width = (0, 0, 0) if features is None else features.tokens.shape
            return Reconstructive(model, config, vocabulary, patches, width), items
    if features is None or model.resampler is None:
        raise UsageError(
            "pretraining=contrastive learns which picture and which words are of one item, and there are no pictures; "
            "set pretraining to autoregressive, reconstructive or none"
        )
    return Contrastive(model, vocabulary, features.width), items[features.rows >= 0]


def item_sentences(pieces: Pieces, items: IntArray) -> Sentences:
    """``[CLS]`` and one item, for each of some items."""
    runs = np.stack([np.full(len(items), CLS_PIECE), FIRST_ITEM_PIECE + items], axis=1).ravel()
    none, one = np.full(len(runs), NONE), np.ones(len(runs), dtype=np.int64)
    return Sentences(
        pieces=pieces,
        offsets=np.arange(0, len(runs) + 1, 2),
        runs=runs,
        branches=none + 1,
        marks=none,
        weights=one.astype(np.float32),
        readers=one,
        examples=none,
        nexts=none,
    )
