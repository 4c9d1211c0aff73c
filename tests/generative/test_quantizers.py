"""Quantizers against planted trees and loops; ids of a corpus stored, read by models, exchanged with other programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from unimp_bench.cli.main import main
from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.ids import StoredIds, levels_of, open_ids, write_ids
from unimp_bench.corpus.features.stored import chosen_sets, keys_of, use, write_set
from unimp_bench.corpus.views import View, view_of
from unimp_bench.errors import BenchError, DataError, UsageError
from unimp_bench.generative import rqvae
from unimp_bench.generative.id_files import Form, placed_ids, read_ids, write_file
from unimp_bench.generative.making import make_ids, quantised, training_items
from unimp_bench.generative.quantizers import ProductQuantizer, QuantizerSettings, ResidualKMeans, nearest
from unimp_bench.records import FloatArray, IntArray
from unimp_bench.testing.planted import write_planted_corpus


def tree(rng: np.random.Generator, scales: tuple[float, ...] = (10, 1, 0.1)) -> tuple[FloatArray, IntArray]:
    """Points of a planted tree with four branches a level, (128, 6), and their branches, (128, 3)."""
    path = np.array(list(np.ndindex(4, 4, 4)) * 2)
    centres = [scale * np.linalg.qr(rng.normal(size=(6, 6)))[0][:4] for scale in scales]
    return sum(centre[column] for centre, column in zip(centres, path.T, strict=True)).astype(np.float32), path


def test_residual_k_means_finds_a_planted_tree() -> None:
    points, path = tree(np.random.default_rng(0))
    model = ResidualKMeans.fit(points, QuantizerSettings(3, 4))
    codes = model.encode(points)
    for level in range(3):
        together = np.unique(np.stack([codes[:, level], path[:, level]], axis=1), axis=0)
        assert len(together) == 4, "a permutation of the branches"
    errors = [
        np.square(points - ResidualKMeans(model.mean, model.centroids[:depth]).decode(codes[:, :depth])).sum()
        for depth in (1, 2, 3)
    ]
    assert errors[0] > errors[1] > errors[2] and model.error(points) < 1e-6


def test_codes_are_the_nearest_centroids_in_turn() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(40, 5)).astype(np.float32)
    model = ResidualKMeans.fit(points[:30], QuantizerSettings(2, 6))
    expected = []
    for point in points:
        residual, row = point - model.mean, []
        for centroids in model.centroids:
            row.append(int(np.argmin([((residual - each) ** 2).sum() for each in centroids])))
            residual = residual - centroids[row[-1]]
        expected.append(row)
    assert model.encode(points).tolist() == expected
    whole = ResidualKMeans.fit(points, QuantizerSettings(1, 64))
    assert whole.error(points) < 1e-10, "as many centroids as points"


def test_product_quantization_rotates_and_does_not_do_worse() -> None:
    rng = np.random.default_rng(2)
    points = (rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8))).astype(np.float32)
    model = ProductQuantizer.fit(points, QuantizerSettings(4, 8))
    assert np.abs(model.rotation.T @ model.rotation - np.eye(8)).max() < 1e-4
    white = (points - model.mean) @ model.whiten
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(8), atol=1e-3)

    def error(rotation: FloatArray) -> float:
        parts = np.split(white @ rotation, 4, axis=1)
        if rotation is not model.rotation:
            centroids = tuple(ProductQuantizer.fit(part, QuantizerSettings(1, 8)) for part in parts)
            return sum(float(np.square(p - c.decode(c.encode(p))).sum()) for p, c in zip(parts, centroids, strict=True))
        return sum(float(np.square(p - c[nearest(p, c)]).sum()) for p, c in zip(parts, model.centroids, strict=True))

    assert error(model.rotation) <= 1.02 * error(np.eye(8))
    assert model.encode(points).shape == (300, 4) and model.error(points) < 1
    with pytest.raises(UsageError, match="fewer --levels"):
        ProductQuantizer.fit(points, QuantizerSettings(9, 8))


def test_an_autoencoder_is_trained_by_its_equation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rqvae, "EPOCHS", 30)
    points, _ = tree(np.random.default_rng(4), (5, 2, 1))
    model = rqvae.RQVAE.fit(points, QuantizerSettings(2, 6))
    codes = model.encode(points)
    assert codes.shape == (128, 2) and codes.max() < 6 and model.error(points) < 0.5
    assert np.array_equal(codes, rqvae.RQVAE.fit(points, QuantizerSettings(2, 6)).encode(points))
    given = torch.from_numpy(points[:5] / np.float32(model.scale))
    latent, (first, second) = model.network.encoder(given), model.network.codebooks
    rest, total, terms = latent, torch.zeros(5, rqvae.LATENT), []
    for book in (first, second):
        codebook = book.detach()
        chosen = [min(range(6), key=lambda c: float((row - codebook[c]).square().sum())) for row in rest.detach()]
        near = torch.stack([book[code] for code in chosen])
        terms.append((near - rest).square().mean() * 1.25)
        rest, total = rest - near, total + near
    made = model.network(given)
    torch.testing.assert_close(rqvae.quantization_loss(made), torch.stack(terms).sum())
    rebuilt = (model.network.decoder(total) - given).square().mean()
    objective = rqvae.Objective().loss(model.network, made, torch.arange(5))
    torch.testing.assert_close(objective, rebuilt + torch.stack(terms).sum())
    model.network.zero_grad()
    _, residuals, found = model.network.quantise(model.network.encoder(given))
    (residuals[1] - found[1].detach()).square().mean().backward()
    assert model.network.encoder[0].weight.grad.abs().sum() > 0, "later levels reach the encoder"


def test_levels_are_counted() -> None:
    (first, second) = levels_of(np.array([[0, 1], [0, 1], [0, 2], [3, 1]]))
    assert (first.codes, first.prefixes, first.collisions) == (2, 2, 3)
    assert (second.codes, second.prefixes, second.collisions) == (2, 3, 2)
    assert first.entropy == pytest.approx(-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)), abs=1e-4)


def test_cold_items_do_not_move_the_codes_of_others() -> None:
    points, _ = tree(np.random.default_rng(3), (5, 2, 1))
    warm = np.arange(100)
    codes, error = quantised(points, warm, "rkmeans", QuantizerSettings(2, 4))
    assert len(np.unique(codes, axis=0)) == len(points) and 0 <= error < 1
    other = points.copy()
    other[100:] += 3
    assert np.array_equal(quantised(other, warm, "rkmeans", QuantizerSettings(2, 4))[0][:100, :2], codes[:100, :2])
    with pytest.raises(UsageError, match="no two items"):
        quantised(points, warm[:1], "rkmeans", QuantizerSettings(2, 4))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    folder = tmp_path / "data" / "planted"
    write_planted_corpus(folder)
    corpus = Corpus.open(folder)
    values = np.random.default_rng(0).normal(size=(len(corpus.items), 6)).astype(np.float32)
    write_set(folder, corpus.items.names, "given", "text", values, np.arange(len(values)) % 9 > 0, "made")
    return corpus


def test_ids_are_made_once_of_training_items(corpus: Corpus) -> None:
    settings = QuantizerSettings(2, 4)
    record, there = make_ids(corpus, "mine", "rkmeans", ["given"], settings, "loo")
    assert not there and record.quantization is not None and len(record.levels) == 3
    train = training_items(corpus, "loo")
    assert record.quantization.fitted_on == len([item for item in train if item % 9]) < len(corpus.items)
    assert make_ids(corpus, "mine", "rkmeans", ["given"], settings, "loo") == (record, True)
    for change in ({"split": None}, {"settings": QuantizerSettings(2, 4, 1)}, {"quantizer": "opq"}):
        given = {"quantizer": "rkmeans", "settings": settings, "split": "loo"} | change
        with pytest.raises(UsageError, match="there are ids 'mine' already"):
            make_ids(corpus, "mine", features=["given"], **given)  # type: ignore[arg-type]
    changed, _ = make_ids(corpus, "mine", "opq", ["given"], settings, None, fresh=True)
    assert changed.key != record.key and changed.quantization.split == ""  # type: ignore[union-attr]
    write_planted_corpus(corpus.folder)
    again = Corpus.open(corpus.folder)
    assert again.fingerprint == corpus.fingerprint and open_ids(again, "mine").record == changed


def test_models_are_given_ids_by_name(corpus: Corpus) -> None:
    codes = np.stack([np.arange(72) // 8, np.arange(72) % 8], axis=1)
    record = write_ids(corpus.folder, corpus.items.names, "mine", codes, source="made")
    use(corpus.items, chosen_sets(corpus, {"ids": "mine"}))
    assert keys_of(corpus.items.features) == {"ids": record.key}
    stored = corpus.items.features["ids"]
    assert isinstance(stored, StoredIds) and np.array_equal(stored.codes, codes)
    for names, error in (({"ids": "mien"}, "did you mean 'mine'"), ({"ids": "../mine"}, "unknown ids")):
        with pytest.raises(UsageError, match=error):
            chosen_sets(corpus, names)
    with pytest.raises(UsageError, match="view NT"):
        chosen_sets(view_of(corpus, View("NT", 0.2)), {"ids": "mine"})
    with pytest.raises(UsageError, match="ids import"):
        write_set(corpus.folder, corpus.items.names, "x", "ids", np.ones((72, 1)), np.ones(72, np.bool_), "made")
    np.save(corpus.folder / "ids" / "mine" / "codes.npy", codes[::-1])
    with pytest.raises(DataError, match="make them again"):
        open_ids(corpus, "mine")


@pytest.mark.parametrize("form", ["json", "tsv"])
def test_files_are_read_as_they_were_written(corpus: Corpus, tmp_path: Path, form: Form) -> None:
    codes = np.stack([np.arange(72) // 8, np.arange(72) % 4], axis=1)
    write_ids(corpus.folder, corpus.items.names, "mine", codes, source="made")
    path = tmp_path / f"x.{form}"
    write_file(open_ids(corpus, "mine"), corpus.items.names, path, form)
    found, how = placed_ids(read_ids(path), corpus.items.names)
    assert np.array_equal(found, codes) and how == "by name"
    if form == "json":
        name = corpus.items.names[9]
        assert json.loads(path.read_text())[name] == ["<a_1>", "<b_1>"]


def test_numbers_of_a_file_are_named_by_another(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({str(n): [f"<a_{n}>"] for n in range(72)}))
    (tmp_path / "names.txt").write_text("\n".join(reversed(corpus.items.names)))
    found, _ = placed_ids(read_ids(tmp_path / "index.json", tmp_path / "names.txt"), corpus.items.names)
    assert found[:, 0].tolist() == list(range(71, -1, -1))


def test_published_ids_have_their_counts(realdata: Path) -> None:
    """Those of LETTER for Beauty: codes in use, prefixes, and items that share an id."""
    levels = levels_of(read_ids(realdata / "beauty" / "semantic_ids_letter.tsv.gz").values)
    assert [level.codes for level in levels] == [197, 256, 256, 256]
    assert [level.prefixes for level in levels] == [197, 7931, 11696, 12088]
    assert levels[-1].collisions == 24


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("x.json", '{"a": ["<a_1>", "<a_2>"]}', "one level each"),
        ("x.json", '{"a": ["<a_1>"], "a": ["<a_2>"]}', "twice"),
        ("x.json", '{"a": [1]}', "one level each"),
        ("x.json", "[1]", "expected an object"),
        pytest.param("x.json", "[" * 100_000, "cannot be read", id="nested"),
        ("x.json", '{"a": ["<a_1>"], "b": ["<a_2>", "<b_1>"]}', "no table of codes"),
        ("x.json", '{"a": ["<a_9999999>"]}', "must be below"),
        ("x.tsv", "item\tcode\nx\t-1\n", "line 2"),
        ("x.tsv", "item\tcode\nx\t1\nx\t1\n", "twice"),
        ("x.tsv", "item\tcode\n", "no line"),
        ("x.tsv.gz", "no gzip", "cannot be read"),
        ("x.pkl", "", "none of .json"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, name: str, content: str, error: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BenchError, match=error) as caught:
        read_ids(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_the_command(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNIMP_BENCH_HOME", str(tmp_path))

    def told(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main(["ids", *arguments])
        said = capsys.readouterr()
        return said.out + said.err

    assert "ids rkmeans-given of planted made: rkmeans of given" in told(
        "planted", "--features", "given", "--codes", "4"
    )
    assert "exist already" in told("planted", "--features", "given", "--codes", "4")
    assert "entropy" in told("show", "rkmeans-given", "--corpus", "planted")
    assert "wrote" in told("export", "rkmeans-given", str(tmp_path / "i.json"), "--corpus", "planted")
    assert "imported by name" in told("import", str(tmp_path / "i.json"), "--corpus", "planted", "--name", "two")
    assert "ids=two  i.json" in told("list", "--corpus", "planted")
    assert "--split and --all-items" in told("planted", "--features", "given", "--split", "loo", "--all-items")
    assert "did you mean 'opq'" in told("planted", "--features", "given", "--quantizer", "opk")
    shutil.rmtree(corpus.folder / "ids")
    assert "has no stored ids" in told("list", "--corpus", "planted")
