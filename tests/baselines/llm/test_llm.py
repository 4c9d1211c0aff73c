"""The language model in its tasks: with a random one, and behind a server that always says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from baselines.llm.bases import USUAL, base_card
from baselines.llm.prompts import FOLDER, item_names, templates
from tests.baselines.llm.protocol_server import Book, protocol_server
from unimp_bench import registry
from unimp_bench.contracts import Model
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.kinds.base import evenly
from unimp_bench.records import Examples

Fit = Callable[..., Model[Any]]
SMALL = {"model": "tiny", "history": 2, "depth": 4, "title_words": 2, "validated": 12}
HASHES = {"keywords-2": "7f604c3a5d4394d4", "plain-1": "8265a2363c1c1582"}


def some(corpus: Corpus, task: str, count: int = 8) -> Examples:
    return evenly(registry.make_task(task).examples(corpus, "loo", "test"), count)


@pytest.fixture
def in_order() -> Iterator[Book]:
    """A server that names the candidates as they stand."""
    with protocol_server(reply=lambda prompt: " > ".join(f"[{n}]" for n in range(1, prompt.count("\n[") + 1))) as book:
        yield book


def test_a_template_keeps_its_words() -> None:
    """Results name a template: another wording is another file."""
    import hashlib

    assert {path.stem: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in FOLDER.glob("*.toml")} == HASHES
    every = templates("plain-1")
    assert {task for task, _ in every} == {"recommendation", "search", "selection", "preference", "explanation"}
    with pytest.raises(UsageError, match="did you mean 'plain-1'"):
        templates("plain")


def test_items_as_words(make_corpus: Callable[..., Corpus]) -> None:
    columns = {
        "title": pa.array(["A &amp; B  of many words here", "Acme Phone", "", ""]),
        "brand": pa.array(["Acme", "Acme", "Acme", ""]),
        "category": pa.array(["X > Y", "X", "X > Y", ""]),
    }
    corpus = make_corpus([[0, 1, 2, 3]], columns)
    assert item_names(corpus.items, 3) == ["A & B (Acme)", "Acme Phone", "Acme Y", "an item without a name"]


def test_only_the_first_items_of_the_base_move(planted: Corpus, fit: Fit) -> None:
    model = fit("llm", planted, "recommendation", **SMALL, chosen=False)
    base = fit("itemknn", planted, "recommendation")
    examples = some(planted, "recommendation").hidden()
    items = catalogue(planted, "loo")
    before, after = base.score(examples, items), model.score(examples, items)
    assert any((old != new).any() for old, new in zip(before, after, strict=True))
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        moved = np.flatnonzero(old != new)
        unseen = old.astype(np.float64).copy()
        unseen[np.isin(items, examples.history(row))] = -np.inf
        best = np.argsort(-unseen, kind="stable")[: SMALL["depth"]]
        assert set(moved) <= set(best.tolist())
        assert np.sort(new[best]) == pytest.approx(np.sort(old[best]))
    assert np.array_equal(
        fit("llm", planted, "recommendation", **SMALL, chosen=False, mix=0).score(examples, items), before
    )


def test_a_server_that_repeats_the_order_gives_the_base(planted: Corpus, fit: Fit, in_order: Book) -> None:
    settings = {**SMALL, "server": in_order.address, "chat": True, "mode": "generation", "chosen": False}
    model = fit("llm", planted, "recommendation", **settings)
    examples, items = some(planted, "recommendation").hidden(), catalogue(planted, "loo")
    base = fit("itemknn", planted, "recommendation").score(examples, items)
    assert np.array_equal(model.score(examples, items), base)
    (told,) = model.remarks()
    assert "100.0% of the answers repeat the order" in told and "0.0% of the named items invented" in told
    assert "history items in a prompt on average" in told and "tokens in" in told


def test_rotations_tell_that_the_order_decides(planted: Corpus, fit: Fit, in_order: Book) -> None:
    settings = {**SMALL, "server": in_order.address, "chat": True, "mode": "generation", "chosen": False}
    model = fit("llm", planted, "recommendation", **settings, rotations=4)
    model.score(some(planted, "recommendation").hidden(), catalogue(planted, "loo"))
    assert "effect of the place 1.00" in model.remarks()[0]


def test_a_silent_server_leaves_everything_as_it_is(planted: Corpus, fit: Fit) -> None:
    with protocol_server(reply=lambda _: "") as book:
        settings = {**SMALL, "server": book.address, "chat": True, "mode": "generation"}
        models = {task: fit("llm", planted, task, **settings) for task in ("recommendation", "selection", "preference")}
        examples, items = some(planted, "recommendation").hidden(), catalogue(planted, "loo")
        base = fit("itemknn", planted, "recommendation").score(examples, items)
        assert np.array_equal(models["recommendation"].score(examples, items), base)
        assert not models["selection"].choose(some(planted, "selection").hidden()).any()
        assert np.isnan(models["preference"].rate(some(planted, "preference").hidden())).all()
        assert "100.0% of the answers unparsable" in models["preference"].remarks()[0]


def test_generated_ratings_and_choices_are_read(planted: Corpus, fit: Fit) -> None:
    with protocol_server(reply=lambda prompt: "4.0" if "ating" in prompt else "[2]") as book:
        settings = {**SMALL, "server": book.address, "chat": True, "mode": "generation", "chosen": False}
        rated = fit("llm", planted, "preference", **settings).rate(some(planted, "preference").hidden())
        assert (rated == 4).all()
        examples = some(planted, "selection")
        chosen = fit("llm", planted, "selection", **settings).choose(examples.hidden())
        assert [np.flatnonzero(each).tolist() for each in np.split(chosen, examples.shown.offsets[1:-1])] == [[1]] * 8


def test_the_prompt_holds_the_last_items_and_the_query(planted: Corpus, fit: Fit, in_order: Book) -> None:
    settings = {**SMALL, "server": in_order.address, "chat": True, "mode": "generation", "chosen": False}
    model = fit("llm", planted, "search", **settings, shots=0)
    examples = some(planted, "search", 1)
    model.score(examples.hidden(), catalogue(planted, "loo"))
    body = in_order.bodies[-1][1]
    text = body["messages"][-1]["content"]
    names = item_names(planted.items, SMALL["title_words"])
    past = [names[item] for item in examples.history(0)[-2:]]
    assert f"oldest first:\n- {past[0]}\n- {past[1]}\nNow" in text
    assert f"looks for: {examples.query_texts[int(examples.queries[0])]}\n" in text
    assert body["messages"][0]["role"] == "system" and text.count("\n[") == SMALL["depth"]


def test_sentences_are_written_with_demonstrations(sample: Corpus, fit: Fit) -> None:
    with protocol_server(reply=lambda _: 'Sure: "A fine thing. And more."') as book:
        settings = {**SMALL, "server": book.address, "chat": True}
        model = fit("llm", sample, "explanation", **settings, mode="generation", shots=2)
        examples = some(sample, "explanation", 3)
        assert model.write(examples.hidden()) == ["A fine thing."] * 3
        text = book.bodies[-1][1]["messages"][-1]["content"]
        assert text.count("Review sentence:") == 2
        train = set(registry.make_task("explanation").examples(sample, "loo", "train").texts.read())
        shown = [line.removeprefix("Review sentence: ") for line in text.splitlines() if line.startswith("Review s")]
        assert set(shown) <= train


def test_a_saved_model_loads(planted: Corpus, fit: Fit, reload: Callable[..., Model[Any]]) -> None:
    model = fit("llm", planted, "recommendation", **SMALL, shots=1)
    again = reload(model, planted)
    examples, items = some(planted, "recommendation").hidden(), catalogue(planted, "loo")
    assert np.array_equal(again.score(examples, items), model.score(examples, items))
    assert "chosen for recommendation" in again.remarks()[0]


@pytest.mark.parametrize(
    ("base", "task"), [("vbpr", "recommendation"), ("mf", "recommendation"), ("itemknn", "search")]
)
def test_bases_that_do_not_suit_are_refused(base: str, task: str) -> None:
    with pytest.raises(UsageError, match=f"cannot order the items of '{base}'"):
        base_card(base, task)


def test_the_usual_bases_suit() -> None:
    assert all(base_card(name, task).name == name for task, name in USUAL.items())
    assert base_card("sasrec", "recommendation").validated
    with pytest.raises(UsageError, match="did you mean 'itemknn'"):
        base_card("itemkn", "recommendation")


def test_a_chat_gives_no_likelihoods(planted: Corpus, fit: Fit) -> None:
    with pytest.raises(UsageError, match="set mode=generation"):
        fit("llm", planted, "recommendation", model="x", server="http://localhost:1/v1", chat=True)


def test_calibration_is_least_squares_on_validation(planted: Corpus, fit: Fit, tmp_path: Path) -> None:
    model = fit("llm", planted, "preference", **SMALL)
    validation = evenly(registry.make_task("preference").examples(planted, "loo", "validation"), SMALL["validated"])
    constant, slope, of_user, mean = model._state.calibration
    expected = model._expected(validation.hidden())
    means = model._user_means(validation, mean)
    inputs = np.stack([np.ones(len(expected)), expected, means], axis=1)
    residual = validation.ratings - inputs @ np.array([constant, slope, of_user])
    assert inputs.T @ residual == pytest.approx(np.zeros(3), abs=1e-4)
