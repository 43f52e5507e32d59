"""The PNG writer, read back by Pillow and by OpenCV, which share no code with it."""

import tracemalloc
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convcli.images.png import _paeth, adler32_combine, write_png

RNG = np.random.default_rng(11)


def png(pixels, alpha=None, **options):
    stream = BytesIO()
    write_png(stream, pixels, alpha, **options)
    return stream.getvalue()


def smooth(shape, dtype):
    ramp = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1]) * 2)
    ramp = ramp[..., None] + np.arange(shape[2]) * 40 if len(shape) == 3 else ramp
    return (ramp + RNG.integers(0, 3, shape)).astype(dtype)


def by_opencv(data):
    a = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if a.ndim == 3:
        a = a[..., [2, 1, 0, 3][: a.shape[2]]]
    return a


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1, 300, 3), (300, 1, 3), (257, 129), (64, 48, 3)])
@pytest.mark.parametrize("kind", ["smooth", "noise", "flat"])
def test_what_is_written_is_read_back(dtype, shape, kind):
    a = {
        "smooth": lambda: smooth(shape, dtype),
        "noise": lambda: RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype),
        "flat": lambda: np.full(shape, 7, dtype),
    }[kind]()
    np.testing.assert_array_equal(by_opencv(png(a)), a)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_alpha_stands_last(dtype):
    color, alpha = smooth((40, 30, 3), dtype), RNG.integers(0, 255, (40, 30)).astype(dtype)
    np.testing.assert_array_equal(by_opencv(png(color, alpha)), np.dstack([color, alpha]))
    gray = Image.open(BytesIO(png(color[..., 0].astype(np.uint8), alpha.astype(np.uint8))))
    assert gray.mode == "LA"
    np.testing.assert_array_equal(np.asarray(gray)[..., 1], alpha.astype(np.uint8))


def test_bands_and_threads_change_nothing(monkeypatch):
    a = smooth((500, 70, 3), np.uint8)
    one = png(a)
    monkeypatch.setattr("convcli.images.png._BAND", 70 * 3 * 17)
    bands = png(a, threads=1)
    assert bands == png(a, threads=4)
    assert bands.count(b"IDAT") > 20 and one.count(b"IDAT") < 5
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(bands))), a)


@pytest.mark.parametrize("compression", ["fast", "max", "none"])
def test_compression(compression):
    a = smooth((200, 200, 3), np.uint8)
    np.testing.assert_array_equal(by_opencv(png(a, compression=compression)), a)


def test_repetition_is_found():
    a = np.tile(RNG.integers(0, 256, (8, 32, 3), dtype=np.uint8), (20, 5, 1))  # long matches, no runs
    assert len(png(a, compression="max")) <= len(png(a)) < a.nbytes / 10
    assert len(png(a, compression="none")) > a.nbytes


def test_chunks_stand_before_the_pixels():
    image = Image.open(BytesIO(png(smooth((4, 4), np.uint8), chunks=[(b"tEXt", b"Comment\0hello")])))
    assert image.info["Comment"] == "hello"


@given(st.binary(), st.binary())
def test_adler_of_two_pieces(first, second):
    assert adler32_combine(zlib.adler32(first), zlib.adler32(second), len(second)) == zlib.adler32(first + second)


def test_filtering_takes_little_memory_beside_the_picture():
    """A smooth picture, on which the filter with the most steps is chosen."""
    y, x = np.mgrid[:700, :1000]
    waves = 127 + 60 * np.sin(x / 37 + y / 90) + 60 * np.cos(y / 41 - x / 113)
    pixels = np.stack([waves, waves[::-1], waves[:, ::-1]], axis=2).astype(np.uint8)
    tracemalloc.start()
    try:
        data = png(pixels)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - len(data) < 5_000_000


def test_the_nearest_neighbour_of_all_there_are():
    """The specification's predictor in wide integers, for every a, b and c."""
    b, c = (v.ravel().astype(np.uint8) for v in np.mgrid[:256, :256])
    zero = np.zeros_like(b)
    for a in range(0, 256, 5):
        p = a + b.astype(int) - c
        to_a, to_b, to_c = abs(p - a), abs(p - b), abs(p - c)
        want = np.where((to_a <= to_b) & (to_a <= to_c), a, np.where(to_b <= to_c, b, c))
        assert (_paeth(zero, np.full_like(b, a), b, c) == (-want).astype(np.uint8)).all()
