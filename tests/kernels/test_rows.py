"""Rows of weights on the command line."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.errors import KernelError
from convcli.kernels.load import load_kernel
from convcli.kernels.rows import inline


@pytest.mark.parametrize(
    ("text", "weights", "divisor"),
    [
        ("1 2 1; 2 4 2; 1 2 1 / 16", [[1, 2, 1], [2, 4, 2], [1, 2, 1]], 16),
        ("1,2,1;2,4,2;1,2,1 / 16", [[1, 2, 1], [2, 4, 2], [1, 2, 1]], 16),
        ("1, 2,1 ;2 4 2", [[1, 2, 1], [2, 4, 2]], 1),
        ("-1 0 1", [[-1, 0, 1]], 1),
        ("1 2\n3 4", [[1, 2], [3, 4]], 1),
        ("5", [[5]], 1),
        (".5 -0.5", [[1, -1]], 2),
        ("1/9 1/9; 1/9 2/9", [[1, 1], [1, 2]], 9),
        ("0.1 0.2", [[1, 2]], 10),
        ("1e-3 2", [[1, 2000]], 1000),
        ("1/3 0.5 / 2", [[2, 3]], 12),
        ("1 2 1 / 0.5", [[2, 4, 2]], 1),
        ("1 2 1 / 1/4", [[4, 8, 4]], 1),
        ("1 2 1 / sum", [[1, 2, 1]], 4),
        ("1 1 / -2", [[1, 1]], -2),
    ],
)
def test_rows_become_whole_weights_over_a_divisor(text, weights, divisor):
    kernel = inline(text)
    assert kernel.weights.tolist() == weights
    assert kernel.divisor == divisor
    assert load_kernel(text) == kernel


def test_weights_without_a_small_common_denominator_stay_as_they_are():
    kernel = inline("0.12345678901 1 / 3")
    assert kernel.weights.tolist() == [[0.12345678901, 1.0]]
    assert kernel.divisor == 3


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("1 x; 3 4", 3, "'x' is not a number"),
        ("1 2; 3", 5, "row 2 has 1 values, expected 2 as in row 1"),
        ("1 2;; 3 4", 5, "row 2 is empty"),
        ("1 2; 3 4;", 10, "row 3 is empty"),
        ("1,,2", 2, "a number is missing beside the comma"),
        ("1 nan", 3, "'nan' is not a finite number"),
        ("1 -inf", 3, "'-inf' is not a finite number"),
        ("1 1_0", 3, "'1_0' is not a number; did you mean 10?"),
        ("1 2 1 / 0", 9, "the divisor must not be zero"),
        ("1 2 1 / 2 3", 9, "one divisor is expected"),
        ("1 2 1 / 2 / 3", 11, "a second divisor"),
        ("1 2 1 /", 7, "'/' is not a number; set a divisor off"),
        ("1 2 1 /16", 7, "set a divisor off by spaces"),
        ("1 -1 / sum", 8, "the weights sum to zero"),
        ("1 1/0", 3, "'1/0' divides by zero"),
        ("1 1e999", 3, "'1e999' is too large"),
        ("1 1e9999999999", 3, "is not a number"),
        ("1 " + "9" * 100, 3, "is not a number"),
        ("1 ٣", 3, "'٣' is not a number"),
    ],
)
def test_the_error_points_at_the_column(text, column, message):
    with pytest.raises(KernelError) as error:
        load_kernel(text)
    assert f"column {column}: " in str(error.value)
    assert message in str(error.value)


numbers = st.fractions(min_value=-1000, max_value=1000, max_denominator=50)


@given(st.data(), st.integers(1, 5), st.integers(1, 5), numbers.filter(bool))
def test_any_grid_of_fractions_is_kept_exactly(data, height, width, divisor):
    rows = [[data.draw(numbers) for _ in range(width)] for _ in range(height)]
    kernel = inline("; ".join(" ".join(map(str, row)) for row in rows) + f" / {divisor}")
    assert kernel.size == (height, width)
    for row, weights in zip(rows, kernel.weights.tolist(), strict=True):
        for value, weight in zip(row, weights, strict=True):
            if kernel.divisor.is_integer() and weight.is_integer():  # the common denominator was small enough
                assert Fraction(int(weight), int(kernel.divisor)) == value / divisor
            else:
                assert np.isclose(weight / kernel.divisor, float(value / divisor), rtol=1e-14)


@given(st.text(alphabet="0123456789 ;,./-e+_x\n", min_size=1))
def test_any_text_gives_a_kernel_or_a_kernel_error(text):
    try:
        inline(text)
    except KernelError as error:
        assert "column" in str(error)
