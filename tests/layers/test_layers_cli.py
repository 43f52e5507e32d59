"""`convcli layer` from picture to maps: sources of filters, preparation, outputs, the summary, and bad input."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.numpy import save_file

import convcli
from convcli.cli import main
from convcli.layers import stack as stack_module

SCENE = Path(__file__).parents[2] / "samples" / "scene.jpg"


def run(*args: Any, ok: bool = True) -> Result:
    result = CliRunner().invoke(main, ["layer", *map(str, args)], catch_exceptions=False)
    if ok:
        assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A colour picture of 60x44, smooth enough to resize and rich enough to filter."""
    y, x = np.mgrid[:44, :60]
    noise = np.random.default_rng(8).normal(0, 12, (44, 60, 3))
    planes = np.stack([128 + 90 * np.sin(x / 7), 2 * y + x, 128 + 80 * np.cos(y / 5 + x / 9)], axis=2) + noise
    path = tmp_path / "photo.png"
    Image.fromarray(np.rint(planes).clip(0, 255).astype(np.uint8)).save(path)
    return path


def pixels(path: Path, mode: str | None = None) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode) if mode else image)


def archive(path: Path) -> dict[str, Any]:
    with np.load(path) as held:
        return dict(held)


def planes(path: Path) -> Any:
    return np.moveaxis(pixels(path), 2, 0).astype(np.float32)


def test_the_lessons_layer_prints_its_shapes(photo: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.fromarray(pixels(photo)[:32, :32]).save(small)
    result = run("--out-channels", 16, "--kernel-size", 3, "--padding", 1, small, tmp_path / "maps.npy")
    assert result.stdout == "(1, 3, 32, 32) -> (1, 16, 32, 32)\n"
    maps = np.load(tmp_path / "maps.npy")
    assert np.array_equal(maps, convcli.Conv2d(3, 16, 3, padding=1)(planes(small)))
    assert maps.dtype == np.float32


def test_kernels_span_the_depth(photo: Path, tmp_path: Path) -> None:
    run("-k", "sobel-x", "-k", "1 2 1; 2 4 2; 1 2 1 / 16", photo, tmp_path / "m.npz")
    held = archive(tmp_path / "m.npz")
    total = planes(photo).sum(0, keepdims=True)
    sobel = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    blur = (np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16).tolist()
    wanted = torch.nn.functional.conv2d(torch.from_numpy(total)[None], torch.tensor([[sobel], [blur]]))[0].numpy()
    assert np.allclose(held["maps"], wanted, rtol=1e-5, atol=1e-3)
    assert held["labels"][0] == "sobel-x" and len(held["labels"]) == 2


def test_kernels_on_each_channel(photo: Path, tmp_path: Path) -> None:
    run("-k", "sobel-x", "-k", "sobel-y", "--channels", "each", photo, tmp_path / "m.npz")
    held = archive(tmp_path / "m.npz")
    assert held["labels"].tolist() == [f"sobel-{axis} {c}" for c in "RGB" for axis in "xy"]
    for index, name in enumerate(["sobel-x", "sobel-y"]):
        weights = convcli.load_kernel(name).weights[None, None]
        for c in range(3):
            alone = convcli.conv2d(planes(photo)[c : c + 1], weights)
            assert np.allclose(held["maps"][2 * c + index], alone[0], atol=1e-3)


def test_gray_takes_the_luma(photo: Path, tmp_path: Path) -> None:
    run("-k", "sobel-x", "--channels", "gray", photo, tmp_path / "m.npy")
    luma, sobel = pixels(photo, "L").astype(np.float32)[None], convcli.load_kernel("sobel-x").weights
    assert np.array_equal(np.load(tmp_path / "m.npy"), convcli.conv2d(luma, sobel[None, None]))


@pytest.mark.parametrize("kind", ["safetensors", "npz", "onnx"])
def test_the_stem_of_a_resnet_equals_pytorch_on_a_photograph(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(5)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(64),
                              torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2, 1)).eval()  # fmt: skip
    net[1].running_mean, net[1].running_var = torch.randn(64) / 5, torch.rand(64) + 0.5
    names = {"0": "conv1", "1": "bn1"}
    weights = tmp_path / f"stem.{kind}"
    write_tensors(weights, {f"{names[k[0]]}{k[1:]}": v.numpy() for k, v in net.state_dict().items() if v.ndim})
    result = run(
        "--weights", f"{weights}:conv1.weight", "--stride", 2, "--padding", 3, "--preprocess", "imagenet",
        "--then", "batch-norm:bn1", "--then", "relu", "--then", "max-pool:3,stride=2,padding=1",
        SCENE, tmp_path / "maps.npy",
    )  # fmt: skip
    assert result.stdout == "(1, 3, 224, 224) -> (1, 64, 56, 56)\n"
    with Image.open(SCENE) as image:
        short = 256 / min(image.size)
        image = image.resize((int(image.width * short), int(image.height * short)), Image.Resampling.BILINEAR)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    x = np.moveaxis(np.asarray(image.crop((left, top, left + 224, top + 224))), 2, 0).astype(np.float32) / 255
    x = (x - np.float32([[[0.485]], [[0.456]], [[0.406]]])) / np.float32([[[0.229]], [[0.224]], [[0.225]]])
    with torch.no_grad():
        wanted = net(torch.from_numpy(x)[None])[0].numpy()
    assert np.abs(np.load(tmp_path / "maps.npy") - wanted).max() < 1e-5 * np.abs(wanted).max()


def write_tensors(path: Path, tensors: dict[str, Any]) -> None:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif path.suffix == ".npz":
        np.savez(path, **tensors)
    else:
        held = [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
        onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "stem", [], [], held)), str(path))


def test_imagenets_preparation_in_one_word(photo: Path, tmp_path: Path) -> None:
    long = ["--resize", 256, "--center-crop", 224, "--scale", "1/255", "--mean", "0.485,0.456,0.406",
            "--std", "0.229,0.224,0.225"]  # fmt: skip
    run("--out-channels", 2, "--preprocess", "imagenet", photo, tmp_path / "a.npy")
    run("--out-channels", 2, *long, photo, tmp_path / "b.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))


def test_what_is_typed_wins_over_the_preparation(photo: Path, tmp_path: Path) -> None:
    run("--out-channels", 1, "--preprocess", "imagenet", "--center-crop", "100,90", photo, tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").shape == (1, 98, 88)


@pytest.mark.parametrize("mode, factor", [("I;16", 257.0), ("F", 1 / 255)])
def test_pixels_are_on_one_scale_whatever_their_depth(photo: Path, tmp_path: Path, mode: str, factor: float) -> None:
    gray = pixels(photo, "L")
    Image.fromarray(gray).save(tmp_path / "8.tif")
    deep = (gray * 257.0).astype(np.uint16) if mode == "I;16" else (gray * np.float32(factor)).astype(np.float32)
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    for name in ("8", "deep"):
        run("-k", "sobel-x", tmp_path / f"{name}.tif", tmp_path / f"{name}.npy")
    assert np.allclose(np.load(tmp_path / "8.npy"), np.load(tmp_path / "deep.npy"), atol=1e-3)


LAYER_FILE = """
name: two layers
layers:
  - conv2d:
      filters:
        - {name: redness, weights: [[[1]], [[-1/2]], [[-0.5]]], bias: 3}
        - {kernel: sobel-x}
        - {name: mean, weights: [[1, 1], [1, 1]], divisor: sum}
      stride: [2, 1]
      padding: same
      padding_mode: replicate
  - leaky-relu: 0.1
  - max-pool: {kernel_size: [2, 3], stride: 2, ceil_mode: true}
  - conv2d: {out_channels: 4, kernel_size: 3, seed: 7, bias: false, padding: 1}
  - sigmoid
"""


def test_a_layer_file_runs_its_stack(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(LAYER_FILE)
    run("--layers", tmp_path / "net.yaml", photo, tmp_path / "maps.npy")
    w = np.zeros((3, 3, 3, 3), np.float32)
    w[0, :, 1, 1] = [1, -0.5, -0.5]
    w[1] = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    w[2, :, :2, :2] = 0.25
    t = torch.from_numpy(planes(photo))[None]
    t = torch.nn.functional.pad(t, (1, 1, 0, 1), mode="replicate")
    t = torch.nn.functional.conv2d(t, torch.from_numpy(w), torch.tensor([3.0, 0, 0]), stride=(2, 1))
    t = torch.nn.functional.max_pool2d(torch.nn.functional.leaky_relu(t, 0.1), (2, 3), 2, ceil_mode=True)
    second = torch.from_numpy(convcli.Conv2d(3, 4, 3, seed=7).weight)
    wanted = torch.sigmoid(torch.nn.functional.conv2d(t, second, padding=1))[0].numpy()
    assert np.allclose(np.load(tmp_path / "maps.npy"), wanted, atol=1e-4)


def test_a_layer_file_takes_weights_from_beside_it(photo: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "nets").mkdir()
    w = np.random.default_rng(1).normal(size=(2, 3, 3, 3)).astype(np.float32)
    stats = {f"bn.{k}": np.abs(np.random.default_rng(2).normal(size=2)) for k in ("running_mean", "running_var")}
    np.savez(tmp_path / "nets" / "w.npz", **{"c.weight": w, **stats})  # type: ignore[arg-type]
    (tmp_path / "nets" / "n.yaml").write_text("layers:\n- conv2d: {weights: 'w.npz:c'}\n- batch-norm: 'w.npz:bn'\n")
    monkeypatch.chdir(tmp_path)
    run("--layers", "nets/n.yaml", photo, "m.npy")
    x = convcli.conv2d(planes(photo), w)
    mean, var = (stats[f"bn.running_{k}"].astype(np.float32)[:, None, None] for k in ("mean", "var"))
    assert np.allclose(np.load("m.npy"), (x - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "text, message",
    [
        ("layers: []", ":1:9: layers: an empty list"),
        ("name: x", "layers: missing"),
        ("layers:\n- rely", ":2:3: rely: unknown key; did you mean 'relu'?"),
        ("layers:\n- {relu: 3}", ":2:10: relu: takes no value"),
        ("layers:\n- max-pool: {kernel_size: 2, strude: 2}", "strude: unknown key; did you mean 'stride'?"),
        ("layers:\n- max-pool: {kernel_size: 2, stride: 0}", ":2:3: max-pool: stride must be at least 1"),
        ("layers:\n- conv2d: {stride: 2}", "exactly one of filters, weights and out_channels is expected"),
        ("layers:\n- conv2d: {out_channels: 4}", "kernel_size: missing"),
        ("layers:\n- conv2d: {out_channels: 4.5, kernel_size: 3}", "out_channels: a whole number is expected, not 4.5"),
        ("layers:\n- conv2d: {filters: [{weights: [[[1]], [[2]]]}]}", "filter 1 has depth 2, but 3 channels come in"),
        ("layers:\n- conv2d: {filters: [{weights: [[1, x]]}]}", ":2:37: weights: row 1, value 2: 'x' is not a number"),
        ("layers:\n- conv2d: {filters: [{weights: [[1, 2], [3]]}]}", "row 2 has 1 values, expected 2 as in row 1"),
        ("layers:\n- conv2d: {filters: [{kernel: nope}]}", "unknown kernel 'nope'"),
        ("layers:\n- conv2d: {filters: [{bias: 2}]}", "a filter has either `weights:` or `kernel:`"),
        ("layers:\n- conv2d: {out_channels: 2, kernel_size: 3, padding: sum}", "padding must be valid, same"),
        ("layers:\n- conv2d: {out_channels: 2, kernel_size: 3, bias: 2}", "bias: true or false is expected, not '2'"),
        ("layers:\n- relu\n  abs", "unknown key"),
        ("layers: [", "not valid YAML"),
        ("", "empty; a mapping with `layers:` is expected"),
        ("layers:\n- !!python/object:os.system x", "the tag !!python/object:os.system is refused"),
    ],
)  # fmt: skip
def test_faulty_layer_files_are_explained(photo: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "net.yaml").write_text(text)
    result = run("--layers", tmp_path / "net.yaml", photo, tmp_path / "m.npy", ok=False)
    assert result.exit_code == 2
    assert message in result.stderr and "net.yaml" in result.stderr
    assert not (tmp_path / "m.npy").exists()


def test_a_sheet_shows_every_map(photo: Path, tmp_path: Path) -> None:
    run("-k", "sobel-x", "-k", "sobel-y", "-k", "identity", "--padding", "same", photo, tmp_path / "sheet.png")
    height, width, channels = pixels(tmp_path / "sheet.png").shape
    assert channels == 3 and width > 3 * 60 and height > 44


def test_a_folder_holds_one_picture_for_each_map(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps"
    args = ("-k", "sobel-x", "-k", "gaussian:sigma=1", "--colormap", "gray", "--padding", "same", photo)
    run(*args, out)
    assert sorted(p.name for p in out.iterdir()) == ["0-sobel-x.png", "1-gaussian-sigma-1.png"]
    run(*args, tmp_path / "m.npy")
    maps = np.load(tmp_path / "m.npy")
    low, high = maps.min(), maps.max()
    for plane, path in zip(maps, sorted(out.iterdir()), strict=True):
        picture = pixels(path)
        assert picture.shape == (44, 60)
        assert np.abs(picture - (plane - low) * 255 / (high - low)).max() <= 0.51
    result = run(*args, out, ok=False)
    assert result.exit_code == 1 and "is not empty; --force writes into it" in result.stderr
    run(*args, "--force", "--scale-maps", "each", out)
    assert {int(pixels(p).max()) for p in out.iterdir()} == {255}


def test_filters_are_drawn_as_rgb_tiles(photo: Path, tmp_path: Path) -> None:
    w = np.zeros((2, 3, 2, 2), np.float32)
    w[0, 0], w[1, 2] = 1, -1
    np.save(tmp_path / "w.npy", w)
    run("--weights", tmp_path / "w.npy", "--show-filters", photo, tmp_path / "a.png")
    run("--weights", tmp_path / "w.npy", "--show-filters", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    colors = set(map(tuple, pixels(tmp_path / "a.png").reshape(-1, 3).tolist()))
    assert {(255, 128, 128), (128, 128, 0)} <= colors
    run("--weights", tmp_path / "w.npy", "--show-filters", tmp_path / "raw.npy")
    assert np.array_equal(np.load(tmp_path / "raw.npy"), w)


def test_tensors_are_listed(tmp_path: Path) -> None:
    tensors = {"a.weight": np.zeros((2, 3, 5, 5), np.float32), "a.bias": np.zeros(2, np.float32),
               "fc.weight": np.zeros((2, 3), np.float32)}  # fmt: skip
    save_file(tensors, tmp_path / "m.safetensors")
    assert run("--weights", tmp_path / "m.safetensors").stdout == "a.weight  2x3x5x5  bias a.bias\n"
    listed = json.loads(run("--weights", tmp_path / "m.safetensors", "--json").stdout)
    assert listed == [{"name": "a.weight", "shape": [2, 3, 5, 5], "bias": "a.bias"}]


def test_the_bias_can_be_left_out(photo: Path, tmp_path: Path) -> None:
    w, b = np.ones((1, 3, 1, 1), np.float32), np.float32([7])
    np.savez(tmp_path / "m.npz", **{"c.weight": w, "c.bias": b})
    run("--weights", tmp_path / "m.npz", photo, tmp_path / "with.npy")
    run("--weights", tmp_path / "m.npz", "--no-bias", photo, tmp_path / "without.npy")
    assert np.allclose(np.load(tmp_path / "with.npy") - np.load(tmp_path / "without.npy"), 7, atol=1e-3)


def test_the_summary_needs_no_output(photo: Path, tmp_path: Path) -> None:
    args = ("--out-channels", 16, "--padding", 1, "--then", "relu", "--summary", photo)
    numbers = json.loads(run(*args, "--json").stdout)
    assert [row["type"] for row in numbers["layers"]] == ["Conv2d", "ReLU"]
    assert numbers["layers"][0]["output"] == [16, 44, 60] and numbers["layers"][0]["parameters"] == 448
    text = run(*args).stdout
    assert "height floor((44 - 3 + 1 + 1) / 1) + 1 = 44" in text and "(1, 3, 44, 60) -> (1, 16, 44, 60)" in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.png"]


def test_standard_input_and_output(photo: Path) -> None:
    command = [sys.executable, "-m", "convcli", "layer", "-k", "sobel-x", "--format", "npy", "-", "-"]
    done = subprocess.run(command, input=photo.read_bytes(), capture_output=True, check=True, timeout=1200)
    assert done.stdout.startswith(b"\x93NUMPY") and done.stderr.decode().startswith("(1, 3, 44, 60) -> (1, 1, 42, 58)")


def test_a_note_where_the_scale_was_forgotten(photo: Path, tmp_path: Path) -> None:
    result = run("--out-channels", 1, "--mean", "0.5", "--std", "0.2", photo, tmp_path / "m.npy")
    assert "need --scale 1/255" in result.stderr


@pytest.mark.parametrize(
    "args, code, message",
    [
        ([], 2, "the filters come from one of -k, --weights, --layers or --out-channels; none is given"),
        (["-k", "sobel-x", "--out-channels", "2"], 2, "not -k and --out-channels together"),
        (["-k", "sobel-x", "--seed", "2"], 2, "--seed has a meaning only with --out-channels"),
        (["--layers", "x.yaml", "--stride", "2"], 2, "--stride has no meaning with --layers"),
        (["--layers", "no.yaml"], 1, "no.yaml does not exist"),
        (["-k", "sobel-x", "--json"], 2, "--json needs --summary"),
        (["-k", "sobel-z"], 2, "unknown kernel 'sobel-z'"),
        (["-k", "DEEP", "--channels", "each"], 2, "kernel 'deep' has depth 3: it needs --channels sum, not each"),
        (["-k", "DEEP", "--channels", "gray"], 2, "filter 'deep' has depth 3, but 1 channel comes in"),
        (["-k", "sobel-x", "--groups", "2"], 2, "groups=2 does not divide the 3 input channels"),
        (["--out-channels", "4", "--groups", "3"], 2, "groups=3 does not divide the 4 filters"),
        (["--out-channels", "2", "--stride", "0"], 2, "must be at least 1"),
        (["--out-channels", "2", "--kernel-size", "99"], 2, "layer 1, Conv2d(3, 2, kernel_size=(99, 99), "
         "stride=(1, 1)), on 3x44x60: the kernel does not fit: height O = floor((44 - 99 + 0 + 0) / 1) + 1 < 1"),
        (["--out-channels", "2", "--then", "max-pool:50"], 2, "layer 2, MaxPool2d(kernel_size=50"),
        (["--out-channels", "2", "--then", "rely"], 2, "did you mean 'relu'?"),
        (["--out-channels", "2", "--then", "batch-norm:bn1"], 2, "takes its tensors from a weights file"),
        (["--out-channels", "2", "--center-crop", "50"], 2, "center-crop 50x50 is larger than the picture, 44x60"),
        (["--out-channels", "2", "--mean", "1,2"], 2, "mean has 2 numbers, but the picture has 3 channels"),
        (["--out-channels", "2", "--std", "0"], 2, "std must not be zero"),
        (["--out-channels", "2", "--scale", "1/0"], 2, "divides by zero"),
        (["--out-channels", "2", "--scale", "1,2"], 2, "--scale is one number, not 2"),
        (["--weights", "model.h5"], 2, "'model.h5' names no weights file"),
        (["--weights", "no.npz:w"], 1, "no.npz does not exist"),
    ],
)  # fmt: skip
def test_bad_input(photo: Path, tmp_path: Path, args: list[str], code: int, message: str) -> None:
    deep = tmp_path / "deep.yaml"
    deep.write_text("weights: [[[1]], [[2]], [[3]]]")
    args = [str(deep) if arg == "DEEP" else arg for arg in args]
    result = run(*args, photo, tmp_path / "m.npy", ok=False)
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "m.npy").exists()


def test_weights_that_do_not_fit_the_picture(photo: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.zeros((2, 4, 3, 3), np.float32))
    result = run("--weights", tmp_path / "w.npy", photo, tmp_path / "m.npy", ok=False)
    assert result.exit_code == 2
    assert "Conv2d takes 4 channels, but 3 come in" in result.stderr


def test_outputs_that_can_not_be(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "old.npy").write_text("old")
    for output, code, message in [
        ("old.npy", 1, "exists; --force overwrites it"),
        ("m.xyz", 2, "names no format"),
        ("no/m.npy", 1, "does not exist; create it first"),
        ("no/maps", 1, "does not exist; create it first"),
        ("file", 1, "is a file; name a folder"),
    ]:
        (tmp_path / "file").write_text("x")
        result = run("-k", "sobel-x", photo, tmp_path / output, ok=False)
        assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert (tmp_path / "old.npy").read_text() == "old"
    assert run("-k", "sobel-x", photo, ok=False).exit_code == 2
    missing = run("-k", "sobel-x", tmp_path / "none.png", tmp_path / "m.npy", ok=False)
    assert missing.exit_code == 1 and "none.png does not exist" in missing.stderr


def test_too_many_maps_for_the_memory(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_module, "free_memory", lambda: 10**6)
    result = run("--out-channels", 900, photo, tmp_path / "m.npy", ok=False)
    assert result.exit_code == 1
    assert (
        "would need 0.0 GB" not in result.stderr and "would need 8.8 MB of memory, but 1 MB are free" in result.stderr
    )


def test_nothing_heavy_is_imported(photo: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from convcli.cli import main\n"
        f"main(['layer', '-k', 'sobel-x', {str(photo)!r}, {str(tmp_path / 'm.png')!r}], standalone_mode=False)\n"
        "print([m for m in ('torch', 'onnx', 'safetensors', 'scipy', 'yaml.cyaml_') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=1200)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "words",
    [["--scale", "1e300"], ["--scale", "1e38"], ["--std", "1e-300"], ["--std", "1e-39"], ["--mean", "1e300"],
     ["--scale", "1e36", "--std", "1e-5"]],
)  # fmt: skip
@pytest.mark.parametrize("name", ["m.png", "m.npy", "m"])
def test_numbers_beyond_float32_are_refused(photo: Path, tmp_path: Path, words: list[str], name: str) -> None:
    result = run("-k", "box", *words, photo, tmp_path / name, ok=False)
    assert result.exit_code == 2 and "beyond float32" in result.stderr and not (tmp_path / name).exists()
    assert len(result.stderr.strip().splitlines()) <= 2  # the first may be a note about --scale


TORCH_FILES = {
    "pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "old pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1}, 0)),
    "garbage": lambda path: path.write_bytes(b"\x80\x02garbage"),
    "complex": lambda path: torch.save({"w": torch.ones(1, 3, 3, 3) * 1j}, path),
    "complex conjugate": lambda path: torch.save({"w": (torch.ones(1, 3, 3, 3) * 1j).conj()}, path),
    "sparse": lambda path: torch.save({"w": torch.ones(1, 3, 3, 3).to_sparse()}, path),
}


@pytest.mark.parametrize("kind", TORCH_FILES)
def test_a_pt_file_of_another_kind_is_refused_in_one_sentence(kind: str, photo: Path, tmp_path: Path) -> None:
    TORCH_FILES[kind](tmp_path / "m.pt")
    command = [sys.executable, "-m", "convcli", "layer", "--weights", "m.pt", "photo.png", "o.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert done.returncode in (1, 2) and not (tmp_path / "o.npy").exists()
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr


def test_a_pt_file_of_old_is_read_without_a_word(photo: Path, tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1, 3, 3, 3)}, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    command = [sys.executable, "-W", "default", "-m", "convcli", "layer", "--weights", "m.pt", "photo.png", "o.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0 and not done.stderr, done.stderr
