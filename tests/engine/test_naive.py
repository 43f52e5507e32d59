"""The definition itself, checked by hand and against NumPy's pad: an oracle must not be wrong."""

from fractions import Fraction

import naive
import numpy as np
import pytest

NUMPY = {"replicate": "edge", "reflect": "reflect", "symmetric": "symmetric", "circular": "wrap"}


@pytest.mark.parametrize("mode", NUMPY)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_border_is_that_of_numpy_pad_however_wide(mode, n):
    wide = 3 * n + 2
    want = np.pad(np.arange(n), wide, mode=NUMPY[mode])
    assert [naive.border(i, n, mode) for i in range(-wide, n + wide)] == want.tolist()


def test_a_map_worked_out_by_hand():
    image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
    weights = [[1, 0], [0, -1]]
    assert naive.responses(image, weights, padding="valid") == [[[-4], [-4]], [[-4], [-4]]]
    # "same" puts the odd pixel of padding after: the last row and column meet zeros.
    assert naive.convolve(image, weights, range="abs").tolist() == [[4, 4, 3], [4, 4, 6], [7, 8, 9]]


def test_rounding_is_half_to_even_and_saturates():
    values = [Fraction(n, 2) for n in (-3, -1, 0, 1, 3, 5, 509, 511)]
    assert [naive.pixel(v, "clip", "uint8") for v in values] == [0, 0, 0, 0, 2, 2, 254, 255]
    assert naive.pixel(Fraction(-5, 2), "abs", "uint8") == 2
    assert naive.pixel(Fraction(-5, 2), "offset", "uint8") == 126


@pytest.mark.parametrize("mode", ["zeros", "constant", *NUMPY])
def test_the_two_ways_of_writing_it_agree(mode):
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.uint16, np.float32):
        image = (rng.integers(0, 256, (4, 5, 3)) * (naive.FULL_SCALE[np.dtype(dtype).name] / 255)).astype(dtype)
        weights = rng.integers(-3, 4, (3, 2, 3))
        how = {"divisor": 4, "bias": 1, "padding": (3, 1, 0, 5), "padding_mode": mode, "stride": (1, 2),
               "padding_value": 7}  # fmt: skip
        for depth in (False, True):
            slow = naive.convolve(image, weights, range="raw", depth=depth, **how)
            np.testing.assert_allclose(naive.responses_by_tap(image, weights, depth=depth, **how), slow, rtol=1e-12)
            for range_ in ("clip", "abs", "offset"):
                want = naive.convolve(image, weights, range=range_, depth=depth, **how)
                np.testing.assert_array_equal(naive.pixels_of(slow, range_, dtype), want)
