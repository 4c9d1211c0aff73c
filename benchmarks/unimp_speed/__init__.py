"""UniMP beside the authors' way of computing it: training, evaluation, memory.

The other side is OpenFlamingo's own architecture from its own package, driven as the authors of UniMP drive it. The
package is no dependency of the project:

    pip install --target DIR --no-deps open-flamingo==2.0.1 einops einops-exts
    PYTHONPATH=DIR python -m benchmarks unimp_speed.training
"""
