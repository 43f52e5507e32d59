"""The tags of a GeoTIFF: kept where every pixel stays where it was, told of where they are dropped; by tifffile."""

import numpy as np
import pytest
import survey

tifffile = pytest.importorskip("tifffile")

PLACES = [
    (33550, 12, 3, (0.5, 0.5, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 440720.5, 3751320.0, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (34736, 12, 2, (6378137.0, 298.257), True),
    (34737, 2, 0, "WGS 84|", True),
]
NODATA = (42113, 2, 0, "-9999", True)
KINDS = {
    "8-bit gray": (np.uint8, (), "minisblack"),
    "8-bit RGB": (np.uint8, (3,), "rgb"),
    "16-bit RGB": (np.uint16, (3,), "rgb"),
    "float gray": (np.float32, (), "minisblack"),
}


def write(path, kind, tags, order="<"):
    dtype, shape, photometric = KINDS[kind]
    pixels = np.random.default_rng(0).integers(0, 200, (200, 210, *shape)).astype(dtype)
    tifffile.imwrite(path, pixels, photometric=photometric, extratags=tags, byteorder=order)


def places(path):
    with tifffile.TiffFile(path) as tiff:
        return {tag: value for tag in (p[0] for p in PLACES) if (value := tiff.pages[0].tags.valueof(tag)) is not None}


WANT = {tag: value for tag, *_, value, _ in PLACES}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_they_stay_where_every_pixel_stays(tmp_path, kind, order, streamed):
    write(tmp_path / "in.tif", kind, PLACES, order)
    words = ("--memory", "1M", "--pyramid") if streamed else ()
    result = survey.convcli("apply", "-k", "box", *words, tmp_path / "in.tif", tmp_path / "out.tif")
    assert result.exit_code == 0 and "dropped" not in result.stderr, result.output
    assert places(tmp_path / "out.tif") == WANT


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "words", [("--stride", "2"), ("--padding", "valid"), ("--padding", "2,0,1,1"), ("--stride", "1,3")]
)
def test_and_are_dropped_with_a_note_where_it_does_not(tmp_path, words, streamed):
    write(tmp_path / "in.tif", "8-bit gray", PLACES)
    words = (*words, *(("--memory", "1M", "--pyramid") if streamed else ()))
    result = survey.convcli("apply", "-k", "box", *words, tmp_path / "in.tif", tmp_path / "out.tif")
    assert result.exit_code == 0 and "the geographic tags were dropped: pixels are no longer" in result.stderr
    assert places(tmp_path / "out.tif") == {}


@pytest.mark.parametrize("kind", list(KINDS)[:3])
def test_other_formats_have_no_place_for_them(tmp_path, kind):
    write(tmp_path / "in.tif", kind, PLACES)
    result = survey.convcli("apply", "-k", "box", tmp_path / "in.tif", tmp_path / "out.png")
    assert result.exit_code == 0 and "the geographic tags were dropped: PNG has no place for them" in result.stderr
    result = survey.convcli("apply", "-k", "box", "--strip", "-f", tmp_path / "in.tif", tmp_path / "out.png")
    assert result.exit_code == 0 and "dropped" not in result.stderr


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", list(KINDS))
def test_no_data_that_is_filtered_is_told_of(tmp_path, kind, streamed):
    write(tmp_path / "in.tif", kind, [NODATA])
    words = ("--memory", "1M", "--pyramid") if streamed else ()
    result = survey.convcli("apply", "-k", "box", *words, tmp_path / "in.tif", tmp_path / "out.tif")
    assert result.exit_code == 0
    assert (
        "the value -9999, which stands for no data, was filtered like any other, and its tag dropped" in result.stderr
    )
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        assert 42113 not in tiff.pages[0].tags


def test_what_is_no_such_value_is_passed(tmp_path):
    write(tmp_path / "in.tif", "16-bit RGB", [(33550, 2, 0, "no numbers", True), PLACES[1]])
    result = survey.convcli("apply", "-k", "box", tmp_path / "in.tif", tmp_path / "out.tif")
    assert result.exit_code == 0 and places(tmp_path / "out.tif") == {33922: WANT[33922]}
