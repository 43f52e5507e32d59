"""The built-in kernels, and how a SPEC finds them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convcli import load_kernel
from convcli.errors import KernelError
from convcli.kernel_files import load_file
from convcli.presets import catalogue, preset_names
from convcli.words import RANGES

ROOT = Path(__file__).resolve().parent.parent


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
        if part.name != "__pycache__":
            (copy / part.name).symlink_to(part)
    # The module that looks for the folder resolves its own place, so it must be a file of its own here.
    (copy / "folders.py").unlink()
    (copy / "folders.py").write_bytes((ROOT / "convcli" / "folders.py").read_bytes())
    (copy / "kernels").mkdir()
    (copy / "kernels" / "only-here.yaml").write_text("weights: [[7]]")
    code = "from convcli import load_kernel; print(load_kernel('only-here').weights.tolist())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    assert done.stdout.strip() == "[[7.0]]", done.stderr
