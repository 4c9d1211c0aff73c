"""Pictures by expanded queries: the equation by loops, what keywords add, and what does no harm."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from rank_bm25 import BM25Okapi

from baselines.expanded import TASK
from baselines.learning.vocabulary import stems
from baselines.llm.prompts import item_names
from baselines.llm.replies import KeywordTally, read_keywords
from tests.baselines.llm.protocol_server import Book, protocol_server
from tests.corpora import finish
from unimp_bench import registry
from unimp_bench.contracts import FitData, Model, TaskExamples
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.records import Histories, IntArray, PictureCodes

STYLES = ("crimson", "walnut", "floral", "chrome", "velvet", "bamboo")
SHELVES = ("Lamps", "Rugs", "Chairs", "Clocks", "Vases")
COPIES, USERS, LENGTH, SIZE = 3, 90, 8, 12
NOISE = tuple(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")

Fit = Callable[..., Any]
Score = Callable[[float], float]


def styles_of(items: IntArray) -> IntArray:
    return items // len(SHELVES) % len(STYLES)


def write_styles(folder: Path, *, shuffled: bool) -> Corpus:
    """Users who like one style, which titles name and pictures show; ``shuffled`` gives each the past of another."""
    rng = np.random.default_rng(5)
    count = len(SHELVES) * len(STYLES) * COPIES
    walks = []
    for user in range(USERS):
        liked = np.flatnonzero(styles_of(np.arange(count)) == user % len(STYLES))
        own = rng.permutation(liked)[:6]
        past = [int(item) if rng.random() < 0.8 else int(rng.integers(count)) for item in own[:4]]
        walks.append([*past, *own[4:].tolist()])
    order = rng.permutation(USERS) if shuffled else np.arange(USERS)
    walks = [[*walks[other][:4], *walk[4:]] for other, walk in zip(order, walks, strict=True)]
    titles = [f"{rng.choice(NOISE)} {STYLES[style]} {rng.choice(NOISE)}" for style in styles_of(np.arange(count))]
    with CorpusWriter(folder) as writer:
        for item in range(count):
            Image.new("RGB", (8, 8), (item, 0, 0)).save(folder.parent / "picture.png")
            writer.add_picture(item, folder.parent / "picture.png")
        writer.users([f"u{user}" for user in range(USERS)], ["all"] * USERS, np.zeros(USERS, bool))
        shelves = [["Home", SHELVES[item % len(SHELVES)]] for item in range(count)]
        writer.items(
            [f"i{item}" for item in range(count)],
            ["all"] * count,
            {"title": pa.array(titles), "category": pa.array(shelves)},
        )
        items = np.concatenate(walks)
        ratings = np.full(len(items), np.nan, np.float32)
        writer.histories(Histories(np.arange(USERS + 1) * 6, items.astype(np.int32), ratings, np.arange(len(items))))
        finish(writer)
    return Corpus.open(folder)


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_styles(tmp_path_factory.mktemp("styled") / "corpus", shuffled=False)


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_styles(tmp_path_factory.mktemp("shuffled") / "corpus", shuffled=True)


def styled_codes(corpus: Corpus) -> PictureCodes:
    """Pictures with the codes of their style at most positions."""
    rng, items = np.random.default_rng(1), np.arange(len(corpus.items))
    codes = styles_of(items)[:, None] + np.arange(LENGTH) % 6
    noise = rng.integers(0, SIZE, codes.shape)
    return PictureCodes(SIZE, items, np.where(rng.random(codes.shape) < 0.3, noise, codes).astype(np.int16))


def named_codes(corpus: Corpus) -> PictureCodes:
    """Pictures whose two codes are the number of their item."""
    pictured = np.flatnonzero(corpus.items.has_picture)
    rows = np.full(len(corpus.items), -1)
    rows[pictured] = np.arange(len(pictured))
    return PictureCodes(100, rows, np.stack([pictured // 100, pictured % 100], axis=1))


def items_of(codes: IntArray) -> list[int]:
    numbers: list[int] = (codes @ np.array([100, 1])).tolist()
    return numbers


def asked(corpus: Corpus, pictures: PictureCodes, part: str = "test") -> PictureExamples:
    examples = registry.make_task(TASK).examples(corpus, "loo", part)
    return PictureExamples.of(examples, pictures=pictures)


@pytest.fixture
def fitted(tmp_path: Path) -> Fit:
    """Fits by the token accuracy on validation, or by the score that ``preferred`` gives to a weight."""

    def make(corpus: Corpus, pictures: PictureCodes, preferred: Score | None = None, **settings: Any) -> Any:
        model = registry.make_model("expanded-picture", settings=settings)
        examples = TaskExamples(*(asked(corpus, pictures, part) for part in ("train", "validation")))

        def validate(model: Any, task: str) -> Mapping[Any, float]:
            return {"paper": accuracy(model, examples.validation) if preferred is None else preferred(model._weight)}

        model.fit(FitData(corpus.items, catalogue(corpus, "loo"), {TASK: examples}, 0, tmp_path, tmp_path, validate))
        return model

    return make


def accuracy(model: Any, examples: PictureExamples) -> float:
    assert examples.targets is not None
    return float(np.mean(model.paint(examples.hidden()) == examples.pictures.of(examples.targets)))


@pytest.fixture
def one_who_reads() -> Iterator[Book]:
    """A server that writes the commonest style of the prompt, in a sentence with words of nothing."""

    def reply(prompt: str) -> str:
        found = Counter(style for style in STYLES for _ in range(prompt.count(style)))
        return f"Words: {found.most_common(1)[0][0]}, zzyzx, 12." if found else ""

    with protocol_server(reply=reply) as book:
        yield book


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_the_equation_by_loops(weight: float, planted: Corpus, fitted: Fit) -> None:
    """Word by word and item by item, with the scores of rank_bm25."""
    last, count, pictures = 3, 4, named_codes(planted)
    examples = asked(planted, pictures)
    columns = [planted.items.text(name) for name in ("title", "brand", "category")]
    documents = [stems(" ".join(texts)) for texts in zip(*columns, strict=True)]
    bm25, vocabulary = BM25Okapi(documents), list(dict.fromkeys(word for each in documents for word in each))
    titles = [stems(name) for name in item_names(planted.items, 12)]
    frequencies, popularity = Counter(word for title in titles for word in set(title)), sold(planted)

    def best(row: int) -> int:
        history = examples.history(row).tolist()
        terms = Counter(word for item in history[-last:] for word in titles[item])
        weights = {word: tf * math.log(len(titles) / frequencies[word]) for word, tf in terms.items()}
        kept = sorted(weights, key=lambda word: (-weights[word], vocabulary.index(word)))[:count]
        text = examples.query_texts[int(examples.queries[row])]
        scores = np.zeros(len(titles))
        for word in stems(text):
            scores += (1 - weight) / len(stems(text)) * bm25.get_scores([word])
        for word in kept:
            scores += weight * weights[word] / sum(weights[each] for each in kept) * bm25.get_scores([word])
        shelf = shelf_of(planted, pictures, text, history)
        return min(shelf, key=lambda item: (-round(scores[item], 9), -popularity[item], item))

    model = fitted(planted, pictures, lambda tried: float(tried == weight), history=last, count=count)
    given = items_of(model.paint(examples.hidden()))
    rows = range(0, len(examples), 17)
    assert [given[row] for row in rows] == [best(row) for row in rows]
    assert len({given[row] for row in rows}) > 3


def shelf_of(corpus: Corpus, pictures: PictureCodes, path: str, history: list[int]) -> list[int]:
    """The pictured items of a category that are not in the history."""
    paths = corpus.items.text("category")
    return [item for item in np.flatnonzero(pictures.rows >= 0) if paths[item] == path and item not in history]


def sold(corpus: Corpus) -> Counter[int]:
    """The interactions of each item in the training part."""
    return Counter(registry.make_task(TASK).examples(corpus, "loo", "train").histories.items.tolist())


def test_keywords_of_the_history_find_what_is_meant(styled: Corpus, shuffled: Corpus, fitted: Fit) -> None:
    pictures = styled_codes(styled)
    found = {
        words: accuracy(fitted(styled, pictures, keywords=words), asked(styled, pictures))
        for words in ("none", "history")
    }
    control = accuracy(fitted(shuffled, pictures, lambda weight: weight), asked(shuffled, pictures))
    print(f"\nhistory {found['history']:.3f}, none {found['none']:.3f}, histories of others {control:.3f}")
    assert found["history"] > found["none"] + 0.15
    assert found["history"] > control + 0.15


def test_a_language_model_finds_what_is_meant(styled: Corpus, fitted: Fit, one_who_reads: Book) -> None:
    pictures = styled_codes(styled)
    examples = asked(styled, pictures)
    behind = {"keywords": "llm", "model": "x", "server": one_who_reads.address, "chat": True}
    model = fitted(styled, pictures, **behind)
    alone = accuracy(fitted(styled, pictures, keywords="none"), examples)
    mine = accuracy(model, examples)
    print(f"\nlanguage model {mine:.3f}, none {alone:.3f}")
    assert mine > alone + 0.15
    (told,) = model.remarks()
    assert "x (http://127.0.0.1" in told and "prompts keywords-2" in told and "validation gave the keywords" in told
    assert "0.0% of the answers empty" in told and "2.0 keywords an answer, 50.0% of them in no item's text" in told
    assert model.usage().requests <= len(examples)


def test_the_prompt_holds_the_last_titles_and_the_query(styled: Corpus, fitted: Fit, one_who_reads: Book) -> None:
    pictures = styled_codes(styled)
    settings = {"keywords": "llm", "model": "x", "server": one_who_reads.address, "chat": True, "history": 2}
    model = fitted(styled, pictures, lambda weight: weight, **settings)
    examples = asked(styled, pictures).select(slice(0, 1))
    model.paint(examples.hidden())
    content = one_who_reads.bodies[-1][1]["messages"][-1]["content"]
    names = item_names(styled.items, 12)
    past = [names[item] for item in examples.history(0)[-2:]]
    assert examples.queries is not None
    query = examples.query_texts[int(examples.queries[0])]
    assert f"Someone chose:\n- {past[0]}\n- {past[1]}\nLooking for: {query}" in content


def test_answers_are_kept(styled: Corpus, fitted: Fit, one_who_reads: Book) -> None:
    pictures = styled_codes(styled)
    behind = {"keywords": "llm", "model": "x", "server": one_who_reads.address, "chat": True}
    first = fitted(styled, pictures, **behind).paint(asked(styled, pictures).hidden())
    requests = len(one_who_reads.bodies)
    assert requests > USERS, "the parts of validation and test have prompts of their own"
    again = fitted(styled, pictures, **behind)
    assert np.array_equal(again.paint(asked(styled, pictures).hidden()), first)
    assert len(one_who_reads.bodies) == requests and "kept from earlier runs" in again.remarks()[0]


@pytest.mark.parametrize("reply", ["", "zzyzx, qqfrobnicate", "the and of 7"])
def test_answers_of_nothing_leave_the_query_alone(reply: str, styled: Corpus, fitted: Fit) -> None:
    pictures = styled_codes(styled)
    examples = asked(styled, pictures).hidden()
    with protocol_server(reply=lambda _: reply) as book:
        model = fitted(
            styled,
            pictures,
            lambda weight: float(weight == 0.5),
            **{"keywords": "llm", "model": "x", "server": book.address, "chat": True},
        )
        given = model.paint(examples)
    assert np.array_equal(given, fitted(styled, pictures, keywords="none").paint(examples))
    told = (
        "0.0% of the answers empty; 2.0 keywords an answer, 100.0%" if "z" in reply else "100.0% of the answers empty"
    )
    assert told in model.remarks()[0]


def test_keywords_are_read_from_answers() -> None:
    known, tally = {"red", "lamp", "paint"}, KeywordTally()
    replies = [
        "Red, lamps; paintings",
        "Sure, here they are:\n1. red\n2. zzyzx\n3. Red",
        "lamp lamp red paint",
        "",
        " . ",
    ]
    read = [read_keywords(reply, 2, known, tally) for reply in replies]
    assert read == [["red", "lamp"], ["red"], ["lamp", "red"], [], []]
    assert (tally.answers, tally.empty, tally.named, tally.unknown) == (5, 2, 6, 1)


def test_a_category_without_other_pictures_takes_the_first_retrieved(planted: Corpus, fitted: Fit) -> None:
    pictures = named_codes(planted)
    examples = asked(planted, pictures).hidden()
    model = fitted(planted, pictures, lambda weight: weight)
    first = examples.shown.items[examples.shown.offsets[:-1]]
    elsewhere = replace(examples, query_texts=("no such shelf",) * len(examples.query_texts))
    assert items_of(model.paint(elsewhere)) == first.tolist()
    # A category that the history has bought out.
    row = next(row for row in range(len(examples)) if len(examples.history(row)))
    bought = int(examples.history(row)[-1])
    rows = np.full(len(planted.items), -1)
    rows[[bought, first[row]]] = pictures.rows[[bought, first[row]]]
    paths = planted.items.text("category")
    one = replace(
        examples.select(slice(row, row + 1)),
        pictures=replace(pictures, rows=rows),
        query_texts=(paths[bought],) * len(examples.query_texts),
    )
    assert items_of(model.paint(one)) == [int(first[row])]


def test_ties_go_to_the_popular_item(planted: Corpus, fitted: Fit) -> None:
    """All scores are zero where only keywords count and there are none."""
    pictures = named_codes(planted)
    examples = asked(planted, pictures)
    model = fitted(planted, pictures, lambda weight: weight, history=0)
    popularity, given = sold(planted), items_of(model.paint(examples.hidden()))
    for row in range(0, len(examples), 13):
        shelf = shelf_of(
            planted, pictures, examples.query_texts[int(examples.queries[row])], examples.history(row).tolist()
        )
        assert given[row] == min(shelf, key=lambda item: (-popularity[item], item))


def test_without_keywords_the_query_counts_whole(planted: Corpus, fitted: Fit) -> None:
    pictures = named_codes(planted)
    examples = asked(planted, pictures).hidden()
    given = fitted(planted, pictures, lambda weight: weight, keywords="none").paint(examples)
    assert np.array_equal(given, fitted(planted, pictures, lambda weight: -weight).paint(examples))
    assert not np.array_equal(given, fitted(planted, pictures, lambda weight: weight, history=0).paint(examples))


@pytest.mark.parametrize("keywords", ["none", "history", "llm"])
def test_loads_what_it_saved(
    keywords: str, styled: Corpus, fitted: Fit, reload: Callable[..., Model[Any]], one_who_reads: Book
) -> None:
    pictures = styled_codes(styled)
    behind = {"model": "x", "server": one_who_reads.address, "chat": True}
    model = fitted(styled, pictures, lambda weight: weight, keywords=keywords, **behind)
    again: Any = reload(model, styled)
    examples = asked(styled, pictures).hidden()
    assert np.array_equal(again.paint(examples), model.paint(examples))
    assert again.remarks()[:1] == model.remarks()[:1] or keywords == "llm"
    assert again.parameters() == model.parameters() and (again.usage() is None) == (keywords != "llm")


def test_bad_settings_are_refused(styled: Corpus, fitted: Fit) -> None:
    with pytest.raises(UsageError, match="weights must include 0"):
        registry.make_model("expanded-picture", settings={"weights": (0.5,)})
    with pytest.raises(UsageError, match="expanded-picture: keywords"):
        registry.make_model("expanded-picture", settings={"keywords": "oracle"})
    with pytest.raises(UsageError, match="'plain-1' has no words for image_generation by generation"):
        fitted(styled, styled_codes(styled), keywords="llm", model="tiny", template="plain-1")
