"""Table 4b: a domain that no model was first fitted on."""

from unimp_bench.suites.record import Suite, SuiteRow, not_here, popularity

SUITE = Suite(
    name="new_domain",
    title="New domain",
    table="Table 4b of the UniMP paper",
    about="a domain held out whole: fitted on the others and adapted to it, fitted on it alone, or not adapted at all",
    tasks=("recommendation",),
    split="new-domain",
    rows=(
        SuiteRow(
            "UniMP, output layer adapted",
            after=(("recommendation",),),
            fit_split="new-domain",
            tune={"trained": "output"},
            system="UniMP",
        ),
        not_here("P5"),
        not_here("VIP5"),
        not_here("S³-Rec"),
        not_here("UniSRec"),
        SuiteRow("UniMP, all adapted", after=(("recommendation",),), fit_split="new-domain", tune={"trained": "all"}),
        SuiteRow("UniMP, fitted on the domain alone", fit_split="new-domain"),
        SuiteRow("Transition graph, not adapted", model="transition-graph", seeded=False),
        SuiteRow("Transition graph, of the domain", model="transition-graph", fit_split="new-domain", seeded=False),
        popularity(fit_split="new-domain"),
    ),
)
