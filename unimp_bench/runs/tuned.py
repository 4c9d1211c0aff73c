"""A stored and committed search: ``leaderboards/tuned/<task>/<corpus>/<model>.json``.

The chosen settings are the model's configuration for that corpus under ``--preset tuned``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.stored import keys_of
from unimp_bench.errors import DataError, UsageError
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.records import PROTOCOLS, Protocol
from unimp_bench.runs.identity import fit_fingerprint
from unimp_bench.runs.provenance import Provenance
from unimp_bench.runs.results import Tuning
from unimp_bench.settings import Strict

TUNED = "tuned"
"""The preset of chosen settings, and the folder of searches."""


class Trial(Strict):
    """One point of the space.

    Attributes:
        values: of the searched settings.
        score: the task's validation score, between 0 and 1, higher better; the last one of a trial that was pruned;
            None where the fit failed.
        seconds: of the fit, its validation included.
        failed: why there is no score.
        stopped: ``pruned`` where the search ended the fit early, since others were better at the same validation.
    """

    values: dict[str, Any]
    score: float | None = None
    seconds: float = 0.0
    failed: str = ""
    stopped: Literal["", "pruned"] = ""

    @property
    def is_finished(self) -> bool:
        """Whether its fit was finished and scored, so that it may be chosen."""
        return self.score is not None and not self.stopped


class Tuned(Strict):
    """A finished search.

    Attributes:
        fingerprint: of the corpus, by which the search is found; ``corpus`` is a label.
        settings: the chosen settings: the fixed ones and those of the best trial, with explicit values, so that later
            changes of defaults do not change them.
        fixed: settings that were the same in all trials.
        trials: in the order of the search; the first has the default values.
        protocol: protocol of the scores and of model selection.
        seed: of the search and of every fit.
        options: of the task that differ from the defaults.
        features: keys of the stored feature sets that all trials read, by modality.
        versions: of the model, its features and its selection rule, if they are not 1.
        provenance: of the last search that added a trial.
    """

    format: Literal["unimp-bench-tuned"] = "unimp-bench-tuned"
    version: Literal[1] = 1
    task: str
    model: str
    corpus: str
    fingerprint: str
    settings: dict[str, Any]
    fixed: dict[str, Any] = Field(default={})
    trials: tuple[Trial, ...]
    protocol: Protocol = "paper"
    seed: int
    options: dict[str, Any] = Field(default={})
    features: dict[str, str] = Field(default={})
    versions: dict[str, int] = Field(default={})
    provenance: Provenance

    @property
    def budget(self) -> Tuning:
        """What the search took, as the results of its choice say it."""
        return Tuning(trials=len(self.trials), seconds=round(sum(trial.seconds for trial in self.trials), 3))

    @classmethod
    def read(cls, path: Path) -> Tuned:
        """Parse one file.

        Raises:
            DataError: the file cannot be read, or is not a search.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
            raise DataError(f"{path} is not a tuned configuration of a supported format ({reason})") from None

    def write(self, path: Path) -> None:
        """Write the search atomically."""
        write_atomically(path, self.model_dump_json(indent=1) + "\n")

    def joined(self, earlier: Tuned) -> Tuned:
        """This search with the trials of an earlier search of the same problem (``unlike`` is empty).

        No trial is lost: of two with the same values the one of this search stays, unless it failed or was pruned
        where the other was finished.
        """
        kept = {_point(trial): trial for trial in earlier.trials}
        new = {_point(trial): trial for trial in self.trials}
        kept |= {point: trial for point, trial in new.items() if trial.is_finished or not _finished(kept.get(point))}
        trials = tuple(kept.values())
        leader = best(trials)
        return self.model_copy(
            update={
                "trials": trials,
                "settings": self.settings if leader is None else {**self.fixed, **leader.values},
                "provenance": self.provenance if len(trials) > len(earlier.trials) else earlier.provenance,
            }
        )

    def unlike(self, other: Tuned) -> tuple[str, ...]:
        """Why the scores of two searches are not comparable, in words; empty if they are."""
        named = {
            "task": "another task",
            "model": "another model",
            "fingerprint": "another corpus",
            "protocol": "another protocol",
            "fixed": "other fixed settings",
            "seed": "another seed",
            "options": "other options of the task",
            "features": "other features",
            "versions": "another version of the model",
        }
        return tuple(reason for field, reason in named.items() if getattr(self, field) != getattr(other, field))


def best(trials: tuple[Trial, ...]) -> Trial | None:
    """The trial with the highest score, the earlier one on ties; None if all failed."""
    return next(iter(ranked(trials)), None)


def ranked(trials: tuple[Trial, ...]) -> list[Trial]:
    """The finished trials, best first."""
    scored = [(trial.score, trial) for trial in trials if trial.score is not None and trial.is_finished]
    return [trial for _, trial in sorted(scored, key=lambda pair: -pair[0])]


def _finished(trial: Trial | None) -> bool:
    return trial is not None and trial.is_finished


def place(
    workspace: Workspace,
    task: str,
    corpus: str,
    model: str,
    protocol: Protocol,
    features: Mapping[str, str] | None = None,
) -> Path:
    """The file of a search; the colon in names of a family's models becomes a dot, as some file systems refuse it.

    Args:
        features: names of stored feature sets by modality, part of the file's name.
    """
    given = "".join(f"+{modality}={name}" for modality, name in sorted((features or {}).items()))
    return workspace.leaderboards / TUNED / task / corpus / _file_name(model, protocol, given)


def find_tuned(workspace: Workspace, task: str, model: str, corpus: Corpus, protocol: Protocol) -> Tuned | None:
    """The search for a model on a corpus, whatever the corpus is called; None where there was none.

    Earlier searches name the whole corpus, later ones the parts that the model and task read. Of several the one that
    reached the highest score. Where the model reads stored features, a search with the same ones comes first; settings
    that were chosen with its own features stand for those of any others.
    """
    reads = registry.model_card(model).reads
    read = {fit_fingerprint(corpus, reads, (task,), options=options) for options in (False, True)}
    known = {corpus.fingerprint, *read}
    found = [
        tuned
        for tuned in all_tuned(workspace, model)
        if (tuned.task, tuned.protocol) == (task, protocol) and tuned.fingerprint in known
    ]
    given = keys_of(corpus.items.features)
    alike = [tuned for tuned in found if tuned.features == given] or [tuned for tuned in found if not tuned.features]
    return max(alike, key=_best_score, default=None)


def all_tuned(workspace: Workspace, model: str) -> list[Tuned]:
    """All searches for a model, on any task and corpus."""
    folder = workspace.leaderboards / TUNED
    patterns = [_file_name(model, protocol, given) for protocol in PROTOCOLS for given in ("", "+*=*")]
    paths = dict.fromkeys(path for pattern in patterns for path in sorted(folder.glob(f"*/*/{pattern}")))
    return [tuned for tuned in map(Tuned.read, paths) if tuned.model == model]


def tuned_search(workspace: Workspace, task: str, model: str, corpus: Corpus, protocol: Protocol) -> Tuned:
    """The search whose choice ``--preset tuned`` stands for.

    Raises:
        UsageError: there is no search.
    """
    tuned = find_tuned(workspace, task, model, corpus, protocol)
    if tuned is None:
        raise UsageError(
            f"no tuned configuration of {model} for {task} on {corpus.name} under protocol {protocol}; make one with "
            f"'unimp-bench tune --task {task} --model {model} --corpus {corpus.name} --protocol {protocol}'"
        )
    return tuned


def counted(trials: tuple[Trial, ...]) -> str:
    """Number of trials, in words."""
    return f"{len(trials)} {'trial' if len(trials) == 1 else 'trials'}"


def words(values: Mapping[str, Any]) -> str:
    """Settings as they are typed on the command line."""
    return ", ".join(f"{key}={value}" for key, value in values.items())


def _best_score(tuned: Tuned) -> float:
    leader = best(tuned.trials)
    return -1.0 if leader is None or leader.score is None else leader.score


def _point(trial: Trial) -> str:
    """Identity of a trial's values."""
    return json.dumps(trial.values, sort_keys=True)


def _file_name(model: str, protocol: Protocol, given: str = "") -> str:
    return f"{model.replace(':', '.')}{given}{'' if protocol == 'paper' else f'@{protocol}'}.json"
