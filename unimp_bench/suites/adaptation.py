"""The survey's axis of adaptation (section 3): what moves when a fitted model learns another task."""

from unimp_bench.suites.record import Suite, SuiteRow

_START = (("search",),)


def _adapted(label: str, trained: str) -> SuiteRow:
    return SuiteRow(label, after=_START, tune={"trained": trained})


SUITE = Suite(
    name="adaptation",
    title="Adaptation",
    table="section 3 of the survey",
    about="a model that was fitted on search learns recommendation, and more or less of it may move",
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
)
