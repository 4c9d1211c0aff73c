"""Table 3: what each component of UniMP brings."""

from unimp_bench.suites.record import Suite, SuiteRow

SUITE = Suite(
    name="ablation",
    title="Ablation",
    table="Table 3 of the UniMP paper",
    about="UniMP without one of its components: pictures, layer-wise fusion, context loss, token weights",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("w/o Vision", settings={"fusion": "none"}, system="w/o Vision"),
        SuiteRow("w/o Fine-grained", settings={"fusion": "sum"}, system="w/o Fine-grained"),
        SuiteRow("w/o Context & Rew", settings={"context": "", "gamma": "0"}, system="w/o Context & Rew"),
        SuiteRow("w/o Context", settings={"context": ""}, system="w/o Context"),
        SuiteRow("w/o Rew", settings={"gamma": "0"}, system="w/o Rew"),
    ),
    variants=True,
)
