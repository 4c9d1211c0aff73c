"""Table 4b: a domain that no model was first fitted on."""

from unimp_bench.suites.record import Suite, SuiteRow, popularity, refused

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
        SuiteRow("P5, of the domain", model="p5", fit_split="new-domain", system="P5"),
        SuiteRow("VIP5, of the domain", model="vip5", fit_split="new-domain", system="VIP5"),
        SuiteRow("S³-Rec, of the domain", model="s3rec", fit_split="new-domain", system="S³-Rec"),
        SuiteRow("UniSRec, of the domain", model="unisrec", fit_split="new-domain", system="UniSRec"),
        SuiteRow("UniSRec, text alone, not adapted", model="unisrec-inductive"),
        SuiteRow("UniMP, all adapted", after=(("recommendation",),), fit_split="new-domain", tune={"trained": "all"}),
        SuiteRow("UniMP, fitted on the domain alone", fit_split="new-domain"),
        SuiteRow("Transition graph, not adapted", model="transition-graph", seeded=False),
        SuiteRow("Transition graph, of the domain", model="transition-graph", fit_split="new-domain", seeded=False),
        popularity(fit_split="new-domain"),
        refused(
            "S³-Rec and others that know items by number, not adapted",
            "learn a vector for each item, and have none for these",
        ),
    ),
)
