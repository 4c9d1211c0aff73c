"""Preference and explanation: one shown item, and the user's own rating or sentence as the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tasks.explanation import Explanation
from tasks.preference import Preference
from tasks.selection import Selection
from tests.corpora import finish
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.errors import UsageError
from unimp_bench.kinds.rendering import Renderer, example_ids
from unimp_bench.records import Histories

NONE = np.nan
RATINGS = [4, 3, NONE, 5, 2, 1, 4, 4, NONE, 2, 5, 3]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Three users of four interactions; two ratings are missing, every other row has a sentence."""
    return write(tmp_path / "small")


def write(folder: Path, parts: list[int] | None = None, ratings: list[float] = RATINGS) -> Corpus:
    histories = Histories(
        offsets=np.array([0, 4, 8, 12]),
        items=np.array([0, 1, 2, 3, 1, 2, 3, 0, 2, 3, 0, 1], dtype=np.int32),
        ratings=np.array(ratings, dtype=np.float32),
        times=np.arange(12),
    )
    with CorpusWriter(folder) as writer:
        writer.users(["a", "b", "c"], ["shop"] * 3, np.zeros(3, dtype=np.bool_))
        names = ["w", "x", "y", "z"]
        writer.items(names, ["shop"] * 4, {"title": pa.array(["Red </script>", None, "Blue", "Green"])})
        writer.histories(histories)
        if parts is not None:
            writer.parts(np.array(parts, dtype=np.uint8))
        writer.explanations([(np.arange(0, 12, 2), [f"sentence {row}" for row in range(0, 12, 2)])])
        finish(writer, ("shop",))
    return Corpus.open(folder)


def test_the_answer_is_the_rating_of_the_target_row(corpus: Corpus) -> None:
    examples = Preference().examples(corpus, "loo", "test")
    assert examples.rows is not None and examples.shown is not None
    assert examples.rows.tolist() == [3, 7, 11]
    assert examples.ratings.tolist() == [5, 4, 3]
    assert examples.shown.items.tolist() == [3, 0, 1]
    assert examples.scale == (1, 5, 1)
    assert [len(examples.history(number)) for number in range(3)] == [3, 3, 3]


def test_unrated_interactions_are_skipped(corpus: Corpus) -> None:
    validation = Preference().examples(corpus, "loo", "validation")
    assert validation.users.tolist() == [1, 2]  # row 2 has no rating
    train = Preference().examples(corpus, "loo", "train")
    assert train.rows is not None and train.rows.tolist() == [1, 5, 9]


def test_the_answer_is_the_sentence_of_the_target_row(corpus: Corpus) -> None:
    examples = Explanation().examples(corpus, "loo", "validation")
    assert examples.texts.read() == ["sentence 2", "sentence 6", "sentence 10"]
    some = examples.select(np.array([2, 0]))
    assert some.texts.read() == ["sentence 10", "sentence 2"]
    with pytest.raises(UsageError, match="contains an explanation"):
        Explanation().examples(corpus, "loo", "test")


def test_hidden_examples_contain_no_answer(corpus: Corpus) -> None:
    rated = Preference().examples(corpus, "loo", "validation").hidden()
    explained = Explanation().examples(corpus, "loo", "validation").hidden()
    assert (
        (rated.targets, rated.rows, rated.ratings)
        == (explained.targets, explained.rows, explained.texts)
        == (None,) * 3
    )


def test_the_instruction_shows_the_item_in_words(corpus: Corpus) -> None:
    task = Preference()
    examples = task.examples(corpus, "loo", "test")
    rendered = list(Renderer(corpus, task.instruction).render(examples))
    assert rendered[1].instruction == (
        "Given Title Red </script> [EOC], can you predict the preference level of the user to the product?"
    )
    assert rendered[2].instruction.startswith("Given Title Unknown [EOC],")
    assert [example.target for example in rendered] == ["5", "4", "3"]
    assert rendered[0].id == "preference/loo/test/a/3" == example_ids(corpus, examples)[0]


def test_a_public_split_gives_several_targets_per_user(tmp_path: Path) -> None:
    corpus = write(tmp_path / "own", parts=[0, 1, 2, 2, 0, 0, 1, 2, 0, 0, 0, 0])
    test = Preference().examples(corpus, "public", "test")
    assert test.rows is not None and test.rows.tolist() == [3, 7]  # row 2 has no rating
    assert [test.history(number).tolist() for number in range(2)] == [[0, 1], [1, 2, 3]]
    assert len(set(example_ids(corpus, test))) == 2
    train = Preference().examples(corpus, "public", "train")
    assert train.rows is not None and train.rows.tolist() == [5, 9, 10, 11]
    with pytest.raises(UsageError, match="no split new-user; use --split public"):
        Preference().examples(corpus, "new-user", "test")
    with pytest.raises(UsageError, match="no order"):
        Selection().examples(corpus, "public", "test")


def test_missing_data_of_a_corpus_are_reported(tmp_path: Path, planted: Corpus) -> None:
    corpus = write(tmp_path / "unrated", ratings=[NONE] * 12)
    with pytest.raises(UsageError, match="has no ratings"):
        Preference().examples(corpus, "loo", "test")
