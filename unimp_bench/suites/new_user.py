"""Table 4a: users that no model was fitted on."""

from unimp_bench.suites.record import Suite, SuiteRow, not_here, popularity

SUITE = Suite(
    name="new_user",
    title="New users",
    table="Table 4a of the UniMP paper",
    about="users held out whole; a model knows them by the history it is shown",
    tasks=("recommendation",),
    split="new-user",
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        not_here("P5"),
        not_here("VIP5"),
        not_here("S³-Rec"),
        not_here("UniSRec"),
        SuiteRow("SASRec", model="sasrec", lacks="its budget is a choice of its own; see 'unimp-bench run'"),
        SuiteRow("Transition graph", model="transition-graph", seeded=False),
        popularity(),
    ),
)
