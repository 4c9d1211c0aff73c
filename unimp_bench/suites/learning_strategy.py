"""Table 7: one task, one after the other, or all at once."""

from unimp_bench.suites.record import ALL_TASKS, Suite, SuiteRow

_STAGES = (
    ("recommendation",),
    ("recommendation", "search"),
    ("recommendation", "search", "selection"),
    ("recommendation", "search", "selection", "explanation"),
)
"""The authors' continual training: a task more in every stage, the earlier ones thinned to the model's rehearsal."""

SUITE = Suite(
    name="learning_strategy",
    title="Learning strategy",
    table="Table 7 of the UniMP paper",
    about="the asked task alone; one task more at each stage; all six at once; and then the asked one once more",
    tasks=("recommendation", "search"),
    rows=(
        SuiteRow("Single task"),
        SuiteRow("Continue", after=_STAGES[:-1], fit_on=_STAGES[-1], system="Continue"),
        SuiteRow("Multi-task", fit_on=ALL_TASKS, system="Multi-task"),
        SuiteRow("Multi-task + Full", after=(ALL_TASKS,), tune={"trained": "all"}, system="Multi-task+Full"),
        SuiteRow(
            "Multi-task + Efficient", after=(ALL_TASKS,), tune={"trained": "output"}, system="Multi-task+Efficient"
        ),
    ),
)
