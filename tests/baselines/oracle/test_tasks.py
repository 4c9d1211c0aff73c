"""The oracle on the four tasks without ranking: its definitions, and comparison with untrained baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, permutations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.oracle.choices import Choices, best_sets, histories, positive_probabilities, read_truth
from baselines.oracle.model import (
    Opinions,
    Oracle,
    expected_stars,
    feature_tastes,
    opinions,
    star_probabilities,
)
from unimp_bench import registry
from unimp_bench.contracts import Model
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.kinds.picture import PictureExamples
from unimp_bench.metrics.rating import rating_errors
from unimp_bench.metrics.selection import selection_scores
from unimp_bench.metrics.text import rouge_scores
from unimp_bench.records import Examples, PictureCodes, Shown

Fit = Callable[..., Model[Any]]
BAD, MIXED, GOOD = range(3)


def opened(corpus: Corpus, preset: str = "full") -> Oracle:
    oracle = Oracle(Oracle.presets[preset])
    oracle.load(Path("no such folder"), corpus.items, Path())
    return oracle


def drawn(corpus: Corpus, task: str, part: str = "test", split: str = "loo") -> Examples:
    return registry.make_task(task).examples(corpus, split, part)


def f1(chosen: set[int], liked: set[int]) -> float:
    return 2 * len(chosen & liked) / (len(chosen) + len(liked))


@pytest.fixture(scope="module")
def choices(sample: Corpus) -> Choices:
    return Choices(read_truth(sample.items), sample.items.text("category"))


def domain_sizes(corpus: Corpus, examples: Examples) -> np.ndarray:
    return np.bincount(corpus.items.domains)[corpus.users.domains[examples.users]]


def test_mean_and_median_are_each_the_best_by_their_own_error(sample: Corpus, fit: Fit) -> None:
    test = drawn(sample, "preference")
    errors = {
        name: rating_errors(model.rate(test.hidden()), test.ratings, test.scale)
        for name, model in {
            "mean": opened(sample),
            "median": opened(sample, "median"),
            "bias": fit("bias", sample, "preference"),
        }.items()
    }
    absolute = {name: np.abs(values).mean() for name, values in errors.items()}
    squared = {name: (values**2).mean() for name, values in errors.items()}
    assert absolute["median"] < absolute["mean"] < absolute["bias"]
    assert squared["mean"] < squared["median"] < squared["bias"]


def test_a_rating_is_that_of_the_user_and_the_shown_item(sample: Corpus) -> None:
    test = drawn(sample, "preference").select(slice(0, 20)).hidden()
    truth = read_truth(sample.items)
    turned = replace(test, shown=Shown.single(test.shown.items[::-1].copy()))
    expected = expected_stars(star_probabilities(truth, test.users, turned.shown.items))
    assert np.array_equal(opened(sample).rate(turned), expected)
    assert not np.allclose(opened(sample, "no-text").rate(test), opened(sample).rate(test))


def test_no_set_has_a_higher_expected_f1() -> None:
    """Against all sets, for random chances of all sets of positives."""
    rng = np.random.default_rng(1)
    for size in (1, 2, 4, 6):
        positives = [set(items) for count in (1, 2, 3) for items in combinations(range(size), count)]
        for _ in range(20):
            weights = rng.dirichlet(np.full(len(positives), 0.3))
            chances = np.zeros((size, 3))
            for liked, weight in zip(positives, weights, strict=True):
                chances[list(liked), len(liked) - 1] += weight
            everything = [set(items) for count in range(1, size + 1) for items in combinations(range(size), count)]
            expected = [
                sum(w * f1(chosen, liked) for w, liked in zip(weights, positives, strict=True)) for chosen in everything
            ]
            found = set(np.flatnonzero(best_sets(chances, Shown(np.array([0, size]), np.arange(size)))).tolist())
            assert expected[everything.index(found)] == pytest.approx(max(expected))


def test_best_sets_of_equal_candidates_and_of_none() -> None:
    chosen = best_sets(np.full((4, 2), 0.1), Shown(np.array([0, 0, 4]), np.arange(4)))
    assert chosen.any()


@pytest.mark.parametrize(
    ("split", "part", "most"), [("loo", "validation", 1), ("loo", "test", 1), ("new-user", "test", 3)]
)
def test_probabilities_sum_over_sequences(split: str, part: str, most: int, sample: Corpus, choices: Choices) -> None:
    """Against enumeration of all sequences of purchases."""
    few = drawn(sample, "selection", part, split).select(np.array([3, 40, 200])).hidden()
    sizes = domain_sizes(sample, few)
    found = positive_probabilities(choices, few, sizes)
    assert found.shape[1] == most
    for number in range(len(few)):
        rows = range(few.shown.offsets[number], few.shown.offsets[number + 1])
        expected = np.zeros((len(rows), most))
        for count in range(1, most + 1):
            others = len(rows) - count
            pool = int(sizes[number]) - len(few.history(number)) - count
            share = 1 / comb(pool, others) if 2 <= others <= 7 else 0.0
            for order in permutations(range(len(rows)), count):
                bought, chance = few.history(number).tolist(), share
                for place in order:
                    after = choices.after(few.users[[number]], np.array([bought]))
                    bought.append(few.shown.items[rows[place]])
                    chance *= after[0, bought[-1]]
                expected[list(order), count - 1] += chance
        assert found[list(rows)] / found[list(rows)].max() == pytest.approx(expected / expected.max(), abs=1e-6)


def test_the_expected_f1_is_the_achieved_one(sample: Corpus, choices: Choices) -> None:
    """Calibration: over all test examples the two differ by no more than chance."""
    test = drawn(sample, "selection")
    chances = positive_probabilities_in_blocks(choices, test, domain_sizes(sample, test))
    chosen = opened(sample).choose(test.hidden())
    counts = np.arange(1, chances.shape[1] + 1)
    achieved = selection_scores(chosen, test.suits, test.shown.offsets)["F1"].values
    expected = np.zeros(len(test))
    for number, (start, end) in enumerate(zip(test.shown.offsets[:-1], test.shown.offsets[1:], strict=True)):
        own, taken = chances[start:end], chosen[start:end]
        evidence = (own / counts).sum()
        expected[number] = (own[taken] * 2 / (taken.sum() + counts)).sum() / evidence
    differences = achieved - expected
    assert abs(differences.mean()) < 3 * differences.std() / np.sqrt(len(test))
    assert achieved.mean() > 0.65


def positive_probabilities_in_blocks(choices: Choices, examples: Examples, sizes: np.ndarray) -> np.ndarray:
    parts = np.array_split(np.arange(len(examples)), 40)
    return np.concatenate([positive_probabilities(choices, examples.select(part), sizes[part]) for part in parts])


def test_best_sets_for_other_options(sample: Corpus) -> None:
    task = registry.make_task("selection", {"fewest": "9", "most": "9"})
    examples = task.examples(sample, "loo", "test").select(slice(0, 60))
    chosen = opened(sample).choose(examples.hidden())
    assert selection_scores(chosen, examples.suits, examples.shown.offsets)["F1"].value > 0.5


def test_explanations_with_the_same_opinion_beat_typical_ones(sample: Corpus, fit: Fit) -> None:
    test = drawn(sample, "explanation")
    truth = test.texts.read()
    scores = {
        name: rouge_scores(fit(name, sample, "explanation").write(test.hidden()), truth)["ROUGE-L"].value
        for name in ("oracle", "typical-sentence", "constant-sentence")
    }
    assert scores["oracle"] > 1.15 * max(scores["typical-sentence"], scores["constant-sentence"])


def test_opinions_are_likes_or_dislikes_by_tone() -> None:
    likes_colour, both = np.array([[1.0, 0, 0, 0, 0]]), np.array([[1.0, 0, 0, 0, -1]])
    good, mixed, bad = (np.array([tone]) for tone in (GOOD, MIXED, BAD))
    assert opinions(good, likes_colour) == opinions(good, both) != opinions(good, -both)
    assert opinions(bad, likes_colour) != opinions(bad, both)
    assert opinions(mixed, likes_colour) != opinions(mixed, both)
    assert len({int(opinions(tone, both)[0]) for tone in (good, mixed, bad)}) == 3


def test_opinions_are_those_that_reviews_state(sample: Corpus) -> None:
    """A user who writes about a favourite colour likes the item's colour."""
    train = drawn(sample, "explanation", "train")
    texts = np.array(train.texts.read())
    known = feature_tastes(read_truth(sample.items), train.users, train.targets)
    for text, feature, sign in (
        ("It is my favourite colour, so I did not have to think twice.", 0, 1),
        ("I find the shape rather silly.", 1, -1),
        ("The price is fair for what it is.", 4, 1),
    ):
        writers = np.flatnonzero(texts == text)
        assert len(writers) > 20
        assert (np.sign(known[writers, feature]) == sign).all()


def test_opinions_load_as_saved(sample: Corpus, fit: Fit, reload: Callable[..., Model[Any]]) -> None:
    oracle = fit("oracle", sample, "explanation")
    test = drawn(sample, "explanation").hidden()
    assert reload(oracle, sample).write(test) == oracle.write(test)
    assert isinstance(oracle._opinions, Opinions)


def test_without_sentences_it_writes_none(sample: Corpus) -> None:
    with pytest.raises(UsageError, match="fitted without sentences"):
        opened(sample).write(drawn(sample, "explanation").select(slice(0, 2)).hidden())


def test_paints_the_most_probable_item_with_a_picture(sample: Corpus) -> None:
    """Codes encode item numbers; then the most probable item has no picture."""
    items = len(sample.items)
    examples = drawn(sample, "image_generation").select(slice(0, 30)).hidden()
    oracle = opened(sample)
    best = oracle.probabilities(examples).argmax(axis=1)
    every = PictureCodes(items, np.arange(items), np.arange(items)[:, None])
    assert np.array_equal(oracle.paint(PictureExamples.of(examples, pictures=every))[:, 0], best)
    rows = np.where(np.isin(np.arange(items), best), -1, np.arange(items))
    others = oracle.paint(PictureExamples.of(examples, pictures=replace(every, rows=rows)))[:, 0]
    categories = sample.items.text("category")
    assert not np.isin(others, best).any()
    assert [categories[item] for item in others] == [examples.query_texts[query] for query in examples.queries]


def test_histories_are_whole(sample: Corpus) -> None:
    examples = drawn(sample, "preference").select(slice(0, 9))
    for number, row in enumerate(histories(examples)):
        assert row[row >= 0].tolist() == examples.history(number).tolist()
