"""Texts as tokens: whole words, ids, and the tokenizer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baselines.language.ids import Ids
from baselines.language.tokens import END, SubwordTokenizer, TokenizedTexts, join
from unimp_bench.errors import DataError, UsageError


@pytest.fixture(scope="module")
def tokenizer() -> SubwordTokenizer:
    return SubwordTokenizer.train([f"item_{n} was lovely , user_{n} says" for n in range(300)], 500)


def test_tokens_of_a_word_share_its_index(tokenizer: SubwordTokenizer) -> None:
    padded = tokenizer.encode(["user_12 likes item_1234 , really", "no"]).padded()
    expected = []
    for number, word in enumerate(["user_12", "likes", "item_1234", ",", "really"], start=1):
        expected += [number] * int(tokenizer.encode([word]).lengths()[0])
    assert len(set(expected)) == 5 and len(expected) > 5
    assert padded.words[0].tolist() == [*expected, 0]
    assert padded.tokens[0, -1] == END and padded.tokens[1].tolist().count(END) == 1
    short = int(tokenizer.encode(["no"]).lengths()[0])
    assert padded.words[1].tolist() == [1] * short + [0] * (len(expected) + 1 - short)


def test_joined_texts_are_the_sentence(tokenizer: SubwordTokenizer) -> None:
    """Words are tokenised one by one, so a sentence made of texts is the sentence encoded at once."""
    parts = ["item_7 ,", "", "item_28 was lovely"]
    texts = tokenizer.encode(parts)
    other = tokenizer.encode(["user_3 says"])
    joined = join([(np.array([1, 1, 1]), texts), (np.array([0]), other)], 3)
    whole = tokenizer.encode(["user_3 says", " ".join(parts), ""])
    assert np.array_equal(joined.rows.offsets, whole.rows.offsets)
    assert np.array_equal(joined.rows.values, whole.rows.values)
    assert np.array_equal(joined.word_counts, whole.word_counts)


def test_placeholders_are_separate_words_with_their_item(tokenizer: SubwordTokenizer) -> None:
    items, owners = tokenizer.encode(["item_1", "item_2"]), np.array([0, 0, 1, 1])
    joined = join([(np.arange(2), items), (owners, TokenizedTexts.placeholders(tokenizer.placeholder, owners))], 2)
    tokens, words, pictured = joined.rows.values.T
    marked = pictured >= 0
    assert pictured[marked].tolist() == [0, 0, 1, 1]
    assert (tokens[marked] == tokenizer.placeholder).all()
    assert words[marked].tolist() == [1, 2, 1, 2]


def test_decoding_restores_any_text(tokenizer: SubwordTokenizer) -> None:
    texts = ["Où est l'été ? 漢字 </s> <pad> 100 %", "", "item_299"]
    assert tokenizer.decode(tokenizer.encode(texts).padded().tokens) == texts


def test_decoding_restores_ids(tokenizer: SubwordTokenizer, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = Ids(np.arange(0, 3000, 3), rng.permutation(1000) + 1, rng.permutation(50) + 1)
    ids.write(tmp_path)
    tokenizer.write(tmp_path)
    again, words = Ids.read(tmp_path), SubwordTokenizer.read(tmp_path)
    texts = words.decode(words.encode(again.item_names()).padded().tokens)
    owners, rows = ids.named(texts)
    assert np.array_equal(owners, np.arange(1000)) and np.array_equal(rows, np.arange(1000))


def test_unknown_ids_are_ignored() -> None:
    ids = Ids(np.array([4, 9]), np.array([2, 1]), np.array([1]))
    owners, rows = ids.named(["item_2 , item_77 item_1", "item_0 item_", f"item_{10**30}", "myitem_1"])
    assert owners.tolist() == [0, 0] and rows.tolist() == [0, 1]
    with pytest.raises(UsageError, match="item 5 was not in the catalogue"):
        ids.rows(np.array([4, 5]))


@pytest.mark.parametrize("kind", [Ids, SubwordTokenizer])
def test_a_damaged_file_is_a_one_line_error(kind: type[Ids] | type[SubwordTokenizer], tmp_path: Path) -> None:
    for name in ("ids.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(DataError, match="fit the model again"):
        kind.read(tmp_path)
