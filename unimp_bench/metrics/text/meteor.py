"""METEOR (Lavie and Agarwal, 2007) as nltk defines it and ``evaluate`` calls it: alpha 0.9, beta 3, gamma 0.5.

Tokens are those of nltk's word tokeniser on the text as one line (``word_tokenize(text, preserve_line=True)``, which
needs no sentence model), in lower case. Words are aligned in three stages: equal; equal after Porter's stemmer; and a
stem equal to a WordNet synonym of the other. Each distinct word is stemmed and looked up once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from unimp_bench.errors import DependencyError
from unimp_bench.records import FloatArray

_ALPHA, _BETA, _GAMMA = 0.9, 3.0, 0.5

_FAR_SIGHTED = re.compile(r"""["«»“”\u2018\u2019„`()\[\]{}<>\x1c-\x1f]|''|(?<!\w)'|'(?!\w)""")

Words = dict[int, str]
Forms = Callable[[str], frozenset[str]]


def meteor_values(predictions: Sequence[str], references: Sequence[str], wordnet: Path) -> FloatArray:
    """METEOR of each prediction against its reference, (n,), with the WordNet in folder ``wordnet``.

    The folder lies as nltk wants it: ``<nltk data>/corpora/wordnet``.

    Raises:
        DependencyError: WordNet cannot be read.
    """
    from nltk.stem.porter import PorterStemmer

    stem, tokenize, synonyms = cache(PorterStemmer().stem), word_tokenizer(), _synonyms(wordnet)

    def words(text: str) -> list[str]:
        return [token.lower() for token in tokenize(text)]

    pairs = zip(predictions, references, strict=True)
    return np.array([_meteor(words(prediction), words(reference), stem, synonyms) for prediction, reference in pairs])


def word_tokenizer() -> Callable[[str], list[str]]:
    """Nltk's word tokeniser with a memory.

    Its thirty rules look at a word's own characters and at whether it ends the text, and further only from quotes,
    brackets and separators of files. So each distinct word goes through them once, and a text with such as a whole.
    """
    from nltk.tokenize import NLTKWordTokenizer

    tokenize: Callable[[str], list[str]] = NLTKWordTokenizer().tokenize

    @cache
    def within(word: str) -> list[str]:
        return tokenize(f"{word} x")[:-1]

    last = cache(tokenize)

    def tokens(text: str) -> list[str]:
        *words, end = text.split() or [""]
        if _FAR_SIGHTED.search(text):
            return tokenize(text)
        return [token for word in words for token in within(word)] + last(end)

    return tokens


def _meteor(prediction: list[str], reference: list[str], stem: Callable[[str], str], synonyms: Forms) -> float:
    left, right = dict(enumerate(prediction)), dict(enumerate(reference))
    links = _align(left, right, lambda word: frozenset((word,)))
    left, right = ({place: stem(word) for place, word in words.items()} for words in (left, right))
    links |= _align(left, right, lambda word: frozenset((word,)))
    links |= _align(left, right, synonyms)
    if not links:
        return 0.0
    precision, recall = len(links) / len(prediction), len(links) / len(reference)
    mean: float = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
    chunks = sum(links.get(place - 1) != links[place] - 1 for place in links)
    penalty: float = _GAMMA * (chunks / len(links)) ** _BETA
    return mean * (1 - penalty)


def _align(left: Words, right: Words, forms: Forms) -> dict[int, int]:
    """Link each word of ``left``, last first, to the last open word of ``right`` that is one of its forms.

    Linked words leave ``left`` and ``right``. Returns places on the left with their places on the right.
    """
    places = defaultdict(list)
    for place, word in right.items():
        places[word].append(place)
    links = {}
    for place in reversed(list(left)):
        shared = places.keys() & forms(left[place])
        if shared:
            word = max(shared, key=lambda form: places[form][-1])
            links[place] = places[word].pop()
            del left[place], right[links[place]]
            if not places[word]:
                del places[word]
    return links


@cache
def _synonyms(folder: Path) -> Forms:
    """A word's own form and the one-word names in its synsets, from the WordNet in ``folder``; read once."""
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader, WordNetError

    class English(WordNetCorpusReader):  # type: ignore[misc]
        """WordNet without the map to other languages, which takes seconds to build."""

        def map_wn(self, version: str = "wordnet") -> None:
            return None

    data = str(folder.parent.parent)
    if data not in nltk.data.path:
        nltk.data.path.append(data)  # nltk reads nothing that lies elsewhere
    no_other_languages: Any = object()
    try:
        reader = English(str(folder), no_other_languages)
    except (OSError, ValueError, AssertionError, WordNetError) as error:
        reason = type(error).__name__
        raise DependencyError(f"WordNet cannot be read ({reason}): run 'unimp-bench resources get wordnet'") from None

    @cache
    def synonyms(word: str) -> frozenset[str]:
        names = (name for synset in reader.synsets(word) for name in synset.lemma_names())
        return frozenset((word, *(name for name in names if "_" not in name)))

    return synonyms
