"""Reading PNG: every kind of metadata, before and behind the pixels, x colour type x depth; packed by hand."""

import struct
import zlib

import numpy as np
import pytest
import survey
from PIL import Image, ImageCms

from convcli.errors import ImageError
from convcli.images import Reading

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = (
    [(0, d) for d in (1, 2, 4, 8, 16)] + [(3, d) for d in (1, 2, 4, 8)] + [(t, d) for t in (2, 4, 6) for d in (8, 16)]
)
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
WIDTH, HEIGHT = 9, 5
PALETTE = np.random.default_rng(4).integers(0, 256, (256, 3)).astype(np.uint8)


def chunk(name, data, wrong=False):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ wrong)


def samples_of(color, depth):
    shape = (HEIGHT, WIDTH, CHANNELS[color])
    return np.random.default_rng(depth).integers(0, 1 << depth, shape)


def png(color, depth, before=(), behind=()):
    """A file of these samples; before, behind: chunks as bytes."""
    rows = b""
    for row in samples_of(color, depth):
        bits = "".join(format(v, f"0{depth}b") for v in row.ravel())
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color, 0, 0, 0)
    palette = chunk(b"PLTE", PALETTE[: 1 << depth].tobytes()) if color == 3 else b""
    last = [c for c in before if c[4:8] == b"tRNS"]
    first = [c for c in before if c[4:8] != b"tRNS"]
    parts = [chunk(b"IHDR", header), *first, palette, *last, chunk(b"IDAT", zlib.compress(rows)), *behind]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def meant(color, depth):
    """Colours and alpha of the whole range of 8 or 16 bits."""
    samples, full = samples_of(color, depth), 65535 if depth == 16 else 255
    if color == 3:
        return PALETTE[samples[..., 0]], None
    samples = samples * full // ((1 << depth) - 1)
    alpha = samples[..., -1] if color >= 4 else None
    colors = samples[..., :-1] if color >= 4 else samples
    return colors.squeeze(2) if colors.shape[2] == 1 else colors, alpha


def read(data):
    with Reading(data) as reading:
        return next(reading.frames()), reading


def exif(orientation):
    block = Image.Exif()
    block[0x112], block[0x10F] = orientation, "Maker"
    return block.tobytes().removeprefix(b"Exif\0\0")


def xmp(orientation):
    return b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a tiff:Orientation='%d'/></x:xmpmeta>" % orientation


def raw_profile(orientation):
    block = b"Exif\0\0" + exif(orientation)
    return b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n"


TURNING = {
    "eXIf": lambda o: chunk(b"eXIf", exif(o)),
    "XMP": lambda o: chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(o)),
    "packed XMP": lambda o: chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(o))),
    "zTXt raw profile": lambda o: chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(o))),
    "tEXt raw profile": lambda o: chunk(b"tEXt", b"Raw profile type APP1\0" + raw_profile(o)),
}
OTHERS = {
    "iCCP": chunk(b"iCCP", b"p\0\0" + zlib.compress(SRGB)),
    "tEXt": chunk(b"tEXt", b"Title\0a title"),
    "zTXt": chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"a title")),
    "iTXt": chunk(b"iTXt", b"Title\0\0\0\0\0" + "Größe".encode()),
    "pHYs": chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
    "gAMA": chunk(b"gAMA", struct.pack(">I", 100000)),
    "unknown": chunk(b"teSt", b"what"),
    "damaged zTXt": chunk(b"zTXt", b"Title\0\0" + b"no deflate"),
    "a long text": chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(65 for _ in range(3_000_000)))),
    "wrong checksum": chunk(b"iCCP", b"p\0\0" + zlib.compress(SRGB), wrong=True),
    "wrong checksum of a text": chunk(b"tEXt", b"Title\0a title", wrong=True),
}


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("name", [*TURNING, *OTHERS])
@pytest.mark.parametrize(("color", "depth"), KINDS)
def test_metadata_leaves_the_pixels_as_they_are(color, depth, name, behind):
    """And turns them where it says so, wherever it stands."""
    told = TURNING[name](6) if name in TURNING else OTHERS[name]
    data = png(color, depth, *(((), [told]) if behind else ([told], ())))
    frame, _ = read(data)
    colors, alpha = meant(color, depth)
    if color == 3 and frame.pixels.ndim == 2:
        colors = colors[..., 0]
    if name in TURNING:
        colors, alpha = np.rot90(colors, -1), None if alpha is None else np.rot90(alpha, -1)
    assert frame.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)
    np.testing.assert_array_equal(frame.pixels, colors)
    assert (frame.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(frame.alpha, alpha)


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("name", list(TURNING))
@pytest.mark.parametrize("depth", [8, 16])
def test_what_was_turned_says_so_no_more(tmp_path, depth, name, behind):
    told = [TURNING[name](6)]
    (tmp_path / "in.png").write_bytes(png(2, depth, *(((), told) if behind else (told, ()))))
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    frame, again = read((tmp_path / "out.png").read_bytes())
    assert frame.size == (WIDTH, HEIGHT) and frame.pixels.dtype.itemsize * 8 == depth
    with Image.open(tmp_path / "out.png") as out:
        out.load()
        assert out.getexif().get(0x112, 1) == 1
        said = out.info.get("xmp", b"Orientation='1'")
    assert b"Orientation='1'" in said and again.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize(("color", "depth"), [k for k in KINDS if k[0] in (0, 2)])
def test_a_transparent_colour(color, depth, beyond):
    """beyond: bits above those of the samples, which do not count."""
    samples = samples_of(color, depth)
    chosen = samples[2, 3]
    stored = chosen | (beyond << depth if depth < 16 else 0)
    frame, _ = read(png(color, depth, [chunk(b"tRNS", stored.astype(">u2").tobytes())]))
    full = 65535 if depth == 16 else 255
    np.testing.assert_array_equal(frame.alpha, np.where((samples == chosen).all(axis=2), 0, full))
    np.testing.assert_array_equal(frame.pixels, meant(color, depth)[0])


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_palette(depth):
    clear = np.random.default_rng(1).integers(0, 256, 1 << depth).astype(np.uint8)
    frame, _ = read(png(3, depth, [chunk(b"tRNS", clear.tobytes())]))
    np.testing.assert_array_equal(frame.alpha, clear[samples_of(3, depth)[..., 0]])


COLOUR = {
    b"gAMA": struct.pack(">I", 100000),
    b"cHRM": struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600),
    b"sRGB": b"\1",
    b"cICP": bytes([9, 16, 0, 1]),
}


@pytest.mark.parametrize("name", list(COLOUR))
@pytest.mark.parametrize(("color", "depth"), [(0, 8), (2, 8), (2, 16), (3, 4), (6, 16)])
def test_what_colours_mean_stays_in_png(tmp_path, name, color, depth):
    (tmp_path / "in.png").write_bytes(png(color, depth, [chunk(name, COLOUR[name])]))
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    assert result.exit_code == 0 and "dropped" not in result.stderr
    data = (tmp_path / "out.png").read_bytes()
    assert chunk(name, COLOUR[name]) in data[: data.index(b"IDAT")]
    survey.convcli("apply", "-k", "identity", "--strip", "-f", tmp_path / "in.png", tmp_path / "out.png")
    assert name not in (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        ({b"gAMA": COLOUR[b"gAMA"]}, "(gAMA) was dropped"),
        ({b"cICP": COLOUR[b"cICP"], b"gAMA": struct.pack(">I", 45455)}, "(cICP) was dropped"),
        ({b"sRGB": b"\0", b"gAMA": struct.pack(">I", 45455)}, None),
        ({b"gAMA": struct.pack(">I", 45455)}, None),
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp", "bmp"])
def test_and_is_told_of_where_another_format_loses_it(tmp_path, chunks, told, suffix):
    (tmp_path / "in.png").write_bytes(png(2, 8, [chunk(*pair) for pair in chunks.items()]))
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", tmp_path / f"out.{suffix}")
    assert result.exit_code == 0
    assert (told or "dropped") in result.stderr if told else "dropped" not in result.stderr


def test_a_wrong_checksum_is_told_of(tmp_path):
    (tmp_path / "in.png").write_bytes(png(2, 8, [OTHERS["wrong checksum"]]))
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    assert result.exit_code == 0 and "the chunk iCCP was left out: its checksum is wrong" in result.stderr
    wrong = png(3, 4).replace(b"PLTE", b"PLTE", 1)
    at = wrong.index(b"PLTE") + 4 + 48
    with pytest.raises(ImageError, match="the checksum of its PLTE is wrong"):
        read(wrong[:at] + b"1234" + wrong[at + 4 :])


def test_texts_of_any_bytes_are_written_again(tmp_path):
    odd = [
        chunk(b"iTXt", b"Title\0\0\0\0\0\xff\xfe"),
        chunk(b"tEXt", b"\xe9\0\xe9"),
        chunk(b"iTXt", b"x"),
        chunk(b"tEXt", b""),
    ]
    (tmp_path / "in.png").write_bytes(png(2, 8, odd, odd))
    assert survey.convcli("apply", "-k", "box", tmp_path / "in.png", tmp_path / "out.png").exit_code == 0
