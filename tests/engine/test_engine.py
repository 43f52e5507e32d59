"""The engine equals the definition: over a grid of everything, where routes meet, and by the laws of convolution."""

import os
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path

import naive
import numpy as np
import pytest
from compare import assert_agrees, check, filtered, geometry_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convcli import conv2d, filter_image
from convcli.engine import convolve
from convcli.engine.threads import run_on_threads
from convcli.errors import ConvcliError, GeometryError
from convcli.kernel import Kernel
from convcli.ranges import range_map

MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")
DTYPES = (np.uint8, np.uint16, np.float32)
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SHARPEN = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])


def picture(shape, dtype=np.uint8, seed=0):
    """Noise over the whole range of the dtype."""
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return rng.random(shape, np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def gaussian(size, sigma):
    g = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return np.outer(g, g) / g.sum() ** 2


def random_kernel(rows, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, columns))


# Small kernels of every kind; the larger ones stand in LARGE.
KERNELS = {
    "one": [[1]],
    "minus": [[-2]],
    "zero": [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
    "row": [[1, 2, -3, 4]],
    "column": [[1], [-1]],
    "even": [[1, -2], [3, 4]],
    "rectangle": [[1, 0, -1, 2, 1], [0, 3, 0, -3, 0]],
    "sobel": SOBEL,
    "binomial": BINOMIAL,
    "tall": np.arange(-6, 8).reshape(7, 2),
    "float": random_kernel(3, 3),
    "halves": [[0.5, 0.25], [0.125, 0.125]],
}
SIZES = [(1, 1), (1, 7), (6, 1), (2, 2), (3, 3), (4, 5), (9, 11), (17, 40)]


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_size_and_mode(name, dtype):
    for size, mode in product(SIZES, MODES):
        check(picture(size, dtype), KERNELS[name], divisor=3, padding_mode=mode, padding_value=200)


@pytest.mark.parametrize("padding", ["valid", "same", "full", 1, 4, (2, 0), (0, 3), (0, 5, 2, 1), (9, 0, 0, 30)])
@pytest.mark.parametrize("mode", MODES)
def test_every_padding_stride_and_dilation(padding, mode):
    image = picture((18, 19, 3))
    for stride, dilation in product([1, 2, (3, 1), (1, 4), (5, 7), 20], [1, 2, (3, 1), (1, 4)]):
        for name in ("sobel", "even", "rectangle"):
            how = {"stride": stride, "padding": padding, "padding_mode": mode, "padding_value": 9, "dilation": dilation}
            check(image, KERNELS[name], divisor=2, **how)


@pytest.mark.parametrize("mode", MODES[2:])
def test_pads_wider_than_the_picture_repeat_it(mode):
    for size in [(1, 1), (1, 3), (2, 3), (3, 2)]:
        check(picture(size), SOBEL, range="abs", padding=(7, 8, 9, 11), padding_mode=mode)
        check(picture(size), np.ones((9, 15)), divisor=135, padding_mode=mode)


@pytest.mark.parametrize("range_", ["clip", "abs", "offset", "raw"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 7])
def test_ranges_dtypes_and_channels(range_, dtype, channels):
    image = picture((12, 19) if channels is None else (12, 19, channels), dtype)
    for name, stride, depth in product(("sobel", "binomial", "float", "even"), (1, 2), (False, True)):
        check(image, KERNELS[name], divisor=4, bias=-3, range=range_, stride=stride, depth=depth)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 2), (9, 9)])
def test_kernels_of_depth_three(dtype, size):
    weights = np.random.default_rng(3).integers(-5, 6, (3, *size))
    image = picture((21, 33, 3), dtype)
    for mode, range_, stride in product(MODES, ("clip", "offset", "raw"), (1, (2, 3))):
        check(image, weights, divisor=7, range=range_, depth=True, padding_mode=mode, padding_value=50, stride=stride)
        check(image, weights * 0.37, range=range_, depth=True, padding_mode=mode, padding_value=50, stride=stride)


@pytest.mark.parametrize("width", range(1, 71))
def test_every_width_up_to_70(width):
    """Vector loops have tails; each width has another one."""
    for kernel, divisor in ((SOBEL, 1), (BINOMIAL, 256), (np.ones((3, 9)), 27), (random_kernel(5, 5), 1)):
        check(picture((9, width), seed=width), kernel, divisor=divisor, range="abs", padding_mode="reflect")
        check(picture((9, width, 3), seed=width), kernel, divisor=divisor, padding_mode="circular")


LARGE = {
    "box 9": (np.ones((9, 9)), 81),
    "box 31": (np.ones((31, 31)), 961),
    "box 63x3": (np.ones((63, 3)), 189),
    "even box": (np.ones((8, 14)), 112),
    "binomial 5": (BINOMIAL, 256),
    "integer outer product": (np.outer([1, -2, 0, 3, 5, -1, 1], [2, 7, 1, 8, 2, 8, 1]), 50),
    "gaussian 31": (gaussian(31, 5), 1),
    "gaussian 63": (gaussian(63, 11.5), 1),
    "integers 15": (np.random.default_rng(5).integers(-9, 10, (15, 15)), 40),
    "integers 63": (np.random.default_rng(6).integers(-9, 10, (63, 63)), 1000),
    "large integers 25": (np.random.default_rng(7).integers(-30000, 30000, (25, 25)), 99991),
    "float 7": (random_kernel(7, 7), 3),
    "float 15x4": (random_kernel(15, 4), 5),
    "float 31": (random_kernel(31, 31), 20),
    "float 63": (random_kernel(63, 63), 40),
    "float 63x1": (random_kernel(63, 1), 4),
    "float 1x63": (random_kernel(1, 63), 4),
    "sparse 33": (np.pad([[5]], 16) - np.eye(33), 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_kernels(name, dtype):
    kernel, divisor = LARGE[name]
    for image, mode, range_ in (
        (picture((100, 150), dtype), "reflect", "abs"),
        (picture((67, 90, 3), dtype), "zeros", "offset"),
    ):
        check(image, kernel, divisor=divisor, range=range_, padding_mode=mode)
    check(picture((40, 52), dtype), kernel, divisor=divisor, range="raw", padding="full", padding_mode="circular")
    check(picture((70, 66), dtype), kernel, divisor=divisor, range="raw", padding="valid", stride=(3, 2))
    check(picture((5, 4), dtype), kernel, divisor=divisor, padding_mode="symmetric")


@pytest.mark.parametrize("name", ["box 9", "integers 15", "gaussian 31", "float 7"])
def test_large_kernels_over_depth_stride_and_dilation(name):
    kernel, divisor = LARGE[name]
    for dtype, stride, dilation in product(DTYPES, (1, 3), (1, 3)):
        image = picture((50, 61, 3), dtype)
        how = {"divisor": 3 * divisor, "stride": stride, "dilation": dilation, "padding_mode": "replicate"}
        check(image, kernel, depth=True, **how)
        check(image, kernel, range="abs", **how)


DIVISORS = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    9,
    10,
    16,
    25,
    48,
    81,
    100,
    127,
    128,
    255,
    256,
    257,
    512,
    1000,
    65535,
    0.5,
    2.5,
    -3,
    -128,
)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_every_16_bit_sum_over_every_kind_of_divisor(divisor):
    """Pairs of pixels make every sum 0..65535, and with it every tie, of either sign."""
    low, high = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    image = np.stack([low, high], axis=2).reshape(256, 512).astype(np.uint8)
    sums = (low + 256 * high).astype(float)
    for sign, range_, bias in product((1, -1), ("clip", "abs", "offset"), (0, 255, 0.5)):
        got = filtered(image, [[sign, 256 * sign]], divisor, bias, range_, padding="valid", stride=(1, 2))
        np.testing.assert_array_equal(got, naive.pixels_of(sign * sums / divisor + bias, range_, np.uint8))
    for weights in ([[0, 0, 0], [0, 1, 256], [0, 0, 0]], [[0, 0, 0], [0, 1, -256], [0, 0, 0]]):
        check(image, weights, divisor=divisor, range="abs")


@pytest.mark.parametrize("total", [128, 255, 256, 257, 258, 511, 512, 1000, 65793, 65794])
@pytest.mark.parametrize("divisor", [1, 2, 7, 255, 256])
def test_responses_that_just_fit_or_just_overflow(total, divisor):
    """The sums reach 255 * total, as a kernel of one sign or half and half: the edges of 8, 16 and 24 bits."""
    rng = np.random.default_rng(total)
    for size, share in product(((1, 1), (3, 3), (5, 5), (1, 25)), (0, 0.5, 1)):
        taps = size[0] * size[1]
        shares = rng.multinomial(total, np.full(taps, 1 / taps)).reshape(size)
        weights = shares * np.where(rng.random(size) < share, -1, 1)
        image = rng.choice(np.array([0, 255], np.uint8), (20, 40))
        image[:5, :10], image[5:10, :10] = 255, 0
        image[10 : 10 + size[0], : size[1]] = np.where(weights > 0, 255, 0)[:10]
        image[10 : 10 + size[0], 30 : 30 + size[1]] = np.where(weights < 0, 255, 0)[:, :10]
        for range_, mode in (("clip", "replicate"), ("abs", "zeros"), ("offset", "circular")):
            check(image, weights, divisor=divisor, range=range_, padding_mode=mode)
        check(image, weights, divisor=divisor, range="raw")


def test_integral_responses_are_exact_in_float32():
    image = picture((60, 80))
    for kernel in (SOBEL, SHARPEN, BINOMIAL, np.ones((15, 15)), np.random.default_rng(2).integers(-9, 10, (31, 31))):
        got = filtered(image, kernel, range="raw", padding_mode="reflect")
        np.testing.assert_array_equal(got, naive.responses_by_tap(image, kernel, padding_mode="reflect"))


def test_a_constant_border_is_on_the_8_bit_scale():
    for dtype, white in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)):
        got = filtered(
            np.zeros((1, 1), dtype), [[0, 0, 0], [1, 0, 0], [0, 0, 0]], padding_mode="constant", padding_value=255
        )
        assert got.tolist() == [[white]]
        assert filtered(np.zeros((1, 1), dtype), [[1]], bias=255).tolist() == [[white]]


def test_floats_are_never_saturated():
    image = np.array([[-3.0, 0.5, 7.0]], np.float32)
    assert filtered(image, [[2]]).tolist() == [[-6.0, 1.0, 14.0]]
    assert filtered(image, [[2]], range="abs").tolist() == [[6.0, 1.0, 14.0]]
    assert filtered(image, [[2]], range="offset").tolist() == [[-5.5, 1.5, 14.5]]


def test_saturated_samples_are_counted():
    image = np.array([[10, 20, 200], [0, 128, 255]], np.uint8)
    for dtype in (np.uint8, np.uint16):
        scaled = image.astype(dtype) * (257 if dtype == np.uint16 else 1)
        done = convolve(scaled, Kernel([[2]], bias=-30), geometry_of(), mapping=range_map("clip", dtype))
        assert (done.below, done.above) == (2, 2)  # -10 and -30; 370 and 480
    big = picture((300, 200, 3))
    for kernel in (Kernel(SOBEL), Kernel(random_kernel(15, 15)), Kernel(np.ones((9, 9)), divisor=40)):
        done = convolve(big, kernel, geometry_of(), mapping=range_map("clip", big.dtype), threads=2)
        r = np.rint(naive.responses_by_tap(big, kernel.weights, kernel.divisor))
        assert done.below == pytest.approx((r < 0).sum(), abs=5) and done.above == pytest.approx((r > 255).sum(), abs=5)


# Laws


def test_identity_changes_nothing():
    for dtype, size in product(DTYPES, (1, 3, 5, 9, 31)):
        kernel = np.zeros((size, size))
        kernel[size // 2, size // 2] = 1
        image = picture((33, 47, 3), dtype)
        for mode in MODES:
            np.testing.assert_array_equal(filtered(image, kernel, padding_mode=mode), image)


@given(st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([(SOBEL, 1), (BINOMIAL, 256), (np.ones((7, 7)), 49)]))
@settings(max_examples=30, deadline=None)
def test_a_shifted_picture_gives_a_shifted_map(down, right, kernel):
    image = picture((23, 29))
    want = np.roll(filtered(image, *kernel, range="abs", padding_mode="circular"), (down, right), (0, 1))
    moved = np.roll(image, (down, right), (0, 1))
    np.testing.assert_array_equal(filtered(moved, *kernel, range="abs", padding_mode="circular"), want)


def test_responses_are_linear_in_kernel_and_picture():
    image, other = picture((31, 40), np.float32, 1), picture((31, 40), np.float32, 2)
    for size in (3, 7, 21):
        a, b = random_kernel(size, size, 1), random_kernel(size, size, 2)
        both = filtered(image, 2 * a - 3 * b, range="raw")
        parts = 2 * filtered(image, a, range="raw") - 3 * filtered(image, b, range="raw")
        np.testing.assert_allclose(both, parts, atol=1e-5 * 5 * np.abs(a).sum())
        summed = filtered(image + other, a, range="raw")
        np.testing.assert_allclose(
            summed, filtered(image, a, range="raw") + filtered(other, a, range="raw"), atol=1e-4 * np.abs(a).sum()
        )


@pytest.mark.parametrize("name", ["sobel", "rectangle", "binomial", "float"])
def test_a_stride_takes_every_sth_position(name):
    image = picture((45, 61, 3))
    whole = filtered(image, KERNELS[name], padding=2, padding_mode="reflect", range="abs")
    for sy, sx in product((1, 2, 3, 7), (1, 2, 5)):
        got = filtered(image, KERNELS[name], padding=2, padding_mode="reflect", range="abs", stride=(sy, sx))
        assert np.abs(got.astype(int) - whole[::sy, ::sx]).max() <= (name == "float")


def test_channels_are_independent():
    for dtype, kernel in product(DTYPES, (SOBEL, np.ones((9, 9)) / 81, random_kernel(9, 9))):
        image = picture((40, 37, 4), dtype)
        got = filtered(image, kernel, range="abs", padding_mode="symmetric")
        for c in range(4):
            assert_agrees(got[:, :, c], image[:, :, c], kernel, range="abs", padding_mode="symmetric")


def test_a_depth_sum_is_the_sum_of_the_channels():
    image = picture((20, 30, 3), np.float32)
    for kernel in (SOBEL, random_kernel(11, 11)):
        parts = filtered(image, kernel, range="raw").sum(axis=2)
        np.testing.assert_allclose(filtered(image, kernel, range="raw", depth=True), parts, atol=1e-4)


def test_a_dilated_kernel_is_one_with_zeros_between():
    kernel = np.random.default_rng(0).integers(-4, 5, (3, 4))
    spread_out = np.zeros((7, 10))
    spread_out[::3, ::3] = kernel
    np.testing.assert_array_equal(
        filtered(picture((30, 31)), kernel, dilation=3, range="abs"),
        filtered(picture((30, 31)), spread_out, range="abs"),
    )


@pytest.mark.parametrize("name", ["sobel", "binomial 5", "box 9", "gaussian 31", "float 7", "float 31"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_number_of_threads_does_not_matter(name, dtype):
    kernel, divisor = LARGE.get(name, (SOBEL, 1))
    image = picture((617, 203, 3), dtype)
    for how in ({}, {"stride": 2}, {"depth": True, "range": "offset"}):
        one = filtered(image, kernel, divisor, threads=1, **how)
        for threads in range(2, 9):
            np.testing.assert_array_equal(filtered(image, kernel, divisor, threads=threads, **how), one)


@pytest.mark.parametrize("rows", [1, 2, 3, 63, 64, 65, 127, 256, 511, 1025])
def test_several_row_bands(rows):
    for kernel, divisor in ((SOBEL, 1), (np.ones((9, 9)), 81), (random_kernel(9, 9), 1)):
        image = picture((rows, 53), seed=rows)
        check(image, kernel, divisor=divisor, range="abs", padding_mode="circular", threads=3)
        check(image, kernel, divisor=divisor, range="abs", stride=(2, 1), threads=5)


def test_integer_results_do_not_depend_on_how_the_picture_was_cut():
    image = picture((200, 180))
    for kernel, divisor in ((SOBEL, 1), (BINOMIAL, 256), (np.ones((9, 9)), 81), (LARGE["integers 15"])):
        whole = filtered(image, kernel, divisor, padding="valid")
        part = filtered(image[50:120, 30:101], kernel, divisor, padding="valid")
        np.testing.assert_array_equal(part, whole[50 : 50 + part.shape[0], 30 : 30 + part.shape[1]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [SOBEL, np.ones((9, 9)) / 81, random_kernel(9, 9)], ids=["sobel", "box", "float"])
def test_any_memory_layout_is_read_and_none_is_written(dtype, kernel):
    base = picture((44, 90, 3), dtype)
    frozen = base.copy()
    frozen.flags.writeable = False
    layouts = {
        "fortran": np.asfortranarray(base),
        "upside down": base[::-1, ::-1],
        "other channel order": base[:, :, ::-1],
        "every second": base[::2, ::3],
        "window": base[3:40, 5:77, 1:],
        "one channel": base[:, :, 1],
        "turned": base.transpose(1, 0, 2),
        "read-only": frozen,
        "broadcast": np.broadcast_to(base[:1, :, :], (20, 90, 3)),
    }
    for image in layouts.values():
        before = image.copy()
        got = filtered(image, kernel, range="abs", padding_mode="reflect")
        np.testing.assert_array_equal(image, before)
        np.testing.assert_array_equal(got, filtered(before, kernel, range="abs", padding_mode="reflect"))
        assert not np.shares_memory(got, image)


def test_a_kernel_that_does_not_fit_says_so_with_the_formula():
    with pytest.raises(ConvcliError, match=r"floor\(\(4 - 5 \+ 0 \+ 0\) / 1\) \+ 1 < 1"):
        filtered(picture((4, 9)), np.ones((5, 5)), padding="valid")


# Anything


@st.composite
def cases(draw):
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3])))
    if dtype == np.float32:
        elements = st.integers(-64, 64).map(lambda n: n / 32)
    else:
        elements = st.integers(0, np.iinfo(dtype).max)
    image = draw(arrays(dtype, shape, elements=elements))
    weight = st.integers(-9, 9) if draw(st.booleans()) else st.floats(-2, 2, width=32)
    kernel = draw(arrays(np.float64, draw(st.tuples(st.integers(1, 5), st.integers(1, 5))), elements=weight))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    side = st.integers(0, 12)
    padding = draw(st.sampled_from(["same", "full"]) | st.tuples(side, side, side, side))
    if not isinstance(padding, str):  # make it fit
        need = [d * (k - 1) + 1 - n for d, k, n in zip(dilation, kernel.shape, shape[:2], strict=True)]
        top, bottom, left, right = padding
        padding = (max(top, need[0]), bottom, max(left, need[1]), right)
    return {
        "image": image,
        "weights": kernel,
        "divisor": draw(st.integers(1, 300) | st.sampled_from([-4, 0.5, 1000])),
        "bias": draw(st.sampled_from([0, 10, -40, 0.5])),
        "range": draw(st.sampled_from(["clip", "abs", "offset", "raw"])),
        "depth": draw(st.booleans()),
        "stride": draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
        "dilation": dilation,
        "padding": padding,
        "padding_mode": draw(st.sampled_from(MODES)),
        "padding_value": draw(st.sampled_from([0, 17, 255])),
    }


@given(cases())
@settings(max_examples=150, deadline=None)
def test_whatever_is_asked_for(case):
    check(case.pop("image"), case.pop("weights"), **case)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_integers_against_exact_arithmetic(case):
    """The nested loops themselves, in whole numbers and fractions."""
    case["image"] = np.clip(case["image"], 0, 255).astype(np.uint8)
    case["weights"] = np.rint(case["weights"])
    case["range"] = "clip" if case["range"] == "raw" else case["range"]
    np.testing.assert_array_equal(filtered(**case), naive.convolve(**case))


@pytest.mark.parametrize("huge", [{"dilation": 10**9}, {"dilation": 10**20}, {"padding": 10**9}])
def test_a_border_beyond_all_measure_is_refused_before_memory_is_asked_for(huge):
    words = r"border of \d+ pixels is wider .* smaller padding or dilation"
    with pytest.raises(GeometryError, match=words):
        filter_image(picture((5, 6)), SOBEL, **huge)
    with pytest.raises(GeometryError, match=words):
        conv2d(np.ones((1, 5, 6)), np.ones((1, 1, 3, 3)), **{"padding": "same", **huge})


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_weight_beyond_float32_gives_infinity_and_no_warning(dtype):
    image = np.ones((3, 4), dtype)
    assert (filter_image(image, [[1e300]], range="raw") == np.inf).all()
    assert (filter_image(image, [[1e300]]) == (np.inf if dtype == np.float32 else np.iinfo(dtype).max)).all()


@pytest.mark.parametrize("quick", [True, False])
def test_the_main_thread_stays_open_to_ctrl_c_where_work_takes_long(quick):
    seen = []
    run_on_threads(lambda i: seen.append((i, threading.current_thread())), [(0,), (1,), (2,)], quick=quick)
    assert sorted(i for i, _ in seen) == [0, 1, 2]
    others = [thread for _, thread in seen if thread is not threading.current_thread()]
    assert len(others) == (2 if quick else 3) and all(thread.daemon for thread in others)


def test_what_a_thread_raises_is_raised_here_and_the_threads_serve_again():
    def work(i):
        if i:
            raise ValueError(i)

    for _ in range(3):
        with pytest.raises(ValueError, match="1"):
            run_on_threads(work, [(0,), (1,)])
    done = []
    run_on_threads(done.append, [(0,), (1,)])
    assert sorted(done) == [0, 1]


def test_without_the_compiler_too():
    """Plain Python runs the same loops: with NUMBA_DISABLE_JIT=1 small pictures come out the same."""
    script = """
import numpy as np
from compare import check
rng = np.random.default_rng(0)
for dtype in (np.uint8, np.uint16, np.float32):
    image = (rng.random((9, 8, 3)) * {"u": 255, "f": 1}[np.dtype(dtype).kind]).astype(dtype)
    for kernel, divisor in (([[-1, 0, 1]] * 3, 1), (np.ones((5, 5)), 25), (rng.normal(size=(3, 3)), 1),
                            (rng.normal(size=(7, 7)), 1), (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]), 256)):
        for how in ({}, {"stride": 2, "range": "abs"}, {"padding_mode": "reflect", "range": "raw"}, {"depth": True}):
            check(image, kernel, divisor=divisor, **how)
print("agrees")
"""
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, timeout=1200)
    assert done.stdout == "agrees\n", done.stderr


@pytest.mark.parametrize("weights", [[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[0, -1, 2], [3, 5, -1], [1, 0, 4]]])
@pytest.mark.parametrize("divisor", [7.3, 0.1, -3.7])
def test_a_small_picture_divides_after_the_sum(weights, divisor):
    """Whole weights make whole sums: a division afterwards is the one place where a tie can be spoiled."""
    image = np.random.default_rng(3).integers(0, 256, (90, 120), np.uint8)
    sums = naive.responses_by_tap(image, weights)
    got = filter_image(image, Kernel(weights, divisor=divisor, bias=12.5))
    assert (sums / divisor % 1 == 0).any()  # there are ties
    np.testing.assert_array_equal(got, np.rint(sums / divisor + 12.5).clip(0, 255))
