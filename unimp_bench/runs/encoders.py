"""The suite that compares encoders of texts and pictures, in each model that reads them."""

from __future__ import annotations

from collections.abc import Iterator

from unimp_bench.runs.suite import SUBJECT, Suite, SuiteRow

TEXT, PICTURES, NONE = "minilm", "efficientnet-lite0", "none"
"""Names of stored features, as ``unimp-bench features`` gives them to those of packaged encoders."""

_BOTH = {"EfficientNet-Lite0 and MiniLM": {"text": TEXT, "pictures": PICTURES}}
_LOOKS = {"EfficientNet-Lite0, no text": {"text": NONE, "pictures": PICTURES}}
_WORDS = {"MiniLM, no pictures": {"text": TEXT, "pictures": NONE}}
_TEXTS, _PICTURED = {"MiniLM": {"text": TEXT}}, {"EfficientNet-Lite0": {"pictures": PICTURES}}
_BLIND = {"no pictures": {"pictures": NONE}}


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
        *_group("UniMP", SUBJECT, _PICTURED | _BLIND),
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
