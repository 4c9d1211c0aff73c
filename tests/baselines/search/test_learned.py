"""The words of search systems: queries, vocabularies, and exclusion of later reviews."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from baselines.search.learned import ItemTexts, SearchVocabulary, interaction_texts, query_words
from tasks.search import Search
from unimp_bench.corpus import Corpus
from unimp_bench.errors import DataError, UsageError
from unimp_bench.ragged import Ragged
from unimp_bench.records import Texts


class Lines:
    """Texts in memory."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines

    def take(self, numbers: np.ndarray) -> list[str]:
        return [self.lines[number] for number in numbers]


def texts(*lines: str) -> Texts:
    return Texts(Lines(*lines), np.arange(len(lines)))


def spelled(vocabulary: SearchVocabulary, documents: Ragged) -> list[list[str]]:
    words = list(vocabulary.counts)
    parts = documents.rows()
    return [[words[number] for number in part] for part in parts]


def test_a_repeated_query_word_keeps_its_last_position() -> None:
    assert query_words("Toys & Games > Games > Toys and the Blocks") == ["game", "toy", "block"]


def test_a_vocabulary_holds_frequent_words_and_all_query_words() -> None:
    vocabulary = SearchVocabulary.of(texts("red red blue", "blue green", ""), ["Green > Lamps"], 2, reviewed=True)
    assert vocabulary.counts == {"blue": 2, "red": 2, "green": 1, "lamp": 0}
    documents = vocabulary.documents(texts("The red sofa", "", "lamps, blue lamps"))
    assert spelled(vocabulary, documents) == [["red"], [], ["lamp", "blue", "lamp"]]
    assert spelled(vocabulary, vocabulary.queries(["sofa", "Lamps > Blue > Lamps"])) == [[], ["blue", "lamp"]]
    assert documents.lengths().tolist() == [1, 0, 3] and documents.owners().tolist() == [0, 2, 2, 2]


def test_negatives_follow_the_frequency_to_the_power_three_quarters() -> None:
    vocabulary = SearchVocabulary.of(texts("red " * 16 + "blue"), ["lamp"], 1, reviewed=True)
    np.testing.assert_allclose(np.diff(vocabulary.noise, prepend=0), [8 / 9, 1 / 9, 0], atol=1e-12)


def test_texts_longer_than_a_block_are_read_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.search.learned._BLOCK", 2)
    lines = texts("red", "blue", "", "green", "red")
    vocabulary = SearchVocabulary.of(lines, [], 1, reviewed=True)
    assert spelled(vocabulary, vocabulary.documents(lines)) == [["red"], ["blue"], [], ["green"], ["red"]]


def test_a_saved_vocabulary_keeps_its_order(tmp_path: Path) -> None:
    vocabulary = SearchVocabulary.of(texts("red red blue"), ["lamp"], 1, reviewed=False)
    vocabulary.write(tmp_path)
    again = SearchVocabulary.read(tmp_path)
    assert again == vocabulary and list(again.counts) == list(vocabulary.counts)
    assert "no reviews" in again.remarks[0]


@pytest.mark.parametrize("content", [None, "{", '{"reviewed": true, "counts": {"red": -1}}', '{"counts": {}}'])
def test_a_damaged_vocabulary_is_a_one_line_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "vocabulary.json").write_text(content)
    with pytest.raises(DataError, match=r"vocabulary.json cannot be read .*fit the model again"):
        SearchVocabulary.read(tmp_path)


def test_texts_without_a_frequent_word_are_refused() -> None:
    with pytest.raises(UsageError, match="lower min_count"):
        SearchVocabulary.of(texts("red", "blue"), ["lamp"], 2, reviewed=True)


def test_without_reviews_an_interaction_reads_its_item(make_corpus: Callable[..., Corpus]) -> None:
    titles, brands = pa.array(["Red lamp", "Blue sofa", None]), pa.array(["Acme", None, None])
    corpus = make_corpus([[1, 0, 2]], {"title": titles, "brand": brands})
    assert [text.split() for text in interaction_texts(corpus.histories, corpus.items).read()] == [
        ["Blue", "sofa"],
        ["Red", "lamp", "Acme"],
        [],
    ]
    assert ItemTexts(corpus.items, ("brand",)).take(np.array([0])) == ["Acme"]
    assert ItemTexts(corpus.items, ("description",)).take(np.array([0, 1])) == ["", ""]


def test_reviews_of_later_parts_are_not_read(planted: Corpus) -> None:
    """Training reads the reviews of training rows alone; the test part reads all but the target's."""
    train, test = (Search().examples(planted, "loo", part) for part in ("train", "test"))
    lengths = planted.histories.lengths()
    for examples, held_back in ((train, 2), (test, 1)):
        reviews = interaction_texts(examples.histories, planted.items)
        kept = examples.histories.lengths()
        assert len(reviews) == len(examples.histories) == kept.sum() > 0
        assert (kept[kept > 0] == lengths[kept > 0] - held_back).all()
        users = np.repeat(np.arange(len(kept)), kept)
        within = np.arange(len(reviews)) - examples.histories.offsets[users]
        assert np.array_equal(reviews.numbers, planted.histories.offsets[users] + within)
