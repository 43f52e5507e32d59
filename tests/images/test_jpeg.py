"""JPEG in bands: the same coefficients as from one encoder, and a file that every reader takes."""

import io

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.images import Frame, Metadata, Origin
from convcli.images.jpeg import write_jpeg
from convcli.images.write import Target

SAMPLINGS = [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}]


def picture(height, width, colors=3):
    """Waves and noise."""
    y, x, c = np.mgrid[:height, :width, :colors]
    noise = np.random.default_rng(0).integers(0, 40, (height, width, colors))
    waves = (100 + 80 * np.sin(x / 9 + y / (5 + c)) + noise).astype(np.uint8)
    return waves[:, :, 0] if colors == 1 else waves


def written(pixels, threads=1, **options):
    stream = io.BytesIO()
    write_jpeg(stream, Frame(pixels), lambda f: Image.fromarray(f.pixels), options, threads=threads)
    return stream.getvalue()


def by_pillow(pixels, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def read(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("options", [*SAMPLINGS, {"quality": 100}, {"quality": 2}])
@pytest.mark.parametrize("size", [(1, 1), (1100, 1003), (2050, 517), (9, 9001)])
def test_the_pixels_are_those_of_one_encoder(size, options):
    pixels = picture(*size)
    whole, banded = by_pillow(pixels, **options), written(pixels, 2, **options)
    assert (read(banded) == read(whole)).all()
    assert abs(len(banded) - len(whole)) < 0.01 * len(whole) + 10


def test_gray_of_one_component_has_blocks_for_units():
    pixels = picture(1300, 1001, 1)
    for options in ({"quality": 90}, *SAMPLINGS):
        assert (read(written(pixels, **options)) == read(by_pillow(pixels, **options))).all()


def test_the_four_inks():
    pixels = picture(900, 1001, 4)
    frame, stream = Frame(pixels), io.BytesIO()
    options = {"subsampling": 2}
    write_jpeg(stream, frame, lambda f: Image.fromarray(f.pixels, "CMYK"), options)
    whole = io.BytesIO()
    Image.fromarray(pixels, "CMYK").save(whole, "JPEG", **options)
    assert (read(stream.getvalue()) == read(whole.getvalue())).all()


def test_other_readers_take_it():
    cv2 = pytest.importorskip("cv2")
    pixels = picture(1100, 1003)
    banded, whole = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        for data in (written(pixels, quality=90), by_pillow(pixels, quality=90))
    )
    assert (banded == whole).all()


def test_the_file_does_not_depend_on_the_number_of_threads():
    pixels = picture(1500, 1200)
    assert len({written(pixels, threads) for threads in (1, 2, 5)}) == 1


def test_more_bands_than_markers_have_numbers():
    pixels = picture(20000, 333)
    assert (read(written(pixels, 2)) == read(by_pillow(pixels))).all()


def test_metadata_stand_in_the_head():
    pixels, said = picture(1200, 1000), {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", "icc_profile": b"p" * 70000}
    with Image.open(io.BytesIO(written(pixels, dpi=(72, 72), comment=b"words", **said))) as image:
        assert image.size == (1000, 1200) and image.info["icc_profile"] == said["icc_profile"]
        assert image.info["comment"] == b"words" and image.info["dpi"] == (72, 72) and image.info["exif"]


def test_a_picture_too_large_for_the_format_is_refused():
    with pytest.raises(ImageError, match="at most 65500 pixels a side, not 1x65501; write PNG or TIFF"):
        Target("JPEG").write(io.BytesIO(), [Frame(np.zeros((65501, 1), np.uint8))], Origin("PNG", "L"), Metadata())
