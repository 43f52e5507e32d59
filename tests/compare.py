"""What agreement means, in one place: the tolerances that the project promises."""

from __future__ import annotations

import naive
import numpy as np

from convcli.engine import convolve
from convcli.geometry import Geometry
from convcli.kernel import Kernel
from convcli.ranges import range_map


def integral(weights) -> bool:
    return bool((np.asarray(weights) == np.rint(weights)).all())


def exact_in_binary(divisor, bias, geometry) -> bool:
    """Whether float64 decides every tie: a bias of 0.1 is not quite a tenth."""
    quarters = float(bias * 4).is_integer() and float(geometry.get("padding_value", 0)).is_integer()
    return quarters and float(divisor * 4).is_integer()


def geometry_of(stride=1, padding="same", padding_mode="zeros", padding_value=0, dilation=1) -> Geometry:
    return Geometry.from_options(stride, padding, padding_mode, padding_value, dilation)


def filtered(image, weights, divisor=1, bias=0, range="clip", depth=False, threads=None, **geometry):
    """The engine's answer: pixels, or float32 responses for range="raw"."""
    kernel = Kernel(weights, divisor=divisor, bias=bias)
    mapping = None if range == "raw" else range_map(range, image.dtype)
    return convolve(image, kernel, geometry_of(**geometry), depth=depth, mapping=mapping, threads=threads).pixels


def assert_agrees(got, image, weights, divisor=1, bias=0, range="clip", depth=False, **geometry):
    """got is what the definition says: exactly for integral weights on 8 bits, else within the promised tolerance."""
    r = naive.responses_by_tap(image, weights, divisor, bias, depth=depth, **geometry)
    assert_renders(got, r, image, weights, divisor, bias, range, geometry)


def assert_renders(got, r, image, weights, divisor, bias, range, geometry):
    """The same, given the exact responses r."""
    largest = np.abs(r).max()
    if range == "raw":
        assert got.dtype == np.float32 and got.shape == r.shape
        np.testing.assert_allclose(got, r, rtol=0, atol=1e-5 * largest)
        return
    want = naive.pixels_of(r, range, image.dtype)
    assert got.dtype == want.dtype and got.shape == want.shape
    if image.dtype == np.float32:
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * largest)
    elif image.dtype == np.uint8 and integral(weights) and exact_in_binary(divisor, bias, geometry):
        np.testing.assert_array_equal(got, want)
    else:
        levels = 1 if image.dtype == np.uint8 else 1 + 1e-5 * largest
        np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=0, atol=levels)


def check(image, weights, **how):
    """Filter and compare."""
    assert_agrees(filtered(image, weights, **how), image, weights, **{k: v for k, v in how.items() if k != "threads"})
