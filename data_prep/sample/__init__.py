"""The built-in ``sample``: a small store of seven domains, drawn from a choice model that is written down.

``docs/sample.md`` says what is planted where. ``generate`` writes raw files of the 2014 format, so that the readers
and the pipeline that build Amazon build the sample, too; ``attach_truth`` gives the built corpus the generator's
knowledge, from which the oracle takes the true probabilities.
"""

from data_prep.sample.generate import SEED, generate
from data_prep.sample.truth import attach_truth

__all__ = ["SEED", "attach_truth", "generate"]
