"""The Python API: public names, arguments, errors, and what an import costs."""

import json
import subprocess
import sys
import typing

import naive
import numpy as np
import pytest

import convcli
from convcli import ConvcliError, Kernel, filter_image

SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def picture(shape=(12, 15, 3), dtype=np.uint8):
    noise = np.random.default_rng(9).random(shape)
    return (noise * naive.FULL_SCALE[np.dtype(dtype).name]).astype(dtype)


def modules_after(code):
    """The modules that a fresh Python holds after running the code."""
    code += "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=1200)
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"numpy", "PIL", "rich", "numba", "llvmlite", "yaml", "scipy", "torch"}


def test_importing_costs_nothing():
    assert not modules_after("import convcli") & (HEAVY | {"click"})


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"]])
def test_help_and_version_import_click_and_nothing_heavy(arguments):
    code = (
        f"import sys; sys.argv = ['convcli', *{arguments}]\nfrom convcli.cli import main\nmain(standalone_mode=False)"
    )
    modules = modules_after(code)
    assert "click" in modules and not modules & HEAVY


def test_public_names_are_listed_and_loaded_when_used():
    assert set(convcli.__all__) <= set(dir(convcli))
    for name in convcli.__all__:
        assert getattr(convcli, name).__doc__
    with pytest.raises(AttributeError, match="'convcli' has no attribute 'sobel'"):
        convcli.sobel  # noqa: B018 - the access is what is tested


def test_public_functions_are_typed():
    for name in ("filter_image", "load_kernel", "output_size", "conv2d"):
        hints = typing.get_type_hints(getattr(convcli, name))
        assert "return" in hints, name


def test_errors_are_value_errors_with_an_exit_code():
    from convcli import errors

    assert issubclass(ConvcliError, ValueError)
    codes = {"ConvcliError": 1, "ImageError": 1, "RecipeError": 2, "KernelError": 2, "GeometryError": 2}
    for name, code in codes.items():
        assert issubclass(getattr(errors, name), ConvcliError) and getattr(errors, name).exit_code == code


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(12, 15), (12, 15, 1), (12, 15, 3), (12, 15, 4)])
def test_filter_image_keeps_dtype_and_shape(dtype, shape):
    a = picture(shape, dtype)
    before = a.copy()
    y = filter_image(a, SOBEL)
    assert y.dtype == dtype and y.shape == shape
    np.testing.assert_allclose(y, naive.convolve(a, SOBEL), rtol=1e-5, atol=1e-6)
    raw = filter_image(a, SOBEL, range="raw")
    assert raw.dtype == np.float32
    np.testing.assert_allclose(raw, naive.convolve(a, SOBEL, range="raw"), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(a, before)


def test_filter_image_hands_every_argument_on():
    a = picture()
    how = {
        "stride": (2, 1),
        "padding": (0, 3, 1, 2),
        "padding_mode": "constant",
        "padding_value": 77,
        "dilation": (1, 2),
    }
    weights = np.arange(6).reshape(2, 3) - 2.0
    for range_ in ("clip", "abs", "offset"):
        want = naive.convolve(a, weights, range=range_, **how)
        np.testing.assert_array_equal(filter_image(a, weights, range=range_, **how), want)
    turned = filter_image(a, weights, flip=True, **how)
    np.testing.assert_array_equal(turned, naive.convolve(a, weights[::-1, ::-1], **how))


def test_filter_image_takes_kernels_lists_and_arrays():
    a, kernel = picture(), Kernel(SOBEL, divisor=4, bias=10, range="abs")
    want = naive.convolve(a, SOBEL, divisor=4, bias=10)
    np.testing.assert_array_equal(filter_image(a, kernel), want)
    np.testing.assert_array_equal(filter_image(a, kernel, range=None), naive.convolve(a, SOBEL, 4, 10, range="abs"))
    for weights in (SOBEL, tuple(map(tuple, SOBEL)), np.array(SOBEL, np.int8), np.array(SOBEL, np.float32)):
        np.testing.assert_array_equal(filter_image(a, weights), naive.convolve(a, SOBEL))


def test_channels_sum_and_gray():
    a = picture()
    np.testing.assert_array_equal(filter_image(a, SOBEL, channels="sum"), naive.convolve(a, SOBEL, depth=True))
    deep = np.random.default_rng(1).integers(-3, 4, (3, 3, 3))
    for channels in ("sum", "each", None):
        np.testing.assert_array_equal(filter_image(a, deep, channels=channels), naive.convolve(a, deep, depth=True))
    gray = np.rint(0.299 * a[:, :, 0] + 0.587 * a[:, :, 1] + 0.114 * a[:, :, 2]).astype(np.uint8)
    assert np.abs(filter_image(a, [[1]], channels="gray").astype(int) - gray).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_normalize_stretches_the_whole_map_to_full_scale(dtype):
    a, top = picture(dtype=dtype), naive.FULL_SCALE[np.dtype(dtype).name]
    y = filter_image(a, SOBEL, range="normalize")
    assert y.dtype == dtype and y.min() == 0 and y.max() == top
    r = naive.convolve(a, SOBEL, range="raw")
    np.testing.assert_allclose(y, (r - r.min()) / (r.max() - r.min()) * top, atol=1 if top > 1 else 1e-5)
    assert not filter_image(np.full((3, 3), top, dtype), [[1]], range="normalize").any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("range_", ["clip", "abs", "offset", "normalize", "raw"])
@pytest.mark.parametrize("far", [{"bias": 1e308}, {"bias": -1e308}, {"divisor": 1e-300}, {"divisor": -1e-300}])
def test_responses_beyond_float32_come_without_a_warning(dtype, range_, far):
    filter_image(picture(dtype=dtype), Kernel([[1, 2]], **far), range=range_)
    filter_image(picture(dtype=dtype), [[1, 2]], padding_mode="constant", padding_value=1e308, range=range_)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": [[1, 2]]}, "must be a NumPy array, not list"),
        ({"a": np.zeros((3, 3))}, "must be uint8, uint16 or float32, not float64"),
        ({"a": np.zeros((3, 3), bool)}, "must be uint8, uint16 or float32, not bool"),
        ({"a": np.zeros(5, np.uint8)}, r"shape \(H, W\) or \(H, W, C\)"),
        ({"a": np.zeros((0, 3), np.uint8)}, "nothing empty"),
        ({"a": np.zeros((2, 3, 4, 5), np.uint8)}, r"shape \(H, W\) or \(H, W, C\)"),
        ({"kernel": [[1, 2], [3]]}, "equally long"),
        ({"kernel": []}, "weights"),
        ({"kernel": [[float("nan")]]}, "finite"),
        ({"kernel": [["a"]]}, "must be numbers"),
        ({"kernel": [["1"]]}, "must be numbers"),
        ({"kernel": np.array([[1 + 2j]])}, "must be numbers"),
        ({"kernel": [[10**400]]}, "must be numbers"),
        ({"kernel": np.zeros((2, 3, 3))}, r"\(KH, KW\) or \(3, KH, KW\)"),
        ({"kernel": np.zeros((3, 3, 3)), "channels": "gray"}, "channels=sum"),
        ({"a": np.zeros((5, 5), np.uint8), "kernel": np.zeros((3, 3, 3))}, "1 channel"),
        (
            {"a": np.zeros((5, 5, 4), np.uint8), "channels": "gray"},
            "red, green and blue, and this picture has 4 channels; channels=sum",
        ),
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": b"23"}, "must be a whole number"),
        ({"padding": "none"}, "not 'none'"),
        ({"padding": b"same"}, "must be a whole number"),
        ({"padding": ((1, 2), 3)}, "must be a whole number"),
        ({"padding_mode": "mirrored"}, "not 'mirrored'"),
        ({"padding_mode": ["zeros"]}, "padding_mode must be one of"),
        ({"padding_mode": {}}, "padding_mode must be one of"),
        ({"padding_mode": "constant", "padding_value": 10**400}, "padding_value must be finite"),
        ({"flip": "yes"}, "flip must be True or False, not 'yes'"),
        ({"flip": np.array([True, False])}, "flip must be True or False"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"threads": "2"}, "threads must be a whole number"),
        ({"channels": np.array(["each", "sum"])}, "channels must be one of"),
        ({"range": np.array([0, 255])}, "range must be one of clip, abs, normalize, offset or raw"),
        ({"dilation": -2}, "dilation must be at least 1, not -2"),
        ({"channels": "every"}, "not 'every'"),
        ({"range": "stretch"}, "not 'stretch'"),
        ({"kernel": np.ones((40, 3)), "padding": "valid"}, "does not fit: height"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    arguments = {"a": picture(), "kernel": SOBEL, **wrong}
    with pytest.raises(ConvcliError, match=message):
        filter_image(**arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"divisor": None}, "divisor must be a finite number"),
        ({"divisor": "2"}, "divisor must be a finite number"),
        ({"divisor": 10**400}, "divisor must be a finite number"),
        ({"bias": float("inf")}, "bias must be a finite number"),
        ({"bias": 1j}, "bias must be a finite number"),
        ({"weights": [[1e300]], "divisor": 1e-300}, "over the divisor 1e-300 are too large"),
        ({"range": []}, "range must be one of"),
        ({"name": 3}, "name must be text, not 3"),
        ({"description": None}, "description must be text"),
        ({"tags": "edge"}, "tags must be a list of words, not 'edge'"),
        ({"tags": 3}, "tags must be a list of words"),
        ({"tags": [1]}, "tags must be a list of words"),
    ],
)
def test_wrong_parts_of_a_kernel_are_named(wrong, message):
    with pytest.raises(ConvcliError, match=message):
        Kernel(**{"weights": SOBEL, **wrong})


def test_padding_on_four_sides_may_be_two_pairs():
    a = picture()
    pairs, flat = ((1, 2), (3, 4)), (1, 2, 3, 4)
    np.testing.assert_array_equal(filter_image(a, SOBEL, padding=pairs), filter_image(a, SOBEL, padding=flat))
    assert convcli.output_size((12, 15), 3, padding=pairs) == convcli.output_size((12, 15), 3, padding=flat)


def test_output_size_is_the_size_of_the_map():
    a = picture()
    how = {"stride": (2, 3), "padding": (1, 0, 2, 2), "dilation": 2}
    assert filter_image(a, SOBEL, **how).shape[:2] == convcli.output_size(a.shape[:2], 3, **how)
