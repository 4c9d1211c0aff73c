"""Table 8: how pictures reach the decoder."""

from unimp_bench.suites.record import Suite, SuiteRow

SUITE = Suite(
    name="fusion",
    title="Fusion",
    table="Table 8 of the UniMP paper",
    about="how and where pictures and text meet",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("VIP5", model="vip5", system="VIP5"),
        SuiteRow("w/o Exclusive Attention", settings={"fusion": "inclusive"}, system="UniMP w/o Exclusive Attention"),
        SuiteRow("w/o Cross-attention", settings={"fusion": "sum"}, system="UniMP w/o Cross-attention"),
        SuiteRow("Early Fusion", settings={"fusion": "early"}, system="UniMP with Early Fusion"),
        SuiteRow("Late Fusion", settings={"fusion": "late"}, system="UniMP with Late Fusion"),
    ),
    variants=True,
)
