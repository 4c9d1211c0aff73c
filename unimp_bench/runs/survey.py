"""The suites of the survey's axes: pre-training, adaptation of parameters, encoders of texts and pictures."""

from __future__ import annotations

from collections.abc import Iterator

from unimp_bench.runs.suite import EQUAL_STEPS, SUBJECT, Suite, SuiteRow

TEXT, PICTURES, NONE = "minilm", "efficientnet-lite0", "none"
"""Names of stored features, as ``unimp-bench features`` gives them to those of packaged encoders."""
_NARROW = {"EfficientNet-Lite0, 128 components": {"pictures": f"{PICTURES}-pca128"}}
"""For UniMP, which is as wide as what it reads, after ``unimp-bench features reduce``."""

_BOTH = {"EfficientNet-Lite0 and MiniLM": {"text": TEXT, "pictures": PICTURES}}
_LOOKS = {"EfficientNet-Lite0, no text": {"text": NONE, "pictures": PICTURES}}
_WORDS = {"MiniLM, no pictures": {"text": TEXT, "pictures": NONE}}
_TEXTS, _PICTURED = {"MiniLM": {"text": TEXT}}, {"EfficientNet-Lite0": {"pictures": PICTURES}}
_BLIND = {"no pictures": {"pictures": NONE}}
_BARE = {"no pictures, no text": {"text": NONE, "pictures": NONE}}


def _group(name: str, model: str, features: dict[str, dict[str, str]], without: str = "") -> Iterator[SuiteRow]:
    """A model with its own encoders, with stored features, and the model that is left of it without any.

    Args:
        name: of the model in tables.
        model: its name.
        features: by what distinguishes the row, the stored features by modality.
        without: name in tables of a model that has the same name in lower case.
    """
    yield SuiteRow(name, model=model, group=name)
    for words, chosen in features.items():
        yield SuiteRow(f"{name}, {words}", model=model, features=chosen, group=name)
    if without:
        yield SuiteRow(f"{name} without features: {without}", model=without.lower(), group=name)


ENCODERS = Suite(
    name="encoders",
    title="Encoders",
    table="representation transfer in the survey, section 3",
    about="encoders of texts and pictures, and none, in the models that read them",
    tasks=("recommendation", "search"),
    rows=(
        *_group("UniMP", SUBJECT, _NARROW | _BLIND | _BARE | _WORDS),
        *_group("UniSRec", "unisrec", _TEXTS, without="SASRec"),
        *_group("UniSRec, text alone", "unisrec-inductive", _TEXTS),
        *_group("VBPR", "vbpr", _LOOKS | _WORDS, without="MF"),
        *_group("CausalRec", "causalrec", _LOOKS | _WORDS, without="MF"),
        *_group("MMGCL", "mmgcl", _BOTH | _LOOKS | _WORDS, without="LightGCN"),
        *_group("MMSSL", "mmssl", _BOTH | _LOOKS | _WORDS, without="LightGCN"),
        *_group("VIP5⁺", "vip5", _PICTURED),
        *_group("Dense retrieval", "dense", _TEXTS),
        *_group("SANCL", "sancl", _PICTURED | _BLIND),
        *_group("MRG", "mrg", _PICTURED),
    ),
)
"""What texts and pictures are worth: each model by its own encoders (LSA, a random layer), by pre-trained ones, and
without; the first row of a group is that of its own encoders."""


_START = (("search",),)


def _adapted(label: str, trained: str) -> SuiteRow:
    return SuiteRow(label, after=_START, tune={"trained": trained})


ADAPTATION = Suite(
    name="adaptation",
    title="Adaptation",
    table="section 3 of the survey",
    about="a model fitted on search adapted to recommendation, with different trainable parameters",
    tasks=("recommendation",),
    rows=(
        SuiteRow("No start"),
        _adapted("Representation transfer (backbone frozen)", "fusion"),
        _adapted("Full fine-tuning", "all"),
        _adapted("Low-rank updates (LoRA)", "lora"),
        _adapted("Prompt tuning", "prompt"),
        _adapted("Output layer", "output"),
    ),
    variants=True,
    equal_steps=True,
    steps=EQUAL_STEPS,
)
"""The survey's axis of adaptation (section 3)."""


_RANDOM = {"text": f"{TEXT}-untrained"}

TEXT_ADAPTATION = Suite(
    name="text_adaptation",
    title="Adaptation of a text encoder",
    table="section 3 of the survey",
    about="a recommender that reads a pre-trained text encoder: adapted, trained as a whole or frozen; the same with "
    "random weights; and without it",
    tasks=("recommendation",),
    rows=(
        SuiteRow("Adapters", model="transrec"),
        SuiteRow("Low-rank updates (LoRA)", model="transrec", settings={"trained": "lora"}),
        SuiteRow("Full fine-tuning", model="transrec", settings={"trained": "full"}),
        SuiteRow("Frozen encoder", model="transrec", settings={"trained": "frozen"}),
        SuiteRow("Full fine-tuning, from random weights", model="transrec", settings={"trained": "full"} | _RANDOM),
        SuiteRow("Frozen encoder, random weights", model="transrec", settings={"trained": "frozen"} | _RANDOM),
        SuiteRow("LSA, no encoder", model="transrec", settings={"trained": "frozen", "text": "lsa"}),
        SuiteRow("Id embeddings, no texts", model="transrec", settings={"trained": "frozen", "text": "none"}),
    ),
    variants=True,
    subject="transrec",
    equal_steps=True,
)
"""Representation transfer, adapters and fine-tuning (section 3) of one encoder in one recommender."""


def _pretrained(label: str, pretraining: str) -> SuiteRow:
    return SuiteRow(label, settings={"pretraining": pretraining})


PRETRAINING = Suite(
    name="pretraining",
    title="Pre-training",
    table="section 2 of the survey",
    about="objectives of pre-training on item pictures and texts",
    tasks=("recommendation",),
    rows=(
        SuiteRow("No pre-training"),
        _pretrained("Reconstructive", "reconstructive"),
        _pretrained("Contrastive", "contrastive"),
        _pretrained("Autoregressive", "autoregressive"),
    ),
    variants=True,
    equal_steps=True,
    steps=EQUAL_STEPS,
)
"""The survey's axis of pre-training (section 2)."""
