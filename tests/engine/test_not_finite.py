"""NaN and infinity in float pictures: the definition with its terms of weight zero left out, on every route."""

import itertools

import naive
import numpy as np
import pytest
import torch
from compare import geometry_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_routes import RNG, forced, picture

import convcli
from convcli import engine
from convcli.engine import bands, routes
from convcli.kernel import Kernel
from convcli.ranges import range_map

BAD = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}
HOLES = np.where(RNG.random((7, 6)) < 0.4, 0, RNG.normal(size=(7, 6)))
KERNELS = {
    "row": [[1, 1, 1]],
    "one": [[1]],
    "nothing": [[0, 0, 0]],
    "sobel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "box": np.ones((5, 5)),
    "holes": HOLES,
    "rank 2": np.outer(HOLES[0], HOLES[1]) + np.outer(HOLES[2], HOLES[3]),
    "faint": [[1e-300, 0, 1]],
}


def definition(image, weights, divisor=1, bias=0, depth=False, absolute=False, **geometry):
    """The responses in Python's own floats, tap by tap; a tap of weight zero is no term."""
    a = image.reshape(*image.shape[:2], -1)
    w = np.broadcast_to(np.asarray(weights, float), (a.shape[2], *np.shape(weights)[-2:]))
    how = {"stride": 1, "padding": "same", "padding_mode": "zeros", "padding_value": 0, "dilation": 1, **geometry}
    rows, columns = naive.starts(a.shape[:2], w.shape[1:], how["stride"], how["padding"], how["dilation"])
    (dy, dx), mode = naive.pair(how["dilation"]), how["padding_mode"]
    outside = how["padding_value"] / 255 if mode == "constant" else 0.0
    made = np.empty((len(rows), len(columns), a.shape[2]))
    with np.errstate(invalid="ignore"):
        for (y, top), (x, left), c in itertools.product(enumerate(rows), enumerate(columns), range(a.shape[2])):
            total = np.float64(0)
            for i, j in zip(*np.nonzero(w[c]), strict=True):
                row = naive.border(top + int(i) * dy, a.shape[0], mode)
                column = naive.border(left + int(j) * dx, a.shape[1], mode)
                total += w[c, i, j] * (outside if row is None or column is None else np.float64(a[row, column, c]))
            made[y, x, c] = total
        made = made.sum(axis=2, keepdims=True) if depth else made
        made = made / divisor + bias / 255
    made = np.abs(made) if absolute else made
    return made[:, :, 0] if depth or image.ndim == 2 else made


def same(got, want, told=""):
    """NaN where NaN, each infinity where it is, and everything else within the tolerance."""
    assert got.shape == want.shape, told
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), told)
    np.testing.assert_array_equal(got == np.inf, want == np.inf, told)
    np.testing.assert_array_equal(got == -np.inf, want == -np.inf, told)
    whole = np.isfinite(want)
    largest = np.abs(want[whole]).max(initial=1e-9)
    np.testing.assert_allclose(got[whole], want[whole], rtol=0, atol=1e-5 * largest, err_msg=told)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", KERNELS)
def test_every_route_with_one_at_every_place(monkeypatch, name, bad):
    weights = np.asarray(KERNELS[name], float)
    routed = set()
    for place in itertools.product(range(8), range(9)):
        image = picture((8, 9), np.float32, seed=3)
        image[place] = BAD[bad]
        want = definition(image, weights, 3)
        for route, done in forced(monkeypatch, image, weights, 3, range="raw"):
            routed.add(route)
            same(done.pixels, want, f"{route}, {bad} at {place}")
    assert any(route.startswith("sweep") for route in routed) and (name == "one" or len(routed) > 1)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    "how",
    [
        {"stride": (2, 3), "padding_mode": "reflect"}, {"dilation": (2, 1), "padding_mode": "circular"},
        {"padding": "full", "padding_mode": "constant", "padding_value": 255}, {"padding_mode": "symmetric"},
        {"stride": 2, "dilation": 2, "padding_mode": "replicate", "padding": 9}, {"depth": True},
    ],
)  # fmt: skip
def test_every_route_with_some_of_each(monkeypatch, name, how):
    rng = np.random.default_rng(5)
    image = picture((14, 15, 3), np.float32, seed=4)
    for value in BAD.values():
        image[tuple(rng.integers(0, n, 3) for n in image.shape)] = value
    weights = np.asarray(KERNELS[name], float)
    for range_ in ("raw", "clip", "abs", "offset"):
        want = definition(image, weights, -4, 9, absolute=range_ == "abs", **how) + (range_ == "offset") * 0.5
        for route, done in forced(monkeypatch, image, weights, -4, 9, range=range_, **how):
            same(done.pixels, want, f"{route}, {range_}")


def test_a_route_of_its_own_for_each_size_and_any_number_of_threads(monkeypatch):
    """The routes that are chosen, the largest kernels among them."""
    monkeypatch.setattr(routes, "_SMALL", 0)
    monkeypatch.setattr(bands, "_SMALL", 0)
    for size, threads, stride in ((3, 1, 1), (15, 2, (2, 3)), (31, 3, 1), (64, 2, 1)):
        weights = np.random.default_rng(size).normal(size=(size, size))
        weights[1::2, ::3] = 0
        image = picture((70, 90), np.float32)
        image[40, 63], image[0, 0], image[69, 5], image[7, 80:] = np.nan, np.inf, -np.inf, np.nan
        got = engine.convolve(image, Kernel(weights), geometry_of(stride=stride), threads=threads).pixels
        same(got, definition(image, weights, stride=stride))


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_asked_for(data):
    draw = data.draw
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    numbers = st.sampled_from([0.0, 0.25, 1.0, -0.5, 2.0, np.nan, np.inf, -np.inf])
    image = np.array(draw(st.lists(numbers, min_size=81, max_size=81)), np.float32)[: shape[0] * shape[1]]
    image = image.reshape(shape)
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    weights = np.array(draw(st.lists(st.integers(-3, 3), min_size=16, max_size=16)), float)[: size[0] * size[1]]
    weights = weights.reshape(size) * draw(st.sampled_from([1, 0.1, 1 / 3]))
    how = {
        "stride": draw(st.integers(1, 3)), "dilation": draw(st.integers(1, 2)),
        "padding": draw(st.sampled_from(["same", "full", 3])),
        "padding_mode": draw(st.sampled_from(["zeros", "replicate", "reflect", "symmetric", "circular"])),
    }  # fmt: skip
    if how["padding"] == 3 and max(shape) + 6 < 2 * 3 + 1:
        return
    divisor = draw(st.sampled_from([1, -2, 3]))
    tone = draw(st.sampled_from(["raw", "clip", "abs"]))
    got = convcli.filter_image(image, Kernel(weights, divisor=divisor), range=tone, **how)
    same(got, definition(image, weights, divisor, absolute=tone == "abs", **how))


def test_the_finite_pixels_are_those_of_the_picture_without_it():
    """Bit for bit: what is not finite changes only what it reaches."""
    for weights in (KERNELS["sobel"], HOLES, np.random.default_rng(1).normal(size=(21, 21))):
        image = picture((200, 300), np.float32)
        image[100, 150] = 0
        kernel, mapping = Kernel(weights), range_map("clip", image.dtype)
        clean = engine.convolve(image, kernel, geometry_of(), mapping=mapping).pixels
        image[100, 150] = np.nan
        got = engine.convolve(image, kernel, geometry_of(), mapping=mapping).pixels
        assert np.isnan(got).sum() == np.count_nonzero(weights)
        np.testing.assert_array_equal(got[~np.isnan(got)], clean[~np.isnan(got)])


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["row", "one", "sobel", "holes", "box"])
@pytest.mark.parametrize("filters", [1, 5])
def test_conv2d_has_them_where_pytorch_has(name, bad, filters):
    """There a weight of zero looks, as IEEE 754 has it."""
    weights = np.broadcast_to(np.asarray(KERNELS[name], np.float32), (filters, 1, *np.shape(KERNELS[name]))).copy()
    for dtype, stride, dilation in ((np.float32, 1, 1), (np.float64, 2, 1), (np.float32, (1, 2), 2)):
        w = weights.astype(dtype)
        for place in itertools.product(range(8), range(9)):
            x = picture((8, 9), np.float32, seed=3).astype(dtype)[None, None]
            x[0, 0][place] = BAD[bad]
            got = convcli.conv2d(x, w, stride=stride, dilation=dilation, padding=7)
            want = torch.nn.functional.conv2d(
                torch.from_numpy(x), torch.from_numpy(w), stride=stride, dilation=dilation, padding=7
            ).numpy()
            same(got, want, f"{bad} at {place}, {dtype.__name__}, stride {stride}")
