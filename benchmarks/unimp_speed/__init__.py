"""UniMP compared with the authors' implementation: training, evaluation, memory.

The other side is OpenFlamingo from its own package, used as by the authors of UniMP. The package is not a dependency of
the project:

    pip install --target DIR --no-deps open-flamingo==2.0.1 einops einops-exts
    PYTHONPATH=DIR python -m benchmarks unimp_speed.training
"""
