"""Table 6: noise in texts and pictures."""

from unimp_bench.suites.record import Suite, SuiteRow

SUITE = Suite(
    name="robustness",
    title="Robustness",
    table="Table 6 of the UniMP paper",
    about="a fifth of the attribute values missing (NT), a fifth of the items with the picture of another one (NV)",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("S³-Rec with NT", model="s3rec", views=("NT",), system="S³-Rec with NT"),
        SuiteRow("S³-Rec", model="s3rec", system="S³-Rec"),
        SuiteRow("MMSSL with NV", model="mmssl", views=("NV",), system="MMSSL with NV"),
        SuiteRow("MMSSL", model="mmssl", system="MMSSL"),
        SuiteRow("UniMP with NT", views=("NT",), system="UniMP with NT"),
        SuiteRow("UniMP with NV", views=("NV",), system="UniMP with NV"),
    ),
)
