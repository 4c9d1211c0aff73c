"""UniMP behind the contract of the harness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.unimp.small import SMALL, TASKS, Parts, answers, examples_of, fit_data, scores
from unimp_bench.corpus import Corpus, CorpusWriter
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import UsageError
from unimp_bench.registry import make_model
from unimp_bench.unimp.batches import collate
from unimp_bench.unimp.config import PRESETS, UniMPConfig
from unimp_bench.unimp.decoding import EncodedQueries, catalogue_scores
from unimp_bench.unimp.unimp import UniMP

ONCE = replace(SMALL, epochs=1, learning_rate=5e-3)


@pytest.fixture(scope="module")
def fitted(planted: Corpus, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> UniMP:
    model = UniMP(ONCE)
    model.fit(fit_data(planted, tmp_path_factory.mktemp("work"), cache, *TASKS))
    return model


@torch.no_grad()
def test_one_pass_scores_are_next_token_logits(parts: Parts) -> None:
    """The catalogue's scores order the items as the softmax over the whole vocabulary after <answer> does."""
    examples = parts.examples("search", "test")
    items = catalogue(parts.corpus, "loo")[::2]
    asked = parts.asked(examples)
    scored = catalogue_scores(parts.model, EncodedQueries(asked, parts.features, parts.vocabulary, 1024), items)
    for number in (0, 5, len(examples) - 1):
        batch = collate(asked, np.array([number]), parts.features, parts.vocabulary)
        last = parts.model.decoder.model.get_output_embeddings()(parts.model.hidden(batch))[0, -1]
        probabilities = last.softmax(dim=-1)[torch.from_numpy(parts.vocabulary.words + items)]
        expected = (probabilities / probabilities.sum()).numpy()
        got = torch.from_numpy(scored[number]).softmax(dim=-1).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_an_answer_depends_on_neither_padding_nor_batch_mates(fitted: UniMP, planted: Corpus, task: str) -> None:
    examples = examples_of(planted, task, "test")
    whole = answers(fitted, examples, planted)
    asked = fitted._encoded(examples.hidden(), TASKS[task].kind)
    assert len(np.unique(asked.sentences.lengths())) > 1, "there is padding to depend on"
    for rows in (np.array([3]), np.arange(10), np.arange(len(examples))[::-1]):
        here = rows if task != "selection" else examples.shown.positions_of(rows)[1]  # type: ignore[union-attr]
        got = answers(fitted, examples.select(rows), planted)
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, whole[here], rtol=1e-4, atol=1e-5)
        else:
            assert np.array_equal(got, whole[here])


def test_saving_and_loading_keeps_every_bit(fitted: UniMP, planted: Corpus, cache: Path, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    loaded = UniMP(ONCE)
    loaded.load(tmp_path, planted.items, cache)
    for task in TASKS:
        assert np.array_equal(scores(fitted, planted, task), scores(loaded, planted, task))
    assert loaded.parameters() == fitted.parameters()
    assert fitted.parameters().trained == sum(p.numel() for p in fitted._model.parameters()) > 0


def test_the_seed_decides(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    def fit(seed: int, name: str) -> np.ndarray:
        model = UniMP(replace(ONCE, dropout=0.1))
        model.fit(fit_data(planted, tmp_path / name, cache, "search", seed=seed))
        return scores(model, planted, "search")

    first = fit(0, "a")
    assert np.array_equal(first, fit(0, "b"))
    assert not np.array_equal(first, fit(1, "c"))


def test_two_instructions_give_two_answers(fitted: UniMP, planted: Corpus) -> None:
    assert not np.allclose(scores(fitted, planted, "search"), scores(fitted, planted, "recommendation"))


def test_it_runs_without_pictures_and_attributes(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    corpus = bare(planted, tmp_path / "bare")
    model = UniMP(ONCE)
    model.fit(fit_data(corpus, tmp_path / "work", tmp_path, "recommendation"))
    assert model._model.resampler is None
    assert np.isfinite(scores(model, corpus)).all()
    assert not list(tmp_path.glob("pictures-*"))


def bare(corpus: Corpus, folder: Path) -> Corpus:
    """The same purchases of items of which nothing is known."""
    table = pq.read_table(corpus.folder / "items.parquet")
    with CorpusWriter(folder) as writer:
        users = corpus.users
        writer.users(users.names, [corpus.manifest.domains[code] for code in users.domains], users.held_out)
        writer.items(table.column("item").to_pylist(), table.column("domain").to_pylist(), {})
        writer.histories(corpus.histories)
        writer.finish(
            source="planted", licence="none", synthetic=True, options={}, inputs={},
            domains=corpus.manifest.domains, new_domains=corpus.manifest.new_domains, bad_lines={},
        )  # fmt: skip
    return Corpus.open(folder)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"width": 30}, "width 30 must be a multiple"),
        ({"layers": 0}, "layers = 0: Input should be greater than or equal to 1"),
        ({"attribute_words": "0"}, "attribute_words = '0'"),
        ({"vocabulary": -1}, "vocabulary = -1"),
        ({"dropout": 1}, "dropout = 1"),
        ({"dropout": "-0.1"}, "dropout = '-0.1'"),
        ({"rehearsal": 1.5}, "rehearsal = 1.5"),
        ({"warmup": 2}, "warmup = 2"),
        ({"gamma": -1}, "gamma = -1"),
        ({"context_weight": -0.5}, "context_weight = -0.5"),
        ({"recommendation_weight": -1}, "recommendation_weight = -1"),
        ({"learning_rate": 0}, "learning_rate = 0"),
        ({"clip": 0}, "clip = 0"),
        ({"weight_decay": -1}, "weight_decay = -1"),
        ({"gate": "nan"}, "gate = nan: must be a finite number"),
        ({"learning_rate": "inf"}, "learning_rate = inf: must be a finite number"),
        ({"context": ("everything",)}, "context"),
        ({"widht": 64}, "did you mean 'width'"),
    ],
)
def test_bad_settings_are_one_clear_line(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        make_model("unimp", settings=settings)
    assert "\n" not in str(caught.value)


def test_the_first_preset_is_the_default() -> None:
    assert next(iter(PRESETS)) == "tiny"
    assert make_model("unimp").config == UniMPConfig() == PRESETS["tiny"]
