"""A causal language model as it is, without training, in five tasks.

* Recommendation and search: orders the first items of a base recommender (``rerank``), by the likelihood of their
  titles behind the history, or by a generated order (``mode=generation``).
* Selection: candidates by the same likelihoods and a threshold, or those that a generated text names.
* Preference: the expectation over the ratings of the scale, sum_s p_s v_s with p_s proportional to the likelihood of
  the rating's text behind earlier ratings of the user; ``calibrated``: a + b E + c (mean rating of the user), by least
  squares on validation. Or the first number of a generated text.
* Explanation: a generated sentence, behind training sentences of the user and the item with ``shots``.

What is chosen (weights, thresholds, calibration) is chosen on validation examples. A small model mostly measures how
well known a title is: compare with ``history=0``, the same without a history, and with the base alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from baselines.learning.interactions import rows_of
from baselines.llm import replies
from baselines.llm.backend import Request
from baselines.llm.bases import USUAL, base_card, fit_base, make_base
from baselines.llm.config import LLMConfig, State
from baselines.llm.place import kept_answers
from baselines.llm.prompts import END, Template, item_names, templates
from baselines.llm.rerank import Weights, chosen_weights, mixed_order, reordered, top_columns
from baselines.llm.shots import Demonstrations, Sentences
from baselines.selection.selectors import Threshold, mean_f1
from unimp_bench.contracts import FitData, Parameters, Ranker, Rater, Selector, Training, Usage, Writer
from unimp_bench.corpus import Items
from unimp_bench.errors import UsageError
from unimp_bench.kinds.base import evenly
from unimp_bench.kinds.rating import RatingExamples
from unimp_bench.kinds.selection import SelectionExamples
from unimp_bench.kinds.text import TextExamples
from unimp_bench.records import BoolArray, Examples, FloatArray, IntArray, Protocol

_STATE = "choices.json"
_RANKED = ("recommendation", "search")
_ORDER_TOKENS = 6  # of one entry of a generated order
_ENOUGH = 10
"""Validation examples without which nothing is chosen."""


class LLM(Ranker[LLMConfig], Rater[LLMConfig], Writer[LLMConfig], Selector[LLMConfig]):
    """See the module."""

    Config = LLMConfig
    presets: ClassVar[Mapping[str, LLMConfig]] = {
        "smollm2": LLMConfig(),
        "zero-shot": LLMConfig(base="popularity", chosen=False),
        "few-shot": LLMConfig(shots=3),
        "server": LLMConfig(model="default", server="http://localhost:8000/v1", chat=True, mode="generation"),
        "tiny": LLMConfig(model="tiny"),
    }

    def fit(self, data: FitData) -> None:
        self._prepare(data.items, data.cache)
        self._state, self._bases, self._fitted_on = State(data.catalogue.tolist()), {}, {}
        self._demonstrations = Demonstrations.of(data, self.config.shots)
        self._sentences = Sentences.of(data) if self.config.shots else Sentences()
        for task in data.examples:
            if task in _RANKED:
                name = self.config.base or USUAL[task]
                self._bases[task] = make_base(name, task)
                self._fitted_on[task] = fit_base(self._bases[task], task, data)
            self._choose(task, data)
        self._forget_counts()

    def select(self, protocol: Protocol, data: FitData) -> None:
        for task, base in self._bases.items():
            if base_card(self.config.base or USUAL[task], task).validated:
                base.select(protocol, self._fitted_on[task])
                self._choose(task, data)
        self._forget_counts()

    def save(self, folder: Path) -> None:
        (folder / _STATE).write_text(json.dumps(asdict(self._state)), encoding="utf-8")
        self._demonstrations.write(folder)
        self._sentences.write(folder)
        for task, base in self._bases.items():
            (folder / task).mkdir()
            base.save(folder / task)

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        self._prepare(items, cache)
        self._state = State.read(folder / _STATE)
        self._demonstrations, self._sentences = Demonstrations.read(folder), Sentences.read(folder)
        self._bases = {}
        for task in _RANKED:
            if (folder / task).is_dir():
                self._bases[task] = make_base(self.config.base or USUAL[task], task)
                self._bases[task].load(folder / task, items, cache)
        self._forget_counts()

    def parameters(self) -> Parameters:
        """Those of the language model, where it is known, and of the bases."""
        bases = [base.parameters() for base in self._bases.values()]
        return Parameters(
            sum(each.trained for each in bases), self._asked.backend.parameters() + sum(each.total for each in bases)
        )

    def training(self) -> Training | None:
        """That of the base."""
        return next(filter(None, (base.training() for base in self._bases.values())), None)

    def usage(self) -> Usage:
        """Of the predictions; what was asked to choose on validation does not count."""
        return self._asked.usage

    def remarks(self) -> tuple[str, ...]:
        """What was chosen, and what the predictions took and were like."""
        config = self.config
        bases = [f"orders {config.depth} items of {config.base or USUAL[task]} in {task}" for task in self._bases]
        place = config.described(self._asked.backend)
        told = [f"{place}, prompts {config.template}", *bases, *self._state.notes.values()]
        if self._tally.examples:
            told += [self._asked.words(self._tally.examples), *self._tally.words(), *self._positions.words()]
        return ("; ".join(told), *(note for base in self._bases.values() for note in base.remarks()))

    def score(self, examples: Examples, catalogue: IntArray) -> FloatArray:
        """The base's scores; those of its first items, of the whole catalogue of the fit, in the new order."""
        task, whole = examples.task, np.array(self._state.catalogue, dtype=np.int64)
        places, known = rows_of(whole, catalogue)
        if not known.all():
            item = int(catalogue[~known][0])
            raise UsageError(f"item {item} was not in the catalogue that this model was fitted on")
        scores = np.array(self._bases[task].score(examples, whole), dtype=np.float64)
        columns = self._top(scores, examples, whole)
        weights = self._state.weights[task]
        if weights.mix:
            found = self._candidate_scores(examples, [whole[each] for each in columns], weights)
            for row, (each, values) in enumerate(zip(columns, found, strict=True)):
                scores[row] = reordered(scores[row], each, mixed_order(values, weights.mix))
        return scores[:, places]

    def rate(self, examples: RatingExamples) -> FloatArray:
        """The calibrated expectation, or the number of a generated text."""
        low, high, _ = examples.scale
        constant, slope, of_user, mean = self._state.calibration
        expected = self._expected(examples)
        rated: FloatArray = constant + slope * expected + of_user * self._user_means(examples, mean)
        return np.clip(rated, low, high)

    def choose(self, examples: SelectionExamples) -> BoolArray:
        """By the threshold on likelihoods; in generation the candidates that at least half of the answers name."""
        if self.config.mode == "likelihood":
            return self._state.threshold.chosen(self._shown_scores(examples), examples.shown)
        shown = np.split(examples.shown.items, examples.shown.offsets[1:-1])
        votes = [
            np.bincount(np.concatenate([np.zeros(0, np.int64), *map(np.asarray, found)]).astype(np.int64), minlength=k)
            for found, k in zip(self._named(examples, shown, complete=False), map(len, shown), strict=True)
        ]
        chosen: BoolArray = 2 * np.concatenate(votes) >= self.config.rotations
        return chosen

    def write(self, examples: TextExamples) -> list[str]:
        template = self._templates["explanation", "generation"]
        requests = []
        for row, item in enumerate(examples.shown.items.tolist()):
            shots = [
                template.shot.format(item=self._names[about], answer=sentence)
                for about, sentence in self._sentences.nearest(int(examples.users[row]), item, self.config.shots)
            ]
            past = template.history(self._past(examples, row)).rstrip("; ") or "nothing"
            prompt = template.prompt(shots="".join(shots), history=past, shown=self._names[item])
            requests.append(Request(prompt, limit=self.config.sentence_tokens))
        answers = self._asked.ask(requests, "writing")
        return [replies.first_sentence(answer.text, self._tally) for answer in answers]

    def _prepare(self, items: Items, cache: Path) -> None:
        config = self.config
        self._asked = kept_answers(config.backend(config.mode), cache)
        self._templates = templates(config.template)
        self._names = item_names(items, config.title_words)
        self._catalogue = frozenset(map(replies.normalised, self._names))
        self._nulls: dict[tuple[str, int], tuple[float, int]] = {}
        self._forget_counts()

    def _forget_counts(self) -> None:
        """Count from here: remarks are about predictions, not about validation."""
        self._tally, self._positions = replies.Tally(), replies.Positions([], [])
        self._asked.forget_counts()

    def _choose(self, task: str, data: FitData) -> None:
        """Choose what a task's predictions need on some validation examples."""
        self._state.weights[task] = self.config.weights
        validation = evenly(data.examples[task].held_out, self.config.validated)
        if task == "preference":
            ratings = data.examples[task].train.ratings
            mean = float(np.mean(ratings)) if len(ratings) else 0.0
            self._state.calibration = (0.0, 1.0, 0.0, mean)
        if not self.config.chosen or len(validation) < _ENOUGH:
            return
        if task in _RANKED:
            self._choose_weights(task, validation, data.catalogue)
        elif task == "preference":
            self._calibrate(validation, self._state.calibration[3])
        elif task == "selection" and self.config.mode == "likelihood":
            self._choose_threshold(validation)

    def _choose_weights(self, task: str, validation: Examples, catalogue: IntArray) -> None:
        hidden, wanted = validation.hidden(), validation.targets
        assert wanted is not None
        columns = self._top(self._bases[task].score(hidden, catalogue), hidden, catalogue)
        shown = [catalogue[each] for each in columns]
        places = [np.flatnonzero(items == target) for items, target in zip(shown, wanted, strict=True)]
        targets = [int(place[0]) if len(place) else None for place in places]
        if self.config.mode == "likelihood":
            totals, lengths = self._likelihoods(hidden, shown)
            nulls = self._null_totals(task, shown, hidden)
        else:
            totals = self._candidate_scores(hidden, shown, self.config.weights)
            nulls, lengths = [np.zeros(len(each)) for each in shown], [np.ones(len(each), np.int64) for each in shown]
        chosen, reached = chosen_weights(totals, nulls, lengths, targets)
        self._state.weights[task] = chosen
        told = f"mix {chosen.mix:g}, length power {chosen.length_power:g}, null weight {chosen.null_weight:g}"
        nothing = " (the base alone is best)" if chosen.mix == 0 else ""
        self._state.notes[task] = f"chosen for {task}: {told}{nothing}; {reached:.0%} of validation targets in reach"

    def _choose_threshold(self, validation: SelectionExamples) -> None:
        hidden, cuts = validation.hidden(), validation.shown.offsets[1:-1]
        shown = np.split(validation.shown.items, cuts)
        totals, lengths = self._likelihoods(hidden, shown)
        nulls = self._null_totals("selection", shown, hidden)
        flat = [np.concatenate(each) for each in (totals, nulls, lengths)]
        tried = []
        for power in (1.0, 0.5, 0.0):
            for null in (0.0, 0.5, 1.0):
                weights = Weights(power, null, 1.0)
                scores = weights.scores(*flat)  # type: ignore[arg-type]
                threshold = Threshold.best(scores, validation)
                tried.append((mean_f1(threshold.chosen(scores, validation.shown), validation), weights, threshold))
        _, weights, self._state.threshold = max(tried, key=lambda each: round(each[0], 9))
        self._state.weights["selection"] = weights
        told = f"length power {weights.length_power:g}, null weight {weights.null_weight:g}"
        self._state.notes["selection"] = f"chosen for selection: {told}"

    def _calibrate(self, validation: RatingExamples, mean: float) -> None:
        expected, means = self._expected(validation.hidden()), self._user_means(validation, mean)
        known = np.isfinite(expected)
        if known.sum() < _ENOUGH:
            return
        inputs = np.stack([np.ones(known.sum()), expected[known], means[known]], axis=1)
        found = np.linalg.lstsq(inputs, validation.ratings[known].astype(np.float64), rcond=None)[0]
        constant, slope, of_user = (float(each) for each in found)
        self._state.calibration = (constant, slope, of_user, mean)
        self._state.notes["preference"] = (
            f"calibrated on validation: {constant:.2f} + {slope:.2f} expectation + {of_user:.2f} user's mean"
        )

    def _candidate_scores(self, examples: Examples, shown: list[IntArray], weights: Weights) -> list[FloatArray]:
        """Of the items of each example, higher is better."""
        if self.config.mode == "likelihood":
            totals, lengths = self._likelihoods(examples, shown)
            nulls = totals
            if weights.null_weight:
                nulls = self._null_totals(examples.task, shown, examples)
            return [weights.scores(*each) for each in zip(totals, nulls, lengths, strict=True)]
        scores: list[FloatArray] = []
        for found, items in zip(self._named(examples, shown, complete=True), shown, strict=True):
            if not len(items):
                scores.append(np.zeros(0))
                continue
            ranks = np.argsort(np.array(found).reshape(-1, len(items)), axis=1)
            self._positions.add(ranks)
            scores.append(-replies.mean_ranks(ranks))
        return scores

    def _likelihoods(self, examples: Examples, shown: Sequence[IntArray]) -> tuple[list[FloatArray], list[IntArray]]:
        """Sums over tokens and numbers of tokens of the items shown in each example."""
        template = self._templates[examples.task, "likelihood"]
        requests = [
            Request(self._prompt(template, examples, row), tuple(self._continuation(item) for item in items.tolist()))
            for row, items in enumerate(shown)
            if len(items)
        ]
        answers = iter(self._asked.ask(requests, f"{examples.task}: likelihoods"))
        found = [next(answers) if len(items) else None for items in shown]
        return (
            [np.array(each.totals if each else (), dtype=np.float64) for each in found],
            [np.array(each.lengths if each else (), dtype=np.int64) for each in found],
        )

    def _null_totals(self, task: str, shown: Sequence[IntArray], examples: Examples) -> list[FloatArray]:
        """Likelihoods of the same items behind the prompt without history, and without a query; once per item."""
        missing = sorted(
            {item for items in shown for item in items.tolist()} - {i for t, i in self._nulls if t == task}
        )
        template = self._templates[task, "likelihood"]
        prompt = template.prompt(shots=self._shots(template, task))
        requests = [Request(prompt, (self._continuation(item),)) for item in missing]
        for item, answer in zip(missing, self._asked.ask(requests, "likelihoods without history"), strict=True):
            self._nulls[task, item] = (answer.totals[0], answer.lengths[0])
        return [np.array([self._nulls[task, item][0] for item in items.tolist()]) for items in shown]

    def _named(self, examples: Examples, shown: Sequence[IntArray], *, complete: bool) -> list[list[list[int]]]:
        """Places of the items that each answer names, per example and rotation; ``complete`` with the others behind."""
        template, rotations = self._templates[examples.task, "generation"], self.config.rotations
        turned, requests = [], []
        for row, items in enumerate(shown):
            for number in range(rotations):
                order = np.roll(np.arange(len(items)), -replies.offset(number, rotations, len(items)))
                names = [self._names[item] for item in items[order].tolist()]
                prompt = self._prompt(template, examples, row, template.candidates(names), tell=not number)
                turned.append((order, names))
                requests.append(Request(prompt, limit=_ORDER_TOKENS * len(items) + 8, lines=False))
        answers = self._asked.ask(requests, f"{examples.task}: answers")
        found = []
        for (order, names), answer in zip(turned, answers, strict=True):
            named = replies.named_candidates(answer.text, names, self._catalogue, self._tally)
            places = replies.completed(named, len(names)) if complete else named
            found.append([int(order[place]) for place in places])
        return [found[start : start + rotations] for start in range(0, len(found), rotations)]

    def _expected(self, examples: RatingExamples) -> FloatArray:
        """(n,) expectation over the scale, or the generated rating, NaN for an unparsable one."""
        low, high, step = examples.scale
        values = np.arange(low, high + step / 2, step)
        template = self._templates["preference", self.config.mode]
        requests = []
        for row, item in enumerate(examples.shown.items.tolist()):
            ends = {"low": f"{low:.1f}", "high": f"{high:.1f}", "shown": self._names[item]}
            prompt = self._prompt(template, examples, row, **ends)
            texts = tuple(f" {value:.1f}{END}" for value in values)
            likelihood = self.config.mode == "likelihood"
            requests.append(Request(prompt, texts) if likelihood else Request(prompt, limit=8, lines=False))
        answers = self._asked.ask(requests, "rating")
        if self.config.mode == "generation":
            return np.array([replies.read_rating(answer.text, low, high, self._tally) for answer in answers])
        logs = np.array([answer.totals for answer in answers]).reshape(-1, len(values))
        shares = np.exp(logs - logs.max(axis=1, keepdims=True, initial=-np.inf))
        self._tally.mass += float(np.exp(logs).sum())
        self._tally.rated += len(logs)
        expected: FloatArray = (shares * values).sum(axis=1) / shares.sum(axis=1)
        return expected

    def _user_means(self, examples: Examples, mean: float) -> FloatArray:
        """(n,) mean of the ratings in each history; ``mean`` without one."""
        histories = examples.histories
        found = [histories.ratings[start:end] for start, end in zip(examples.starts(), examples.ends, strict=True)]
        return np.array([float(np.nanmean(each)) if np.isfinite(each).any() else mean for each in found])

    def _shown_scores(self, examples: SelectionExamples) -> FloatArray:
        shown = np.split(examples.shown.items, examples.shown.offsets[1:-1])
        return np.concatenate(self._candidate_scores(examples, shown, self._state.weights["selection"]))

    def _top(self, scores: FloatArray, examples: Examples, catalogue: IntArray) -> list[IntArray]:
        longest = int((examples.ends - examples.starts()).max(initial=0))
        return top_columns(scores, examples.last_items(longest), catalogue, self.config.depth)

    def _prompt(
        self, template: Template, examples: Examples, row: int, candidates: str = "", tell: bool = True, **fields: str
    ) -> Any:
        """The prompt of an example; ``tell`` to count it."""
        names = self._past(examples, row, tell)
        ratings = None
        if "{rating}" in template.line:
            end = int(examples.ends[row])
            values = examples.histories.ratings[end - len(names) : end].tolist()
            names = [name for name, value in zip(names, values, strict=True) if np.isfinite(value)]
            ratings = [f"{value:.1f}" for value in values if np.isfinite(value)]
        query = "" if examples.queries is None else examples.query_texts[int(examples.queries[row])]
        return template.prompt(
            shots=self._shots(template, examples.task),
            history=template.history(names, ratings),
            query=query,
            candidates=candidates,
            **fields,
        )

    def _past(self, examples: Examples, row: int, tell: bool = True) -> list[str]:
        items = examples.history(row)[max(0, int(examples.ends[row] - examples.starts()[row]) - self.config.history) :]
        names = [self._names[item] for item in items.tolist()] if self.config.history else []
        if tell:
            self._tally.examples += 1
            self._tally.history += len(names)
        return names

    def _shots(self, template: Template, task: str) -> str:
        """The demonstrations of a task, the same in all prompts."""
        return "".join(
            template.shot.format(
                history=template.history(
                    [self._names[item] for item in past[len(past) - min(len(past), self.config.history) :]]
                ),
                query=query,
                answer=self._names[answer],
            )
            for past, query, answer in self._demonstrations.of_task.get(task, ())
            if template.shot
        )

    def _continuation(self, item: int) -> str:
        return f" {self._names[item]}{END}"
