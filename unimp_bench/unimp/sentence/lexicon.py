"""What the vocabulary of a fit is made of: the words of items, queries and sentences, and the tasks' own tokens."""

from __future__ import annotations

from unimp_bench.contracts import FitData
from unimp_bench.corpus.features.pictures import picture_features
from unimp_bench.generative.item_ids import ItemIds, semantic_ids
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.network.pretrained import read_tokenizer
from unimp_bench.unimp.sentence.answers import answer_names, sentences_of
from unimp_bench.unimp.sentence.prompt import attribute_values, known_attributes, phrases, plain
from unimp_bench.unimp.sentence.tokens import Vocabulary


def vocabulary_of(data: FitData, config: UniMPConfig, ids: ItemIds) -> Vocabulary:
    """The vocabulary of the fitted tasks on a corpus whose items have the given ids."""
    parts = [part for task in data.examples.values() for part in (task.train, task.validation)]
    if not config.from_scratch:
        return Vocabulary.pretrained(read_tokenizer(config.backbone), ids, answer_names(parts))
    return Vocabulary.train(
        _texts(data, config),
        ids,
        config.vocabulary,
        [phrase for part in parts for phrase in phrases(part.instruction, part.task)],
        answer_names(parts),
    )


def _texts(data: FitData, config: UniMPConfig) -> list[str]:
    """Attribute names, the values of all items, the queries and the sentences of the training part."""
    names = known_attributes(data.items, config.attributes)
    texts = [name.capitalize() for name in names]
    for name in names:
        texts += attribute_values(data.items, name, config.attribute_words)
    for examples in data.examples.values():
        texts += [plain(text) for text in examples.train.query_texts]
        if examples.train.texts is not None:
            texts += sentences_of(examples.train)
    return texts


def item_ids(data: FitData, config: UniMPConfig) -> ItemIds:
    """Ids of a fit's items; those of a model without pictures have none of their content."""
    if config.ids == "atomic":
        return ItemIds.atomic(len(data.items))
    features = None
    if config.fusion != "none":
        features = picture_features(data.items, config.encoder, config.pretrained, data.cache)
    return semantic_ids(data.items, features, config.id_levels, config.id_codes, data.seed)
