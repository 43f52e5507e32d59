"""`out=` of filter_image and conv2d: the same numbers, in the array that was given; what can't be is refused."""

import numpy as np
import pytest

from convcli import ConvcliError, conv2d, filter_image

RNG = np.random.default_rng(12)
PICTURE = RNG.integers(0, 256, (40, 50, 3), np.uint8)
PLANES, WEIGHT = RNG.random((2, 3, 20, 24), np.float32), RNG.random((8, 3, 3, 3), np.float32)
RECIPES = [{}, {"range": "raw"}, {"range": "normalize"}, {"channels": "sum"}, {"stride": 2, "range": "abs"}]


@pytest.mark.parametrize("how", RECIPES)
@pytest.mark.parametrize("kernel", ["sobel-x", "gaussian:sigma=2", "0.1 0.7; 0.3 -0.4"])
def test_a_picture_goes_into_it(kernel, how):
    wanted = filter_image(PICTURE, kernel, **how)
    out = np.full_like(wanted, 7)
    assert filter_image(PICTURE, kernel, **how, out=out) is out
    np.testing.assert_array_equal(out, wanted)


def test_it_may_be_the_picture_itself_or_a_part_of_it():
    wanted = filter_image(PICTURE, "gaussian-5")
    a = PICTURE.copy()
    assert filter_image(a, "gaussian-5", out=a) is a
    np.testing.assert_array_equal(a, wanted)
    both = np.concatenate([PICTURE, PICTURE])
    filter_image(both[:40], "gaussian-5", out=both[10:50])
    np.testing.assert_array_equal(both[10:50], wanted)


def test_it_may_have_strides():
    wanted = filter_image(PICTURE, "sobel-x")
    room = np.zeros((40, 100, 3), np.uint8)
    filter_image(PICTURE, "sobel-x", out=room[:, ::2])
    np.testing.assert_array_equal(room[:, ::2], wanted)
    assert not room[:, 1::2].any()


@pytest.mark.parametrize("kernel", ["sobel-x", "0.1 0.7; 0.3 -0.4"])
def test_unaligned_memory(kernel):
    a = PICTURE.astype(np.float32)
    memory = np.zeros(a.nbytes + 1, np.uint8)
    out = memory[1:].view(np.float32).reshape(a.shape)
    filter_image(a, kernel, out=out)
    np.testing.assert_array_equal(out, filter_image(a, kernel))


@pytest.mark.parametrize(("out", "why"), [
    (np.zeros((40, 49, 3), np.uint8), r"out must have the shape \(40, 50, 3\) and dtype uint8, not \(40, 49, 3\)"),
    (np.zeros((40, 50), np.uint8), r"not \(40, 50\) and uint8"),
    (np.zeros((40, 50, 3), np.float32), "not .* and float32"),
    ([1], "out must be a NumPy array, not list"),
    (np.broadcast_to(np.uint8(0), (40, 50, 3)), "out is read-only"),
])  # fmt: skip
def test_what_is_refused(out, why):
    with pytest.raises(ConvcliError, match=why):
        filter_image(PICTURE, "sobel-x", out=out)


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_planes_go_into_it(batch, dtype):
    x = PLANES.astype(dtype) if batch else PLANES[0].astype(dtype)
    wanted = conv2d(x, WEIGHT, padding=1)
    out = np.full_like(wanted, 7)
    assert conv2d(x, WEIGHT, padding=1, out=out) is out
    np.testing.assert_array_equal(out, wanted)
    room = np.zeros((*wanted.shape, 2), dtype)
    conv2d(x, WEIGHT, padding=1, out=room[..., 1])
    np.testing.assert_array_equal(room[..., 1], wanted)


def test_planes_over_themselves():
    x = RNG.random((1, 3, 9, 9), np.float32)
    wanted = conv2d(x, WEIGHT[:3], padding=1)
    assert conv2d(x, WEIGHT[:3], padding=1, out=x) is x
    np.testing.assert_array_equal(x, wanted)
    weight = RNG.random((3, 3, 3, 3), np.float32)
    wanted = conv2d(x[..., :3, :3], weight, padding=1)
    np.testing.assert_array_equal(conv2d(x[..., :3, :3], weight, padding=1, out=weight[:1]), wanted)


@pytest.mark.parametrize(("out", "why"), [
    (np.zeros((2, 8, 20, 23), np.float32), r"out must have the shape \(2, 8, 20, 24\)"),
    (np.zeros((2, 8, 20, 24)), "not .* and float64"),
    ("there", "out must be a NumPy array, not str"),
])  # fmt: skip
def test_planes_that_do_not_fit_are_refused(out, why):
    with pytest.raises(ConvcliError, match=why):
        conv2d(PLANES, WEIGHT, padding=1, out=out)
