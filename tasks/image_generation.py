"""User-guided image generation (UniMP, A.2): a picture of the item that the user seeks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tasks.retrieval import Retriever
from tasks.search import category_paths
from unimp_bench.contracts import Task
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import target_examples
from unimp_bench.errors import UsageError
from unimp_bench.records import SPLITS, Examples, Part, Shown, Split

RETRIEVED = 2


@dataclass(frozen=True)
class ImageGenerationConfig:
    """The tokenizer whose codes represent the pictures.

    Attributes:
        tokenizer: preset of ``unimp_bench.generative.picture_tokens``; the first two are trained on the corpus's own
            pictures.
        weights: file of the pre-trained tokenizer, for preset ``paper``.
    """

    tokenizer: Literal["tiny", "base", "paper"] = "tiny"
    weights: str = ""


class ImageGeneration(Task):
    """The query is the target's category path; two retrieved items guide the picture; the answer is its codes.

    The two items come from one fixed retriever (``tasks.retrieval``), so that all models generate from the same
    pictures. Targets without a picture give no example.
    """

    name = "image_generation"
    version = 1
    kind = "picture"
    splits = SPLITS
    instruction = "{items} {query} Can you generate the product figure that the user may be interested in?"
    Config = ImageGenerationConfig

    def examples(self, corpus: Corpus, split: Split, part: Part) -> Examples:
        has_picture = corpus.items.has_picture
        if not has_picture.any():
            raise UsageError(f"corpus {corpus.name!r} has no pictures, which {self.name} requires")
        paths = category_paths(corpus, self.name)
        examples = target_examples(corpus, split, part, self.name)
        assert examples.targets is not None
        examples = examples.select(np.flatnonzero(has_picture[examples.targets])).asking(paths)
        found = Retriever(corpus, split, paths).retrieve(examples, RETRIEVED)
        return replace(examples, shown=Shown(np.arange(len(examples) + 1) * RETRIEVED, found.ravel().astype(np.int32)))
