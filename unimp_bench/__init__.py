"""The harness of unimp-bench: records, corpus, contracts, runner, metrics, leaderboards and the UniMP model.

Imports run one way: command line -> runner -> registry -> tasks, baselines, unimp -> contracts, corpus,
metrics -> records. Nothing here imports ``tasks``, ``baselines`` or ``data_prep`` by statement; the registry
reaches them by name, so that ``unimp-bench --help`` stays quick.
"""

__version__ = "0.1.0"
