"""Odd kinds of files: several pictures in a JPEG, few or many bits, sides that no format holds, what is not read."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import survey
from PIL import Image

from convcli.errors import ImageError
from convcli.images import Reading
from convcli.images.formats import HOLDS, SIDES

PIXELS = survey.smooth(3)


def refused(data, **options):
    with pytest.raises(ImageError) as refusal, Reading(data, **options) as reading:
        list(reading.frames())
    return str(refusal.value)


def several(path, *, gain_map):
    """A JPEG of two pictures; with the mark of Ultra HDR, of which Pillow shows only the first."""
    second = Image.fromarray(255 - PIXELS[:12, :20])
    options = {"xmp": b'<x hdrgm:Version="1.0"/>'} if gain_map else {}
    Image.fromarray(PIXELS).save(path, "MPO", save_all=True, append_images=[second], quality=95, **options)
    if gain_map:
        with Image.open(path) as image:
            assert image.format == "JPEG" and image.info.get("mpoffset")


@pytest.mark.parametrize("gain_map", [False, True])
def test_the_second_picture_of_a_jpeg(tmp_path, gain_map):
    several(tmp_path / "in.jpg", gain_map=gain_map)
    words = ("apply", "-k", "identity", tmp_path / "in.jpg", tmp_path / "out.png", "-f")
    whole = survey.convcli(*words)
    assert whole.exit_code == 0 and "holds 2 pictures" in whole.stderr and "--frame 1" in whole.stderr
    first = survey.pixels(tmp_path / "out.png")
    assert np.abs(first.astype(int) - PIXELS).max() < 40
    for frame, shape in ((0, PIXELS.shape), (1, (12, 20, 3)), (-1, (12, 20, 3))):
        result = survey.convcli(*words, "--frame", frame)
        assert result.exit_code == 0 and "pictures" not in result.stderr
        assert survey.pixels(tmp_path / "out.png").shape == shape
    assert np.abs(survey.pixels(tmp_path / "out.png").astype(int) - (255 - PIXELS[:12, :20])).max() < 40
    result = survey.convcli(*words, "--frame", 2)
    assert result.exit_code == 1 and "has no frame 2: it has 2" in result.stderr


def test_bmp_of_5_6_and_5_bits():
    rng = np.random.default_rng(0)
    red, green, blue = (rng.integers(0, 1 << bits, (3, 4)) for bits in (5, 6, 5))
    rows = (red << 11 | green << 5 | blue).astype("<u2")[::-1].tobytes()
    info = struct.pack("<IiiHHIIiiII3I", 40, 4, 3, 1, 16, 3, len(rows), 0, 0, 0, 0, 0xF800, 0x07E0, 0x001F)
    data = b"BM" + struct.pack("<IHHI", 14 + len(info) + len(rows), 0, 0, 14 + len(info)) + info + rows
    with Reading(data) as reading:
        frame = next(reading.frames())
    want = np.dstack([red / 31, green / 63, blue / 31]) * 255
    assert frame.pixels.dtype == np.uint8 and np.abs(frame.pixels - want).max() < 1.01


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("form", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [8, 9, 10, 12, 15, 16])
def test_gray_jpeg_2000_has_the_whole_range(bits, form, signed):
    imagecodecs = pytest.importorskip("imagecodecs")
    if signed and bits in (8, 16):
        pytest.skip("of these the encoder makes unsigned ones")
    most = (1 << bits) - 1
    samples = np.random.default_rng(bits).integers(0, most + 1, (9, 11))
    samples[0, :2] = 0, most
    stored = samples - (1 << bits - 1) if signed else samples
    kind = np.uint8 if bits == 8 else np.int16 if signed else np.uint16
    data = imagecodecs.jpeg2k_encode(stored.astype(kind), level=0, bitspersample=bits, codecformat=form)
    with Reading(data) as reading:
        frame = next(reading.frames())
    full = 255 if bits == 8 else 65535
    np.testing.assert_allclose(frame.pixels, samples * (full / most), atol=0.51)


def test_jpeg_2000_whose_data_are_larger_than_its_head_says():
    imagecodecs = pytest.importorskip("imagecodecs")
    data = bytearray(imagecodecs.jpeg2k_encode(np.zeros((9, 11, 3), np.uint16), level=0, codecformat="jp2"))
    at = data.index(b"\xff\x51") + 6
    data[at : at + 8] = struct.pack(">II", 40000, 40000)
    assert "its head says 11x9, its data 40000x40000" in refused(bytes(data))


def suffix(format_):
    return survey.SUFFIX.get(format_, "." + format_.lower())


@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize("format_", sorted(SIDES))
def test_sides_are_told_before_the_work(tmp_path, format_, tall):
    """One pixel more than the format holds; the picture has not been decoded by then."""
    side = SIDES[format_] + 1
    size = (1, side) if tall else (side, 1)
    Image.new("L", size).save(tmp_path / "in.png")
    data = (tmp_path / "in.png").read_bytes()
    (tmp_path / "in.png").write_bytes(data.replace(b"IDAT", b"IDAT", 1)[:-20])  # which can't be decoded
    output = tmp_path / f"out{suffix(format_)}"
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", output)
    assert result.exit_code == 1 and not output.exists()
    assert f"in.png: {format_} holds at most {SIDES[format_]} pixels a side, not {size[0]}x{size[1]}" in result.stderr


@pytest.mark.parametrize("format_", sorted(HOLDS))
def test_and_what_is_not_told_of_is_written(tmp_path, format_):
    """As many pixels as the table says, or one more than 65535 where it says nothing."""
    side = SIDES.get(format_, 65536)
    Image.new("L" if format_ in ("MSP", "XBM") else "RGB", (side, 1)).save(tmp_path / "in.png")
    output = tmp_path / f"out{suffix(format_)}"
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", output)
    assert result.exit_code == 0, result.stderr
    if format_ not in ("PDF", "EPS"):
        with Image.open(output) as image:
            assert image.size == (side, 1)


def bmp(bits=24, compression=0, head=40):
    info = struct.pack("<IiiHHIIiiII", head, 2, 2, 1, bits, compression, 16, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 70, 0, 0, 54) + info + bytes(16)


def tiff(*tags):
    entries = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: 16} | dict(tags)
    table = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in sorted(entries.items()))
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(entries)) + table + bytes(4)


def dds(fourcc):
    head = struct.pack("<7I44x", 124, 0x1007, 4, 4, 16, 0, 0) + struct.pack("<II4s5I", 32, 4, fourcc, 0, 0, 0, 0, 0)
    return b"DDS " + head + bytes(20) + bytes(64)


UNREAD = {
    "BMP of a strange compression": bmp(compression=9),
    "BMP of 7 bits": bmp(bits=7),
    "TIFF of a strange compression": tiff((259, 12345)),
    "TIFF of a strange compression and 12 bits": tiff((259, 12345), (258, 12)),
    "TIFF of strange colours": tiff((262, 77)),
    "TIFF of a colour filter array": tiff((262, 32803)),
    "DDS of a strange kind": dds(b"ABCD"),
}


@pytest.mark.parametrize("name", list(UNREAD))
def test_whole_files_of_a_kind_that_is_not_read_are_not_called_damaged(name):
    said = refused(UNREAD[name])
    assert "damaged" not in said and ("of a kind that can't be read" in said or "not filtered" in said)


def test_a_palette_is_looked_at_without_decoding():
    stream = io.BytesIO()
    Image.new("P", (3000, 3000)).save(stream, "PNG")
    for name in ("BMP", "PCX", "TIFF", "TGA", "PNG", "GIF"):
        stream = io.BytesIO()
        Image.new("P", (3000, 3000)).save(stream, name)
        with Reading(stream.getvalue()) as reading:
            assert reading._image._im is None, name


def test_a_picture_beyond_all_memory_is_named(monkeypatch):
    def none(*_, **__):
        raise MemoryError

    monkeypatch.setattr("convcli.images.read.frame_of", none)
    monkeypatch.setattr("convcli.images.high_depth.frame_of", none)
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    said = refused(stream.getvalue())
    assert said == "standard input needs more memory than there is; use a smaller picture, or free some"


def test_more_channels_than_a_picture_has():
    """Told by their number alone: 65535 of them would be decoded for three."""
    said = refused(tiff((277, 60000), (262, 2)))
    assert "60000 channels" in said and "not filtered" in said


def test_text_that_swells_is_left_out():
    tracemalloc.start()
    text = zlib.compress(bytes(100_000_000), 9)
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    data = stream.getvalue()
    body = b"zTXt" + b"Title\0\0" + text
    data = data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with Reading(data) as reading:
        assert any("more than 16 MB" in note for note in reading.notes)
    assert tracemalloc.get_traced_memory()[1] - before < 60_000_000
    tracemalloc.stop()
