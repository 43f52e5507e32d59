"""Strides, dilations and paddings far beyond the picture: a map or a sentence, without work for what nothing looks at.

What would be work is shown by memory: an array for every place between would be told by tracemalloc.
"""

import itertools
import tracemalloc

import naive
import numpy as np
import pytest
from click.testing import CliRunner
from compare import assert_renders
from hypothesis import given, settings
from hypothesis import strategies as st
from test_routes import picture

import convcli
import convcli.layers as layers
from convcli.cli import main
from convcli.engine import gathered

FAR = [2**15, 2**20, 2**22 - 1, 2**22, 2**22 + 1, 2**31 - 1, 2**31]
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
MODES = ["zeros", "constant", "replicate", "reflect", "symmetric", "circular"]


def looked(size, kernel, stride, dilation, before, after):
    """Where the kernel stands along an axis, in Python's own whole numbers."""
    last = size + before + after - dilation * (kernel - 1) - 1
    return range(-before, last - before + 1, stride)


def definition(image, weights, stride, dilation, pads, mode, value):
    """The responses, pixel by pixel."""
    height, width = image.shape[:2]
    kh, kw = np.shape(weights)
    ys = looked(height, kh, stride[0], dilation[0], *pads[0])
    xs = looked(width, kw, stride[1], dilation[1], *pads[1])
    made = np.zeros((len(ys), len(xs), *image.shape[2:]))
    for (v, y), (u, x) in itertools.product(enumerate(ys), enumerate(xs)):
        for (i, j), weight in np.ndenumerate(np.asarray(weights, float)):
            row = naive.border(y + i * dilation[0], height, mode)
            column = naive.border(x + j * dilation[1], width, mode)
            outside = value * naive.FULL_SCALE[image.dtype.name] / 255 if mode == "constant" else 0
            made[v, u] += weight * (outside if row is None or column is None else image[row, column].astype(float))
    return made


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_few_places_far_apart_are_the_definition(data):
    draw = data.draw
    dtype, mode = draw(st.sampled_from([np.uint8, np.uint16, np.float32])), draw(st.sampled_from(MODES))
    image = picture((5, 7, 3), dtype, seed=draw(st.integers(0, 9)))
    stride = draw(st.tuples(st.sampled_from([1, 2, 2**16, 2**22]), st.sampled_from([2**15 + 1, 2**20, 2**22])))
    pads = draw(st.tuples(st.sampled_from([0, 1, 3]), st.sampled_from([0, 2, 2**15, 2**21])))
    dilation = draw(st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 2, 2**14 + 1])))
    weights = draw(st.sampled_from([SOBEL, [[0.3, -1.7, 0.2]], [[1], [1]], [[2]]]))
    if stride[0] == 1:
        pads = (0, pads[1])
    range_ = draw(st.sampled_from(["raw", "clip", "abs", "offset"]))
    how = {"stride": stride, "dilation": dilation, "padding": pads, "padding_mode": mode, "padding_value": 40}
    try:
        got = convcli.filter_image(image, weights, range=range_, **how)
    except convcli.ConvcliError as error:
        assert "does not fit" in str(error)
        return
    sides = ((pads[0], pads[0]), (pads[1], pads[1]))
    want = definition(image, weights, stride, dilation, sides, mode, 40)
    assert_renders(got, want, image, weights, 1, 0, range_, {"padding_value": 40})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_conv2d_is_pytorchs_far_away(dtype):
    torch = pytest.importorskip("torch")
    x, w = np.random.default_rng(0).normal(size=(2, 4, 6, 7)).astype(dtype), None
    for groups, stride, padding, dilation in (
        (1, 2**20, 0, 1), (2, (1, 2**22), 1, 1), (4, (2**16, 3), (2, 2**12), (1, 2**11)), (1, 2**15, 2**13, 2**12),
    ):  # fmt: skip
        w = np.random.default_rng(1).normal(size=(8, 4 // groups, 3, 3)).astype(dtype)
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        try:
            want = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(w), **how).numpy()
        except RuntimeError:
            with pytest.raises(convcli.ConvcliError, match="does not fit"):
                convcli.conv2d(x, w, **how)
            continue
        np.testing.assert_allclose(convcli.conv2d(x, w, **how), want, rtol=1e-4, atol=1e-5)


def quick(call):
    """The result or the sentence, and at most some megabytes on the way."""
    tracemalloc.start()
    try:
        made = call()
    except convcli.ConvcliError as error:
        made = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 30e6, f"{peak / 1e6:.0f} MB"
    return made


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_whatever_is_far_takes_little(far, mode):
    image, x = picture((20, 30, 3)), picture((3, 20, 30), np.float32)
    w = np.ones((4, 3, 3, 3))
    for s, d, p in itertools.product((1, far), (1, far), (0, 1, far)):
        if s == 1 and p == far:
            continue  # the map itself is so large
        how = {"stride": (s, s), "dilation": d, "padding": p, "padding_mode": mode}
        for made in (quick(lambda how=how: convcli.filter_image(image, SOBEL, **how)),
                     quick(lambda how=how: convcli.conv2d(x, w, **how))):  # fmt: skip
            assert isinstance(made, str) or made.size < 10_000
    for padding in ("same", "full"):
        made = quick(lambda padding=padding: convcli.filter_image(image, SOBEL, stride=far, padding=padding))
        assert isinstance(made, str) or made.size < 100


@pytest.mark.parametrize("far", FAR)
def test_the_layers_and_commands_too(far, tmp_path):
    x = picture((1, 3, 20, 30), np.float32)
    for make in (
        lambda: layers.MaxPool2d(2, far)(x), lambda: layers.AvgPool2d(2, far)(x),
        lambda: layers.MaxPool2d(far)(x), lambda: layers.MaxPool2d(2, far, padding=1, dilation=far)(x),
        lambda: layers.AvgPool2d(3, far, padding=1)(x), lambda: layers.AvgPool2d(far)(x),
        lambda: layers.Conv2d(3, 4, 3, stride=far, dilation=far)(x),
    ):  # fmt: skip
        made = quick(make)
        assert isinstance(made, str) or made.size < 100
    words = ["--stride", str(far), "--dilation", "1"]
    for command in (
        ["size", "20x30", "-k", "3x3", *words], ["plan", "-k", "sobel-x", *words, "20x30"],
        ["apply", "-k", "sobel-x", *words, "samples/scene.png", str(tmp_path / "out.png")],
        ["apply", "-k", "sobel-x", "-k", "sobel-y", "--combine", "max", *words, "samples/scene.png",
         str(tmp_path / "out2.png")],
        ["explain", "-k", "sobel-x", *words, "samples/scene.png"],
        ["layer", "-k", "sobel-x", "--stride", str(far), "samples/scene.png", str(tmp_path / "maps.png")],
        ["size", f"{far}x{far}", "-k", f"{far}x{far}", "--padding", str(far)],
        ["plan", "-k", "sobel-x", f"{far}x{far}"],
    ):  # fmt: skip
        done = CliRunner().invoke(main, command)
        assert done.exit_code in (0, 1, 2) and isinstance(done.exception, SystemExit | None), (command, done.exception)


def test_plain_geometry_is_not_gathered():
    assert not gathered.sparse((3000, 4000), (3, 3), ((1, 1), (1, 1)), (1, 1), (1, 1))
    assert not gathered.sparse((3000, 4000), (3, 3), ((1, 1), (1, 1)), (32, 32), (1, 1))
    assert gathered.sparse((30, 40), (3, 3), ((1, 1), (1, 1)), (2**20, 2**20), (1, 1))


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_far_windows_pool_as_pytorch_does(ceil_mode):
    torch = pytest.importorskip("torch")
    x = picture((2, 3, 9, 11), np.float32)
    for kernel, stride, padding in ((5000, 5000, 2500), (9001, 3, 4500), (3, 7000, 1), ((4100, 2), (1, 2), (2050, 1))):
        for ours, theirs in ((layers.MaxPool2d, torch.nn.MaxPool2d), (layers.AvgPool2d, torch.nn.AvgPool2d)):
            want = theirs(kernel, stride, padding, ceil_mode=ceil_mode)(torch.from_numpy(x)).numpy()
            got = ours(kernel, stride, padding, ceil_mode=ceil_mode)(x)
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-7)
