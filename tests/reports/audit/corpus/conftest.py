"""A random corpus, for comparison with plain loops."""

from __future__ import annotations

import pytest

from tests.reports.audit.corpus.planting import write_by_chance
from unimp_bench.corpus import Corpus


@pytest.fixture(scope="session")
def chance(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_by_chance(tmp_path_factory.mktemp("chance") / "chance")
