"""Speed and memory of this project, compared with other implementations where available.

Each module in ``BENCHMARKS`` measures one thing and writes a record to ``results/``; its docstring explains the
comparison. ``python -m benchmarks page`` generates ``docs/speed.md`` from both, in this order.
"""

BENCHMARKS = (
    "main_job",
    "evaluate_ranking",
    "build_corpus",
    "recommenders",
    "rectools_models",
    "merged_catalogue",
    "recbole_adapter",
    "all_positions",
    "sampled_softmax",
    "two_trainings",
    "text_metrics",
    "export",
    "picture_tokens",
    "item_features",
    "generated_ids",
    "footprint",
    "pretrained_decoder",
    "unimp_speed.training",
    "unimp_speed.evaluation",
    "unimp_speed.memory",
    "gpu.training",
)
