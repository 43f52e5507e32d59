"""The built-in kernels, and how a SPEC finds them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage as ndi
import scipy.signal
from PIL import ImageFilter

from convcli import load_kernel
from convcli.choices import RANGES
from convcli.errors import KernelError
from convcli.kernels.catalogue import catalogue, preset_names
from convcli.kernels.readers.by_suffix import load_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_named_as_its_file_and_explained(name):
    kernel = load_kernel(name)
    assert kernel.name == name
    assert kernel.description.endswith(".")
    assert kernel.source
    assert kernel.tags
    assert kernel.range in RANGES
    assert kernel.origin == "built-in"
    assert load_file(ROOT / "kernels" / f"{name}.yaml") == [kernel]


def test_there_are_enough_of_them_and_none_is_there_twice():
    names = preset_names()
    assert len(names) >= 24
    assert len({kernel.name for kernel in catalogue()}) == len(catalogue())


def test_sums_and_default_ranges_fit_together():
    for kernel in catalogue():
        total = kernel.scaled.sum()
        if kernel.tags[0] in ("blur", "shape", "motion", "sharpen") and kernel.range == "clip":
            assert total == pytest.approx(1, abs=1e-12), kernel.name
        if kernel.range in ("abs", "offset") and kernel.name not in ("gabor", "random"):
            assert total == pytest.approx(0, abs=1e-12), kernel.name


def test_the_lessons_edge_kernels_have_their_high_values_left_and_above():
    vertical, horizontal = load_kernel("vertical-edge").weights, load_kernel("horizontal-edge").weights
    assert (vertical[:, 0] > 0).all()
    assert (vertical[:, -1] < 0).all()
    assert (horizontal[0] > 0).all()
    assert (horizontal[-1] < 0).all()
    assert np.array_equal(vertical.T, horizontal)


@pytest.mark.parametrize("stem", ["sobel", "prewitt", "scharr", "gradient"])
def test_the_y_kernels_are_the_x_kernels_transposed(stem):
    x, y = load_kernel(f"{stem}-x"), load_kernel(f"{stem}-y")
    assert np.array_equal(x.weights.T, y.weights)
    assert x.divisor == y.divisor


def test_fixed_gradients_are_those_of_scikit_image():
    # scikit-image divides by the sum of one side and filters with the flipped kernel.
    edges = pytest.importorskip("skimage.filters.edges")
    for name, theirs in (("sobel-y", edges.HSOBEL_WEIGHTS), ("scharr-y", edges.HSCHARR_WEIGHTS),
                         ("prewitt-y", edges.HPREWITT_WEIGHTS)):  # fmt: skip
        ours = load_kernel(name).weights
        np.testing.assert_allclose(ours[::-1] / np.abs(ours[0]).sum(), theirs, atol=1e-15)
    assert np.array_equal(load_kernel("roberts").weights, edges.ROBERTS_PD_WEIGHTS)
    assert np.array_equal(load_kernel("roberts-y").weights, edges.ROBERTS_ND_WEIGHTS)


def test_sobel_and_scharr_are_those_of_opencv():
    import cv2

    for name, order, size in (("sobel-x", (1, 0), 3), ("sobel-y", (0, 1), 3), ("scharr-x", (1, 0), cv2.FILTER_SCHARR),
                              ("sobel-5x", (1, 0), 5), ("sobel-5y", (0, 1), 5)):  # fmt: skip
        across, down = cv2.getDerivKernels(*order, size)
        assert np.array_equal(load_kernel(name).weights, down @ across.T), name


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "the kernel spec is empty"),
        ("   ", "the kernel spec is empty"),
        ("sobelx", "unknown kernel 'sobelx'; did you mean sobel-x"),
        ("Sobel_X", "unknown kernel 'Sobel_X'; did you mean sobel-x"),
        ("gausian", "unknown kernel 'gausian'; did you mean gaussian"),
        ("qqqqqq", "unknown kernel 'qqqqqq'; `convcli kernels list` shows the names"),
        ("sobel-x:size=3", "sobel-x is a fixed grid and takes no parameters, but 'size=3' was given"),
        ("gaussian:", "a parameter is missing"),
        ("gaussian:2", "'2' is not of the form key=value"),
        ("gaussian:sigma=", "'sigma=' is not of the form key=value"),
        ("gaussian:sigma=1,sigma=2", "sigma is given twice"),
        ("gaussian:sgima=1", "gaussian has no parameter 'sgima'; did you mean 'sigma'?"),
        ("gaussian:zz=1", "gaussian has no parameter 'zz'; it takes sigma, size"),
        ("gaussian:sigma=0", "sigma must be greater than 0, not 0"),
        ("gaussian:sigma=-1", "sigma must be greater than 0, not -1"),
        ("gaussian:sigma=nan", "'nan' is not a finite number"),
        ("gaussian:sigma=x", "sigma: 'x' is not a number"),
        ("gaussian:size=2.5", "size must be a whole number, not 2.5"),
        ("gaussian:size=100001", "size must be 1 to 1023, not 100001"),
        ("gaussian:sigma=1e300", "a sigma of 1e+300 needs more than 1023 weights a side; give a size"),
        ("box:size=0", "size must be 1 to 1023, not 0"),
        ("box:size=-3", "size must be 1 to 1023, not -3"),
    ],
)
def test_a_wrong_name_or_parameter_is_told(spec, message):
    with pytest.raises(KernelError) as error:
        load_kernel(spec)
    assert message in str(error.value)
    assert error.value.exit_code == 2


def test_a_spec_must_be_text():
    with pytest.raises(KernelError, match="a kernel spec must be text, not int"):
        load_kernel(3)


def test_a_wheel_like_layout_finds_the_kernels_inside_the_package(tmp_path):
    copy = tmp_path / "site" / "convcli"
    copy.mkdir(parents=True)
    for part in (ROOT / "convcli").iterdir():
        if part.name not in ("__pycache__", "kernels"):
            (copy / part.name).symlink_to(part)
    # The module that looks for the folder resolves its own place, so its room must be a folder of its own here.
    shutil.copytree(ROOT / "convcli" / "kernels", copy / "kernels")
    (copy / "kernels" / "presets").mkdir()
    (copy / "kernels" / "presets" / "only-here.yaml").write_text("weights: [[7]]")
    code = "from convcli import load_kernel; print(load_kernel('only-here').weights.tolist())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", capture_output=True, text=True, timeout=1200,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.stdout.strip() == "[[7.0]]", done.stderr


def of_opencv(order, size, divisor=1):
    x, y = cv2.getDerivKernels(*order, size, ktype=cv2.CV_64F)
    return np.outer(y, x) / divisor


def of_pillow(filter_):
    size, scale, _, grid = filter_.filterargs
    return np.reshape(grid, size) / scale


def of_scipy(function, size=3, *args, **options):
    impulse = np.zeros((size, size))
    impulse[size // 2, size // 2] = 1
    # SciPy answers an impulse with the kernel upside down and left to right.
    return function(impulse, *args, mode="constant", **options)[::-1, ::-1]


def pascal(n):
    return np.outer(scipy.linalg.pascal(n, "lower")[-1], scipy.linalg.pascal(n, "lower")[-1]) / 4.0 ** (n - 1)


UNIT = of_scipy(ndi.uniform_filter, 3, 1)
LINE = np.array([[-1, -1, -1], [2, 2, 2], [-1, -1, -1]])
DIAGONAL_LINE = np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]])
AROUND = np.array([[1, 1, 1], [1, -8, 1], [1, 1, 1]])
STENCIL = [[1 / 12, -8 / 12, 0, 8 / 12, -1 / 12]]
BILINEAR = scipy.signal.windows.triang(3)
MARR = [[0, 0, 1, 0, 0], [0, 1, 2, 1, 0], [1, 2, -16, 2, 1], [0, 1, 2, 1, 0], [0, 0, 1, 0, 0]]
MIDDLE = np.pad([[1]], 2)

# Every fixed grid over its divisor, by a library or as it is published.
BY_ANOTHER_HAND = {
    "bayer-green": np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4,
    "bayer-red-blue": 4 * np.outer(BILINEAR, BILINEAR) / 4,
    "cone-5": np.array([[0, 0, 1, 0, 0], [0, 2, 2, 2, 0], [1, 2, 5, 2, 1], [0, 2, 2, 2, 0], [0, 0, 1, 0, 0]]) / 25,
    "contour": of_pillow(ImageFilter.CONTOUR),
    "depth-luma": np.reshape([0.299, 0.587, 0.114], (3, 1, 1)),
    "detail": of_pillow(ImageFilter.DETAIL),
    "edge-enhance": of_pillow(ImageFilter.EDGE_ENHANCE),
    "emboss": np.array([[1, 1, 0], [1, 0, -1], [0, -1, -1]]),
    "emboss-color": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    "gaussian-3": pascal(3),
    "gaussian-5": pascal(5),
    "gaussian-7": pascal(7),
    "gradient-5x": np.array(STENCIL),
    "gradient-5y": np.array(STENCIL).T,
    "gradient-x": of_scipy(ndi.correlate1d, 3, [-0.5, 0, 0.5], 1)[1:2],
    "gradient-y": of_scipy(ndi.correlate1d, 3, [-0.5, 0, 0.5], 0)[:, 1:2],
    "high-pass": UNIT - of_scipy(ndi.uniform_filter),
    "horizontal-edge": of_scipy(ndi.prewitt, 3, 0)[::-1],
    "identity": UNIT,
    "kirsch": np.array([[5, 5, 5], [-3, 0, -3], [-3, -3, -3]]),
    "laplacian": of_scipy(ndi.laplace),
    "laplacian-8": AROUND,
    "laplacian-diagonal": np.array([[1, 0, 1], [0, -4, 0], [1, 0, 1]]) / 2,
    "laplacian-isotropic": np.array([[1, 2, 1], [2, -12, 2], [1, 2, 1]]) / 4,
    "laplacian-of-gaussian": np.array(MARR),
    "laplacian-patra": np.array([[1, 4, 1], [4, -20, 4], [1, 4, 1]]) / 6,
    "line-135": DIAGONAL_LINE[:, ::-1],
    "line-45": DIAGONAL_LINE,
    "line-horizontal": LINE,
    "line-vertical": LINE.T,
    "mexican-hat": MIDDLE - np.array(MARR),
    "motion-blur": np.eye(9) / 9,
    "motion-horizontal": np.full((1, 9), 1 / 9),
    "motion-vertical": np.full((9, 1), 1 / 9),
    "noise": np.outer([1, -2, 1], [1, -2, 1]),
    "outline": -AROUND,
    "prewitt-x": of_scipy(ndi.prewitt, 3, 1),
    "prewitt-y": of_scipy(ndi.prewitt, 3, 0),
    "ridge": -np.array([[1, 2, 1], [2, -12, 2], [1, 2, 1]]) / 4,
    "roberts": np.array([[1, 0], [0, -1]]),
    "roberts-y": np.array([[0, 1], [-1, 0]]),
    "scharr-x": of_opencv((1, 0), cv2.FILTER_SCHARR),
    "scharr-y": of_opencv((0, 1), cv2.FILTER_SCHARR),
    "sharpen": UNIT - of_scipy(ndi.laplace),
    "sharpen-8": UNIT - AROUND,
    "smooth": of_pillow(ImageFilter.SMOOTH),
    "sobel-5x": of_opencv((1, 0), 5, 16),
    "sobel-5y": of_opencv((0, 1), 5, 16),
    "sobel-x": of_scipy(ndi.sobel, 3, 1),
    "sobel-y": of_scipy(ndi.sobel, 3, 0),
    "unsharp-5": 2 * MIDDLE - pascal(5),
    "vertical-edge": of_scipy(ndi.prewitt, 3, 1)[:, ::-1],
}


def test_every_fixed_grid_is_held_against_another_hand():
    assert sorted(BY_ANOTHER_HAND) == preset_names()


@pytest.mark.parametrize("name", BY_ANOTHER_HAND)
def test_a_fixed_grid_is_what_another_hand_says(name):
    np.testing.assert_allclose(load_kernel(name).scaled, BY_ANOTHER_HAND[name], atol=1e-12)
