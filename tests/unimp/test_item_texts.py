"""Item tokens whose rows hold a projection of the items' texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unimp.small import SMALL, Parts, fit_data, reloaded, scores, validator
from unimp_bench.corpus import Corpus
from unimp_bench.records import FloatArray
from unimp_bench.unimp.adaptation import groups
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.fusions import build_model
from unimp_bench.unimp.model import UniMPModel
from unimp_bench.unimp.unimp import UniMP

TOKENS = replace(
    SMALL, items="token", next_item=True, read="item", context=(), history=20, fusion="none", gamma=0.0, width=32
)


def with_texts(parts: Parts, tied: bool = True) -> tuple[UniMPModel, FloatArray]:
    vectors = np.random.default_rng(0).standard_normal((len(parts.corpus.items), 5)).astype(np.float32)
    return build_model(replace(TOKENS, tied=tied), len(parts.vocabulary), None, vectors).eval(), vectors


@pytest.mark.parametrize("tied", [True, False])
def test_rows_are_those_of_the_tables_plus_projected_texts(parts: Parts, tied: bool) -> None:
    model, vectors = with_texts(parts, tied)
    texts = model.decoder.item_texts
    assert texts is not None
    texts.predicted.weight.data += 0.25  # beside the one for reading, if they differ
    first = parts.vocabulary.words
    tokens = torch.arange(len(parts.vocabulary)).view(1, -1)
    for rows, table, projection in (
        (model.decoder.input_rows(tokens), model.decoder.model.get_input_embeddings().weight, texts.read),
        (model.decoder.output_rows(tokens), model.decoder.model.get_output_embeddings().weight, texts.predicted),
    ):
        for token in (0, first - 1, first, len(parts.vocabulary) - 1):
            expected = table[token].clone()
            if token >= first:
                expected += projection.weight @ torch.from_numpy(vectors[token - first]) * 5**0.5
            torch.testing.assert_close(rows[0, token], expected)
    assert (texts.read is texts.predicted) == tied
    states = torch.randn(3, 32)
    torch.testing.assert_close(model.decoder.logits(states), states @ model.decoder.output_rows(tokens[0]).T)
    torch.testing.assert_close(model.decoder.output_table(), model.decoder.output_rows(tokens[0]))


def test_their_projection_is_trained_like_what_fuses_pictures(parts: Parts) -> None:
    model, _ = with_texts(parts)
    assert {name: group for name, group in groups(model).items() if "item_texts" in name} == {
        "decoder.item_texts.read.weight": "fusion"
    }


def test_codes_of_several_items_have_no_text_of_their_own() -> None:
    with pytest.raises(ValueError, match="set ids to atomic"):
        UniMPConfig(item_texts="lsa", ids="semantic")


def test_texts_are_learned_from_and_come_back(planted: Corpus, cache: Path, tmp_path: Path) -> None:
    """With the texts exchanged between the items the fitted model loses what it learned of them."""
    settings = replace(TOKENS, item_texts="lsa", epochs=8, learning_rate=5e-3, batch_tokens=128, tied=True)
    model = UniMP(settings)
    model.fit(fit_data(planted, tmp_path / "work", cache, "recommendation"))
    assert validator(planted)(model, "recommendation")["paper"] > 0.3
    again = reloaded(model, tmp_path / "model", planted, cache)
    assert np.array_equal(scores(again, planted), scores(model, planted))
    texts = again._model.decoder.item_texts
    assert texts is not None
    texts.vectors = texts.vectors[torch.randperm(len(texts.vectors), generator=torch.Generator().manual_seed(0))]
    exchanged = validator(planted)(again, "recommendation")["paper"]
    assert exchanged < validator(planted)(model, "recommendation")["paper"] - 0.05
