"""The campaign: the rows that have to stand on the built corpora before the tables count as complete, as data.

A block is a set of rows of one suite on some corpora. The page of coverage counts its cells (row, task and corpus) and
gives the commands for the open ones; they are ordinary runs of suites. Rows are chosen for what two cores carry: rows
that are not named here are open on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

from unimp_bench.runs.suite import Suite, SuiteRow
from unimp_bench.runs.suites import SUITES

SEEDS = 3


@dataclass(frozen=True)
class Block:
    """Rows of a suite on some corpora.

    Attributes:
        question: what the block answers.
        suite: name of the suite.
        corpora: names.
        rows: labels of the suite's rows; empty for all that the suite runs.
        tasks: of the rows; empty for the suite's own.
        features: stored features by modality that the rows read where they can.
        seeds: number of seeds of rows with random choices.
        without: labels of rows that the corpora cannot have.
    """

    question: str
    suite: str
    corpora: tuple[str, ...]
    rows: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    features: tuple[tuple[str, str], ...] = ()
    seeds: int = SEEDS
    without: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[SuiteRow]:
        """The rows, in the order of the suite."""
        runs = (row for row in self._of.rows if not row.lacks and row.label not in self.without)
        return [row for row in runs if not self.rows or row.label in self.rows]

    @property
    def asked(self) -> tuple[str, ...]:
        """The tasks."""
        return self.tasks or self._of.tasks

    @property
    def _of(self) -> Suite:
        return SUITES[self.suite]


# At one loss sequential recommenders differ by the network alone, and over sampled items their epochs are cheap. What
# that loss costs in quality, SASRec has both of.
_GRU, _BERT = "GRU4Rec, sampled softmax", "BERT4Rec, sampled softmax"
_RULES = ("Popularity", "Transition graph", "ItemKNN", "EASE")
_SEQUENCES = ("SASRec", "SASRec, sampled softmax", "eSASRec", _GRU, "UniSRec", "UniMP")
_COLLABORATIVE = ("MF", "LightGCN", "UltraGCN")
_GRAPHS = ("MMGCL", "MMSSL", "MMGCN", "BM3", "FREEDOM", "LATTICE", "MGCN", "SMORE")
_MULTIMODAL = ("VBPR", "CausalRec", "CLCRec", *_GRAPHS)
_SMALL_STORES = (*_RULES, *_COLLABORATIVE, *_SEQUENCES, _BERT, "HGN")
_READERS = ("UniSRec", "MMSSL")  # need texts or pictures
_KNOWN_USERS = ("MRG", "PETER")  # cannot rate for users without a training interaction
_FOUR_TASKS = ("Four tasks", "Four tasks + Full", "Four tasks + Efficient")
# Nearly all searches on Gift Cards have one query: no table of them.
_NOT_SEARCH = ("recommendation", "preference", "explanation", "selection")
# One fit on all tasks with prompts, which need ratings, reviews and categories.
_ALL_TASKS = ("P5, of all its tasks",)
_WORDS, _BOTH = (("text", "minilm"),), (("text", "minilm"), ("pictures", "efficientnet-lite0"))

CAMPAIGN = (
    Block(
        "Which recommender leads on stores with an order and short texts?",
        "recommendation",
        ("beauty", "sports"),
        (*_RULES, *_COLLABORATIVE, *_SEQUENCES, _BERT, "S³-Rec", "HGN", "HSTU", "FREEDOM", "BM3", "RPG", "TIGER"),
        features=_WORDS,
    ),
    Block(
        "Does the order of the rows survive the clock?",
        "global_time",
        ("beauty", "sports", "grocery", "gift_cards", "movielens"),
        (*_RULES, "MF", "LightGCN", _GRU, "SASRec, sampled softmax", "UniSRec", "UniMP"),
    ),
    Block("The same on smaller stores", "recommendation", ("grocery", "gift_cards"), _SMALL_STORES),
    Block(
        "The same on a store without texts",
        "recommendation",
        ("musical_instruments",),
        _SMALL_STORES,
        without=_READERS,
    ),
    Block(
        "Does it carry over to short videos?",
        "recommendation",
        ("microlens",),
        (*_RULES, "SASRec", "SASRec, sampled softmax", "eSASRec", "UniSRec", "RPG", "UniMP"),
    ),
    Block(
        "Do pictures and texts help recommenders that read both?",
        "recommendation",
        ("movielens",),
        (*_RULES, *_COLLABORATIVE, *_SEQUENCES, *_MULTIMODAL, "MISSRec"),
        features=_BOTH,
    ),
    Block("Which encoders?", "encoders", ("movielens",), tasks=("recommendation",)),
    Block("Which parts of UniMP?", "ablation", ("movielens",)),
    Block("Where to join the modalities?", "fusion", ("movielens",)),
    Block("What does a decoder need to recommend from a history?", "recipe", ("grocery",)),
    Block("Ratings", "preference", ("gift_cards",)),
    Block("Ratings", "preference", ("musical_instruments", "movielens"), without=_ALL_TASKS),
    Block("Ratings", "preference", ("office", "baby"), without=(*_ALL_TASKS, *_KNOWN_USERS)),
    Block("Explanations", "explanation", ("gift_cards",)),
    Block("Explanations", "explanation", ("musical_instruments",), without=_ALL_TASKS),
    Block("Selections", "selection", ("gift_cards",)),
    Block("Selections", "selection", ("musical_instruments",), without=(*_ALL_TASKS, *_READERS)),
    Block("Selections", "selection", ("movielens",), without=_ALL_TASKS),
    Block(
        "What does a pre-trained decoder bring?",
        "backbones",
        ("gift_cards",),
        ("GPT-NeoX, from scratch", "SmolLM2-135M, pre-trained, LoRA"),
        tasks=_NOT_SEARCH,
    ),
    # Neither corpus has all six tasks.
    Block(
        "One model for all tasks?",
        "learning_strategy",
        ("gift_cards",),
        ("Single task", "Continue", *_FOUR_TASKS),
        tasks=("recommendation",),
    ),
    Block("The same with searches", "learning_strategy", ("movielens",), ("Single task", *_FOUR_TASKS)),
    *(
        Block(f"Does the sample show what was planted: {SUITES[name].title.lower()}?", name, ("sample",))
        for name in (
            *("recommendation", "search", "preference", "explanation", "selection", "ablation", "fusion"),
            *("robustness", "learning_strategy", "adaptation", "pretraining", "new_user", "new_domain"),
        )
    ),
)
