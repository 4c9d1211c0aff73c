"""The tokenizer and its training: what it learns, what it writes and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from unimp_bench.errors import DataError, UsageError
from unimp_bench.generative.picture_tokens.pictures import read_pictures, to_png
from unimp_bench.generative.picture_tokens.tokenizer import (
    PRESETS,
    PictureTokenizer,
    TokenizerConfig,
    build_network,
    nearest_codes,
    tokenizer_config,
)
from unimp_bench.generative.picture_tokens.training import (
    perplexity,
    revive,
    tokenizer_quality,
    train_tokenizer,
    vq_loss,
)
from unimp_bench.torch_setup import make_torchvision_importable

SMALL = TokenizerConfig(
    side=16,
    codes=16,
    patch=8,
    channels=(16,),
    blocks=1,
    latent=4,
    groups=4,
    attention=False,
    steps=250,
    batch=16,
    learning_rate=4e-3,
)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Sixty pictures: left and right half each of one of four colours."""
    generator = np.random.default_rng(0)
    colours = np.array([(220, 40, 40), (40, 40, 220), (40, 180, 60), (250, 250, 250)], np.uint8)
    halves = colours[generator.integers(4, size=(60, 2))]
    return np.repeat(halves[:, None], 8, axis=2).repeat(16, axis=1)


@pytest.fixture(scope="module")
def trained(pictures: np.ndarray) -> PictureTokenizer:
    return train_tokenizer(SMALL, pictures)


def test_training_learns_the_pictures(trained: PictureTokenizer, pictures: np.ndarray) -> None:
    tokens = trained.encode(pictures)
    assert (tokens.shape, tokens.dtype) == ((60, 4), np.int16)
    assert (trained.codes, trained.length, trained.side) == (16, 4, 16)
    drawn = trained.decode(tokens)
    assert (drawn.shape, drawn.dtype) == (pictures.shape, np.uint8)
    error = np.abs(drawn.astype(float) - pictures).mean()
    error_of_the_mean_picture = np.abs(pictures - pictures.mean(axis=0)).mean()
    assert error < 0.25 * error_of_the_mean_picture
    quality = tokenizer_quality(trained, pictures)
    assert quality.l1 == pytest.approx(error, rel=1e-5) and quality.perplexity == perplexity(tokens, 16) > 3


def test_psnr_agrees_with_torchmetrics(trained: PictureTokenizer, pictures: np.ndarray) -> None:
    make_torchvision_importable()
    from torchmetrics.functional.image import peak_signal_noise_ratio

    drawn, true = (torch.from_numpy(p).double() for p in (trained.decode(trained.encode(pictures)), pictures))
    expected = peak_signal_noise_ratio(drawn, true, data_range=255.0, reduction="elementwise_mean", dim=(1, 2, 3))
    assert tokenizer_quality(trained, pictures).psnr == pytest.approx(float(expected), rel=1e-5)


def test_training_is_repeatable(pictures: np.ndarray) -> None:
    config = replace(SMALL, steps=8)
    first, again = train_tokenizer(config, pictures), train_tokenizer(config, pictures)
    assert first.fingerprint == again.fingerprint
    assert train_tokenizer(replace(config, seed=1), pictures).fingerprint != first.fingerprint


def test_training_leaves_the_global_generator_alone(pictures: np.ndarray) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train_tokenizer(replace(SMALL, steps=1), pictures)
    assert torch.rand(1) == expected


def test_the_commitment_weight_is_on_the_encoder_alone() -> None:
    torch.manual_seed(0)
    model = build_network(SMALL)
    signal = torch.rand(4, 192, 2, 2)
    book, encoder = model.quantize.embedding.weight, model.quant_conv.weight

    def gradients(commitment: float) -> list[torch.Tensor]:
        return list(torch.autograd.grad(vq_loss(model, signal, commitment)[0], [book, encoder]))

    (book_0, encoder_0), (book_1, encoder_1), (_, encoder_2) = (gradients(beta) for beta in (0.0, 1.0, 2.0))
    assert torch.equal(book_0, book_1)
    assert not torch.allclose(encoder_0, encoder_1) and encoder_0.abs().sum() > 0
    assert torch.allclose(encoder_2 - encoder_1, encoder_1 - encoder_0, atol=1e-6)
    # The codes follow from |sg(z) - e|^2 alone: the mean over positions and channels has this gradient.
    with torch.no_grad():
        latents = model.encode(signal).latents
        flat = latents.permute(0, 2, 3, 1).reshape(-1, 4)
        chosen = nearest_codes(latents, book).flatten()
        expected = torch.zeros_like(book).index_add(0, chosen, 2 * (book[chosen] - flat) / flat.numel())
    assert torch.allclose(book_0, expected, atol=1e-7)


def test_dead_codes_move_onto_encoder_outputs() -> None:
    codebook, latents = torch.zeros(4, 2), torch.arange(1.0, 17).view(2, 2, 2, 2)
    dead = torch.tensor([False, True, False, True])
    revive(codebook, dead, latents, torch.Generator().manual_seed(0))
    outputs = latents.permute(0, 2, 3, 1).reshape(-1, 2).tolist()
    assert all(row in outputs for row in codebook[dead].tolist()) and not codebook[~dead].any()


def test_a_saved_tokenizer_is_the_same(trained: PictureTokenizer, pictures: np.ndarray, tmp_path: Path) -> None:
    trained.save(tmp_path / "tokenizer")
    again = PictureTokenizer.load(tmp_path / "tokenizer")
    assert (again.config, again.fingerprint) == (trained.config, trained.fingerprint)
    assert np.array_equal(again.encode(pictures), trained.encode(pictures))
    assert [path.name for path in (tmp_path / "tokenizer").iterdir()] == [PictureTokenizer.FILE]


def test_damaged_files_are_one_line_errors(trained: PictureTokenizer, tmp_path: Path) -> None:
    trained.save(tmp_path)
    file = tmp_path / PictureTokenizer.FILE
    whole, tensors = file.read_bytes(), load_file(file)
    header = {"config": '{"side": 16}'}

    def cut() -> None:
        file.write_bytes(whole[:-8])

    def other_config() -> None:
        save_file(tensors, file, header)

    def lacking() -> None:
        name = next(iter(tensors))
        file.write_bytes(whole.replace(name.encode(), b"x" * len(name)))

    for damage in (cut, other_config, lacking, file.unlink):
        file.write_bytes(whole)
        damage()
        with pytest.raises(DataError, match="invalid picture tokenizer") as caught:
            PictureTokenizer.load(tmp_path)
        assert "\n" not in str(caught.value)


def test_numbers_that_are_no_codes_are_refused(trained: PictureTokenizer) -> None:
    assert trained.decode(np.empty((0, 4), np.int16)).shape == (0, 16, 16, 3)
    for tokens in (np.full((2, 5), 0), np.array([[0, 1, 2, 16]]), np.array([[0, 1, 2, -1]])):
        with pytest.raises(ValueError, match=r"expected codes of shape|expected codes from 0 to 15"):
            trained.decode(tokens)


def test_files_and_arrays_give_the_same_codes(trained: PictureTokenizer, pictures: np.ndarray, tmp_path: Path) -> None:
    paths = [tmp_path / f"{row}.png" for row in range(3)]
    for path, picture in zip(paths, pictures, strict=False):
        to_png(picture, path)
    assert np.array_equal(trained.encode(paths), trained.encode(pictures[:3]))
    assert sorted(tmp_path.iterdir()) == paths


def test_a_picture_is_fitted_whole_into_the_square(tmp_path: Path) -> None:
    Image.new("RGB", (20, 40), (200, 0, 0)).save(tmp_path / "tall.png")
    square = read_pictures([tmp_path / "tall.png"], 16)[0]
    assert (square[:, :4] == 255).all() and (square[:, 12:] == 255).all() and (square[:, 4:12] == (200, 0, 0)).all()
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        read_pictures([tmp_path / "broken.png"], 16)


def test_perplexity_counts_the_codes_in_use() -> None:
    assert perplexity(np.array([[0, 1], [2, 3]]), 128) == pytest.approx(4)
    assert perplexity(np.zeros((3, 3), np.int16), 128) == pytest.approx(1)


def test_presets_are_known_by_name() -> None:
    assert {name: tokenizer_config(name).length for name in PRESETS} == {"tiny": 36, "base": 64, "paper": 64}
    with pytest.raises(UsageError, match="did you mean 'tiny'"):
        tokenizer_config("tinny")


def test_importing_the_package_loads_no_torch() -> None:
    loaded = "'torch' in sys.modules or 'diffusers' in sys.modules"
    script = f"import sys, unimp_bench.generative.picture_tokens; sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
