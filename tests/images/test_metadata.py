"""What a file says beside its pixels: kept, made true, or stripped."""

import struct

import numpy as np
import pytest
import survey
from PIL import Image, ImageCms, PngImagePlugin
from PIL.TiffImagePlugin import IFDRational

from convcli.images.exif import orientation, upright

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<?xpacket?><x:xmpmeta xmlns:x='adobe:ns:meta/'><a/></x:xmpmeta>"
PIXELS = survey.smooth(3)


def exif(orientation=1, width=40, height=24):
    block = Image.Exif()
    block[0x010F] = "Maker"
    block[0x0110] = "Model"
    block[0x0112] = orientation
    block.get_ifd(0x8769).update(
        {0xA002: width, 0xA003: height, 0x829A: IFDRational(1, 125), 0x927C: b"\x01\x02maker note\xff"}
    )
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.0)})
    return block


def apply(*words):
    result = survey.convcli("apply", *words)
    assert result.exit_code == 0, result.output
    return result


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


SAVE = {
    "png": lambda path, **o: Image.fromarray(PIXELS).save(path, **o),
    "jpg": lambda path, **o: Image.fromarray(PIXELS).save(path, xmp=XMP, comment=b"a remark", **o),
    "tif": lambda path, **o: Image.fromarray(PIXELS).save(path, **o),
    "webp": lambda path, **o: Image.fromarray(PIXELS).save(path, xmp=XMP, lossless=True, **o),
    "avif": lambda path, **o: Image.fromarray(PIXELS).save(path, xmp=XMP, **o),
}
PAIRS = [(a, b) for a in SAVE for b in SAVE]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_profile_exif_and_resolution_stay(tmp_path, source, target):
    SAVE[source](tmp_path / f"in.{source}", exif=exif().tobytes(), icc_profile=SRGB, dpi=(300, 150))
    apply("-k", "box", "--stride", 2, tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    out = opened(tmp_path / f"out.{target}")
    assert out.info["icc_profile"] == SRGB
    said = out.getexif()
    assert said[0x010F] == "Maker" and said.get(0x0112, 1) == 1
    inner = said.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (20, 12)
    assert inner[0x829A] == pytest.approx(1 / 125) and inner[0x927C] == b"\x01\x02maker note\xff"
    assert said.get_ifd(0x8825)[2] == (48, 12, 30)
    if source in ("png", "jpg", "tif") and target in ("png", "jpg", "tif"):
        assert out.info["dpi"] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize(
    ("source", "target"), [(a, b) for a, b in PAIRS if a in ("jpg", "webp", "avif") and b != "tif"]
)
def test_xmp_stays(tmp_path, source, target):
    SAVE[source](tmp_path / f"in.{source}")
    apply("-k", "box", tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    assert opened(tmp_path / f"out.{target}").info["xmp"] == XMP


@pytest.mark.parametrize("target", ["png", "jpg"])
def test_a_comment_stays(tmp_path, target):
    SAVE["jpg"](tmp_path / "in.jpg")
    apply("-k", "box", tmp_path / "in.jpg", tmp_path / f"out.{target}")
    info = opened(tmp_path / f"out.{target}").info
    assert "a remark" in (info["Comment"] if target == "png" else info["comment"].decode())


def test_png_text_stays(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "harbour")
    text.add_text("Long", "x" * 5000, zip=True)
    text.add_itxt("Beschreibung", "Möwen über 港", "de", "")
    SAVE["png"](tmp_path / "in.png", pnginfo=text)
    apply("-k", "box", tmp_path / "in.png", tmp_path / "out.png")
    out = opened(tmp_path / "out.png").text
    assert out["Title"] == "harbour" and out["Long"] == "x" * 5000 and out["Beschreibung"] == "Möwen über 港"


def test_png_text_behind_the_pixels_stays(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Title", "late")
    SAVE["png"](tmp_path / "in.png")
    data = (tmp_path / "in.png").read_bytes()
    import zlib

    body = b"Title\0late"
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    (tmp_path / "in.png").write_bytes(data[:-12] + chunk + data[-12:])
    apply("-k", "box", tmp_path / "in.png", tmp_path / "out.png")
    assert opened(tmp_path / "out.png").text["Title"] == "late"


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
def test_a_note_tells_how_it_was_made(tmp_path, suffix):
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    apply("-k", "box:size=5", "--stride", 2, "--padding-mode", "reflect", tmp_path / "in.png", tmp_path / f"o.{suffix}")
    out = opened(tmp_path / f"o.{suffix}")
    note = {"png": lambda: out.info["Software"], "jpg": lambda: out.info["comment"].decode()}.get(
        suffix, lambda: out.getexif()[305]
    )()
    for part in ("convcli 0", "box", "5x5", "stride 2,2", "padding_mode reflect"):
        assert part in note


def test_the_note_holds_what_is_needed_to_do_it_again(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    words = ["-k", "1 2 3 / 4", "--bias", 9, "--flip", "--linear", "--alpha", "drop", "--range", "abs"]
    apply(*words, tmp_path / "in.png", tmp_path / "out.png")
    note = opened(tmp_path / "out.png").info["Software"]
    assert note.endswith(": kernel 3x1 [3 2 1] / 4 + 9, range abs, alpha drop, linear light")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif"])
def test_strip_leaves_nothing(tmp_path, suffix):
    SAVE["jpg"](tmp_path / "in.jpg", exif=exif(), icc_profile=SRGB, dpi=(300, 300))
    apply("-k", "box", "--strip", tmp_path / "in.jpg", tmp_path / f"out.{suffix}")
    info = opened(tmp_path / f"out.{suffix}").info
    assert not {"exif", "icc_profile", "xmp", "comment", "Software", "Comment"} & info.keys()
    assert b"convcli" not in (tmp_path / f"out.{suffix}").read_bytes()


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
    def test_it_is_in_the_pixels(self, tmp_path, suffix, orientation):
        from PIL import ImageOps

        pixels = np.zeros((24, 40), np.uint8)
        pixels[:12] += 100
        pixels[:, :10] += 80
        image = Image.fromarray(pixels).convert("RGB")
        options = {"lossless": True} if suffix == "webp" else {}
        image.save(tmp_path / f"in.{suffix}", exif=exif(orientation), **options)
        apply("-k", "identity", tmp_path / f"in.{suffix}", tmp_path / "out.png")
        with Image.open(tmp_path / f"in.{suffix}") as source:
            want = np.asarray(ImageOps.exif_transpose(source)).astype(int)
        out = opened(tmp_path / "out.png")
        assert np.abs(np.asarray(out).astype(int) - want).max() <= (6 if suffix == "jpg" else 0)
        assert out.getexif().get(0x0112, 1) == 1
        assert out.size == ((24, 40) if orientation > 4 else (40, 24))

    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
    @pytest.mark.parametrize("form", [b'<a tiff:Orientation="6"/>', b"<tiff:Orientation>6</tiff:Orientation>"])
    def test_xmp_may_tell_it_too(self, tmp_path, suffix, form):
        SAVE["jpg"](tmp_path / "in.jpg")
        said = XMP.replace(b"<a/>", form)
        Image.fromarray(PIXELS).save(tmp_path / "in.jpg", xmp=said)
        apply("-k", "identity", tmp_path / "in.jpg", tmp_path / f"out.{suffix}")
        out = opened(tmp_path / f"out.{suffix}")
        assert out.size == (24, 40) and out.info["xmp"] == said.replace(b"6", b"1")
        assert out.getexif().get(0x0112, 1) == 1

    def test_before_the_geometry(self, tmp_path):
        Image.fromarray(PIXELS).save(tmp_path / "in.jpg", exif=exif(6))
        line = apply("-k", "identity", "--stride", "1,4", tmp_path / "in.jpg", tmp_path / "out.png").stderr
        assert "24x40" in line and "6x40" in line


class TestProfile:
    def test_dropped_where_the_colours_changed(self, tmp_path):
        SAVE["png"](tmp_path / "in.png", icc_profile=SRGB)
        result = apply("-k", "box", "--channels", "gray", tmp_path / "in.png", tmp_path / "out.png")
        assert "ICC profile was dropped: it is for RGB and the output is gray" in result.stderr
        assert "icc_profile" not in opened(tmp_path / "out.png").info

    def test_dropped_where_there_is_no_place(self, tmp_path):
        SAVE["png"](tmp_path / "in.png", icc_profile=SRGB, exif=exif())
        result = apply("-k", "box", tmp_path / "in.png", tmp_path / "out.bmp")
        assert "ICC profile was dropped: BMP has no place for it" in result.stderr
        assert "EXIF block was dropped: BMP has no place for it" in result.stderr

    def test_nothing_is_said_where_it_was_to_be_stripped(self, tmp_path):
        SAVE["png"](tmp_path / "in.png", icc_profile=SRGB)
        result = apply("-k", "box", "--channels", "gray", "--strip", tmp_path / "in.png", tmp_path / "out.png")
        assert "ICC" not in result.stderr


class TestExifBlock:
    BLOCK = exif(8).tobytes().removeprefix(b"Exif\0\0")

    def test_only_what_must_change_changes(self):
        new = upright(self.BLOCK, (24, 40))
        assert len(new) == len(self.BLOCK) and sum(a != b for a, b in zip(new, self.BLOCK, strict=True)) == 1

    def test_big_endian(self):
        big = bytes(Image.Exif().tobytes())  # Pillow writes little-endian blocks only, so one by hand
        assert big
        entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
        block = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
        assert upright(block, (1, 1))[18:20] == b"\0\1"

    def test_the_thumbnail_is_unlinked(self):
        entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
        block = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 999)
        assert upright(block, (1, 1)).endswith(bytes(4))

    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
    @pytest.mark.parametrize(("first", "second"), [(6, 1), (1, 6), (6, 3), (6, 6)])
    def test_of_two_orientation_tags_the_first_is_taken_and_none_is_left(self, tmp_path, first, second, suffix):
        entries = [struct.pack("<HHIHH", 0x0112, 3, 1, value, 0) for value in (first, second)]
        block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + b"".join(entries) + bytes(4)
        Image.fromarray(PIXELS).save(tmp_path / "in.jpg", exif=block)
        apply("-k", "identity", tmp_path / "in.jpg", tmp_path / f"out.{suffix}")
        with Image.open(tmp_path / f"out.{suffix}") as out:
            assert out.size == ((24, 40) if first == 6 else (40, 24))
            said = out.info.get("exif", b"").removeprefix(b"Exif\0\0")
            assert orientation(said) in (1, None)
            tags = [said[at : at + 2] for at in range(10, len(said) - 12, 12)]
            values = [said[at + 8] for at in range(10, len(said) - 12, 12)]
            assert all(value == 1 for tag, value in zip(tags, values, strict=True) if tag == b"\x12\x01")

    @pytest.mark.parametrize("block", [b"", b"II", b"XX*\0aaaa", b"II*\0\xff\xff\xff\xff", BLOCK[:40]])
    def test_what_lies_is_dropped(self, block):
        assert upright(block, (1, 1)) is None

    def test_a_loop_ends(self):
        entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
        block = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)
        assert upright(block, (1, 1)) is not None

    def test_a_picture_with_a_lying_block_is_filtered(self, tmp_path):
        Image.fromarray(PIXELS).save(tmp_path / "in.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff\0\0")
        result = apply("-k", "box", tmp_path / "in.jpg", tmp_path / "out.jpg")
        assert "EXIF block was dropped: it is damaged" in result.stderr

    def test_a_block_too_large_for_jpeg(self, tmp_path):
        block = exif()
        block[0x9286] = b"x" * 70000
        Image.fromarray(PIXELS).save(tmp_path / "in.png", exif=block)
        result = apply("-k", "box", tmp_path / "in.png", tmp_path / "out.jpg")
        assert "exif was dropped: JPEG holds at most" in result.stderr


@pytest.mark.parametrize("target", list(SAVE))
@pytest.mark.parametrize("source", ["jpg", "tif"])
def test_words_beyond_ascii_and_nested_directories_stay(tmp_path, source, target):
    block = exif()
    block[0x013B] = "Jos\u00e9".encode()
    block.get_ifd(0x8769)[0xA005] = {1: "R98"}
    SAVE[source](tmp_path / f"in.{source}", exif=block.tobytes())
    if source == "tif":  # whose nested directory Pillow does not write by itself
        SAVE["jpg"](tmp_path / "in.jpg", exif=block.tobytes())
        apply("-k", "box", "-f", tmp_path / "in.jpg", tmp_path / "in.tif")
    apply("-k", "box", tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    with Image.open(tmp_path / f"out.{target}") as out:
        said = out.getexif()
        assert said[0x013B].encode("latin-1") == "Jos\u00e9".encode()
        assert said.get_ifd(0xA005) == {1: "R98"}
