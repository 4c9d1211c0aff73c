"""The vocabulary: subwords, special tokens, and the tokens of the items' ids; and the words of items and instructions.

Token numbers: those of a tokenizer first, its subwords and its special tokens (markers, the phrases of the
instructions, the tokens of answers that are not text), then those of ids: item ``n`` is ``words + n`` where ids are
atomic. The tokenizer is trained on the corpus, specials before subwords, or comes with a pre-trained backbone, ours
behind its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench.corpus import Items
from unimp_bench.corpus.reader import PATH_SEPARATOR
from unimp_bench.errors import UsageError
from unimp_bench.files import damaged
from unimp_bench.generative.item_ids import ItemIds
from unimp_bench.records import IntArray

PAD, CLS, IMG, EOC, ANSWER = "[PAD]", "[CLS]", "[IMG]", "[EOC]", "<answer>"
SPECIALS = (PAD, CLS, IMG, EOC, ANSWER)
QUERY, ITEMS = "{query}", "{items}"
UNKNOWN = "Unknown"
RATING = "rate_"

_PLACEHOLDERS = re.compile(f"({re.escape(QUERY)}|{re.escape(ITEMS)})")
_RATING = re.compile(rf"{RATING}(-?\d+(?:\.\d+)?)")


def segments(instruction: str, task: str) -> list[str]:
    """An instruction in its order: phrases, ``{query}`` and ``{items}``.

    Raises:
        UsageError: the instruction is empty.
    """
    parts = [part.strip() for part in _PLACEHOLDERS.split(instruction) if part.strip()]
    if not parts:
        raise UsageError(f"unimp needs an instruction, and the examples of {task!r} have none")
    return parts


def phrases(instruction: str, task: str) -> list[str]:
    """The words of an instruction between its placeholders."""
    return [part for part in segments(instruction, task) if part not in (QUERY, ITEMS)]


def plain(text: str) -> str:
    """Text with single spaces and without the separators of paths, which would cost a token each."""
    separator = PATH_SEPARATOR.strip()
    return " ".join(word for word in text.split() if word != separator)


def attribute_values(items: Items, attribute: str, words: int) -> list[str]:
    """An attribute of every item in at most ``words`` words, ``Unknown`` where it is missing."""
    return [" ".join(plain(text).split()[:words]) or UNKNOWN for text in items.text(attribute)]


def known_attributes(items: Items, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the wanted attributes that the corpus has, in the wanted order."""
    return tuple(name for name in wanted if name in items.attributes)


class Vocabulary:
    """Text, answers and items as numbers.

    Attributes:
        texts: (subwords,) tokens that are text, ascending.
        words: number of tokens that are not of ids.
        ids: of the items.
        ratings: the ratings that have a token, ascending.
    """

    def __init__(self, tokenizer: Any, ids: ItemIds) -> None:
        # Text that spells a special token remains text.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        numbers = tokenizer.get_vocab().values()
        specials = {number: token.content for number, token in _specials(tokenizer).items()}
        names = specials.values()
        self.texts: IntArray = np.array(sorted(set(numbers) - specials.keys()), dtype=np.int64)
        self.words = int(max(numbers)) + 1  # there may be unused numbers
        self.ids = ids
        self.ratings = tuple(sorted(float(match[1]) for match in map(_RATING.fullmatch, names) if match))
        self.pad, self.cls, self.img, self.eoc, self.answer = (
            int(tokenizer.token_to_id(token)) for token in (PAD, CLS, IMG, EOC, ANSWER)
        )
        self._specials = frozenset(specials)
        self._pretrained = self.pad > 0  # else our specials come first
        # Some tokenizers write the space before a word into its token only where the text has one.
        joined = tokenizer.decode(2 * tokenizer.encode("a", add_special_tokens=False).ids)
        self._lead = "" if joined == "a a" else " "

    def __len__(self) -> int:
        return self.words + self.ids.size

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.ids)

    def item_tokens(self, items: IntArray) -> IntArray:
        """Token numbers of the ids of some items, (..., levels) int64."""
        return self.words + self.ids.tokens(items)

    @classmethod
    def train(
        cls, texts: Iterable[str], ids: ItemIds, size: int, phrases: Sequence[str] = (), answers: Sequence[str] = ()
    ) -> Vocabulary:
        """Learn byte-pair merges within words from ``texts``; the same texts give the same vocabulary.

        Frequent words become one token each, and any text can be encoded in bytes.

        Args:
            ids: of the items.
            size: of the vocabulary without ids and answers.
            phrases: of the instructions, a token each: their words mean nothing to a decoder trained from scratch, and
                one of them is in every sentence.
            answers: names of the tokens of answers that are not text.
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), in_bytes])
        tokenizer.decoder = decoders.Sequence(
            [decoders.ByteLevel(), decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=size + len(answers),
            special_tokens=list(dict.fromkeys([*SPECIALS, *phrases, *answers])),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer, ids)

    @classmethod
    def pretrained(cls, tokenizer: Any, ids: ItemIds, answers: Sequence[str] = ()) -> Vocabulary:
        """That of a backbone's ``tokenizers.Tokenizer``, with our markers and the tokens of answers behind its own.

        The words of instructions are text, which its decoder understands.
        """
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(_appended(tokenizer, [*SPECIALS, *answers]), ids)

    @classmethod
    def load(cls, path: Path, ids: ItemIds) -> Vocabulary:
        """Read what ``save`` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")), ids)
        except Exception as error:  # the library raises bare Exception
            raise damaged(path, error) from None

    def with_words(self, names: Sequence[str]) -> Vocabulary:
        """This vocabulary with more special tokens behind its words, where it lacks them; the ids move up."""
        from tokenizers import Tokenizer

        missing = [name for name in names if self._tokenizer.token_to_id(name) is None]
        return Vocabulary(_appended(Tokenizer.from_str(self._tokenizer.to_str()), missing), self.ids)

    def save(self, path: Path) -> None:
        self._tokenizer.save(str(path))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text, without special tokens."""
        led = [self._lead + text if text else text for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(led, add_special_tokens=False)]

    def phrase(self, text: str) -> list[int]:
        """Token numbers of a phrase of ours: a single one in a vocabulary trained on the corpus."""
        whole = None if self._pretrained else self._tokenizer.token_to_id(text)
        return self.encode([text])[0] if whole is None else [int(whole)]

    def named(self, names: Sequence[str]) -> list[int]:
        """Token numbers of answer tokens.

        Raises:
            UsageError: the model was not fitted on a task with these tokens.
        """
        numbers = [self._tokenizer.token_to_id(name) for name in names]
        missing = [name for name, number in zip(names, numbers, strict=True) if number is None]
        if missing:
            raise UsageError(f"unimp was not fitted on a task with answer token {missing[0]!r}; fit it on one")
        return [int(number) for number in numbers]

    def text(self, tokens: Iterable[int]) -> str:
        """The text of some tokens."""
        text: str = self._tokenizer.decode([int(token) for token in tokens], skip_special_tokens=False)
        return text.removeprefix(self._lead)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of a sentence, items as ``item_<n>``, without padding."""
        words: list[str] = []
        for kind, group in groupby((int(token) for token in tokens), self._kind):
            run = list(group)
            if kind == "item":
                words += [self.ids.name(token - self.words) for token in run]
            elif kind == "special":
                words += [self._tokenizer.id_to_token(token) for token in run if token != self.pad]
            else:
                words.append(self.text(run))
        return " ".join(words)

    def _kind(self, token: int) -> str:
        if token >= self.words:
            return "item"
        return "special" if token in self._specials else "text"


def _specials(tokenizer: Any) -> dict[int, Any]:
    """Special tokens by their numbers."""
    added: dict[int, Any] = tokenizer.get_added_tokens_decoder()
    return {number: token for number, token in added.items() if token.special}


def _appended(tokenizer: Any, names: Iterable[str]) -> Any:
    """The tokenizer with more special tokens behind its own."""
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in dict.fromkeys(names)])
    return tokenizer
