"""Agreement with programs that know nothing of us: PyTorch, SciPy and OpenCV; their border names are here too."""

from itertools import product

import cv2
import numpy as np
import pytest
import torch
from compare import filtered
from scipy import ndimage

KERNELS = {
    "sobel": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "lopsided": np.array([[1.0, -2, 3], [0, 4, -5], [6, 0, -1]]),
    "row": np.array([[1.0, -3, 4, 2, 1]]),
    "random 7x5": np.random.default_rng(1).normal(size=(7, 5)),
    "random 17x17": np.random.default_rng(2).normal(size=(17, 17)),
    "box 9": np.ones((9, 9)),
}


def picture(shape, dtype=np.float32, seed=4):
    noise = np.random.default_rng(seed).random(shape)
    return (noise * {"u": 255.99, "f": 1}[np.dtype(dtype).kind]).astype(dtype)


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


# PyTorch


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("name", ["sobel", "lopsided", "random 7x5"])
def test_conv2d_modules_of_pytorch_with_every_padding_mode(mode, name):
    kernel, image = KERNELS[name], picture((21, 26, 3))
    for stride, dilation, padding in product((1, 2, (3, 1)), (1, 2), ((2, 3), (5, 0))):
        layer = torch.nn.Conv2d(1, 1, kernel.shape, stride, padding, dilation, padding_mode=mode).double()
        with torch.no_grad():
            layer.weight[:] = torch.tensor(kernel)
            layer.bias[:] = 0.25
            want = layer(torch.tensor(image.transpose(2, 0, 1)[:, None], dtype=torch.float64)).numpy()[:, 0]
        got = filtered(image, kernel, bias=0.25 * 255, range="raw", stride=stride, padding=padding, dilation=dilation,
                       padding_mode=mode)  # fmt: skip
        close(got.transpose(2, 0, 1), want)


@pytest.mark.parametrize("size", [(3, 3), (4, 2), (1, 1), (9, 9)])
def test_depth_is_a_conv2d_from_three_channels_to_one(size):
    weights, image = np.random.default_rng(5).normal(size=(3, *size)), picture((18, 23, 3))
    for stride, dilation in product((1, 2), (1, 2)):
        x = torch.tensor(image.transpose(2, 0, 1)[None], dtype=torch.float64)
        want = torch.nn.functional.conv2d(x, torch.tensor(weights[None]), None, stride, (3, 1), dilation)[0, 0].numpy()
        if min(want.shape) > 0:
            how = {"stride": stride, "padding": (3, 1), "dilation": dilation}
            close(filtered(image, weights, range="raw", depth=True, **how), want)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("shape", [(3, 3), (4, 4), (2, 5), (6, 1)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_same_and_valid_are_those_of_pytorch(padding, shape):
    """For an even kernel "same" has an odd total, and the extra zero comes after in both."""
    kernel, image = np.random.default_rng(6).normal(size=shape), picture((11, 12))
    x, w = (torch.tensor(a[None, None], dtype=torch.float64) for a in (image, kernel))
    for dilation in (1, 2):
        want = torch.nn.functional.conv2d(x, w, padding=padding, dilation=dilation)[0, 0].numpy()
        close(filtered(image, kernel, range="raw", padding=padding, dilation=dilation), want)


# SciPy

SCIPY = {
    "zeros": ["constant", "grid-constant"],
    "constant": ["constant", "grid-constant"],
    "replicate": ["nearest"],
    "reflect": ["mirror"],
    "symmetric": ["reflect", "grid-mirror"],
    "circular": ["wrap", "grid-wrap"],
}


@pytest.mark.parametrize(("mode", "theirs"), [(mode, name) for mode, names in SCIPY.items() for name in names])
@pytest.mark.parametrize("name", KERNELS)
def test_correlate_of_scipy_with_every_border(mode, theirs, name):
    value = 37 if mode == "constant" else 0
    for shape in ((23, 31), (5, 4), (1, 3)):
        if name == "random 17x17" and theirs == "wrap" and min(shape) < 17:
            continue  # SciPy's "wrap" and ours part where the pad is wider than the picture; its "grid-wrap" stays
        image = picture(shape, np.uint8)
        want = ndimage.correlate(image.astype(float), KERNELS[name], mode=theirs, cval=value)
        close(filtered(image, KERNELS[name], range="raw", padding_mode=mode, padding_value=value), want)


@pytest.mark.parametrize("name", KERNELS)
def test_flipped_it_is_the_convolve_of_scipy(name):
    image = picture((23, 31), np.uint8)
    flipped = KERNELS[name][::-1, ::-1]
    for mode, (theirs, *_) in SCIPY.items():
        want = ndimage.convolve(image.astype(float), KERNELS[name], mode=theirs)
        close(filtered(image, flipped, range="raw", padding_mode=mode), want)


def test_full_padding_is_the_full_convolution_of_scipy():
    from scipy.signal import convolve2d, correlate2d

    image = picture((9, 14))
    for kernel in KERNELS.values():
        close(filtered(image, kernel, range="raw", padding="full"), correlate2d(image, kernel, "full"))
        close(filtered(image, kernel[::-1, ::-1], range="raw", padding="full"), convolve2d(image, kernel, "full"))


# OpenCV

OPENCV = {
    "zeros": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
}


@pytest.mark.parametrize("mode", OPENCV)
@pytest.mark.parametrize("shape", [(64, 95), (64, 95, 3), (3, 70)])
def test_filter2d_of_opencv_on_8_bits(mode, shape):
    image = picture(shape, np.uint8)
    integers = np.random.default_rng(8).integers(-4, 5, (5, 3)).astype(float)
    for kernel in (KERNELS["sobel"], KERNELS["lopsided"], KERNELS["row"], integers):
        want = cv2.filter2D(image, -1, kernel, borderType=OPENCV[mode])
        np.testing.assert_array_equal(filtered(image, kernel, padding_mode=mode), want)
    for kernel in (KERNELS["random 7x5"], KERNELS["random 17x17"], KERNELS["box 9"] / 81):
        if min(shape[:2]) > kernel.shape[0] // 2:
            want = cv2.filter2D(image, -1, kernel, borderType=OPENCV[mode])
            got = filtered(image, kernel, padding_mode=mode)
            assert np.abs(got.astype(int) - want).max() <= 1
            assert (got != want).mean() < 0.01


def test_box_of_opencv_on_8_bits():
    """A mean over nine pixels has no ties: both must give the same pixels."""
    image = picture((80, 120, 3), np.uint8)
    for size in (3, 5, 9, 31):
        want = cv2.blur(image, (size, size), borderType=cv2.BORDER_REFLECT_101)
        got = filtered(image, np.ones((size, size)), divisor=size * size, padding_mode="reflect")
        np.testing.assert_array_equal(got, want)
