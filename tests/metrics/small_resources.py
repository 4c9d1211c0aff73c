"""A tiny WordNet and tiny encoders, in the true formats, for tests of the metrics that need them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import torch

from unimp_bench.torch_setup import make_torchvision_importable

SYNSETS = {
    "noun": (("dog", "hound"), ("film", "movie", "motion_picture", "picture"), ("box", "Case")),
    "verb": (("buy", "purchase"), ("like", "love", "enjoy"), ("run", "go")),
    "adj": (("glad", "happy"), ("big", "large"), ("large", "grown")),
    "adv": (("quick", "fast", "rapidly"),),
}
EXCEPTIONS = {"noun": "oxen ox\n", "verb": "ran run\nbought buy\n", "adj": "bigger big\n", "adv": "best well\n"}
HEADER = "  1 WordNet 3.0 Copyright of the tests  \n"
SENTENCES = (
    "the dog ran into a large box",
    "I love this movie, it made me glad!",
    "a hound bought nothing",
    "it's big; too big for $5.50",
)


def write_wordnet(folder: Path) -> Path:
    """WordNet's own files as Debian installs them: no ``lexnames`` and no ``index.sense``."""
    folder.mkdir(parents=True)
    for part, synsets in SYNSETS.items():
        letter = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}[part]
        data, offsets = HEADER, defaultdict(list)
        for words in synsets:
            for word in words:
                offsets[word.lower()].append(f"{len(data):08d}")
            names = " ".join(f"{word} 0" for word in words)
            frames = " 01 + 08 00" if part == "verb" else ""
            data += f"{len(data):08d} 03 {letter} {len(words):02x} {names} 000{frames} | a meaning  \n"
        rows = (f"{word} {letter} {len(at)} 0 {len(at)} 0 {' '.join(at)}  \n" for word, at in sorted(offsets.items()))
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(HEADER + "".join(rows))
        (folder / f"{part}.exc").write_text(EXCEPTIONS[part])
    (folder / "cntlist.rev").write_text("")
    return folder


def write_bert(folder: Path, *, seed: int = 0) -> Path:
    """An untrained BERT of three layers with a word-piece tokenizer."""
    make_torchvision_importable()
    from transformers import BertConfig, BertModel, BertTokenizer

    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    pieces += [word for word in dict.fromkeys(" ".join(SENTENCES).lower().split()) if word not in pieces]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n")
    BertTokenizer.from_pretrained(folder, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=len(pieces), max_position_embeddings=64, **shape)).save_pretrained(folder)
    return folder


def write_roberta(folder: Path) -> Path:
    """An untrained RoBERTa of three layers with a byte-level tokenizer that does not say how many tokens fit."""
    make_torchvision_importable()
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    folder.mkdir(parents=True)
    trainer = ByteLevelBPETokenizer()
    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer.train_from_iterator(SENTENCES * 20, vocab_size=400, special_tokens=marks, show_progress=False)
    trainer.save_model(str(folder))
    tokenizer = RobertaTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=66, **shape)
    RobertaModel(config).save_pretrained(folder)
    return folder
