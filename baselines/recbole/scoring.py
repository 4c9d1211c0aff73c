"""Scores of the catalogue for any history, from a RecBole model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from baselines.recbole.compat import Config, Interaction, ModelType
from baselines.recbole.dataset import TrainingPart
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, FloatArray, IntArray

BLOCK = 1024
PAIRS = 65_536


def score(model: Any, config: Config, part: TrainingPart, examples: Examples, catalogue: IntArray) -> FloatArray:
    """Scores of ``catalogue`` for each example, (examples, catalogue).

    A sequential model reads the example's own history, so one that ends later than the training part is read whole;
    a general model knows a user by its training interactions alone.

    Raises:
        UsageError: the model has an embedding for each user and an example's user was not in the training part; an
            item was not in the training catalogue; an example without a history comes to a sequential model.
    """
    columns = _ids(part, catalogue, "catalogue", config["model"])
    model.eval()
    blocks = []
    with torch.no_grad():
        for block in examples.blocks(BLOCK):
            scores = _all_items(model, config, part, _interaction(config, part, block))
            blocks.append(scores[:, columns].cpu().numpy())
    return np.concatenate(blocks) if blocks else np.zeros((0, len(catalogue)), dtype=np.float32)


def _interaction(config: Config, part: TrainingPart, examples: Examples) -> Any:
    fields = {}
    users = part.users.ids(examples.users)
    if users.all():  # else the field is left out, and a model that asks for it cannot score these users
        fields[config["USER_ID_FIELD"]] = torch.from_numpy(users)
    if config["MODEL_TYPE"] == ModelType.SEQUENTIAL:
        fields |= _sequences(config, part, examples)
    elif not users.all():
        raise _unknown_user(config)
    return Interaction(fields)


def _sequences(config: Config, part: TrainingPart, examples: Examples) -> dict[str, torch.Tensor]:
    """The last items of each history, (n, max_length) ids, oldest first, padding behind; their number, (n,)."""
    longest = config["MAX_ITEM_LIST_LENGTH"]
    right = examples.last_items(longest)
    known = right >= 0
    lengths = known.sum(axis=1)
    if not lengths.all():
        raise UsageError(f"recbole:{config['model']} reads histories, and an example has none")
    right[known] = _ids(part, right[known], "history", config["model"])
    right[~known] = 0
    turned = (np.arange(longest) - lengths[:, None]) % longest
    left = torch.from_numpy(np.take_along_axis(right, turned, axis=1))
    name = config["ITEM_ID_FIELD"] + config["LIST_SUFFIX"]
    fields = {name: left, config["ITEM_LIST_LENGTH_FIELD"]: torch.from_numpy(lengths)}
    # DIEN asks for sampled negatives even where it only scores, and makes nothing of them there.
    fields[config["NEG_PREFIX"] + name] = left
    if config["INVERSE_ITEM_SEQ"]:  # SHAN
        fields[config["INVERSE_ITEM_SEQ"]] = torch.from_numpy(right)
    return fields


def _ids(part: TrainingPart, items: IntArray, place: str, model: str) -> IntArray:
    ids = part.items.ids(items)
    if not ids.all():
        item = int(items[ids == 0][0])
        raise UsageError(f"recbole:{model} cannot score new items: item {item} of a {place} was not trained with")
    return ids


def _all_items(model: Any, config: Config, part: TrainingPart, interaction: Any) -> torch.Tensor:
    """Scores of every id, padding included, (rows, ids)."""
    interaction = interaction.to(config["device"])
    try:
        try:
            scores: torch.Tensor = model.full_sort_predict(interaction)
        except NotImplementedError:
            scores = _pair_by_pair(model, config, len(part.items), interaction)
    except KeyError as error:
        if error.args != (config["USER_ID_FIELD"],):
            raise
        raise _unknown_user(config) from None
    scores = scores.reshape(len(interaction), -1)
    assert scores.shape[1] >= len(part.items)
    return scores


def _pair_by_pair(model: Any, config: Config, ids: int, interaction: Any) -> torch.Tensor:
    """For models that score one pair of user and item at a time."""
    every_item = torch.arange(ids, device=config["device"])
    step = max(1, PAIRS // ids)
    parts = []
    for start in range(0, len(interaction), step):
        rows = interaction[start : start + step]
        pairs = rows.repeat_interleave(ids)
        pairs.update(Interaction({config["ITEM_ID_FIELD"]: every_item.repeat(len(rows))}))
        parts.append(model.predict(pairs).reshape(len(rows), ids))
    return torch.cat(parts)


def _unknown_user(config: Config) -> UsageError:
    return UsageError(f"recbole:{config['model']} knows only the users of its training part; it cannot score new users")
