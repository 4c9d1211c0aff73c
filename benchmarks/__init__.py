"""Speed and memory of this project, beside others' where somebody ships the same.

Each module in ``BENCHMARKS`` measures one thing and writes a record to ``results/``; what it compares and how to read
it is its docstring. ``docs/speed.md`` is made of both by ``python -m benchmarks page``, in this order.
"""

BENCHMARKS = (
    "main_job",
    "evaluate_ranking",
    "build_corpus",
    "recommenders",
    "merged_catalogue",
    "recbole_adapter",
    "all_positions",
    "two_trainings",
    "text_metrics",
    "export",
    "picture_tokens",
    "footprint",
    "unimp_speed.training",
    "unimp_speed.evaluation",
    "unimp_speed.memory",
)
