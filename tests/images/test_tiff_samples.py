"""Samples of TIFF: bits x photometric x extra samples x planar x sign, against TIFF 6.0, with and without tifffile."""

import io
import tracemalloc

import numpy as np
import pytest
import tiffs

from convcli.errors import ImageError
from convcli.images import Reading


def read(data):
    with Reading(data) as reading:
        return next(reading.frames()), reading


@pytest.mark.parametrize("kind", list(tiffs.kinds()), ids=str)
def test_samples_mean_what_the_tags_say(kind):
    samples = tiffs.samples_of(kind)
    data = tiffs.tiff(kind, samples)
    if not tiffs.readable(kind):
        with pytest.raises(ImageError, match="not filtered") as refusal:
            read(data)
        assert "damaged" not in str(refusal.value)
        return
    frame, reading = read(data)
    assert tiffs.off(kind, samples, frame.pixels, frame.alpha) <= tiffs.tolerance(kind)
    left_out = len(kind.extra) - any(kind.extra)
    assert any("left out" in note for note in reading.notes) == bool(left_out)


@pytest.mark.parametrize("kind", list(tiffs.kinds()), ids=str)
def test_without_tifffile_they_mean_the_same_or_are_refused(kind, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    monkeypatch.setattr("convcli.images.high_depth.installed", lambda: False)
    samples = tiffs.samples_of(kind)
    data = tiffs.tiff(kind, samples)
    for reduce in (False, True):
        try:
            with Reading(data, reduce_depth=reduce) as reading:
                frame = next(reading.frames())
        except ImageError as error:
            assert "damaged" not in str(error)
            assert "convcli[deep]" in str(error)
            assert kind.bits != 8 or kind.extra or kind.planar == 2 or kind.format != tiffs.UNSIGNED
            continue
        allowed = 1.001 / 255 if reduce else tiffs.tolerance(kind)
        if frame.integer:
            reduce = False
        if not (reduce and (kind.format != tiffs.UNSIGNED or kind.bits > 16)):
            assert tiffs.off(kind, samples, frame.pixels, frame.alpha) <= allowed


def test_unsigned_32_bits_never_become_negative():
    kind = tiffs.Kind(32, tiffs.BLACK_IS_ZERO)
    samples = tiffs.samples_of(kind, high=True)
    with pytest.raises(ImageError, match="2147483648"):
        read(tiffs.tiff(kind, samples))


def test_pages_are_looked_at_one_by_one():
    """An ordinary first page says nothing of the second."""
    tifffile = pytest.importorskip("tifffile")
    plain, stream = np.arange(48, dtype=np.uint8).reshape(6, 8), io.BytesIO()
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    with tifffile.TiffWriter(stream) as tiff:
        tiff.write(plain, photometric="minisblack")
        tiff.write(deep, photometric="miniswhite")
    with Reading(stream.getvalue()) as reading:
        first, second = reading.frames()
    np.testing.assert_array_equal(first.pixels, plain)
    np.testing.assert_array_equal(second.pixels, 65535 - deep)


def test_what_is_refused_is_not_decoded():
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((3000, 3000), np.uint16), photometric="cfa", compression="zlib")
    tracemalloc.start()
    with pytest.raises(ImageError, match="colour filter array"):
        read(stream.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 3_000_000
    tracemalloc.stop()
