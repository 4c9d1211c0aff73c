"""Table 10: the decoder, and its size."""

from unimp_bench.suites.record import Suite, SuiteRow

_GPU = "needs a GPU and the published weights; see docs/unimp.md"

SUITE = Suite(
    name="backbones",
    title="Backbones",
    table="Table 10 of the UniMP paper",
    about="decoders of several families and sizes, from scratch and pre-trained",
    tasks=("recommendation",),
    rows=(
        SuiteRow("GPT-NeoX, from scratch"),
        SuiteRow("UniMP-Small (MPT-1B)", preset="small", system="UniMP-Small", lacks=_GPU),
        SuiteRow("UniMP (RedPajama-3B)", preset="paper", system="UniMP", lacks=_GPU),
        SuiteRow("Llama, from scratch", settings={"backbone": "llama"}),
        SuiteRow("MPT, from scratch", settings={"backbone": "mpt"}),
        SuiteRow("GPT-NeoX, one layer", settings={"layers": "1"}),
        SuiteRow("GPT-NeoX, twice as wide and deep", settings={"width": "128", "layers": "4"}),
    ),
    variants=True,
)
