"""Nine items with ids of three codes, in which two items share one."""

from __future__ import annotations

import numpy as np

from baselines.generative.coded import CodedInteractions
from tests.baselines.sequential.small import interactions
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.ids import IdSet, StoredIds, key_of, levels_of
from unimp_bench.corpus.features.names import names_hash
from unimp_bench.records import IntArray

CODES = np.array([[0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 0], [2, 0, 0], [2, 0, 0], [2, 1, 0], [2, 1, 1]])
HISTORIES = ((0, 1, 2), (3,), (4, 5, 6, 7))


def coded_interactions(codes: IntArray = CODES) -> CodedInteractions:
    plain = interactions()
    return CodedInteractions(plain.users, plain.items, plain.sequences, codes)


def give_ids(corpus: Corpus, codes: IntArray) -> Corpus:
    """The corpus opened anew, whose models read these ids."""
    opened = Corpus.open(corpus.folder)
    names = names_hash(opened.items.names)
    key = key_of(codes, names)
    record = IdSet(name="made", key=key, items=len(codes), names=names, levels=levels_of(codes), source="made")
    opened.items.features = {"ids": StoredIds(record, codes)}
    return opened
