"""The survey's axis of pre-training (section 2): what is learnt of the items before any user is seen."""

from unimp_bench.suites.record import Suite, SuiteRow


def _pretrained(label: str, pretraining: str) -> SuiteRow:
    return SuiteRow(label, settings={"pretraining": pretraining})


SUITE = Suite(
    name="pretraining",
    title="Pre-training",
    table="section 2 of the survey",
    about="pre-training of pictures and texts on the items alone, before the training on users",
    tasks=("recommendation",),
    rows=(
        SuiteRow("None"),
        _pretrained("Reconstructive", "reconstructive"),
        _pretrained("Contrastive", "contrastive"),
        _pretrained("Autoregressive", "autoregressive"),
    ),
    variants=True,
)
