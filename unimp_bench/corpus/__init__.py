"""A corpus on disk: Parquet, NumPy memory maps, picture files and a manifest with a fingerprint."""

from unimp_bench.corpus.manifest import Manifest
from unimp_bench.corpus.reader import Corpus, Explanations, Items, Reviews, Users
from unimp_bench.corpus.views import View, view_of
from unimp_bench.corpus.writer import CorpusWriter

__all__ = ["Corpus", "CorpusWriter", "Explanations", "Items", "Manifest", "Reviews", "Users", "View", "view_of"]
