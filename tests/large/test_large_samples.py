"""Samples of TIFF read by the row: the same table as in memory, against TIFF 6.0."""

import struct

import numpy as np
import pytest
import tiffs

from convcli.errors import ImageError
from convcli.large.tiff_in import open_tiff


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("kind", list(tiffs.kinds()), ids=str)
def test_samples_mean_what_the_tags_say(tmp_path, kind, drop):
    samples = tiffs.samples_of(kind)
    path = tmp_path / "a.tif"
    path.write_bytes(tiffs.tiff(kind, samples))
    whole = kind.format == tiffs.SIGNED or (kind.format == tiffs.UNSIGNED and kind.bits > 16)
    if whole:
        with pytest.raises(ImageError, match=r"--memory|not filtered"), open_tiff(str(path), "a.tif", None, drop):
            pass
        return
    with open_tiff(str(path), "a.tif", None, drop) as stacks:
        page = stacks[0].pages[0]
        frame = page.rows(np.arange(tiffs.HEIGHT))
        assert (page.shape, page.dtype, page.alpha) == (frame.pixels.shape, frame.pixels.dtype, frame.alpha is not None)
        some = page.rows(np.array([1, 3]))
        np.testing.assert_array_equal(some.pixels, frame.pixels[[1, 3]])
        assert bool(stacks[0].note) == (len(kind.extra) > any(kind.extra))
    alpha = tiffs.meant(kind, samples)[1]
    if drop:
        assert frame.alpha is None
        frame_alpha = None if alpha is None else (alpha * tiffs.FULL.get(frame.pixels.dtype.name, 1)).astype(float)
    else:
        frame_alpha = frame.alpha
    assert tiffs.off(kind, samples, frame.pixels, frame_alpha) <= tiffs.tolerance(kind)


@pytest.mark.parametrize(
    ("tag", "kind", "value", "refused"),
    [(278, 4, 0, True), (257, 4, 0, True), (262, 3, 77, True), (296, 2, 120, False), (296, 3, 99, False)],
)
def test_tags_of_any_value_end_in_rows_or_a_sentence(tmp_path, tag, kind, value, refused):
    """RowsPerStrip and ImageLength of 0, a strange photometric interpretation, a resolution's unit that is none."""
    gray = tiffs.Kind(8, tiffs.BLACK_IS_ZERO)
    data = bytearray(tiffs.tiff(gray, tiffs.samples_of(gray)))
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    places = {struct.unpack_from("<H", data, p)[0]: p for p in range(at + 2, at + 2 + 12 * count, 12)}
    place = places.get(tag, places[284])  # in the place of PlanarConfiguration, which it follows
    struct.pack_into("<HHII", data, place, tag, kind, 1, value)
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    try:
        with open_tiff(str(path), "a.tif", None, False) as stacks:
            assert stacks[0].pages[0].rows(np.arange(tiffs.HEIGHT)).size == (tiffs.HEIGHT, tiffs.WIDTH)
            assert not refused
    except ImageError as error:
        assert refused and str(error).startswith("a.tif ")
