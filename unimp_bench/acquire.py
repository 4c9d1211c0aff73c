"""Obtains the resources of text metrics: from the network where there is one, from files of the user where not."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from unimp_bench.errors import DataError, DependencyError, UsageError
from unimp_bench.files import write_atomically
from unimp_bench.resources import ENCODER_FILES, WORDNET_FILES, Choice, Resources, is_encoder

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
    """Put WordNet into the workspace and tell where it came from.

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
    """Make ``encoder`` the one that BERTScore uses in this workspace, and tell where it is.

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
    """Download into a folder beside ``folder`` that a second try goes on from, and move it there when it is whole."""
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
