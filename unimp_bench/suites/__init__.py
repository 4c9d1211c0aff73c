"""The suites, one file a topic. A new one is one file and one name here."""

from unimp_bench.suites import (
    ablation,
    adaptation,
    backbones,
    explanation,
    fusion,
    global_time,
    image_generation,
    learning_strategy,
    new_domain,
    new_user,
    other_datasets,
    preference,
    pretraining,
    recommendation,
    robustness,
    search,
    selection,
)
from unimp_bench.suites.record import SUBJECT, Suite, SuiteRow

CATALOGUE = (
    recommendation.SUITE,
    explanation.SUITE,
    preference.SUITE,
    selection.SUITE,
    search.SUITE,
    ablation.SUITE,
    new_user.SUITE,
    new_domain.SUITE,
    robustness.SUITE,
    learning_strategy.SUITE,
    fusion.SUITE,
    other_datasets.SUITE,
    backbones.SUITE,
    image_generation.SUITE,
    adaptation.SUITE,
    pretraining.SUITE,
    global_time.SUITE,
)
SUITES: dict[str, Suite] = {suite.name: suite for suite in CATALOGUE}

VARIED = {
    model: frozenset(key for suite in CATALOGUE for row in suite.rows if row.model == model for key in row.settings)
    for model in {row.model for suite in CATALOGUE for row in suite.rows if row.model}
}
"""By model, the settings that some suite compares; what else a user sets is a budget."""

__all__ = ["CATALOGUE", "SUBJECT", "SUITES", "VARIED", "Suite", "SuiteRow"]
