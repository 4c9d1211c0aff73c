"""The test that every registered model passes. Inherit it for a model of your own.

    class TestMine(ModelConformance):
        model = "mine"
        settings = {"epochs": 1}

It fits on the planted corpus of ``unimp_bench.testing.planted``, so keep ``settings`` small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pytest

from unimp_bench import registry
from unimp_bench.contracts import Model, ModelCard, Ranker
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.fitting import fit_or_load
from unimp_bench.paths import Workspace
from unimp_bench.records import SPLITS, Examples, FloatArray, IntArray, Split
from unimp_bench.runner import RunRequest, run, specify
from unimp_bench.splits import catalogue
from unimp_bench.testing.planted import write_planted_corpus

BLOCK = 24


class ModelConformance:
    """Fits, predicts, is reproducible, survives saving, refuses what it does not serve.

    Attributes:
        model: name of the registered model.
        settings: of its configuration, small enough for a test.
    """

    model: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(scope="class")
    def workspace(self, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
        """One workspace a model, so that its fits are shared by the tests."""
        return Workspace(tmp_path_factory.mktemp("conformance"))

    @pytest.fixture(scope="class")
    def corpus(self, workspace: Workspace) -> Corpus:
        """The planted corpus; override for models that run only on another."""
        write_planted_corpus(workspace.data / "planted")
        return Corpus.open(workspace.data / "planted")

    @cached_property
    def card(self) -> ModelCard:
        return registry.model_card(self.model)

    def test_runs_every_task_it_serves(self, corpus: Corpus, workspace: Workspace) -> None:
        """Every served task gives a result with one rank an example, within the catalogue."""
        for task in self.card.tasks:
            result, _ = run(self._request(corpus, task), workspace)
            ranks = result.target_ranks()
            assert len(ranks) == result.examples > 0
            assert ranks.min() >= 1 and ranks.max() <= max(255, result.corpus.catalogue)

    def test_the_same_seed_gives_the_same_scores(self, corpus: Corpus, workspace: Workspace) -> None:
        """A second fit, elsewhere, scores the same to the last bit."""
        first = self._scores(self._fitted(corpus, workspace), corpus)
        again = self._scores(self._fitted(corpus, Workspace(workspace.root / "again")), corpus)
        assert np.array_equal(first, again)

    def test_loading_gives_the_scores_that_were_saved(self, corpus: Corpus, workspace: Workspace) -> None:
        """Predictions of a loaded model are those of the fitted one to the last bit."""
        elsewhere = Workspace(workspace.root / "saved")
        fitted = self._fitted(corpus, elsewhere)
        loaded = self._fitted(corpus, elsewhere)
        assert fitted is not loaded
        assert np.array_equal(self._scores(fitted, corpus), self._scores(loaded, corpus))
        assert fitted.parameters() == loaded.parameters()

    def test_scores_have_their_shape_and_are_finite(self, corpus: Corpus, workspace: Workspace) -> None:
        """(examples, catalogue), finite, for the whole catalogue and for a part of it."""
        model = self._fitted(corpus, workspace)
        examples, items = self._examples(corpus)
        whole = self._scores(model, corpus)
        assert whole.shape == (len(examples), len(items)) and np.isfinite(whole).all()
        part = model.score(examples, items[::3])
        np.testing.assert_allclose(part, whole[:, ::3], rtol=1e-4, atol=1e-5)

    def test_a_row_depends_on_its_own_example_only(self, corpus: Corpus, workspace: Workspace) -> None:
        """An example alone gets the scores that it gets among others."""
        model = self._fitted(corpus, workspace)
        examples, items = self._examples(corpus)
        whole = self._scores(model, corpus)
        for row in (0, len(examples) - 1):
            alone = model.score(examples.select(slice(row, row + 1)), items)
            np.testing.assert_allclose(alone[0], whole[row], rtol=1e-4, atol=1e-5)

    def test_refuses_tasks_it_does_not_serve(self, corpus: Corpus, workspace: Workspace) -> None:
        """A clear error, before anything is fitted or written."""
        for task in set(registry.task_cards()) - set(self.card.tasks):
            with pytest.raises(UsageError, match="does not serve"):
                run(self._request(corpus, task), workspace)

    def test_serves_the_splits_that_its_card_says(self, corpus: Corpus, workspace: Workspace) -> None:
        """New users and new items: scored where the card says so, refused with the reason where not."""
        able: dict[Split, bool] = {"loo": True, "new-user": self.card.new_users, "new-domain": self.card.new_items}
        for split in SPLITS:
            request = replace(self._request(corpus, self.card.tasks[0]), split=split)
            if able[split]:
                assert run(request, workspace)[0].examples > 0
            else:
                with pytest.raises(UsageError, match="cannot score"):
                    run(request, workspace)

    def _request(self, corpus: Corpus, task: str) -> RunRequest:
        return RunRequest(task=task, model=self.model, corpus=corpus.folder, settings=self.settings)

    def _fitted(self, corpus: Corpus, workspace: Workspace) -> Ranker[Any]:
        request = self._request(corpus, self.card.tasks[0])
        model: Model[Any] = registry.make_model(self.model, settings=self.settings)
        spec = specify(request, registry.make_task(request.task), model, corpus)
        fit_or_load(model, spec.fit, corpus, workspace, fresh=False)
        assert isinstance(model, Ranker)
        return model

    def _examples(self, corpus: Corpus) -> tuple[Examples, IntArray]:
        examples = registry.make_task(self.card.tasks[0]).examples(corpus, "loo", "test").hidden()
        return examples.select(slice(0, BLOCK)), catalogue(corpus, "loo")

    def _scores(self, model: Ranker[Any], corpus: Corpus) -> FloatArray:
        return model.score(*self._examples(corpus))
