"""Sum, rank, symmetry and response range of kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convcli import Kernel, load_kernel
from convcli.kernels.facts import anatomy


@pytest.mark.parametrize(
    ("spec", "total", "rank", "flip", "limits"),
    [
        ("identity", 1, 1, "nothing", (0, 255)),
        ("sobel-x", 0, 1, "the sign", (-1020, 1020)),
        ("sharpen", 1, 2, "nothing", (-1020, 1275)),
        ("gaussian:sigma=2", 1, 1, "nothing", (0, 255)),
        ("roberts", 0, 2, "the sign", (-255, 255)),
        ("1 2; 3 4", 10, 2, "another kernel", (0, 2550)),
        ("0", 0, 0, "nothing", (0, 0)),
    ],
)
def test_facts_of_known_kernels(spec, total, rank, flip, limits):
    facts = anatomy(load_kernel(spec))
    assert facts.total == total
    assert facts.rank == rank
    assert facts.separable == (rank < 2)
    assert facts.flip == flip
    assert (facts.low, facts.high) == pytest.approx(limits)


def test_a_deep_kernel_is_as_separable_as_its_worst_grid():
    assert anatomy(Kernel(np.array([np.ones((2, 2)), np.ones((2, 2)), np.eye(2)]))).rank == 2


def test_a_large_grid_is_looked_at_for_rank_1_alone():
    rng = np.random.default_rng(3)
    column, row = rng.random((2000, 1)), rng.random((1, 1200)) - 0.5
    assert anatomy(Kernel(column * row)).rank == 1
    more = anatomy(Kernel(column * row + rng.random((2000, 1)) * rng.random((1, 1200))))
    assert more.rank is None and not more.separable
    assert anatomy(Kernel(np.zeros((1100, 1100)))).rank == 0
    assert anatomy(Kernel(np.stack([column * row, np.eye(2000, 1200), column * row]))).rank is None
    assert anatomy(Kernel(np.eye(1024, 2000))).rank == 1024


@settings(max_examples=50)
@given(arrays(np.float64, (3, 4), elements=st.integers(-9, 9)), arrays(np.uint8, (3, 4)))
def test_no_pixels_respond_beyond_the_limits(weights, pixels):
    facts = anatomy(Kernel(weights, divisor=-2, bias=5))
    response = (weights * pixels).sum() / -2 + 5
    assert facts.low <= response <= facts.high
    worst = np.where(weights < 0, 255, 0)
    assert (weights * worst).sum() / -2 + 5 == facts.high
