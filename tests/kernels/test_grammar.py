"""The grammar of a SPEC, and the operations it names."""

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convcli import Kernel, load_kernel
from convcli.errors import ConvcliError, KernelError
from convcli.kernels.catalogue import preset_names
from convcli.kernels.facts import anatomy
from convcli.kernels.grammar import parse
from convcli.kernels.readers.yaml_tree import parse_yaml, to_yaml
from convcli.kernels.rotation import turned
from convcli.kernels.tree import Modified, Named, Negated, Number, Pair, Rows


def weights(spec):
    return load_kernel(spec).weights.tolist()


def scaled(spec):
    return load_kernel(spec).scaled


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("sobel-x@90", "sobel-y"),
        ("sobel-x@-90", "-sobel-y"),
        ("sobel-x@45", "sobel:angle=45"),
        ("sobel-x@360", "sobel-x"),
        ("sobel-x@transpose", "sobel-y"),
        ("sobel-x@flip", "-sobel-x"),
        ("-sobel-x", "vertical-edge - [0 0 0; -1 0 1; 0 0 0]"),
        ("2 * sobel-x", "[-2 0 2; -4 0 4; -2 0 2]"),
        ("sobel-x * 2 / 4", "[-1 0 1; -2 0 2; -1 0 1 / 2]"),
        ("1/2 * sobel-x", "sobel-x / 2"),
        ("[1 2 1] * [1; 2; 1] / 16", "gaussian-3"),
        ("-[1 2; 3 4]", "[-1 -2; -3 -4]"),
        ("identity - laplacian", "sharpen"),
        ("identity - box", "high-pass"),
        ("box:size=5@sum", "box:size=5"),
        ("[1 2 1; 2 4 2; 1 2 1]@sum", "gaussian-3"),
        ("(sobel-x + sobel-x)@flip", "-2 * sobel-x"),
        ("sobel-x@45@45", "sobel-y"),
        ("gaussian:sigma=2,size=9@90", "gaussian:sigma=2,size=9"),
        ("identity@dilate=2", "identity:size=5"),
        ("[1 1; 1 1]@dilate=2", "[1 0 1; 0 0 0; 1 0 1]"),
        ("  sobel-x  ", "sobel-x"),
        ("(sobel-x)", "sobel-x"),
    ],
)
def test_two_ways_to_say_the_same_kernel(spec, same):
    one, other = scaled(spec), scaled(same)
    if one.shape != other.shape:  # zeros around make no difference
        other = np.pad(other, [((a - b) // 2,) * 2 for a, b in zip(one.shape, other.shape, strict=True)])
    np.testing.assert_allclose(one, other, atol=1e-15)


def test_a_combined_kernel_is_called_by_its_spec():
    kernel = load_kernel("gaussian:sigma=1.4  *   laplacian")
    assert kernel.name == "gaussian:sigma=1.4 * laplacian"
    assert kernel.origin == "combined"
    assert kernel.range == "abs"


@pytest.mark.parametrize(
    ("spec", "range_"),
    [
        ("sobel-x@30", "abs"), ("-emboss", "offset"), ("gaussian * laplacian", "abs"), ("identity - box", "abs"),
        ("identity - laplacian", "clip"), ("sobel-x + sobel-y", "abs"), ("emboss + emboss@90", "offset"),
        ("gaussian * gaussian", "clip"), ("2 * high-pass", "offset"),
    ],
)  # fmt: skip
def test_the_default_range_follows_from_the_operands(spec, range_):
    assert load_kernel(spec).range == range_


def test_whole_weights_stay_whole():
    kernel = load_kernel("gaussian-3 - gaussian-5")
    assert kernel.divisor == 256
    assert (kernel.weights == np.rint(kernel.weights)).all()
    composed = load_kernel("gaussian-3 * laplacian")
    assert composed.divisor == 16
    assert composed.weights.sum() == 0


@given(arrays(float, (5, 7), elements=st.integers(0, 255)), st.sampled_from(["sobel-x", "gaussian-3", "[1 2; 3 4]"]),
       st.sampled_from(["laplacian", "[1 -1 3]", "gaussian-5"]))  # fmt: skip
def test_a_composed_kernel_does_both_one_after_the_other(picture, first, then):
    both = scipy.signal.correlate(scipy.signal.correlate(picture, scaled(first)), scaled(then))
    np.testing.assert_allclose(scipy.signal.correlate(picture, scaled(f"{first} * {then}")), both, atol=1e-8)


def test_bias_goes_through_the_operations(tmp_path):
    file = tmp_path / "b.yaml"
    file.write_text("weights: [[1, 3]]\nbias: 10")
    assert load_kernel(f"2 * {file}").bias == 20
    assert load_kernel(f"-{file}").bias == -10
    assert load_kernel(f"{file} - {file}").bias == 0
    assert load_kernel(f"{file} * {file}").bias == 10 * 4 + 10


def test_normalising():
    assert scaled("[1 2; 3 6]@sum").sum() == pytest.approx(1)
    assert abs(scaled("[1 -2; 3 6]@l1")).sum() == pytest.approx(1)
    assert (scaled("[1 -2; 3 6]@l2") ** 2).sum() == pytest.approx(1)
    zero = load_kernel("[1 -2; 3 6]@zero")
    assert zero.weights.sum() == 0
    np.testing.assert_allclose(zero.scaled, np.array([[1, -2], [3, 6]]) - 2)


@pytest.mark.parametrize("name", preset_names())
def test_four_quarter_turns_and_two_flips_are_the_identity(name):
    if load_kernel(name).depth > 1:
        return
    for spec in (f"{name}@90@90@90@90", f"{name}@flip@flip", f"{name}@transpose@transpose", f"{name}@180@flip"):
        assert weights(spec) == weights(name)


@given(arrays(float, (3, 3), elements=st.integers(-9, 9)))
def test_eight_steps_round_a_3x3_grid_are_the_identity(grid):
    turns = grid
    for _ in range(8):
        turns = turned(turns, 45)
    assert np.array_equal(turns, grid)
    assert np.array_equal(turned(turned(grid, 45), 45), np.rot90(grid, -1))


@settings(max_examples=60)
@given(st.floats(-360, 360), st.sampled_from([(3, 3), (5, 5), (1, 7), (4, 6), (2, 2)]))
def test_turning_by_any_angle_keeps_the_sums_and_the_centre(angle, shape):
    grid = np.random.default_rng(1).integers(-9, 10, shape).astype(float)
    done = turned(grid, angle)
    assert done[done > 0].sum() == pytest.approx(grid[grid > 0].sum())
    assert done[done < 0].sum() == pytest.approx(grid[grid < 0].sum())
    parities = {(n % 2) for n in shape}
    if len(parities) == 1:
        assert {n % 2 for n in done.shape} == parities


@settings(max_examples=60)
@given(st.floats(-360, 360), st.sampled_from([(3, 3), (5, 5), (1, 7), (4, 6), (2, 2)]), st.sampled_from([90, 180]))
def test_turning_by_any_angle_and_by_right_angles_commute(angle, shape, more):
    grid = np.random.default_rng(4).integers(-9, 10, shape).astype(float)
    once = turned(grid, angle)
    np.testing.assert_allclose(turned(turned(grid, more), angle), np.rot90(once, -more // 90), atol=1e-9)


def test_turning_leaves_no_traces_of_rounding():
    for spec in ("sobel-x@280", "box:size=5@30", "gaussian-5@45", "laplacian@10", "emboss@200"):
        magnitudes = abs(load_kernel(spec).weights)
        assert magnitudes[magnitudes > 0].min() > 1e-6, spec
    flips = {spec: anatomy(load_kernel(f"{spec}@30")).flip for spec in ("box:size=5", "gaussian-5", "sobel-5x")}
    assert flips == {"box:size=5": "nothing", "gaussian-5": "nothing", "sobel-5x": "the sign"}


def test_turning_by_any_angle_is_scipys_rotate():
    grid = np.zeros((21, 21))
    grid[5:16, 5:16] = ndi.gaussian_filter(np.random.default_rng(2).normal(size=(11, 11)), 1)
    positive = abs(grid)
    ours = turned(positive, 30)
    theirs = ndi.rotate(positive, -30, order=1, reshape=False)
    edge = (ours.shape[0] - 21) // 2
    ours = ours[edge : edge + 21, edge : edge + 21] if edge >= 0 else np.pad(ours, -edge)
    np.testing.assert_allclose(ours / ours.sum(), theirs / theirs.sum(), atol=2e-4)


@pytest.mark.parametrize(
    ("spec", "column", "message"),
    [
        ("gaussian:sigm=2", 10, "no parameter 'sigm'"),
        ("gaussian:size=5,sigma=-1", 17, "sigma must be greater than 0, not -1"),
        ("2 * gaussian:size=5,sigma=x", 21, "'x' is not a number"),
        ("savitzky-golay:size=5,degree=9", 23, "degree=9"),
        ("dog:sigma=3,sigma2=3", 5, "differ from sigma"),
        ("kirsch:direction=up", 8, "direction must be one of"),
        ("sobel-x +", 10, "a kernel is expected, but the spec ends here"),
        ("gaussian * nope", 12, "unknown kernel 'nope'"),
        ("sobel-x@", 9, "after @ an angle or a word is expected"),
        ("sobel-x@flop", 9, "@flop: unknown; did you mean flip"),
        ("sobel-x@zzz", 9, "expected an angle in degrees or one of flip, transpose, sum, zero, l1, l2, dilate=N"),
        ("sobel-x@dilate=0", 9, "dilate must be at least 1"),
        ("sobel-x@dilate=9999", 9, "at most 2048 a side"),
        ("sobel-x@sum", 9, "the weights sum to zero"),
        ("[0 0]@l1", 7, "all weights are zero"),
        ("sobel-x + + sobel-y", 11, "neither a kernel's name, nor a file, nor a number"),
        ("sobel-x sobel-y", 9, "'s' was not expected here; operators are +, -, * and /, set off by spaces"),
        ("(sobel-x + sobel-y", 1, "this bracket is not closed"),
        ("sobel-x)", 8, "')' was not expected here"),
        ("[]", 2, "row 1 is empty"),
        ("[1 2 1", 1, "this bracket is not closed"),
        ("2 + sobel-x", 3, "+ needs a kernel on both sides"),
        ("sobel-x / 0", 9, "division by zero"),
        ("sobel-x / sobel-y", 9, "after ` / ` a number is expected"),
        ("sobel-x + [1 1]", 9, "a grid of 3x3 and one of 2x1 have no common centre"),
        ("sobel-x + depth-luma", 9, "a kernel of depth 1 and one of depth 3 cannot be added"),
        ("depth-luma * depth-luma", 12, "two kernels of depth 3 cannot follow one another"),
        ("box:size=1023 * box:size=1023 * box:size=1023", 15, "which is too large"),
        ("gaussian:sigma=x * box", 10, "sigma: 'x' is not a number"),
        ("gaussian:sigma * box", 10, "'sigma' is not of the form key=value"),
        ("box * gaussian:size=3,size=5", 23, "size is given twice"),
        ("[1 x] * box", 4, "'x' is not a number"),
        ("box * [1 2; 3]", 12, "row 2 has 1 values"),
        ("(" * 31 + "box" + ")" * 31, 32, "more than 30 brackets"),
        ("box * ?", 7, "'?' is neither a kernel's name"),
        ("../kernels/", 1, "'../kernels/' is neither a kernel's name, nor a file, nor a number"),
        ("sobel-x+sobel-y", 8, "operators stand between spaces: ` + `"),
        ("2*sobel-x", 2, "operators stand between spaces: ` * `"),
        ("box - sobel-x/2", 14, "operators stand between spaces: ` / `"),
        ("gaussian:size=5, sigma=2", 17, "a parameter is missing; they stand without spaces"),
        ("gaussian(sigma=2)", 9, "parameters follow a colon, as in gaussian:sigma=2"),
        ("sobel-x; sobel-y", 1, "'sobel-x' is not a number; between `;` stand rows of numbers"),
        ("box@dilate=x", 5, "@dilate=x: a whole number is expected, as in @dilate=2"),
        ("3x3: 1,2", 9, "3x3 needs 9 values, but 2 are there"),
        ("2x1: 1,2,3", 10, "2x1 needs 2 values, but 3 are there"),
        ("3x1: 1,x,2", 8, "'x' is not a number"),
        ("3x1@: 1,1,2", 4, "'@' makes a list of turned kernels"),
        ("3x1+3+0: 1,1,2", 4, "the origin +3+0 lies outside of 3x1"),
    ],
)
def test_a_malformed_spec_is_told_with_its_column(spec, column, message):
    with pytest.raises(KernelError) as error:
        load_kernel(spec)
    assert message in str(error.value)
    assert f", column {column}: " in str(error.value)
    assert str(error.value).startswith(repr(spec.strip()))


def test_a_path_with_spaces_is_a_file_that_is_not_there():
    with pytest.raises(ConvcliError, match=r"^no such kernel\.yaml: no such file$"):
        load_kernel("no such kernel.yaml")


@pytest.mark.parametrize(
    ("spec", "message"),
    [("2 * 3", "2 * 3"), ("-(2)", "works on a kernel, not on the number 2"), ("(2)", "is a number, not a kernel"),
     ("(2)@90", "works on a kernel")],
)  # fmt: skip
def test_a_number_is_no_kernel(spec, message):
    with pytest.raises(KernelError) as error:
        load_kernel(spec)
    assert message in str(error.value)


names = st.sampled_from(["sobel-x", "box", "gaussian-3", "laplacian"]).map(Named)
families = st.builds(Named, st.just("gaussian"), st.just((("sigma", "2"), ("size", "3"))))
rows = st.sampled_from(["1 2 1", "1 0; 0 -1", "1/3 2 / 4"]).map(Rows)
factors = st.fractions(0, 9, max_denominator=7).map(Number)
nodes = st.recursive(
    names | families | rows,
    lambda inner: (
        st.builds(Modified, inner, st.sampled_from(["45", "-90", "flip", "transpose", "l1", "dilate=2"]))
        | st.builds(Negated, inner)
        | st.builds(Pair, inner, st.sampled_from("+-*"), inner)
        | st.builds(Pair, factors, st.just("*"), inner)
        | st.builds(Pair, inner, st.just("/"), factors)
    ),
    max_leaves=6,
)


@given(nodes)
def test_what_is_printed_is_parsed_the_same(node):
    printed = str(node)
    parsed = parse(printed)
    assert parsed == node
    assert str(parsed) == printed


@settings(max_examples=60)
@given(nodes)
def test_a_spec_becomes_a_kernel_becomes_yaml_becomes_the_kernel(node):
    try:
        kernel = load_kernel(str(node))
    except KernelError as error:
        assert "column" in str(error) or "number" in str(error)
        return
    assert parse_yaml(to_yaml(kernel), "printed") == [kernel]


@settings(max_examples=300)
@given(st.text(alphabet="sobel-xgauin:=,.#@()[]+-*/ 0123;", max_size=25))
def test_any_text_gives_a_kernel_or_a_kernel_error(text):
    try:
        kernel = load_kernel(text)
    except ValueError as error:
        assert type(error).__name__ in ("KernelError", "RecipeError", "ConvcliError")
        return
    assert isinstance(kernel, Kernel)


@pytest.mark.parametrize(
    ("spec", "message"),
    [("1 " * 2500 + "x", "column 5001: 'x' is not a number"), ("(" * 5000, "more than 30 brackets"),
     ("sobel-x" + "@45" * 3000, "column 608: more than 200 operations"), ("-" * 5000 + "box", "column 2: "),
     (" + ".join(["sobel-x"] * 3000), "column 2009: more than 200 operations"),
     ("a" * 100_000, "unknown kernel '" + "a" * 80 + "...'"),
     ("a" * 5000 + ".yaml", "aaa can't be read: File name too long")],
)  # fmt: skip
def test_a_long_spec_is_told_by_the_part_that_is_wrong(spec, message):
    with pytest.raises(ConvcliError) as error:
        load_kernel(spec)
    assert message in str(error.value) and len(str(error.value)) < 300
