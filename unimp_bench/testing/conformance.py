"""The test that every registered model passes. Inherit it for your own model.

    class TestMine(ModelConformance):
        model = "mine"
        settings = {"epochs": 1}

It fits on the planted corpus of ``unimp_bench.testing.planted``, so keep ``settings`` small.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partialmethod
from typing import Any, ClassVar

import numpy as np
import pytest

from unimp_bench import registry
from unimp_bench.contracts import Model, ModelCard
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.splits import catalogue
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.generative.picture_tokens.tokenizer import PRESETS
from unimp_bench.kinds import Kind, Setting, draw_examples, kind_of
from unimp_bench.kinds.ranking import Ranker
from unimp_bench.records import DRAWN_SPLITS, Examples, Shown
from unimp_bench.runs.fitting import MODEL_NAME, corpus_cache, fit_or_load
from unimp_bench.runs.runner import RunRequest, run, specify
from unimp_bench.testing.planted import write_planted_corpus

BLOCK = 24
USERS = 72
"""Test users of one domain: those of the planted corpus have the same catalogue, and nothing else in common."""

TOKENIZER_STEPS = 20
SEED = 2**31 - 1
"""The largest that commands take: what is derived from it must not overflow either."""


class ModelConformance:
    """Fits, predicts, is reproducible, survives saving, refuses what it does not serve.

    Attributes:
        model: name of the registered model.
        settings: of its configuration, small enough for a test.
        alike: tasks with the same answer for all users after so short a training.
    """

    model: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}
    alike: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(scope="class", autouse=True)
    def quick_tokenizer(self) -> Iterator[None]:
        """Pictures become codes, good or bad, without a minute of training."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(PRESETS, "tiny", replace(PRESETS["tiny"], steps=TOKENIZER_STEPS))
            yield

    @pytest.fixture(scope="class")
    def workspace(self, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
        """One workspace per model, so that its fits are shared by the tests."""
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
        """Every served task gives a result with the main metric of its kind for every example."""
        for task in self.card.tasks:
            result, _ = run(self._request(corpus, task), workspace)
            main = result.example_values(self._kind(task).compared)
            assert main is not None and len(main) == result.examples > 0
            assert np.isfinite(main).all() and (main >= 0).all()

    def test_is_what_validation_scored_best(
        self, corpus: Corpus, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fitted model has the best of the scores that its fit saw; ``ModelCard.validated`` says if it saw any."""
        seen: dict[str, list[float]] = {}
        for kind in {type(self._kind(task)) for task in self.card.tasks}:

            def noted(self: Any, model: Any, examples: Examples, setting: Setting, *, scored: Any) -> Any:
                scores = scored(self, model, examples, setting)
                assert all(0 <= score <= 1 for score in scores.values()), scores
                seen.setdefault(examples.task, []).append(scores["paper"])
                return scores

            monkeypatch.setattr(kind, "validation", partialmethod(noted, scored=kind.validation))
        model = self._fitted(corpus, Workspace(workspace.root / "again"))
        monkeypatch.undo()
        assert self.card.validated == bool(seen)
        if seen:
            means = np.mean(list(seen.values()), axis=0)
            assert self._validation(model, corpus, workspace, tuple(seen)) == pytest.approx(means.max(), abs=1e-6)

    def test_the_same_seed_gives_the_same_answers(self, corpus: Corpus, workspace: Workspace) -> None:
        """A second fit, elsewhere, answers the same to the last bit."""
        elsewhere = Workspace(workspace.root / "again")
        first, again = self._fitted(corpus, workspace), self._fitted(corpus, elsewhere)
        for task in self.card.tasks:
            examples = self._examples(corpus, workspace, task)
            assert identical(self._answers(first, corpus, examples), self._answers(again, corpus, examples))

    def test_another_seed_changes_what_the_card_says(self, corpus: Corpus, workspace: Workspace) -> None:
        """The seed reaches whatever is trained or drawn; a rule answers the same (``ModelCard.seeded``)."""
        first = self._fitted(corpus, workspace)
        other = self._fitted(corpus, workspace, seed=SEED - 1)
        examples = [self._examples(corpus, workspace, task) for task in self.card.tasks]
        pairs = [[self._answers(model, corpus, each) for model in (first, other)] for each in examples]
        assert all(identical(*pair) for pair in pairs) != self.card.seeded
        assert self.card.seeded or not first.parameters().trained

    def test_answers_differ_between_users(self, corpus: Corpus, workspace: Workspace) -> None:
        """A model that reads its user gives different rankings or ratings to different users with one instruction.

        Sentences, choices and pictures of a model trained for one epoch may be the same for all users.
        """
        if not {"interactions", "order"} & set(self.card.reads) and self.card.new_users:
            pytest.skip("its card says that it reads nothing of a user")
        model = self._fitted(corpus, workspace)
        for task in self.card.tasks:
            if task in self.alike or not self._kind(task).personal:
                continue
            examples = from_everyone(self._examples(corpus, workspace, task, size=USERS))
            first, *others = self._answers(model, corpus, examples)
            assert not all(_alike(first, other) for other in others), f"{task}: {first!r} for everybody"

    def test_loading_gives_the_answers_that_were_saved(self, corpus: Corpus, workspace: Workspace) -> None:
        """Predictions of a loaded model are those of the fitted one to the last bit."""
        elsewhere = Workspace(workspace.root / "saved")
        fitted, loaded = self._fitted(corpus, elsewhere), self._fitted(corpus, elsewhere)
        assert fitted is not loaded
        for task in self.card.tasks:
            examples = self._examples(corpus, workspace, task)
            assert identical(self._answers(fitted, corpus, examples), self._answers(loaded, corpus, examples))
        assert fitted.parameters() == loaded.parameters() and fitted.training() == loaded.training()

    def test_says_what_its_training_took(self, corpus: Corpus, workspace: Workspace) -> None:
        """A model with trained parameters took steps over examples; one without was not trained by gradient."""
        model = self._fitted(corpus, workspace)
        training = model.training()
        assert (training is not None) == bool(model.parameters().trained)
        if training is not None:
            assert training.steps >= training.epochs > 0 and training.examples >= training.steps

    def test_a_damaged_fit_is_an_error_that_says_what_to_do(self, corpus: Corpus, workspace: Workspace) -> None:
        """Where the files of a saved model are empty, as after a full disk, loading it names ``--fresh``."""
        self._fitted(corpus, workspace)
        elsewhere = Workspace(workspace.root / "damaged")
        for name in ("cache", "runs/fits"):
            if (workspace.root / name).is_dir():
                shutil.copytree(workspace.root / name, elsewhere.root / name)
        saved = [path for path in elsewhere.fits.glob(f"*/{MODEL_NAME}*/**/*") if path.is_file()]
        for path in saved:
            path.write_bytes(b"")
        if saved:
            with pytest.raises(DataError, match="--fresh"):
                self._fitted(corpus, elsewhere)

    def test_an_answer_depends_on_its_own_example_only(self, corpus: Corpus, workspace: Workspace) -> None:
        """Examples alone, and in two halves, get the answers that they get together."""
        model = self._fitted(corpus, workspace)
        for task in self.card.tasks:
            examples = self._examples(corpus, workspace, task)
            whole = self._answers(model, corpus, examples)
            assert len(whole) == len(examples)
            for part in (slice(0, 1), slice(1, BLOCK // 2), slice(BLOCK // 2, BLOCK)):
                assert alike(self._answers(model, corpus, examples.select(part)), whole[part])

    def test_scores_have_their_shape_and_are_finite(self, corpus: Corpus, workspace: Workspace) -> None:
        """(examples, catalogue), finite, for the whole catalogue and for a part of it."""
        model, items = self._fitted(corpus, workspace), catalogue(corpus, "loo")
        for task in self.card.tasks:
            if self._kind(task).contract is Ranker:
                examples = self._examples(corpus, workspace, task)
                whole = model.score(examples, items)
                assert whole.shape == (len(examples), len(items)) and np.isfinite(whole).all()
                np.testing.assert_allclose(model.score(examples, items[::3]), whole[:, ::3], rtol=1e-4, atol=1e-5)

    def test_refuses_tasks_it_does_not_serve(self, corpus: Corpus, workspace: Workspace) -> None:
        """A clear error, before anything is fitted or written."""
        for task in set(registry.task_cards()) - set(self.card.tasks):
            with pytest.raises(UsageError, match="does not serve"):
                run(self._request(corpus, task), workspace)

    def test_serves_the_splits_that_its_card_says(self, corpus: Corpus, workspace: Workspace) -> None:
        """New users and new items: scored where the card says so, refused with the reason where not."""
        able = dict.fromkeys(DRAWN_SPLITS, True) | {"new-user": self.card.new_users, "new-domain": self.card.new_items}
        for split in DRAWN_SPLITS:
            request = replace(self._request(corpus, self.card.tasks[0]), split=split, fit_on=())
            if able[split]:
                assert run(request, workspace)[0].examples > 0
            else:
                with pytest.raises(UsageError, match="cannot score"):
                    run(request, workspace)

    def _request(self, corpus: Corpus, task: str, seed: int = SEED) -> RunRequest:
        """Fitted on all tasks at once, so that one fit serves them all."""
        return RunRequest(
            task=task,
            model=self.model,
            corpus=corpus.folder,
            seed=seed,
            settings=self.settings,
            fit_on=self.card.tasks,
        )

    def _fitted(self, corpus: Corpus, workspace: Workspace, seed: int = SEED) -> Any:
        request = self._request(corpus, self.card.tasks[0], seed)
        model: Model[Any] = registry.make_model(self.model, settings=self.settings)
        spec = specify(request, registry.make_task(request.task), model, corpus)
        fit_or_load(model, spec.fit, corpus, workspace, "paper", fresh=False)
        return model

    def _validation(self, model: Any, corpus: Corpus, workspace: Workspace, tasks: tuple[str, ...]) -> float:
        """The mean over tasks of the score by which protocol ``paper`` selects."""
        cache = corpus_cache(corpus, workspace)
        scores = []
        for task in map(registry.make_task, tasks):
            examples = draw_examples(task, corpus, "loo", "validation", cache)
            setting = Setting(task, corpus, "paper", cache, self.model)
            scores.append(kind_of(task.kind).validation(model, examples, setting)["paper"])
        return float(np.mean(scores))

    def _examples(self, corpus: Corpus, workspace: Workspace, task: str, size: int = BLOCK) -> Examples:
        """Some test examples, answers included."""
        cache = corpus_cache(corpus, workspace)
        return draw_examples(registry.make_task(task), corpus, "loo", "test", cache).select(slice(0, size))

    def _answers(self, model: Any, corpus: Corpus, examples: Examples) -> list[Any]:
        return self._kind(examples.task).each(model, examples.hidden(), catalogue(corpus, "loo"))

    @staticmethod
    def _kind(task: str) -> Kind:
        return kind_of(registry.task_cards()[task].kind)


def from_everyone(examples: Examples) -> Examples:
    """The instruction of the first example, its query and the items that it shows, for the user of each example."""
    shown, queries = examples.shown, examples.queries
    if shown is not None:
        items = shown.items[: shown.offsets[1]]
        shown = Shown(np.arange(len(examples) + 1) * len(items), np.tile(items, len(examples)))
    if queries is not None:
        queries = np.full_like(queries, queries[0])
    return replace(examples.hidden(), shown=shown, queries=queries)


def identical(first: list[Any], second: list[Any]) -> bool:
    """Whether all answers are the same to the last bit."""
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def alike(first: list[Any], second: list[Any]) -> bool:
    """Whether scores and ratings are the same but for rounding, and all other answers the same."""
    return len(first) == len(second) and all(map(_alike, first, second))


def _alike(one: Any, other: Any) -> bool:
    if np.asarray(one).dtype.kind == np.asarray(other).dtype.kind == "f":
        return np.allclose(one, other, rtol=1e-4, atol=1e-5)
    return np.array_equal(one, other)
