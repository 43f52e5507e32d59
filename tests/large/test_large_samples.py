"""Samples of TIFF read by the row: the same table as in memory, against TIFF 6.0."""

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
