"""External resources of metrics (WordNet, BERTScore and CLIP weights): where they are, and how they are obtained."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from unimp_bench.errors import DataError, DependencyError, UsageError
from unimp_bench.files import Workspace, write_atomically
from unimp_bench.pretrained import PACKAGES, installed, packaged
from unimp_bench.settings import Strict

DEFAULT_ENCODER = "roberta-large"  # the encoder of UniMP's Table 2a: bert-score's own for English
FALLBACK = "minilm"
"""In a package, see ``unimp_bench.pretrained``; the column says so: ``BERTScore F1 (all-MiniLM-L6-v2)``."""
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
        folder: of WordNet, encoders and the recorded choice of an encoder.
        bertscore: the encoder that overrides the recorded choice, a name or an absolute folder; empty for none.
        clip: the CLIP that judges pictures.
        fallback: name in ``unimp_bench.pretrained.PACKAGES`` of the encoder of BERTScore where none was chosen and
            ``roberta-large`` is not here; empty for none.
    """

    folder: Path
    bertscore: str = ""
    clip: str = DEFAULT_CLIP
    fallback: str = ""

    @classmethod
    def of(cls, workspace: Workspace) -> Resources:
        """Those of a workspace, with what the environment chooses now."""
        override = os.environ.get(OVERRIDE, "")
        return cls(
            workspace.cache / "resources",
            bertscore=str(Path(override).resolve()) if override and Path(override).is_dir() else override,
            clip=os.environ.get(CLIP_OVERRIDE) or DEFAULT_CLIP,
            fallback=FALLBACK if installed(FALLBACK) else "",
        )

    @property
    def wordnet_folder(self) -> Path:
        return self.folder / "nltk_data" / "corpora" / "wordnet"

    @property
    def choice_file(self) -> Path:
        return self.folder / "bertscore.json"

    def encoder_folder(self, name: str) -> Path:
        """The folder of the published model ``name`` after its download."""
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
        chosen = self.bertscore or self.choice_file.is_file() or is_encoder(self.encoder_folder(choice))
        if self.fallback and not chosen:
            return Encoder(PACKAGES[self.fallback].source.rpartition("/")[2], packaged(self.fallback), None)
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
    from bert_score.utils import model2layers

    layers: int | None = model2layers.get(name)
    return layers


def _fingerprint(folder: Path) -> str:
    """A hash over the names and contents of the files that are read of ``folder``."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in ENCODER_FILES for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            digest.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


DEBIAN_WORDNET = Path("/usr/share/wordnet")
"""Where Debian's and Ubuntu's package ``wordnet-base`` puts WordNet 3.0, the version that nltk serves too."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_OPTIONAL = ("index.sense", "LICENSE", "README")
_NOUNS = (
    "Tops act animal artifact attribute body cognition communication event feeling food group location motive object "
    "person phenomenon plant possession process quantity relation shape state substance time"
)
_VERBS = (
    "body change cognition communication competition consumption contact creation emotion motion perception "
    "possession social stative weather"
)


def get_wordnet(resources: Resources, source: Path | None = None) -> str:
    """Put WordNet into the workspace; returns a line about its source.

    Without a ``source`` nltk downloads it; where that fails, Debian's files are taken if they are installed.

    Args:
        resources: where it goes.
        source: a folder with WordNet's own files (``data.noun`` and so on), or one that nltk made.

    Raises:
        DependencyError: there is neither a network nor a folder.
        DataError: the folder lacks files.
    """
    target = resources.wordnet_folder
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        told = f"WordNet from {source}"
        if source is None:
            try:
                source, told = _download_wordnet(Path(scratch)), "WordNet from nltk's index"
            except (OSError, ValueError) as error:
                source, told = DEBIAN_WORDNET, f"WordNet from {DEBIAN_WORDNET}, as nothing was downloaded ({error})"
                if not source.is_dir():
                    raise DependencyError(
                        f"WordNet was not downloaded ({error}); without a network install Debian's package "
                        "wordnet-base, or name a folder with WordNet's files: --from <folder>"
                    ) from None
        built = Path(scratch) / "built"
        _copy_wordnet(source, built)
        shutil.rmtree(target, ignore_errors=True)
        built.rename(target)
    return told


def _download_wordnet(scratch: Path) -> Path:
    """Let nltk download its package, which it checks by hash, and unpack the files we know by name."""
    import nltk

    silent = io.StringIO()
    nltk.download("wordnet", download_dir=scratch, quiet=True, raise_on_error=True, print_error_to=silent)
    unpacked = scratch / "unpacked"
    unpacked.mkdir()
    with zipfile.ZipFile(scratch / "corpora" / "wordnet.zip") as archive:
        for name in {*WORDNET_FILES, *_OPTIONAL} & {Path(member).name for member in archive.namelist()}:
            (unpacked / name).write_bytes(archive.read(f"wordnet/{name}"))
    return unpacked


def _copy_wordnet(source: Path, target: Path) -> None:
    """Copy WordNet's files and add what nltk wants and Debian leaves out: ``lexnames`` and a sense index."""
    absent = [name for name in WORDNET_FILES if name != "lexnames" and not (source / name).is_file()]
    if absent:
        raise DataError(f"{source} is no folder of WordNet's files: it lacks {', '.join(absent)}")
    target.mkdir()
    for name in (*WORDNET_FILES, *_OPTIONAL):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    if not (target / "lexnames").exists():
        (target / "lexnames").write_text(_lexnames(), encoding="utf-8")
    (target / "index.sense").touch()
    for path in target.iterdir():
        path.chmod(0o644)  # nltk reads nothing that others may write, whatever the umask left open
    target.chmod(0o755)


def _lexnames() -> str:
    """WordNet's ``lexnames``: number, name and part of speech of the 45 files it was written in (lexnames(5WN))."""
    rows = [("adj.all", 3), ("adj.pert", 3), ("adv.all", 4)]
    rows += [(f"noun.{name}", 1) for name in _NOUNS.split()]
    rows += [(f"verb.{name}", 2) for name in _VERBS.split()]
    rows += [("adj.ppl", 3)]
    return "".join(f"{number:02d}\t{name}\t{part}\n" for number, (name, part) in enumerate(rows))


def get_encoder(resources: Resources, encoder: str) -> str:
    """Make ``encoder`` the one that BERTScore uses in this workspace; returns a line about its location.

    Args:
        resources: where it goes; a folder is used in place and only its path is recorded.
        encoder: a folder with a model in the format of transformers, or a name on the Hugging Face Hub.

    Raises:
        DataError: the folder holds no such model.
        UsageError: neither a folder nor a name.
        DependencyError: the named model could not be downloaded.
    """
    folder = Path(encoder)
    if folder.is_dir():
        if not is_encoder(folder):
            raise DataError(f"{folder} is no encoder: it must hold config.json, a tokenizer and *.safetensors")
        choice = str(folder.resolve())
    elif _HUB_NAME.fullmatch(encoder):
        folder, choice = resources.encoder_folder(encoder), encoder
        if not is_encoder(folder):
            _download_encoder(encoder, folder)
    else:
        raise UsageError(f"{encoder!r} is neither a folder nor a name on the Hugging Face Hub")
    write_atomically(resources.choice_file, Choice(encoder=choice).model_dump_json() + "\n")
    return f"BERTScore uses {choice}"


def _download_encoder(name: str, folder: Path) -> None:
    """Download into a temporary folder, from which another attempt resumes, and move it to ``folder`` when complete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    partial = folder.with_name(f"{folder.name}.partial")
    try:
        snapshot_download(name, allow_patterns=list(ENCODER_FILES), local_dir=partial)
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DependencyError(
            f"{name} was not downloaded ({reason}); without a network copy its folder here and name it: "
            "--encoder <folder>"
        ) from None
    if not is_encoder(partial):
        raise DataError(f"{name} is no encoder that can be read: no config.json, tokenizer and *.safetensors in it")
    partial.rename(folder)
