"""UniMP on a GPU: checks against the CPU, then speed, memory and share of the card, for an hour at a card.

python -m benchmarks.gpu.pack beauty --out gpu-data      # here: a workspace of less than 60 MiB
UNIMP_BENCH_HOME=gpu-data python -m benchmarks gpu.training    # there: one command
"""
