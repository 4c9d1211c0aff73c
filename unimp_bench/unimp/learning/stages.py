"""Going on from an earlier fit: its vocabulary with the tokens that new tasks need, and its weights.

So the learning strategies of Table 7 and the new domain of Table 4b are fits one after the other, each with examples
and moving parameters of its own.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from unimp_bench.contracts import FitData
from unimp_bench.errors import DataError
from unimp_bench.unimp.config import FROM_SCRATCH, UniMPConfig
from unimp_bench.unimp.learning.checkpoint import read_tensors
from unimp_bench.unimp.network.adaptation import LORA, base_name, merged
from unimp_bench.unimp.network.model import UniMPModel
from unimp_bench.unimp.sentence.answers import answer_names
from unimp_bench.unimp.sentence.prompt import phrases
from unimp_bench.unimp.sentence.tokens import Vocabulary


@torch.no_grad()
def inherit(model: UniMPModel, path: Path, words: int) -> None:
    """Put the weights of an earlier fit into a model; what the earlier one lacks stays as the model has it.

    Args:
        path: weights of a model of the same sizes, whose vocabulary may lack some of the last words.
        words: tokens of the model that are of no id; its ids stand behind them.

    Raises:
        DataError: the file is damaged, or of a model of another shape.
    """
    earlier = read_tensors(path)
    if not any(LORA in name for name, _ in model.named_parameters()):
        earlier = merged(earlier)
    own = {base_name(name) or name: parameter for name, parameter in model.named_parameters()}
    for name, tensor in earlier.items():
        parameter = own.get(base_name(name) or name)
        if parameter is None or not _fits(parameter, tensor):
            raise DataError(f"{path} holds weights of another model: what begins a fit must be of its own sizes")
        added = len(parameter) - len(tensor)
        if not added:
            parameter.copy_(tensor)
            continue
        # Rows are tokens: new words stand behind the old ones, in front of the ids.
        ids = model.decoder.vocabulary_size - words
        parameter[: len(tensor) - ids] = tensor[: len(tensor) - ids]
        parameter[len(parameter) - ids :] = tensor[len(tensor) - ids :]


def _fits(parameter: Tensor, tensor: Tensor) -> bool:
    same = parameter.shape[1:] == tensor.shape[1:] and parameter.ndim == tensor.ndim
    return same and (parameter.shape == tensor.shape or (parameter.ndim == 2 and len(parameter) > len(tensor)))


def grown(vocabulary: Vocabulary, data: FitData, config: UniMPConfig) -> Vocabulary:
    """The vocabulary of an earlier fit with the phrases and answer tokens that the tasks of this one need."""
    parts = [part for task in data.examples.values() for part in (task.train, task.validation)]
    asked = [phrase for part in parts for phrase in phrases(part.instruction, part.task)]
    return vocabulary.with_words([*(asked if config.backbone in FROM_SCRATCH else ()), *answer_names(parts)])
