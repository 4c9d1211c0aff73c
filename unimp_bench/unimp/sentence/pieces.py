"""Pieces: runs of tokens that always stand together, such as ``[CLS]``, an item, a phrase or an answer.

Whatever recurs is tokenised once, and sentences are joined from piece numbers without touching a string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.kinds.rendering import rating_words
from unimp_bench.records import IntArray
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.sentence.prompt import attribute_values, known_attributes
from unimp_bench.unimp.sentence.tokens import RATING, Vocabulary

CLS_PIECE = 0
FIRST_ITEM_PIECE = 1
NONE = -1


@dataclass(frozen=True)
class Pieces:
    """Runs of tokens as CSR.

    Attributes:
        offsets: (pieces + 1,) int64.
        tokens: (rows,) int32 token numbers.
        labels: (rows,) int32, the token that is asked for at a token, -1 for none.
        marks: (rows,) int32, a token whose embedding is added to a token's own, -1 for none.
    """

    offsets: IntArray
    tokens: IntArray
    labels: IntArray
    marks: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(
        cls,
        runs: Sequence[Sequence[int]],
        labels: Sequence[Sequence[int]] | None = None,
        marks: Sequence[Sequence[int]] | None = None,
    ) -> Pieces:
        """A piece for each run, with what is asked for at its tokens and their marks; nothing where None."""
        offsets = np.concatenate([[0], np.cumsum([len(run) for run in runs])]).astype(np.int64)
        tokens = np.fromiter(chain.from_iterable(runs), dtype=np.int32)
        nothing = np.full(len(tokens), NONE, dtype=np.int32)
        beside = (
            nothing if each is None else np.fromiter(chain.from_iterable(each), np.int32) for each in (labels, marks)
        )
        return cls(offsets, tokens, *beside)

    def lengths(self) -> IntArray:
        return np.diff(self.offsets)

    def followed_by(self, other: Pieces) -> Pieces:
        """These pieces, then those of ``other``."""
        return Pieces(
            np.concatenate([self.offsets, self.offsets[-1] + other.offsets[1:]]),
            np.concatenate([self.tokens, other.tokens]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.marks, other.marks]),
        )


def catalogue_pieces(items: Items, vocabulary: Vocabulary, config: UniMPConfig) -> Pieces:
    """What histories are made of: piece 0 is ``[CLS]``, piece ``1 + n`` item ``n``, then one for each rating.

    A rating reads ``<answer> rate_<r>`` behind its item, as in the authors' code, and is asked for as context. Of an id
    of several tokens a picture alone is asked for the first. Where the embeddings of a picture are tokens of the
    sentence, each has an ``[IMG]``.
    """
    keys, values = [], []
    for attribute in known_attributes(items, config.attributes):
        keys.append(vocabulary.phrase(attribute.capitalize()))
        values.append(vocabulary.encode(attribute_values(items, attribute, config.attribute_words)))
    images = {"early": config.latents, "none": 0}.get(config.fusion, 1)
    runs = [[vocabulary.cls]]
    labels = [[NONE]]
    ids = vocabulary.item_tokens(np.arange(len(items))).tolist()
    for item, has_picture in enumerate(items.has_picture):
        run, asked = _Run(), config.context
        if has_picture and images:
            run.add([vocabulary.img] * images, then=ids[item][0] if "picture" in asked else NONE)
        if config.items == "token":
            run.add(ids[item])
            runs.append(run.tokens)
            labels.append(run.labels)
            continue
        for key, texts in zip(keys, values, strict=True):
            run.add(key)
            run.add(texts[item], labelled="attributes" in asked)
        run.add([vocabulary.answer])
        run.add(ids[item], labelled="item" in asked)
        run.add([vocabulary.eoc])
        runs.append(run.tokens)
        labels.append(run.labels)
    for rating in vocabulary.named([f"{RATING}{rating_words(rating)}" for rating in vocabulary.ratings]):
        runs.append([vocabulary.answer, rating])
        labels.append([rating, NONE])
    return Pieces.of(runs, labels)


class _Run:
    """Tokens and labels of a piece as it grows."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.labels: list[int] = []

    def add(self, tokens: list[int], labelled: bool = False, then: int = NONE) -> None:
        """Append tokens; ``labelled`` ones are each asked for at the token before, ``then`` at the last of them."""
        if labelled:
            self.labels[-1:] = tokens[:1]
        self.tokens += tokens
        self.labels += [*(tokens[1:] if labelled else [NONE] * (len(tokens) - 1)), then]
