"""Picture scores against independent implementations, with a tiny CLIP in open_clip's own format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.metrics.pairwise import rbf_kernel

from unimp_bench.errors import DependencyError
from unimp_bench.metrics.pictures import (
    ClipEncoder,
    clip_label,
    cmmd,
    colour_similarity,
    picture_scores,
    structural_similarity,
)
from unimp_bench.metrics.resources import DEFAULT_CLIP
from unimp_bench.metrics.scores import Missing, Score, Scores
from unimp_bench.torch_setup import make_torchvision_importable

SIDE = 32
MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "head_width": 16, "layers": 1},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


def disc(colour: tuple[int, int, int], radius: int = 10) -> np.ndarray:
    """A disc on white, (SIDE, SIDE, 3) uint8."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    picture = np.full((SIDE, SIDE, 3), 255, np.uint8)
    picture[x**2 + y**2 <= radius**2] = colour
    return picture


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    make_torchvision_importable()
    import open_clip

    folder = tmp_path_factory.mktemp("clip") / "tiny-clip"
    folder.mkdir()
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**MODEL).state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": MODEL, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def scored(clip_folder: Path, tmp_path: Path) -> tuple[Scores, Path]:
    """Scores of three pictures, two of them of one target, and the folder of the true pictures."""
    Image.fromarray(disc((200, 30, 30))).save(tmp_path / "red.png")
    Image.fromarray(disc((30, 30, 200), 6)).save(tmp_path / "blue.png")
    codes = np.array([[1, 2, 3, 4], [1, 2, 0, 0], [9, 9, 9, 9]])
    truth = np.array([[1, 2, 3, 4], [1, 2, 3, 4], [5, 5, 5, 5]])
    drawn = np.stack([disc((200, 30, 30)), disc((30, 200, 30)), disc((30, 30, 200))])
    paths = [tmp_path / name for name in ("red.png", "red.png", "blue.png")]
    queries = ["a red disc", "a red disc", "something blue"]
    return picture_scores(codes, truth, drawn, paths, queries, f"local-dir:{clip_folder}"), tmp_path


def value(scores: Scores, name: str) -> Score:
    score = scores[name]
    assert isinstance(score, Score)
    return score


def test_token_accuracy_is_the_share_of_equal_codes(scored: tuple[Scores, Path]) -> None:
    score = value(scored[0], "Token accuracy")
    assert score.values is not None and score.values.tolist() == [1.0, 0.5, 0.0]
    assert score.value == 0.5 and score.low <= 0.5 <= score.high


def test_clip_scores_are_cosines_of_open_clip_embeddings(scored: tuple[Scores, Path], clip_folder: Path) -> None:
    import open_clip

    scores, folder = scored
    model, _, prepare = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    tokenize = open_clip.get_tokenizer("ViT-B-32")

    def of(picture: Image.Image) -> torch.Tensor:
        with torch.no_grad():
            return model.encode_image(prepare(picture)[None])[0]

    drawn = [of(Image.fromarray(disc(c))) for c in ((200, 30, 30), (30, 200, 30), (30, 30, 200))]
    true = [of(Image.open(folder / name)) for name in ("red.png", "red.png", "blue.png")]
    with torch.no_grad():
        texts = model.eval().encode_text(tokenize(["a red disc", "a red disc", "something blue"]))
    cosine = torch.nn.functional.cosine_similarity
    for name, others in (("CLIP-I (tiny-clip)", true), ("CLIP-T (tiny-clip)", texts)):
        expected = [cosine(mine, other, dim=0).item() for mine, other in zip(drawn, others, strict=True)]
        values = value(scores, name).values
        assert values is not None and values == pytest.approx(expected, abs=1e-6)
    assert value(scores, "CLIP-I (tiny-clip)").values[0] == pytest.approx(1, abs=1e-6)  # type: ignore[index]
    both = [torch.nn.functional.normalize(torch.stack(side), dim=1).double().numpy() for side in (drawn, true)]
    assert value(scores, "CMMD (tiny-clip)").value == pytest.approx(twin_cmmd(*both), abs=1e-4)


def twin_cmmd(x: np.ndarray, y: np.ndarray) -> float:
    gamma = 1 / (2 * 10**2)
    return 1000 * float(
        rbf_kernel(x, x, gamma).mean() + rbf_kernel(y, y, gamma).mean() - 2 * rbf_kernel(x, y, gamma).mean()
    )


def unit(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(shift, 1, (count, 8))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_cmmd_agrees_with_a_kernel_of_scikit_learn_across_blocks() -> None:
    x, y = unit(300, 0), unit(300, 1, shift=0.4)
    score = cmmd(x, y)
    assert score.value == pytest.approx(twin_cmmd(x, y), rel=1e-9)
    assert score.values is None and score.low < score.value < score.high
    assert cmmd(x, x).value == pytest.approx(0, abs=1e-9)


def test_the_interval_of_cmmd_is_that_of_resampled_sets() -> None:
    x, y = unit(40, 0), unit(40, 1, shift=0.4)
    generator = np.random.default_rng(5)
    xx, yy, xy = (rbf_kernel(a, b, 1 / 200) for a, b in ((x, x), (y, y), (x, y)))
    resampled = []
    for _ in range(3000):
        pairs = np.ix_(*[generator.integers(40, size=40)] * 2)
        resampled.append(1000 * (xx[pairs].mean() + yy[pairs].mean() - 2 * xy[pairs].mean()))
    unbiased = np.array(resampled) - (np.mean(resampled) - twin_cmmd(x, y))
    score = cmmd(x, y)
    assert [score.low, score.high] == pytest.approx(np.quantile(unbiased, [0.025, 0.975]).tolist(), rel=0.05)


def test_ssim_agrees_with_torchmetrics() -> None:
    make_torchvision_importable()
    from torchmetrics.functional.image import structural_similarity_index_measure

    generator = np.random.default_rng(0)
    first = generator.integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    second = np.stack([first[0], disc((9, 99, 200)), first[2] // 2 + 60])
    as_tensors = [torch.from_numpy(p).permute(0, 3, 1, 2).double() for p in (first, second)]
    expected = structural_similarity_index_measure(*as_tensors, data_range=255.0, reduction="none")
    assert structural_similarity(first, second) == pytest.approx(expected.numpy(), abs=1e-6)


def test_colour_similarity_is_the_intersection_of_foreground_histograms() -> None:
    red, blue, small = disc((200, 30, 30)), disc((30, 30, 200)), disc((200, 30, 30), radius=4)
    both = red.copy()
    both[:, SIDE // 2 :] = blue[:, SIDE // 2 :]
    white = np.full_like(red, 255)
    pairs = [(red, red), (red, small), (red, blue), (red, both), (red, white), (white, white)]
    first, second = (np.stack(side) for side in zip(*pairs, strict=True))
    assert colour_similarity(first, second).tolist() == [1.0, 1.0, 0.0, 0.5, 0.0, 1.0]


def test_without_weights_the_clip_scores_are_missing_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    Image.fromarray(disc((200, 30, 30))).save(tmp_path / "red.png")
    codes = np.zeros((1, 4), np.int16)
    scores = picture_scores(codes, codes, disc((200, 30, 30))[None], [tmp_path / "red.png"], ["red"], DEFAULT_CLIP)
    missing = {name: score for name, score in scores.items() if isinstance(score, Missing)}
    assert list(missing) == [f"{name} (ViT-L-14 openai)" for name in ("CLIP-I", "CLIP-T", "CMMD")]
    for score in missing.values():
        assert "open_clip.create_model('ViT-L-14', 'openai')" in score.reason and "UNIMP_BENCH_CLIP" in score.reason
        assert "\n" not in score.reason
    assert set(scores) - set(missing) == {"Token accuracy", "Colour similarity", "SSIM"}


@pytest.mark.parametrize("choice", ["ViT-B-32:nonsense", "ViT-Nonsense:openai", "tiny", ":", "local-dir:nowhere"])
def test_an_empty_choice_is_a_one_line_error(choice: str) -> None:
    with pytest.raises(DependencyError, match="UNIMP_BENCH_CLIP") as caught:
        ClipEncoder(choice)
    assert "\n" not in str(caught.value)


def test_a_folder_without_weights_gives_no_random_ones(clip_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((clip_folder / "open_clip_config.json").read_bytes())
    with pytest.raises(DependencyError, match="cannot be loaded"):
        ClipEncoder(f"local-dir:{tmp_path}")
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(DependencyError, match="cannot be loaded"):
        ClipEncoder(f"local-dir:{tmp_path}")


def test_published_weights_are_found_in_the_cache_and_run_with_their_activation(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip

    (tmp_path / "tiny-published.json").write_text(json.dumps(MODEL))
    open_clip.add_model_config(tmp_path)
    snapshot = tmp_path / "hub" / "models--org--tiny" / "snapshots" / "0"
    snapshot.mkdir(parents=True)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("0")
    weights = snapshot / "open_clip_model.safetensors"
    weights.write_bytes((clip_folder / weights.name).read_bytes())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    published = {"hf_hub": "org/tiny/", "quick_gelu": True, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    known = {("tiny-published", "tag"): published}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda name, tag: known.get((name, tag), {}))
    picture = [lambda: Image.fromarray(disc((200, 30, 30)))]
    folder, tag, file = (
        ClipEncoder(choice).pictures(picture)
        for choice in (f"local-dir:{clip_folder}", "tiny-published:tag", f"tiny-published:{weights}")
    )
    assert np.linalg.norm(tag) == pytest.approx(1, abs=1e-6)
    assert 1e-4 < np.abs(folder - tag).max() < 0.2, "QuickGELU is near GELU, and not the same"
    assert np.abs(folder - file).max() > 1e-4, "a file brings no normalisation of its own"


def test_labels(tmp_path: Path) -> None:
    assert clip_label("ViT-L-14:openai") == "ViT-L-14 openai"
    assert clip_label(f"local-dir:{tmp_path / 'my clip'}") == "my clip"
    (tmp_path / "own.safetensors").touch()
    assert clip_label(f"ViT-B-32:{tmp_path / 'own.safetensors'}") == "ViT-B-32 own"


def test_arguments_of_unequal_length_are_refused(tmp_path: Path) -> None:
    codes = np.zeros((1, 4), np.int16)
    with pytest.raises(ValueError, match="every generated picture"):
        picture_scores(codes, codes, disc((1, 1, 1))[None], [], ["red"], DEFAULT_CLIP)
