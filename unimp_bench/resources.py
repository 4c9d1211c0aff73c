"""Resources that metrics need and no package brings: WordNet, the encoder of BERTScore, and a CLIP.

The first two lie in the workspace, below ``cache/resources``:

    nltk_data/corpora/wordnet/   WordNet as nltk reads it
    encoders/<name>/             models that were downloaded by name
    bertscore.json               which encoder runs use; ``UNIMP_BENCH_BERTSCORE`` overrides it

How each is obtained, with and without a network, is in ``unimp_bench/acquire.py``. Which CLIP judges pictures is read
from ``UNIMP_BENCH_CLIP`` (``unimp_bench/metrics/clip.py`` says how one is named). Both variables are read here alone,
once, when a command finds its workspace: metrics are given the ``Resources``.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from unimp_bench.errors import DependencyError
from unimp_bench.paths import Workspace
from unimp_bench.strict import Strict

DEFAULT_ENCODER = "roberta-large"  # the encoder of UniMP's Table 2a: bert-score's own for English
OVERRIDE = "UNIMP_BENCH_BERTSCORE"
DEFAULT_CLIP = "ViT-L-14:openai"
CLIP_OVERRIDE = "UNIMP_BENCH_CLIP"

WORDNET_FILES = (
    *(f"{kind}.{word}" for kind in ("index", "data") for word in ("adj", "adv", "noun", "verb")),
    *(f"{word}.exc" for word in ("adj", "adv", "noun", "verb")),
    "cntlist.rev",
    "lexnames",
)
ENCODER_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "vocab*", "merges.txt")
"""What is read of a model's folder, and all that is downloaded of a published one."""


class Choice(Strict):
    """The encoder that runs of a workspace use: a name on the Hugging Face Hub, or an absolute folder."""

    encoder: str


@dataclass(frozen=True)
class Encoder:
    """A text encoder on disk.

    Attributes:
        name: as columns show it. A folder of the user's own carries eight digits of its files' hash.
        folder: a model and its tokenizer in the format of transformers, the weights as safetensors.
        layers: how many layers are used, None for all.
    """

    name: str
    folder: Path
    layers: int | None


@dataclass(frozen=True)
class Resources:
    """The resources of one workspace.

    Attributes:
        folder: where WordNet, encoders and the recorded choice of one lie.
        bertscore: the encoder that overrides the recorded choice, a name or an absolute folder; empty for none.
        clip: the CLIP that judges pictures.
    """

    folder: Path
    bertscore: str = ""
    clip: str = DEFAULT_CLIP

    @classmethod
    def of(cls, workspace: Workspace) -> Resources:
        """Those of a workspace, with what the environment chooses now."""
        override = os.environ.get(OVERRIDE, "")
        return cls(
            workspace.cache / "resources",
            bertscore=str(Path(override).resolve()) if override and Path(override).is_dir() else override,
            clip=os.environ.get(CLIP_OVERRIDE) or DEFAULT_CLIP,
        )

    @property
    def wordnet_folder(self) -> Path:
        return self.folder / "nltk_data" / "corpora" / "wordnet"

    @property
    def choice_file(self) -> Path:
        return self.folder / "bertscore.json"

    def encoder_folder(self, name: str) -> Path:
        """Where the published model ``name`` lies once it was downloaded."""
        return self.folder / "encoders" / name.replace("/", "--")

    def wordnet(self) -> Path:
        """The folder of WordNet, absolute.

        Raises:
            DependencyError: it is not there, or not whole.
        """
        absent = [name for name in WORDNET_FILES if not (self.wordnet_folder / name).is_file()]
        if absent:
            what = "is not here" if len(absent) == len(WORDNET_FILES) else f"lacks {', '.join(absent)}"
            raise DependencyError(f"WordNet {what}: run 'unimp-bench resources get wordnet'")
        return self.wordnet_folder.resolve()

    def encoder_choice(self) -> str:
        """The chosen encoder: a name, or an absolute folder. ``roberta-large`` where nothing was chosen.

        Raises:
            DependencyError: the recorded choice cannot be read.
        """
        if self.bertscore:
            return self.bertscore
        try:
            return Choice.model_validate_json(self.choice_file.read_bytes()).encoder
        except FileNotFoundError:
            return DEFAULT_ENCODER
        except ValidationError:
            raise DependencyError("bertscore.json is damaged: run 'unimp-bench resources get bertscore'") from None

    def encoder(self) -> Encoder:
        """The encoder that BERTScore is computed with.

        Raises:
            DependencyError: it is not there.
        """
        choice = self.encoder_choice()
        own = Path(choice).is_absolute()
        folder = Path(choice) if own else self.encoder_folder(choice)
        if not is_encoder(folder):
            what = f"folder {folder.name} holds no encoder" if own else f"the encoder {choice} is not here"
            raise DependencyError(f"{what}: run 'unimp-bench resources get bertscore'")
        name = f"{folder.name} {_fingerprint(folder)[:8]}" if own else choice
        return Encoder(name, folder, _usual_layers(folder.name if own else choice))


def is_encoder(folder: Path) -> bool:
    """Whether ``folder`` holds a model in the format of transformers, with its weights as safetensors."""
    tokenizer = any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "vocab.json"))
    return tokenizer and (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _usual_layers(name: str) -> int | None:
    """The layer that bert-score reads of the model ``name``, chosen on WMT16; all layers of one it does not know."""
    from bert_score.utils import model2layers  # type: ignore[import-untyped]

    layers: int | None = model2layers.get(name)
    return layers


def _fingerprint(folder: Path) -> str:
    """A hash over the names and contents of the files that are read of ``folder``."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in ENCODER_FILES for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            digest.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
