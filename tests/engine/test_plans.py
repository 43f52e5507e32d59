"""Plans that are kept: the same pixels as without, whatever came before, from however many threads, after a fork."""

import os
import sys
import threading

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli import filter_image, load_kernel
from convcli.engine import plans
from convcli.kernel import Kernel

RNG = np.random.default_rng(8)
FLOATS = [[0.1, 0.7, -0.2], [0.4, 1.3, 0.1], [-0.6, 0.3, 0.2]]
KERNELS = {"taps": [[1, -3]], "separable": np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).tolist(), "floats": FLOATS}


def picture(shape, dtype=np.uint8):
    a = RNG.random(shape)
    return (a * naive.FULL_SCALE[np.dtype(dtype).name]).astype(dtype)


@pytest.mark.parametrize("weights", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_same_call_twice_and_others_between(weights, dtype):
    kernel = Kernel(weights, divisor=3)
    a, b, c = picture((20, 30, 3), dtype), picture((20, 30, 3), dtype), picture((21, 30), dtype)
    first = filter_image(a, kernel)
    assert len(plans._plans) == 1
    other = filter_image(b, kernel)
    filter_image(c, kernel), filter_image(a, kernel, range="abs"), filter_image(a, kernel, stride=2)
    np.testing.assert_array_equal(filter_image(a, kernel), first)
    np.testing.assert_array_equal(filter_image(b, kernel), other)
    assert len(plans._plans) == 4
    plans._plans.clear()
    np.testing.assert_array_equal(filter_image(a, kernel), first)


def test_another_dtype_of_the_same_shape():
    kernel = load_kernel("gaussian-3")
    for dtype in (np.uint8, np.float32, np.uint16, np.uint8):
        flat = np.full((9, 9), naive.FULL_SCALE[np.dtype(dtype).name], dtype)
        got = filter_image(flat, kernel, padding="valid")
        assert got.dtype == dtype and (got == flat[0, 0]).all()


def test_weights_that_are_changed_in_place_meet_no_stale_plan():
    a, weights = picture((16, 16)), np.array([[0.0, 1.0, 0.0]])
    assert (filter_image(a, weights) == a).all()
    weights[:] = [[0, 0, 0]]
    assert (filter_image(a, weights) == 0).all()
    kernel = Kernel([[0, 1, 0]])
    assert (filter_image(a, kernel) == a).all()
    kernel.weights.setflags(write=True)
    kernel.weights[:] = [[0, 0, 0]]
    assert (filter_image(a, kernel) == 0).all()
    assert (filter_image(a, Kernel([[0, 1, 0]])) == a).all()


def test_a_result_is_not_touched_by_the_next_call():
    kernel = load_kernel("sobel-x")
    first = filter_image(picture((40, 40)), kernel)
    copy = first.copy()
    for _ in range(5):
        filter_image(picture((40, 40)), kernel)
    np.testing.assert_array_equal(first, copy)


def test_the_pictures_are_not_kept():
    kernel, a = load_kernel("sobel-x"), picture((64, 64))
    held = sys.getrefcount(a)
    result = filter_image(a, kernel)
    assert sys.getrefcount(a) == held and sys.getrefcount(result) == 2


@pytest.mark.parametrize("weights", KERNELS.values(), ids=KERNELS)
def test_sixteen_threads_at_once(weights):
    kernel = Kernel(weights)
    pictures = [picture((50, 60, 3)) for _ in range(16)]
    wanted = [filter_image(a, kernel) for a in pictures]
    plans._plans.clear()
    wrong, begin = [], threading.Barrier(16)

    def work(number):
        begin.wait()
        for _ in range(60):
            if not np.array_equal(filter_image(pictures[number], kernel), wanted[number]):
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_after_a_fork():
    kernel, a = load_kernel("sobel-x"), picture((300, 300, 3))  # large enough for two bands on threads
    wanted = filter_image(a, kernel, threads=2)
    child = os.fork()
    if child == 0:
        same = np.array_equal(filter_image(a, kernel, threads=2), wanted)
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_what_is_kept_is_bounded():
    kernel = load_kernel("sobel-x")
    for width in range(3, 3 + 3 * plans._MOST):
        filter_image(picture((4, width)), kernel)
        assert len(plans._plans) <= plans._MOST
    large = Kernel(RNG.random((300, 300)))
    before = len(plans._plans)
    filter_image(picture((8, 8)), large)
    assert len(plans._plans) == before
    for plan in plans._plans.values():
        assert plan.bytes <= plans._LARGEST
        assert all(b.bytes <= plans._LARGEST for idle in plan._idle.values() for b in idle)


SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.sampled_from(["clip", "abs", "raw"]))


@given(st.lists(SHAPES, min_size=2, max_size=6), st.sampled_from(sorted(KERNELS)))
def test_any_order_of_shapes_and_ranges(calls, name):
    kernel = Kernel(KERNELS[name])
    for height, width, stride, range_ in calls:
        a = picture((height, width))
        got = filter_image(a, kernel, stride=stride, range=range_)
        plans._plans.clear()
        np.testing.assert_array_equal(got, filter_image(a, kernel, stride=stride, range=range_))
