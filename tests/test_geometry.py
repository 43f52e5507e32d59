"""Output sizes: the published table, a count of kernel positions one by one, and every way of writing a size wrong."""

import naive
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli.errors import ConvcliError, GeometryError
from convcli.geometry import Geometry, extent, formula, mode_of, output_size, unused


# Input, kernel, padding, stride -> output: the figures of Dumoulin & Visin, "A guide to convolution arithmetic".
@pytest.mark.parametrize(
    ("i", "k", "p", "s", "o"),
    [
        (4, 3, 0, 1, 2),
        (5, 4, 2, 1, 6),
        (5, 3, 1, 1, 5),
        (5, 3, 2, 1, 7),
        (5, 3, 0, 2, 2),
        (5, 3, 1, 2, 3),
        (6, 3, 1, 2, 3),
    ],
)
def test_figures_of_the_guide_to_convolution_arithmetic(i, k, p, s, o):
    assert output_size(i, k, stride=s, padding=p) == o
    assert output_size((i, i + s), (k, k), stride=s, padding=p) == (o, o + 1)


def test_the_layer_of_the_lesson():
    assert output_size((32, 32), 3, stride=1, padding=1) == (32, 32)
    assert output_size((32, 32), 3, stride=2, padding=1) == (16, 16)


axis = st.integers(1, 12)
paddings = st.sampled_from(["valid", "same", "full"]) | st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(size=axis, kernel=st.integers(1, 7), stride=st.integers(1, 6), dilation=st.integers(1, 4), padding=paddings)
@settings(max_examples=400, deadline=None)
def test_the_size_is_the_number_of_kernel_positions(size, kernel, stride, dilation, padding):
    before, after = naive.pads(size, kernel, stride, dilation, padding)
    positions = naive.positions(size, kernel, stride, dilation, before, after)
    if not positions:
        with pytest.raises(GeometryError, match="does not fit"):
            output_size(size, kernel, stride, padding, dilation)
        return
    assert output_size(size, kernel, stride, padding, dilation) == len(positions)
    assert eval(formula(size, kernel, (before, after), stride, dilation), {"floor": int}) == len(positions)
    # Beyond the last position's last tap no kernel position covers anything.
    last = positions[-1] + dilation * (kernel - 1)
    assert unused(size, kernel, (before, after), stride, dilation) == max(0, size - 1 - last if last >= 0 else size)


@given(size=axis, kernel=st.integers(1, 7), stride=st.integers(1, 6), dilation=st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_same_and_full(size, kernel, stride, dilation):
    assert output_size(size, kernel, stride, "same", dilation) == -(-size // stride)
    assert output_size(size, kernel, 1, "full", dilation) == size + extent(kernel, dilation) - 1
    geometry = Geometry.from_options(stride, "same", dilation=dilation)
    (top, bottom), _ = geometry.pads((size, size), (kernel, kernel))
    assert bottom - top in (0, 1)


@given(
    size=st.tuples(axis, axis),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from(["same", "full"]) | st.tuples(*[st.integers(10, 19)] * 4),
)
@settings(max_examples=200, deadline=None)
def test_the_axes_do_not_interact(size, kernel, stride, dilation, padding):
    rows, columns = (padding, padding) if isinstance(padding, str) else (padding[:2], padding[2:])
    want = (
        output_size(size[0], kernel[0], stride[0], rows, dilation[0]),
        output_size(size[1], kernel[1], stride[1], columns, dilation[1]),
    )
    assert output_size(size, kernel, stride, padding, dilation) == want
    assert Geometry.from_options(stride, padding, dilation=dilation).output(size, kernel) == want


def test_padding_in_its_five_forms():
    def pads(padding):
        return Geometry.from_options(padding=padding).pads((9, 9), (3, 4))

    assert pads("valid") == ((0, 0), (0, 0))
    assert pads("same") == ((1, 1), (1, 2))
    assert pads("full") == ((2, 2), (3, 3))
    assert pads(5) == ((5, 5), (5, 5))
    assert pads((1, 2)) == ((1, 1), (2, 2))
    assert pads((1, 2, 3, 4)) == ((1, 2), (3, 4))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("edge", "replicate"), ("nearest", "replicate"), ("mirror", "reflect"), ("wrap", "circular"), ("zero", "zeros")],
)
def test_modes_under_the_names_of_other_tools(theirs, ours):
    assert mode_of(theirs) == ours == mode_of(ours)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": -1}, "stride must be at least 1, not -1"),
        ({"stride": 1.5}, "stride must be a whole number, not 1.5"),
        ({"stride": (1, 2, 3)}, "stride must be a whole number or a pair"),
        ({"stride": True}, "stride must be at least 1, not True"),
        ({"stride": (1, 10**20)}, "stride must be at most 4194304, not 100000000000000000000"),
        ({"dilation": (1, 0)}, "dilation must be at least 1, not 0"),
        ({"padding": -1}, "padding must be at least 0, not -1"),
        ({"padding": "some"}, "padding must be valid, same, full"),
        ({"padding": (1, 2, 3)}, "padding takes 1, 2 .* or 4 .* numbers, not 3"),
        ({"padding_mode": "weird"}, "padding_mode must be one of zeros, constant, .*, not 'weird'"),
        ({"padding_value": float("nan")}, "padding_value must be finite"),
        ({"padding_value": "x"}, "padding_value must be a number"),
    ],
)
def test_what_is_impossible_is_named(wrong, message):
    with pytest.raises(GeometryError, match=message):
        Geometry.from_options(**wrong)


def test_sizes_that_are_impossible():
    for size, kernel in ((0, 3), (-4, 3), (4, 0), ("4", 3), (4.0, 3)):
        with pytest.raises(ConvcliError, match="must be"):
            output_size(size, kernel)
    with pytest.raises(GeometryError, match=r"O = floor\(\(4 - \(3\*\(3 - 1\) \+ 1\) \+ 0 \+ 0\) / 2\) \+ 1 < 1"):
        output_size(4, 3, stride=2, dilation=3)
    with pytest.raises(GeometryError, match="the kernel does not fit: height"):
        output_size((2, 9), 3)
    with pytest.raises(GeometryError, match=r"before, after"):
        output_size(9, 3, padding=(1, 2, 3))
    with pytest.raises(GeometryError, match="stride must be at most 4194304, not 4194305"):
        output_size(9, 3, stride=2**22 + 1)


@pytest.mark.parametrize("wide", [{"padding": (0, 2**22 + 1)}, {"padding": "full", "dilation": 2**21 + 1}])
def test_a_border_that_no_table_could_be_made_for(wide):
    with pytest.raises(GeometryError, match=r"a border of 419430\d pixels is wider than the 4194304 that"):
        Geometry.from_options(**wide).output((9, 9), (3, 3))
    assert max(output_size((9, 9), 3, **wide)) > 9  # which is arithmetic alone


def test_a_huge_dilation_is_arithmetic_not_memory():
    assert output_size(10, 3, padding="same", dilation=10**12) == 10
    with pytest.raises(GeometryError, match="does not fit"):
        output_size(10, 3, dilation=10**12)
