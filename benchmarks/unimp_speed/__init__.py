"""UniMP beside the authors' way of computing it: training, evaluation, memory. From the root:

    pip install --target DIR --no-deps open-flamingo==2.0.1 einops einops-exts
    PYTHONPATH=DIR python -m benchmarks.unimp_speed CORPUS_FOLDER [train evaluate memory] [--small] [--encoder tiny]

The other side is OpenFlamingo's own architecture from its own package, driven as the authors of UniMP drive it: strings
tokenised in every step, pictures encoded in every step, logits over the whole vocabulary at every position, every
token's cross-attention over all pictures under a mask, one example a sentence, batches padded to their longest; answers
by ``generate`` with ten beams, a user at a time. Both sides have the same sizes and begin with the same weights, so
before anything is timed their losses on the same examples must agree. They take turns; figures are medians of rounds.

All sections take about 10 minutes on two quiet cores, with a graphics card they run on it under bf16.
"""
