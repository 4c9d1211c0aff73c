"""Sentences as strings, and the tokenizer that reads them in every step of the authors' way."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from torch import Tensor

from unimp_bench.records import IntArray
from unimp_bench.unimp.sentence.pieces import Pieces
from unimp_bench.unimp.sentence.sentences import Sentences
from unimp_bench.unimp.sentence.tokens import Vocabulary


class Strings:
    """The same sentences in words, item tokens included, and back in the same numbers.

    Args:
        pieces: what the sentences are made of; each is spelled once, as the authors keep the text of each item.

    Raises:
        ValueError: a piece is read back as other tokens, so the sides would not compute the same.
    """

    def __init__(self, vocabulary: Vocabulary, pieces: Pieces) -> None:
        from transformers import PreTrainedTokenizerFast

        with tempfile.TemporaryDirectory() as folder:
            vocabulary.save(Path(folder) / "tokenizer.json")
            tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        names = [vocabulary.ids.name(number) for number in range(vocabulary.items)]
        tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        self._tokenizer: Any = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token=tokenizer.id_to_token(vocabulary.pad), padding_side="right"
        )
        specials = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        marks = "|".join(map(re.escape, sorted(specials, key=len, reverse=True)))
        # Words have a space before them on their own; one beside a mark would be a token.
        self._beside_marks = re.compile(f" ?({marks})(?![0-9]) ?")
        rows = [pieces.tokens[begin:end] for begin, end in zip(pieces.offsets[:-1], pieces.offsets[1:], strict=True)]
        self._spelled = [self._beside_marks.sub(r"\1", vocabulary.decode(row)) for row in rows]
        for row, text in zip(rows, self._spelled, strict=True):
            if self._tokenizer(text)["input_ids"] != row.tolist():
                raise ValueError(f"{text!r} is read back as other tokens")

    def of(self, source: Sentences, chosen: IntArray) -> list[list[str]]:
        """The pieces of the chosen sentences in words, to be joined when they are read."""
        bounds = zip(source.offsets[chosen], source.offsets[chosen + 1], strict=True)
        return [[self._spelled[piece] for piece in source.runs[begin:end]] for begin, end in bounds]

    def read(self, spelled: list[list[str]]) -> tuple[Tensor, Tensor]:
        """Token numbers and mask, (B, N) int64, padded on the right to the longest."""
        found = self._tokenizer(["".join(parts) for parts in spelled], padding="longest", return_tensors="pt")
        return found["input_ids"], found["attention_mask"]
