"""The Fourier transform over tiles, for the largest kernels, against SciPy and the definition."""

import naive
import numpy as np
import pytest
from compare import assert_renders, filtered, geometry_of
from scipy.signal import fftconvolve

from convcli import engine
from convcli.engine import spectrum
from convcli.engine.job import EngineJob
from convcli.engine.routes import choose
from convcli.engine.window import RowWindow, row_unit
from convcli.kernel import Kernel
from convcli.ranges import range_map

RNG = np.random.default_rng(5)
LARGE = RNG.integers(0, 256, (60, 47))


def picture(shape, dtype=np.uint8, seed=1):
    return (np.random.default_rng(seed).random(shape) * naive.FULL_SCALE[np.dtype(dtype).name]).astype(dtype)


def chosen(weights, size, dtype=np.uint8, divisor=1.0, depth=False, range_="clip", **geometry):
    mapping = None if range_ == "raw" else range_map(range_, dtype)
    return choose(EngineJob.for_picture(Kernel(weights, divisor), geometry_of(**geometry), dtype, size, depth, mapping))


@pytest.mark.parametrize("how", [
    {}, {"stride": (2, 3), "padding_mode": "reflect", "range": "offset", "bias": -100}, {"padding": 5, "range": "abs"},
    {"dilation": (1, 2), "padding": "full", "padding_mode": "constant", "padding_value": 77, "stride": 5},
    {"depth": True, "padding": "valid"}, {"range": "raw", "padding_mode": "circular"},
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_large_kernels_of_whole_weights_agree_with_the_definition(monkeypatch, how, dtype):
    monkeypatch.setattr(spectrum, "_SAMPLE", 0.001)  # else small pictures go by the tap
    image, divisor = picture((130, 141, 3), dtype), int(LARGE.sum())
    words = {k: v for k, v in how.items() if k not in ("range", "bias", "depth")}
    assert chosen(LARGE, image.shape, dtype, divisor, how.get("depth", False), **words).name == "spectrum"
    got = filtered(image, LARGE, divisor, **how)
    want = naive.responses_by_tap(image, LARGE, divisor, how.get("bias", 0), depth=how.get("depth", False), **words)
    assert_renders(got, want, image, LARGE, divisor, how.get("bias", 0), how.get("range", "clip"), words)


def test_the_exact_sums_of_a_picture_taken_as_kernel():
    kernel, image = RNG.integers(0, 256, (480, 640)), picture((500, 700))
    assert chosen(kernel, (500, 700, 1), divisor=float(kernel.sum())).name == "spectrum"
    got = filtered(image, kernel, range="raw", padding="valid")
    want = [[int((kernel * image[y : y + 480, x : x + 640]).sum()) for x in range(0, 61, 20)] for y in range(0, 21, 10)]
    np.testing.assert_array_equal(got[::10, ::20], np.float32(want))


def test_more_rows_than_the_other_transform_takes():
    weights, image = RNG.normal(size=(600, 33)), picture((700, 90), np.float32)
    assert chosen(weights, (700, 90, 1), np.float32, range_="raw", padding="full").name == "spectrum"
    want = fftconvolve(image, weights[::-1, ::-1])
    got = filtered(image, weights, range="raw", padding="full")
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())


def test_sums_too_large_to_be_rounded_are_not_transformed():
    weights = LARGE.astype(np.int64) * 2**22 + 1
    assert spectrum.exact(LARGE, 255) and not spectrum.exact(weights, 255)
    assert chosen(weights, (4000, 4000, 3)).name == "sweep"


def test_nothing_depends_on_threads_or_on_windows_of_rows():
    kernel, image = Kernel(RNG.normal(size=(560, 9))), picture((5000, 20), np.float32)
    geometry = geometry_of(stride=(3, 1))
    plan = EngineJob.for_picture(kernel, geometry, np.float32, (*image.shape, 1), False, None)
    unit = row_unit(choose(plan), plan)
    whole = engine.convolve(image, kernel, geometry, threads=1).pixels
    np.testing.assert_array_equal(engine.convolve(image, kernel, geometry, threads=3).pixels, whole)
    for first in range(0, len(whole), unit):
        window = RowWindow.needed(image.shape, [kernel.size], geometry, first, min(first + unit, len(whole)))
        part = engine.convolve(image[window.rows], kernel, geometry, window=window).pixels
        np.testing.assert_array_equal(part, whole[first : first + unit])
    assert choose(plan).name == "spectrum" and len(whole) > unit


def test_nan_reaches_only_what_the_kernel_reaches():
    image, weights = picture((120, 130), np.float32), np.ones((600, 2)) + RNG.random((600, 2))
    image[5, 5] = np.nan
    done = filtered(image, weights, range="raw", padding="full")
    assert np.isnan(done).sum() == 600 * 2
