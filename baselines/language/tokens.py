"""Tokenised texts in bulk, joined to sentences without a loop over samples; and the tokenizer.

A text is tokenised word by word, so the tokens of a sentence are those of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unimp_bench.files import damaged
from unimp_bench.ragged import Ragged
from unimp_bench.records import IntArray

PADDING, END = 0, 1
"""Special tokens of T5."""

NO_ITEM = -1
"""Item of a token that is not a picture placeholder."""

PLACEHOLDER = "<extra_id_0>"
"""The T5 token used as a placeholder for pictures."""

_FILE = "tokenizer.json"
_SPECIAL = ("<pad>", "</s>", PLACEHOLDER)


@dataclass(frozen=True)
class TokenizedTexts:
    """Texts as tokens.

    Attributes:
        rows: values (tokens, 3) int32: the token, the index of its whitespace-separated word in the text, from 0, and
            the item whose picture replaces it, or ``NO_ITEM``.
        word_counts: (n,) number of words of each text.
    """

    rows: Ragged
    word_counts: IntArray

    @classmethod
    def words_of(cls, tokens: Sequence[Sequence[int]]) -> TokenizedTexts:
        """Texts of one word each, from their tokens."""
        flat = Ragged.of_rows(tokens, np.int32)
        columns = (flat.values, np.zeros_like(flat.values), np.full_like(flat.values, NO_ITEM))
        return cls(flat.replaced(np.stack(columns, axis=1)), np.ones(len(flat), dtype=np.int64))

    @classmethod
    def placeholders(cls, token: int, items: IntArray) -> TokenizedTexts:
        """Texts of one word each, a token to be replaced by the picture of an item."""
        columns = (np.full_like(items, token), np.zeros_like(items), items)
        return cls(Ragged.single(np.stack(columns, axis=1).astype(np.int32)), np.ones(len(items), dtype=np.int64))

    @classmethod
    def stack(cls, parts: Sequence[TokenizedTexts]) -> TokenizedTexts:
        """The texts of all parts, in order."""
        lengths = np.concatenate([part.lengths() for part in parts])
        values = np.concatenate([part.rows.values for part in parts])
        return cls(Ragged.of_lengths(lengths, values), np.concatenate([part.word_counts for part in parts]))

    def __len__(self) -> int:
        return len(self.word_counts)

    @property
    def tokens(self) -> Ragged:
        """The tokens of each text."""
        return self.rows.replaced(self.rows.values[:, 0])

    def lengths(self) -> IntArray:
        """Number of tokens of each text, (n,)."""
        return self.rows.lengths()

    def take(self, texts: IntArray) -> TokenizedTexts:
        """The given texts, in the given order."""
        return TokenizedTexts(self.rows.take(texts), self.word_counts[texts])

    def cut(self, max_tokens: int) -> TokenizedTexts:
        """The first ``max_tokens`` tokens of each text."""
        return TokenizedTexts(self.rows.keep(self.rows.positions() < max_tokens), self.word_counts)

    def padded(self) -> PaddedTexts:
        """As arrays padded to one width, each text followed by the end token."""
        lengths = self.lengths()
        padded = self.rows.pad(int(lengths.max(initial=0)) + 1, (PADDING, -1, NO_ITEM)).astype(np.int64)
        padded[np.arange(len(self)), lengths, 0] = END
        return PaddedTexts(padded[:, :, 0], padded[:, :, 1] + 1, padded[:, :, 2])


class PaddedTexts(NamedTuple):
    """Padded texts, (n, width) int64 each.

    Attributes:
        tokens: ``PADDING`` after the end token.
        words: index of the whitespace-separated word, from 1; 0 for the end token and padding.
        items: as in ``TokenizedTexts``.
    """

    tokens: IntArray
    words: IntArray
    items: IntArray


def join(columns: Sequence[tuple[IntArray, TokenizedTexts]], size: int) -> TokenizedTexts:
    """Concatenate texts to sentences.

    Args:
        columns: texts, and the sentence number of each; a sentence consists of its texts in the order of the columns,
            and within a column in its order.
        size: number of sentences.
    """
    owners = np.concatenate([owner for owner, _ in columns])
    order = np.argsort(owners, kind="stable")
    owners, texts = owners[order], TokenizedTexts.stack([texts for _, texts in columns]).take(order)
    lengths = np.bincount(owners, texts.lengths(), minlength=size).astype(np.int64)
    counts = np.bincount(owners, texts.word_counts, minlength=size).astype(np.int64)
    preceding = np.cumsum(texts.word_counts) - texts.word_counts - (np.cumsum(counts) - counts)[owners]
    texts.rows.values[:, 1] += np.repeat(preceding, texts.lengths()).astype(np.int32)
    return TokenizedTexts(Ragged.of_lengths(lengths, texts.rows.values), counts)


class SubwordTokenizer:
    """T5's own tokenizer, or one trained from scratch."""

    def __init__(self, tokenizer: Any) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # special tokens spelled out in a text are treated as text
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> SubwordTokenizer:
        """Train byte-pair encoding within words; deterministic.

        Numbers are split into pairs of digits and a possible single one, as T5's tokenizer splits most of them: ids
        share pieces, and no item is a single token.
        """
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        in_words, in_pairs = pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(r"\d{1,2}"), "isolated")
        in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([in_words, in_pairs, in_bytes])
        tokenizer.decoder = decoders.Sequence(
            [decoders.ByteLevel(), decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)]
        )
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(_SPECIAL), initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def read(cls, folder: Path) -> SubwordTokenizer:
        from tokenizers import Tokenizer

        path = folder / _FILE
        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except Exception as error:  # tokenizers raises bare Exception
            raise damaged(path, error) from None

    def write(self, folder: Path) -> None:
        (folder / _FILE).write_text(self._tokenizer.to_str(), encoding="utf-8")

    def add(self, words: Sequence[str]) -> None:
        """Add each word as a single token, after all others."""
        from tokenizers import AddedToken

        self._tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=False) for word in words])

    def __len__(self) -> int:
        return int(max(self._tokenizer.get_vocab().values())) + 1

    @property
    def placeholder(self) -> int:
        """The token of ``PLACEHOLDER``."""
        return int(self._tokenizer.token_to_id(PLACEHOLDER))

    def encode(self, texts: Sequence[str]) -> TokenizedTexts:
        """Tokenise texts; each distinct word is tokenised once."""
        words = [text.split() for text in texts]
        numbers = {word: number for number, word in enumerate(dict.fromkeys(chain.from_iterable(words)))}
        encoded = self._tokenizer.encode_batch_fast(list(numbers), add_special_tokens=False)
        known = TokenizedTexts.words_of([word.ids for word in encoded])
        flat = Ragged.of_rows([[numbers[word] for word in line] for line in words], np.int64)
        return join([(flat.owners(), known.take(flat.values))], len(texts))

    def decode(self, tokens: IntArray) -> list[str]:
        """The text of each row of tokens, up to the end token."""
        ended = np.cumsum(tokens == END, axis=1) > 0
        kept = ~ended & (tokens != PADDING)
        rows = [row[keep].tolist() for row, keep in zip(tokens, kept, strict=True)]
        texts: list[str] = self._tokenizer.decode_batch(rows, skip_special_tokens=True)
        return [text.strip() for text in texts]
