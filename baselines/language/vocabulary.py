"""The words of a language model: T5's own tokenizer, or one trained here.

Both write a text word by word, so that a sentence has the tokens of its phrases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from baselines.language.phrases import END, Phrases, join
from unimp_bench.files import damaged
from unimp_bench.records import IntArray

PADDING = 0
PLACEHOLDER = "<extra_id_0>"
"""The token of T5 that stands where no word does."""

_FILE = "tokenizer.json"
_SPECIAL = ("<pad>", "</s>", PLACEHOLDER)


class Vocabulary:
    """Words as tokens and back."""

    def __init__(self, tokenizer: Any) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True  # text from outside that spells a special token stays text
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Vocabulary:
        """Learn byte-pair merges within words; the same texts give the same vocabulary.

        Numbers are cut into pieces of two digits and a last one, as T5's tokenizer writes most of them: ids share
        their pieces, and no item is a token.
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
    def read(cls, folder: Path) -> Vocabulary:
        """What ``write`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        from tokenizers import Tokenizer

        path = folder / _FILE
        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except Exception as error:  # tokenizers raises bare Exception
            raise damaged(path, error) from None

    def write(self, folder: Path) -> None:
        """To a file of the folder."""
        (folder / _FILE).write_text(self._tokenizer.to_str(), encoding="utf-8")

    def add(self, words: Sequence[str]) -> None:
        """Make each of the words one token, behind all others."""
        from tokenizers import AddedToken

        self._tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=False) for word in words])

    def __len__(self) -> int:
        return int(max(self._tokenizer.get_vocab().values())) + 1

    @property
    def placeholder(self) -> int:
        """The token that stands where no word does."""
        return int(self._tokenizer.token_to_id(PLACEHOLDER))

    def encode(self, texts: Sequence[str]) -> Phrases:
        """One phrase a text."""
        words = [text.split() for text in texts]
        numbers = {word: number for number, word in enumerate(dict.fromkeys(chain.from_iterable(words)))}
        encoded = self._tokenizer.encode_batch_fast(list(numbers), add_special_tokens=False)
        known = Phrases.words_of([word.ids for word in encoded])
        flat = np.fromiter((numbers[word] for word in chain.from_iterable(words)), dtype=np.int64)
        owners = np.repeat(np.arange(len(texts)), [len(line) for line in words])
        return join([(owners, known.take(flat))], len(texts))

    def decode(self, tokens: IntArray) -> list[str]:
        """The text of each row of tokens, up to its end token."""
        ended = np.cumsum(tokens == END, axis=1) > 0
        kept = ~ended & (tokens != PADDING)
        rows = [row[keep].tolist() for row, keep in zip(tokens, kept, strict=True)]
        texts: list[str] = self._tokenizer.decode_batch(rows, skip_special_tokens=True)
        return [text.strip() for text in texts]
