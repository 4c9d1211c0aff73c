"""Scores of generated pictures against the picture of the target item.

``Token accuracy`` is on codes. ``Colour similarity`` and ``SSIM`` compare pixels and need no weights: colour is what
codes keep best, and structural similarity sees the shape and pattern that a colour histogram does not. PSNR is left
out: it orders pictures much as SSIM does and has no finite mean once one picture is exact.

``CLIP-I``, ``CLIP-T`` and ``CMMD`` are by an encoder that the column names. Both pictures are fitted whole into the
encoder's square, the true one from its file, so what the tokenizer lost counts too; tokenising and decoding the true
picture is the upper bound.

A CLIP is named ``NAME:TAG`` (an architecture and published weights of open_clip, found in the Hugging Face cache),
``NAME:FILE`` (an architecture and a weights file) or ``local-dir:FOLDER`` (a folder with ``open_clip_config.json`` and
weights); ``Resources.clip`` says which one a command uses. Scoring never downloads weights, so that a score does not
depend on a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unimp_bench.corpus.pictures import open_picture
from unimp_bench.errors import DependencyError
from unimp_bench.generative.picture_tokens.pictures import UInt8Array, read_pictures, squared
from unimp_bench.machine import device
from unimp_bench.metrics.resources import CLIP_OVERRIDE
from unimp_bench.metrics.scores import Missing, Score, Scores, mean_score
from unimp_bench.progress import progress
from unimp_bench.records import BoolArray, FloatArray, IntArray
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

T = TypeVar("T")

CMMD_SIGMA = 10.0
CMMD_SCALE = 1000.0

_LIGHT = 208
_COLOUR_SHIFT = 6  # four shades per channel
_SSIM_SIGMA, _SSIM_RADIUS = 1.5, 5
_BLOCK = 256
_RESAMPLES = 1000

_FOLDER = "local-dir"
_CLIP_BATCH = 64
_PREPARATION = {"mean": "image_mean", "std": "image_std", "interpolation": "image_interpolation"}


def picture_scores(
    generated: IntArray,
    truth: IntArray,
    drawn: UInt8Array,
    true_paths: Sequence[Path],
    queries: Sequence[str],
    clip: str,
) -> Scores:
    """All scores of ``n`` generated pictures.

    Args:
        generated: (n, length) codes.
        truth: (n, length) codes of the true pictures.
        drawn: (n, side, side, 3) uint8, the generated codes decoded.
        true_paths: (n,) files of the true pictures.
        queries: (n,) the users' queries.
        clip: the name of the CLIP, as described above.

    Raises:
        ValueError: the arguments are not of one length, or empty.
        DataError: a picture file cannot be read.
    """
    if not len(drawn) or len({len(generated), len(truth), len(drawn), len(true_paths), len(queries)}) != 1:
        raise ValueError("every generated picture needs its codes, its true picture and its query")
    paths, row_of_path = _distinct(list(true_paths))
    true = read_pictures(paths, drawn.shape[1])
    return {
        "Token accuracy": mean_score((generated == truth).mean(axis=1)),
        "Colour similarity": mean_score(_blockwise(colour_similarity, drawn, true, row_of_path)),
        "SSIM": mean_score(_blockwise(structural_similarity, drawn, true, row_of_path)),
        **_clip_scores(generated, drawn, paths, row_of_path, queries, clip),
    }


def colour_similarity(first: UInt8Array, second: UInt8Array) -> FloatArray:
    """Histogram intersection ``sum_b min(p_b, q_b)`` of pictures (n, side, side, 3), pair by pair: (n,) in [0, 1].

    ``p`` and ``q`` are shares of a picture's foreground in 4 x 4 x 4 cells of RGB (Swain and Ballard, 1991). Pixels
    with every channel at 208 or more are background: products are shown on white, which would make all pictures
    alike. A picture without foreground is like another such picture and unlike all else.
    """
    shares, other = _colours(first), _colours(second)
    empty = (shares.sum(axis=1) == 0) & (other.sum(axis=1) == 0)
    similarity: FloatArray = np.where(empty, 1.0, np.minimum(shares, other).sum(axis=1))
    return similarity


def structural_similarity(first: UInt8Array, second: UInt8Array) -> FloatArray:
    """SSIM of pictures (n, side, side, 3), pair by pair: (n,), 1 where they are equal.

    Wang et al. (2004): Gaussian window of 11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, the mean over channels and
    positions; beyond its edges a picture is mirrored. Most of a product's picture is flat, where single precision is
    off in the fourth digit, so all is in double.
    """
    from scipy.ndimage import gaussian_filter

    def local_mean(values: FloatArray) -> FloatArray:
        smooth: FloatArray = gaussian_filter(values, _SSIM_SIGMA, axes=(1, 2), radius=_SSIM_RADIUS, mode="mirror")
        return smooth

    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = local_mean(x), local_mean(y)
    variance_x = local_mean(x * x) - mean_x**2
    variance_y = local_mean(y * y) - mean_y**2
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    similarity: FloatArray = (luminance * structure).mean(axis=(1, 2, 3))
    return similarity


def cmmd(generated: FloatArray, true: FloatArray, *, seed: int = 0) -> Score:
    """CMMD of two sets of unit CLIP embeddings (n, width), row ``i`` of both of one example.

    ``1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y))`` with ``k(a, b) = exp(-|a - b|^2 / (2 10^2))`` over all
    pairs, a picture with itself included: the biased estimator, as the authors' code has it (Jayasumana et al.,
    CVPR 2024; their paper writes the unbiased one and finds the two nearly equal). Values of sets of different size
    do not compare, as the bias falls with n.

    The interval resamples examples. With counts ``w`` of a resample the value is ``w' H w / n^2``, where
    ``H_ij = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)``; drawing examples twice raises its expectation by
    ``(mean H_ii - value) / n``, which is taken off.
    """
    count = len(generated)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    weights = np.vstack([np.ones(count), draws]) / count
    values = np.zeros(len(weights))
    diagonal = 0.0
    for start in range(0, count, _BLOCK):
        rows = slice(start, start + _BLOCK)
        x, y = generated[rows], true[rows]
        block = _kernel(x, generated) + _kernel(y, true) - _kernel(x, true) - _kernel(y, generated)
        values += np.einsum("ri,ir->r", weights[:, rows], block @ weights.T)
        diagonal += float(block[np.arange(len(x)), start + np.arange(len(x))].sum())
    value, resampled = float(values[0]), values[1:]
    low, high = np.quantile(resampled - (diagonal / count - value) / count, [0.025, 0.975])
    return Score(CMMD_SCALE * value, CMMD_SCALE * max(0.0, float(low)), CMMD_SCALE * float(high), None)


def _kernel(first: FloatArray, second: FloatArray) -> FloatArray:
    """Gaussian kernel of all pairs, (n, m)."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    kernel: FloatArray = np.exp(-np.maximum(squares, 0) / (2 * CMMD_SIGMA**2))
    return kernel


def _clip_scores(
    generated: IntArray,
    drawn: UInt8Array,
    paths: Sequence[Path],
    row_of_path: IntArray,
    queries: Sequence[str],
    clip: str,
) -> Scores:
    """The scores by CLIP, each distinct picture and text embedded once; Missing where there is no CLIP."""
    try:
        encoder = ClipEncoder(clip)
    except DependencyError as error:
        return {f"{name} ({clip_label(clip)})": Missing(str(error)) for name in ("CLIP-I", "CLIP-T", "CMMD")}
    _, first, row_of_picture = np.unique(generated, axis=0, return_index=True, return_inverse=True)
    texts, row_of_text = _distinct(list(queries))
    painted = encoder.pictures([partial(Image.fromarray, drawn[row]) for row in first])[row_of_picture.ravel()]
    true = encoder.pictures([partial(open_picture, path) for path in paths])[row_of_path]
    wanted = encoder.texts(texts)[row_of_text]
    return {
        f"CLIP-I ({encoder.label})": mean_score((painted * true).sum(axis=1)),
        f"CLIP-T ({encoder.label})": mean_score((painted * wanted).sum(axis=1)),
        f"CMMD ({encoder.label})": cmmd(painted, true),
    }


def _blockwise(
    measure: Callable[[UInt8Array, UInt8Array], FloatArray], drawn: UInt8Array, true: UInt8Array, rows: IntArray
) -> FloatArray:
    """``measure`` of ``drawn`` (n, ...) against ``true[rows]``, a block at a time."""
    starts = range(0, len(drawn), _BLOCK)
    return np.concatenate([measure(drawn[s : s + _BLOCK], true[rows[s : s + _BLOCK]]) for s in starts])


def _colours(pictures: UInt8Array) -> FloatArray:
    """Shares of the foreground in each of the 64 cells of colour, (n, 64); all zero without a foreground."""
    cells = (pictures >> _COLOUR_SHIFT).astype(np.int64) @ np.array([16, 4, 1])
    foreground: BoolArray = pictures.min(axis=3) < _LIGHT
    cells += 64 * np.arange(len(pictures))[:, None, None]
    counts = np.bincount(cells[foreground], minlength=64 * len(pictures)).reshape(-1, 64)
    shares: FloatArray = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return shares


def _distinct(values: list[T]) -> tuple[list[T], IntArray]:
    """(distinct values in order of first appearance, (n,) the row of each value among them)."""
    rows = {value: row for row, value in enumerate(dict.fromkeys(values))}
    return list(rows), np.array([rows[value] for value in values])


def clip_label(choice: str) -> str:
    """How columns name a choice: the architecture with its tag, or the name of its file or folder."""
    name, _, weights = choice.partition(":")
    if name == _FOLDER:
        return Path(weights).name
    return f"{name} {Path(weights).stem if Path(weights).is_file() else weights}"


class ClipEncoder:
    """A frozen CLIP of open_clip.

    Attributes:
        label: as columns name it, such as ``ViT-L-14 openai``.
    """

    def __init__(self, choice: str) -> None:
        """Load the CLIP that ``choice`` names, as described above.

        Raises:
            DependencyError: open_clip knows no such name, or its weights are not on this machine.
        """
        make_torchvision_importable()
        self.label = clip_label(choice)
        self._device = device()
        model, self._prepare, self._tokenize = _load(choice)
        self._model = model.eval().to(self._device)

    @property
    def side(self) -> int:
        """Pixels a side that the visual tower reads."""
        size = self._model.visual.image_size
        return int(size[0] if isinstance(size, tuple) else size)

    def pictures(self, pictures: Sequence[Callable[[], Image.Image]]) -> FloatArray:
        """Unit vectors (n, width) of pictures, each opened when its turn comes and fitted whole into a square."""

        def embed(start: int) -> Tensor:
            opened = [squared(picture(), self.side) for picture in pictures[start : start + _CLIP_BATCH]]
            batch = torch.stack([self._prepare(picture) for picture in opened]).to(self._device)
            embedded: Tensor = self._model.encode_image(batch, normalize=True)
            return embedded

        return _embedded(embed, len(pictures), "embedding pictures")

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors (n, width) of texts; what exceeds CLIP's context (77 tokens) is cut off by its tokenizer."""

        def embed(start: int) -> Tensor:
            batch = self._tokenize(list(texts[start : start + _CLIP_BATCH])).to(self._device)
            embedded: Tensor = self._model.encode_text(batch, normalize=True)
            return embedded

        return _embedded(embed, len(texts), "embedding texts")


@torch.inference_mode()
def _embedded(embed: Callable[[int], Tensor], count: int, label: str) -> FloatArray:
    starts = progress(range(0, count, _CLIP_BATCH), label, unit="batch")
    return np.concatenate([embed(start).to(torch.float64).cpu().numpy() for start in starts])


def _load(choice: str) -> tuple[Any, Callable[[Image.Image], Tensor], Callable[[list[str]], Tensor]]:
    """(model, what prepares a picture, what prepares texts)."""
    import open_clip
    from safetensors import SafetensorError

    name, _, weights = choice.partition(":")
    options: dict[str, Any] = {}
    if name == _FOLDER:
        name = choice
    else:
        published = open_clip.get_pretrained_cfg(name, weights)
        options = {argument: published[key] for key, argument in _PREPARATION.items() if key in published}
        options["pretrained"] = str(_cached(published, name, weights) if published else _own_file(choice))
        # open_clip only warns where published weights were trained with the other activation.
        options["force_quick_gelu"] = published.get("quick_gelu", False)
    try:
        with own_chance():
            model, _, prepare = open_clip.create_model_and_transforms(name, require_pretrained=True, **options)
        return model, prepare, open_clip.get_tokenizer(name)
    except (RuntimeError, OSError, ValueError, KeyError, UnpicklingError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise DependencyError(
            f"CLIP {clip_label(choice)} cannot be loaded ({reason}); set {CLIP_OVERRIDE} anew"
        ) from None


def _cached(published: dict[str, Any], name: str, tag: str) -> Path:
    """Where the Hugging Face cache holds published weights."""
    from huggingface_hub import try_to_load_from_cache
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    repository, _, file = str(published["hf_hub"]).rpartition("/")
    for candidate in (file,) if file else (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME):
        found = try_to_load_from_cache(repository, candidate)
        if isinstance(found, str):
            return Path(found)
    raise DependencyError(
        f"no weights of CLIP {name} {tag} in the Hugging Face cache: run once, with a network, python -c "
        f"\"import open_clip; open_clip.create_model('{name}', '{tag}')\", or set {CLIP_OVERRIDE}=NAME:FILE"
    )


def _own_file(choice: str) -> Path:
    name, _, weights = choice.partition(":")
    if not Path(weights).is_file():
        raise DependencyError(
            f"{CLIP_OVERRIDE}={choice} names neither weights of {name or 'a CLIP'} that open_clip publishes "
            f"nor a file; set it to NAME:TAG, NAME:FILE or {_FOLDER}:FOLDER"
        )
    return Path(weights)
