"""Weights of networks from safetensors, npz, npy, ONNX and PyTorch files: right numbers, and every way to be wrong."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from convcli.errors import ConvcliError, RecipeError
from convcli.layers.banks import from_weights
from convcli.layers.weights import TensorFile, split_name

_RANDOM = np.random.default_rng(11)
TENSORS = {
    "conv1.weight": _RANDOM.normal(size=(8, 3, 7, 7)).astype(np.float32),
    "conv1.bias": _RANDOM.normal(size=8).astype(np.float32),
    "layer1.0.conv.weight": _RANDOM.normal(size=(4, 8, 3, 3)).astype(np.float32),
    "half.weight": _RANDOM.normal(size=(2, 1, 3, 3)).astype(np.float16),
    "double.weight": _RANDOM.normal(size=(2, 1, 3, 3)),
    "fc.weight": _RANDOM.normal(size=(10, 4)).astype(np.float32),
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The same tensors in every format."""
    paths = {kind: tmp_path / f"model.{kind}" for kind in ("safetensors", "npz", "onnx", "pt")}
    save_file(TENSORS, paths["safetensors"])
    np.savez(paths["npz"], **TENSORS)  # type: ignore[arg-type]
    onnx.save(onnx_model(), str(paths["onnx"]))
    torch.save({name: torch.from_numpy(array) for name, array in TENSORS.items()}, paths["pt"])
    return paths


def onnx_model() -> Any:
    initializers = [numpy_helper.from_array(array, name) for name, array in TENSORS.items()]
    node = helper.make_node("Conv", ["x", "half.weight", "odd_name"], ["y"])
    initializers.append(numpy_helper.from_array(np.array([1, 2], np.float16), "odd_name"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, None) for name in "xy"]
    return helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], initializers))


@pytest.mark.parametrize("kind", ["safetensors", "npz", "onnx", "pt"])
def test_every_format_gives_the_same_layer(files: dict[str, Path], kind: str) -> None:
    layer = from_weights(f"{files[kind]}:conv1.weight", stride=2, padding=3)
    assert np.array_equal(layer.weight, TENSORS["conv1.weight"])
    assert layer.bias is not None and np.array_equal(layer.bias, TENSORS["conv1.bias"])
    assert from_weights(f"{files[kind]}:conv1.weight", bias=False).bias is None
    assert repr(layer) == "Conv2d(3, 8, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3))"
    half, double = (from_weights(f"{files[kind]}:{name}.weight") for name in ("half", "double"))
    assert half.dtype == np.float32 and np.array_equal(half.weight, TENSORS["half.weight"].astype(np.float32))
    assert double.dtype == np.float64 and np.array_equal(double.weight, TENSORS["double.weight"])


@pytest.mark.parametrize("kind", ["safetensors", "npz", "onnx", "pt"])
def test_the_convolutions_are_those_of_rank_4(files: dict[str, Path], kind: str) -> None:
    file = TensorFile.open(files[kind])
    assert sorted(file.convolutions()) == sorted(name for name, array in TENSORS.items() if array.ndim == 4)
    assert file.shapes["fc.weight"] == (10, 4)


def test_an_onnx_node_knows_its_bias(files: dict[str, Path]) -> None:
    layer = from_weights(f"{files['onnx']}:half.weight")
    assert layer.bias is not None and layer.bias.tolist() == [1, 2]


def test_npy_holds_one_tensor(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", TENSORS["conv1.weight"])
    assert from_weights(str(tmp_path / "w.npy")).out_channels == 8


def test_a_pt_file_may_wrap_its_state(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": {"c.weight": torch.ones(2, 3, 1, 1)}}, tmp_path / "w.pth")
    assert from_weights(f"{tmp_path / 'w.pth'}:c").out_channels == 2


@pytest.mark.parametrize("name, full", [("conv1", "conv1.weight"), ("0.conv", "layer1.0.conv.weight")])
def test_a_name_may_be_short_where_it_is_clear(files: dict[str, Path], name: str, full: str) -> None:
    assert TensorFile.open(files["npz"]).chosen(name) == full


@pytest.mark.parametrize(
    "name, message",
    [
        ("", "holds 4 tensors that could be meant (conv1.weight, "),
        ("weight", "holds 4 tensors that could be meant"),
        ("conv2.weight", "holds no convolution 'conv2.weight'; did you mean conv1.weight"),
        ("zzz", "without a name lists the tensors"),
        ("fc.weight", "has the shape (10, 4), rank 2; a convolution's weights have rank 4"),
    ],
)
def test_a_missing_or_ambiguous_name_is_explained(files: dict[str, Path], name: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        from_weights(f"{files['safetensors']}:{name}")
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["safetensors", "npz", "onnx", "pt"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
def test_damaged_files_are_named(files: dict[str, Path], kind: str, damage: str) -> None:
    data = files[kind].read_bytes()
    files[kind].write_bytes({"cut": data[: len(data) // 2], "empty": b"", "noise": bytes(range(256)) * 9}[damage])
    with pytest.raises(ConvcliError) as caught:
        from_weights(f"{files[kind]}:conv1.weight")
    assert str(files[kind]) in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1, 1, 9, 9], "data_offsets": [0, 16]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with pytest.raises(ConvcliError, match=r"is damaged or no .safetensors file"):
        from_weights(str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("kind", ["safetensors", "onnx", "pt"])
def test_bfloat16_is_read(tmp_path: Path, kind: str) -> None:
    from safetensors.torch import save_file as save_torch

    generator = torch.Generator().manual_seed(3)
    tensors = {
        "a.weight": torch.ones(3, dtype=torch.float32),
        "c.weight": torch.randn(5, 3, 2, 2, generator=generator).bfloat16(),
        "c.bias": torch.randn(5, generator=generator).bfloat16(),
    }
    path = tmp_path / f"w.{kind}"
    if kind == "safetensors":
        save_torch(tensors, str(path))
    elif kind == "pt":
        torch.save(tensors, path)
    else:
        initializers = [
            helper.make_tensor(name, TensorProto.BFLOAT16, value.shape, value.float().flatten().tolist())
            for name, value in tensors.items()
        ]
        onnx.save(helper.make_model(helper.make_graph([], "g", [], [], initializers)), str(path))
    layer = from_weights(f"{path}:c")
    assert layer.bias is not None and layer.dtype == np.float32
    assert np.array_equal(layer.weight, tensors["c.weight"].float().numpy())
    assert np.array_equal(layer.bias, tensors["c.bias"].float().numpy())


def test_kinds_of_numbers_that_are_not_read_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file as save_torch

    save_torch({"c.weight": torch.ones(1, 1, 1, 1).to(torch.float8_e4m3fn)}, str(tmp_path / "w.safetensors"))
    with pytest.raises(RecipeError, match=r"tensor 'c.weight' is kept as F8_E4M3; save it as float16 or float32"):
        from_weights(str(tmp_path / "w.safetensors"))


def test_a_file_without_a_convolution_tells_what_it_holds(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones((3, 5)))
    with pytest.raises(RecipeError, match=r"holds no tensor of rank 4, \(O, C/groups, KH, KW\): w \(3, 5\)$"):
        from_weights(str(tmp_path / "w.npy"))


@pytest.mark.parametrize("content", ["objects", "noise", "cut"])
def test_pytorchs_advice_to_unpickle_is_not_passed_on(tmp_path: Path, content: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({"a": Trap(tmp_path / "sprung")} if content == "objects" else {"a": torch.ones(2, 3, 4, 4)}, path)
    data = path.read_bytes()
    path.write_bytes({"objects": data, "noise": b"\x93garbage" * 9, "cut": data[: len(data) // 2]}[content])
    with pytest.raises(ConvcliError, match="is damaged") as caught:
        from_weights(str(path))
    assert "weights_only" not in str(caught.value) and "likelihood" not in str(caught.value)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.path, "sprung"))


@pytest.mark.parametrize("kind", ["npz", "npy", "pt"])
def test_pickles_are_never_opened(tmp_path: Path, kind: str) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / f"w.{kind}"
    trap = np.empty(1, object)
    trap[0] = Trap(sprung)
    if kind == "npz":
        np.savez(path, w=trap)
    elif kind == "npy":
        np.save(path, trap)
    else:
        torch.save({"w": Trap(sprung)}, path)
    with pytest.raises(ConvcliError) as caught:
        from_weights(f"{path}:w")
    assert not sprung.exists()
    if kind != "pt":
        assert "pickled Python objects, which are refused" in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_bare_pickle_under_another_name_is_refused(tmp_path: Path) -> None:
    for kind in ("npy", "npz", "pt"):
        path, sprung = tmp_path / f"p.{kind}", tmp_path / "sprung"
        path.write_bytes(pickle.dumps(Trap(sprung)))
        with pytest.raises(ConvcliError):
            from_weights(str(path))
        assert not sprung.exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_counted(tmp_path: Path, bad: float) -> None:
    w = np.zeros((1, 2, 3, 3), np.float32)
    w[0, 0, 0, :2] = bad
    np.save(tmp_path / "w.npy", w)
    with pytest.raises(RecipeError, match=r"tensor 'w' holds NaN or infinity in 2 of 18 places"):
        from_weights(str(tmp_path / "w.npy"))


@pytest.mark.parametrize("array", [np.zeros((1, 1, 3, 3), complex), np.zeros((1, 1, 3, 3), "U3")])
def test_tensors_of_anything_but_real_numbers_are_refused(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "w.npy", array)
    with pytest.raises(RecipeError, match="not real numbers"):
        from_weights(str(tmp_path / "w.npy"))


@pytest.mark.parametrize(
    "spec, parts",
    [
        ("model.safetensors:conv1.weight", ("model.safetensors", "conv1.weight")),
        ("a.b/m.npz", ("a.b/m.npz", "")),
        (r"C:\nets\m.onnx:conv/1:0", (r"C:\nets\m.onnx", "conv/1:0")),
    ],
)
def test_the_name_follows_the_suffix(spec: str, parts: tuple[str, str]) -> None:
    path, name = split_name(spec)
    assert (str(path), name) == parts


def test_other_suffixes_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'model.h5' names no weights file; its suffix must be one of"):
        split_name("model.h5")
    with pytest.raises(ConvcliError, match="does not exist"):
        from_weights(str(tmp_path / "no.npz"))
