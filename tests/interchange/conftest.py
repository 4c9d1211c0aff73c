"""A corpus with sentences, shared by tests of imported, exported and judged texts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.corpora import finish
from unimp_bench.corpus import Corpus, CorpusWriter


@pytest.fixture(scope="session")
def reviewed(planted: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The planted corpus without pictures, with a sentence on every interaction."""
    folder = tmp_path_factory.mktemp("corpora") / "reviewed"
    domains = planted.manifest.domains
    with CorpusWriter(folder) as writer:
        users, items = planted.users, planted.items
        writer.users(users.names, [domains[code] for code in users.domains], users.held_out)
        attributes = {name: items.column(name).combine_chunks() for name in items.attributes}
        writer.items(items.names, [domains[code] for code in items.domains], attributes)
        writer.histories(planted.histories)
        rows = np.arange(len(planted.histories))
        writer.explanations([(rows, [f"the colour of number {row % 7} is {row % 3} fine" for row in rows])])
        finish(writer, domains, planted.manifest.new_domains)
    return Corpus.open(folder)
