"""Colour with more than 8 bits a channel: all of them in and out, or a refusal; checked with OpenCV and tifffile."""

import io
import json
import resource
import shutil
import struct
import subprocess
import zlib

import cv2
import numpy as np
import pytest
import survey
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from convcli import filter_image

RNG = np.random.default_rng(8)
RGB = RNG.integers(0, 65536, (21, 33, 3)).astype(np.uint16)
PLAIN = Image.new("RGB", (3, 2), (1, 2, 3))
ALPHA = RNG.integers(0, 65536, (21, 33)).astype(np.uint16)


def save(path, pixels):
    order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.ndim == 3 else slice(None)
    assert cv2.imwrite(str(path), pixels[..., order] if pixels.ndim == 3 else pixels)


def load(path):
    a = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return a[..., [2, 1, 0, 3][: a.shape[2]]] if a.ndim == 3 else a


def apply(*words):
    result = survey.convcli("apply", *words)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("kernel", ["identity", "sharpen", "box"])
@pytest.mark.parametrize("suffix", ["png", "ppm", "tif"])
def test_16_bit_colour(tmp_path, kernel, suffix):
    save(tmp_path / f"in.{suffix}", RGB)
    apply("-k", kernel, tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}")
    out = load(tmp_path / f"out.{suffix}")
    assert out.dtype == np.uint16
    np.testing.assert_array_equal(out, filter_image(RGB, kernel))


def test_from_png_to_tiff_and_back(tmp_path):
    save(tmp_path / "a.png", RGB)
    apply("-k", "identity", tmp_path / "a.png", tmp_path / "b.tif")
    apply("-k", "identity", tmp_path / "b.tif", tmp_path / "c.png")
    np.testing.assert_array_equal(load(tmp_path / "c.png"), RGB)


def test_16_bit_alpha(tmp_path):
    save(tmp_path / "in.png", np.dstack([RGB, ALPHA]))
    apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    np.testing.assert_array_equal(load(tmp_path / "out.png"), np.dstack([RGB, ALPHA]))
    apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.tif")
    apply("-k", "identity", tmp_path / "out.tif", tmp_path / "again.png")
    np.testing.assert_array_equal(load(tmp_path / "again.png"), np.dstack([RGB, ALPHA]))


def test_16_bit_gray_with_alpha(tmp_path):
    from convcli.images.png import write_png

    for path in ("in.png", "want.png"):
        with (tmp_path / path).open("wb") as stream:
            write_png(stream, np.ascontiguousarray(RGB[..., 0]), ALPHA)
    apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.png", "--strip")
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "want.png").read_bytes()


def test_interlaced_png(tmp_path):
    """Made by hand, pass by pass: nothing here writes such a file."""
    import struct
    import zlib

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes()
        for x, y, dx, dy in passes
        for row in RGB[y::dy, x::dx]
        if RGB[y::dy, x::dx].size
    )

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 33, 21, 16, 2, 0, 0, 1)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "in.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    np.testing.assert_array_equal(load(tmp_path / "in.png"), RGB)
    apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    np.testing.assert_array_equal(load(tmp_path / "out.png"), RGB)


def test_a_transparent_16_bit_colour(tmp_path):
    from io import BytesIO

    from convcli.images.png import write_png

    stream = BytesIO()
    write_png(stream, RGB, chunks=[(b"tRNS", RGB[4, 5].astype(">u2").tobytes())])
    (tmp_path / "in.png").write_bytes(stream.getvalue())
    apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    out = load(tmp_path / "out.png")
    assert out.shape[2] == 4 and out[4, 5, 3] == 0 and (out[..., 3] == 65535).sum() == 21 * 33 - 1


@pytest.mark.parametrize("maxval", [1023, 4095])
def test_ppm_of_other_depths(tmp_path, maxval):
    samples = RNG.integers(0, maxval + 1, (4, 5, 3))
    (tmp_path / "in.ppm").write_bytes(b"P6\n5 4\n%d\n" % maxval + samples.astype(">u2").tobytes())
    apply("-k", "identity", tmp_path / "in.ppm", tmp_path / "out.png")
    np.testing.assert_array_equal(load(tmp_path / "out.png"), np.rint(samples * 65535 / maxval))


class TestTiff:
    tifffile = pytest.importorskip("tifffile")

    @pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd"])
    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    def test_compressions_and_predictors(self, tmp_path, compression, dtype):
        pytest.importorskip("imagecodecs")
        pixels = (RGB / 65535).astype(dtype) if dtype == np.float32 else RGB
        predictor = compression is not None
        self.tifffile.imwrite(
            tmp_path / "in.tif", pixels, photometric="rgb", compression=compression, predictor=predictor
        )
        apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.tif")
        out = self.tifffile.imread(tmp_path / "out.tif")
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, pixels)

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("planar", ["contig", "separate"])
    def test_layouts(self, tmp_path, order, planar):
        pixels = RGB if planar == "contig" else np.moveaxis(RGB, 2, 0)
        path = tmp_path / "in.tif"
        self.tifffile.imwrite(path, pixels, photometric="rgb", byteorder=order, planarconfig=planar, rowsperstrip=5)
        apply("-k", "identity", path, tmp_path / "out.png")
        np.testing.assert_array_equal(load(tmp_path / "out.png"), RGB)

    def test_tiles_and_bigtiff(self, tmp_path):
        self.tifffile.imwrite(tmp_path / "in.tif", RGB, photometric="rgb", tile=(16, 16), bigtiff=True)
        apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.png")
        np.testing.assert_array_equal(load(tmp_path / "out.png"), RGB)

    def test_float_is_not_cut(self, tmp_path):
        pixels = RNG.normal(0, 9, (21, 33, 3)).astype(np.float32)
        self.tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="rgb")
        apply("-k", "sobel-x", "--range", "clip", tmp_path / "in.tif", tmp_path / "out.tif")
        want = filter_image(pixels, "sobel-x")
        np.testing.assert_array_equal(self.tifffile.imread(tmp_path / "out.tif"), want)
        assert want.min() < 0

    def test_pages(self, tmp_path):
        with self.tifffile.TiffWriter(tmp_path / "in.tif") as tiff:
            for i in range(3):
                tiff.write(RGB[: 21 - i], photometric="rgb")
        apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.tif")
        with self.tifffile.TiffFile(tmp_path / "out.tif") as tiff:
            assert [p.shape for p in tiff.pages] == [(21, 33, 3), (20, 33, 3), (19, 33, 3)]
        apply("-k", "identity", "--frame", "2", tmp_path / "in.tif", tmp_path / "out.png")
        np.testing.assert_array_equal(load(tmp_path / "out.png"), RGB[:19])

    @pytest.mark.parametrize("orientation", [3, 6, 8])
    def test_orientation(self, tmp_path, orientation):
        turned = {3: np.rot90(RGB, 2), 6: np.rot90(RGB, -1), 8: np.rot90(RGB)}[orientation]
        extra = [(274, "H", 1, orientation, True)]
        self.tifffile.imwrite(tmp_path / "in.tif", RGB, photometric="rgb", extratags=extra)
        apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.png")
        np.testing.assert_array_equal(load(tmp_path / "out.png"), turned)

    def test_the_profile_and_the_resolution_stay(self, tmp_path):
        from PIL import ImageCms

        icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        self.tifffile.imwrite(
            tmp_path / "in.tif", RGB, photometric="rgb", iccprofile=icc, resolution=(300, 300), resolutionunit="INCH"
        )
        apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.tif")
        with self.tifffile.TiffFile(tmp_path / "out.tif") as tiff:
            page = tiff.pages[0]
            assert page.iccprofile == icc and page.resolution == (300, 300)
            assert page.tags[305].value.startswith("convcli 0") and "identity" in page.tags[305].value
        apply("-k", "identity", "-f", "--strip", tmp_path / "in.tif", tmp_path / "out.tif")
        assert b"convcli" not in (tmp_path / "out.tif").read_bytes()

    def test_xmp_stays(self, tmp_path):
        xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
        self.tifffile.imwrite(tmp_path / "in.tif", RGB, photometric="rgb", extratags=[(700, "B", len(xmp), xmp, True)])
        apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.tif")
        with self.tifffile.TiffFile(tmp_path / "out.tif") as tiff:
            assert bytes(tiff.pages[0].tags[700].value) == xmp

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    @pytest.mark.parametrize("kind", ["ink", "gray and alpha", "RGB and alpha"])
    def test_other_channels(self, tmp_path, kind, dtype):
        bands = {"ink": 4, "gray and alpha": 2, "RGB and alpha": 4}[kind]
        pixels = RNG.integers(0, 65536, (21, 33, bands)).astype(dtype)
        how = {"photometric": "separated"} if kind == "ink" else {"extrasamples": ["unassalpha"]}
        how.setdefault("photometric", "rgb" if bands == 4 else "minisblack")
        self.tifffile.imwrite(tmp_path / "in.tif", pixels, planarconfig="contig", **how)
        apply("-k", "identity", "--alpha", "keep", tmp_path / "in.tif", tmp_path / "out.tif")
        np.testing.assert_array_equal(self.tifffile.imread(tmp_path / "out.tif"), pixels)

    @pytest.mark.parametrize("shape", [(9, 9, 7), (9, 9, 2, 3)])
    def test_what_is_no_picture_is_refused(self, tmp_path, shape):
        self.tifffile.imwrite(tmp_path / "in.tif", np.zeros(shape, np.uint16), photometric="minisblack")
        result = survey.convcli("apply", "-k", "identity", tmp_path / "in.tif", tmp_path / "out.tif")
        assert result.exit_code in (0, 1) and "Traceback" not in result.output


@pytest.fixture
def bare(monkeypatch):
    """A machine without the extra."""
    import builtins

    real = builtins.__import__

    def lacking(name, *args, **options):
        if name.startswith("tifffile"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", lacking)
    monkeypatch.setattr("convcli.images.high_depth.installed", lambda: False)


class TestWithoutTheExtra:
    def test_reading_says_what_to_install(self, tmp_path, bare):
        save(tmp_path / "in.tif", RGB)
        result = survey.convcli("apply", "-k", "identity", tmp_path / "in.tif", tmp_path / "out.png")
        assert result.exit_code == 1 and not (tmp_path / "out.png").exists()
        assert "pip install 'convcli[deep]'" in result.stderr and "--reduce-depth" in result.stderr

    def test_writing_says_what_to_install(self, tmp_path, bare):
        save(tmp_path / "in.png", RGB)
        result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", tmp_path / "out.tif")
        assert result.exit_code == 1 and "convcli[deep]" in result.stderr
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in.png"]

    def test_eight_bits_are_accepted(self, tmp_path, bare):
        save(tmp_path / "in.tif", RGB)
        result = apply("-k", "identity", "--reduce-depth", tmp_path / "in.tif", tmp_path / "out.png")
        assert "reduced to 8 bits" in result.stderr
        assert np.abs(load(tmp_path / "out.png") - RGB / 257).max() <= 1

    def test_png_needs_none(self, tmp_path, bare):
        save(tmp_path / "in.png", RGB)
        apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
        np.testing.assert_array_equal(load(tmp_path / "out.png"), RGB)


def test_reducing_rounds(tmp_path):
    save(tmp_path / "in.png", RGB)
    apply("-k", "identity", "--reduce-depth", tmp_path / "in.png", tmp_path / "out.jpg")
    apply("-k", "identity", "--reduce-depth", tmp_path / "in.png", tmp_path / "out.png")
    np.testing.assert_array_equal(load(tmp_path / "out.png"), np.rint(RGB / 257))


def encoded(path, samples, bits, **options):
    imagecodecs = pytest.importorskip("imagecodecs")
    if path.suffix == ".avif":
        data = imagecodecs.avif_encode(samples, level=100, bitspersample=bits, **options)
    else:
        data = imagecodecs.jpeg2k_encode(samples, level=0, bitspersample=bits, **options)
    path.write_bytes(data)


def scaled(samples, bits):
    return np.floor(samples * (65535 / ((1 << bits) - 1)) + 0.5)


CODED = [("avif", bits, bands) for bits in (10, 12) for bands in (1, 3, 4)]
CODED += [("jp2", bits, bands) for bits in (10, 12, 16) for bands in (2, 3, 4)]


@pytest.mark.parametrize(("suffix", "bits", "bands"), CODED)
def test_avif_and_jpeg_2000_of_all_depths(tmp_path, suffix, bits, bands):
    samples = (np.dstack([RGB, ALPHA])[..., :bands].squeeze() >> (16 - bits)).astype(np.uint16)
    encoded(tmp_path / f"in.{suffix}", samples, bits)
    apply("-k", "identity", "--alpha", "keep", tmp_path / f"in.{suffix}", tmp_path / "out.tif")
    out = pytest.importorskip("tifffile").imread(tmp_path / "out.tif")
    assert out.dtype == np.uint16
    np.testing.assert_array_equal(out, scaled(samples, bits))


def test_16_bits_are_written_as_jpeg_2000(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    save(tmp_path / "in.png", RGB)
    apply("-k", "sharpen", tmp_path / "in.png", tmp_path / "out.jp2")
    np.testing.assert_array_equal(
        imagecodecs.jpeg2k_decode((tmp_path / "out.jp2").read_bytes()), filter_image(RGB, "sharpen")
    )
    apply("-k", "sharpen", "-f", "--quality", 30, tmp_path / "in.png", tmp_path / "lossy.jp2")
    assert (tmp_path / "lossy.jp2").stat().st_size < (tmp_path / "out.jp2").stat().st_size / 2
    save(tmp_path / "clear.png", np.dstack([RGB, ALPHA]))
    result = survey.convcli("apply", "-k", "box", tmp_path / "clear.png", tmp_path / "clear.jp2")
    assert result.exit_code == 1 and "--reduce-depth" in result.stderr and not (tmp_path / "clear.jp2").exists()


@pytest.mark.parametrize("suffix", ["avif", "jp2"])
def test_without_the_extra_8_bits_are_accepted_or_nothing(tmp_path, suffix, monkeypatch):
    from convcli.images import high_depth

    encoded(tmp_path / f"in.{suffix}", (RGB >> 6).astype(np.uint16), 10)
    save(tmp_path / "deep.png", RGB)
    monkeypatch.setattr(high_depth, "find_spec", lambda name: None)
    for source, output in ((f"in.{suffix}", "out.png"), ("deep.png", "out.jp2")):
        result = survey.convcli("apply", "-k", "identity", tmp_path / source, tmp_path / output)
        assert result.exit_code == 1 and not (tmp_path / output).exists()
        assert "pip install 'convcli[deep]'" in result.stderr and "--reduce-depth" in result.stderr
    result = apply("-k", "identity", "--reduce-depth", tmp_path / f"in.{suffix}", tmp_path / "out.png")
    assert "reduced to 8 bits" in result.stderr and load(tmp_path / "out.png").shape == RGB.shape


def test_frames_of_10_bits(tmp_path):
    frames = [(RGB >> 6).astype(np.uint16), (RGB[::-1] >> 6).astype(np.uint16)]
    encoded(tmp_path / "in.avif", np.array(frames), 10)
    with Image.open(tmp_path / "in.avif") as image:
        assert image.n_frames == 2
    apply("-k", "identity", tmp_path / "in.avif", "--frame", 1, tmp_path / "out.png")
    np.testing.assert_array_equal(load(tmp_path / "out.png"), scaled(frames[1], 10))


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("bands", [3, 4])
def test_every_frame_of_a_deep_animation(tmp_path, bits, bands):
    """In any order, which the decoder answers with a crash where it is asked for one frame."""
    whole = np.dstack([RGB, ALPHA])[..., :bands] >> (16 - bits)
    frames = np.array([np.roll(whole, shift, axis=0) for shift in range(5)]).astype(np.uint16)
    encoded(tmp_path / "in.avif", frames, bits)
    apply("-k", "identity", "--alpha", "keep", tmp_path / "in.avif", tmp_path / "out.png")
    from convcli.images import Reading

    with Reading(tmp_path / "out.png") as reading:
        for frame, want in zip(reading.frames(), frames, strict=True):
            got = frame.pixels if frame.alpha is None else np.dstack([frame.pixels, frame.alpha])
            np.testing.assert_array_equal(got, scaled(want, bits))
    apply("-k", "identity", "--frame", 4, "--alpha", "keep", tmp_path / "in.avif", tmp_path / "last.png")
    np.testing.assert_array_equal(load(tmp_path / "last.png"), scaled(frames[4], bits))


@pytest.mark.parametrize("suffix", ["avif", "jp2"])
def test_a_decoder_that_crashes_takes_no_folder_along(tmp_path, monkeypatch, suffix):
    encoded(tmp_path / f"b.{suffix}", (RGB >> 6).astype(np.uint16), 10)
    save(tmp_path / "a.png", RGB)
    save(tmp_path / "c.png", RGB)
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr("convcli.images.apart._CODE", crash)
    result = survey.convcli("batch", "-k", "box", "--format", "png", tmp_path, tmp_path / "out", "-j", 1)
    assert result.exit_code == 1 and "its decoder crashed" in result.stderr and f"b.{suffix}" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


@pytest.mark.parametrize("decoder", ["avif_decode", "jpeg2k_decode"])
def test_what_a_decoder_says_of_damage_is_told(decoder):
    pytest.importorskip("imagecodecs")
    from convcli.images.apart import decoded

    with pytest.raises(ValueError, match=r"avif|J2K") as said:
        decoded(decoder, b"no picture")
    assert "crashed" not in str(said.value) and "\n" not in str(said.value)


def test_an_animated_png_of_16_bits(tmp_path):
    from convcli.images.png import write_apng

    with (tmp_path / "in.png").open("wb") as stream:
        write_apng(stream, [(RGB, None, 100), (RGB[::-1], None, 100)], 0)
    apply("-k", "identity", "--strip", tmp_path / "in.png", tmp_path / "same.png")
    assert (tmp_path / "same.png").read_bytes() == (tmp_path / "in.png").read_bytes()
    apply("-k", "identity", "--reduce-depth", tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.n_frames == 2
        assert np.abs(np.asarray(image) - RGB / 257).max() <= 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"P6 9 9 65535 " + b"ab" * 9, "in.ppm is damaged or incomplete"),
        (b"P3 1 1 65535 1 2 3\n", "of plain PPM only 8"),
    ],
)
def test_ppm_that_is_not_read(tmp_path, content, reason):
    (tmp_path / "in.ppm").write_bytes(content)
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.ppm", tmp_path / "out.png")
    assert result.exit_code == 1 and reason in result.stderr and "in.ppm" in result.stderr


def exif(order="<"):
    """A block with directories for EXIF, GPS and interoperability, and odd values, of either byte order."""
    block = Image.Exif()
    block.endian = order
    block[0x010F], block[0x0110], block[0x0112], block[0x013B] = "Maker", "M", 6, "Jos\xc3\xa9".encode("latin-1")
    block[0x9C9B] = b"t\0i\0"
    block.get_ifd(0x8769).update({0xA002: 33, 0xA003: 21, 0x829A: IFDRational(1, 125), 0x927C: b"\1\2odd\xff"})
    block.get_ifd(0x8769)[0xA005] = {1: "R98"}
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.0)})
    return block.tobytes()


def told(path):
    """Every tag, by ExifTool, of the groups that are not about the file itself; nor the size, which turns."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))  # noqa: E731 - circles make it swell
    words = ["exiftool", "-json", "-G1", "-n", "-a", path]
    done = subprocess.run(words, capture_output=True, text=True, check=True, preexec_fn=limit, timeout=1200)
    (said,) = json.loads(done.stdout)
    groups = ("ExifIFD", "GPS", "InteropIFD")
    return {k: v for k, v in said.items() if k.partition(":")[0] in groups and "ExifImage" not in k}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("frames", [1, 2])
def test_exif_goes_into_deep_tiff_and_out_again(tmp_path, order, frames):
    from convcli.images import Frame, Metadata, Origin, Target

    with (tmp_path / "in.tif").open("w+b") as stream:
        metadata = Metadata(exif=exif(order).removeprefix(b"Exif\0\0"), xmp=b"<x/>", comment=b"r\xc3\xa9sum\xc3\xa9")
        origin = Origin("TIFF", "RGB", frames)
        assert Target("TIFF").write(stream, [Frame(RGB)] * frames, origin, metadata, "a note, \u00fc") == []
    with Image.open(tmp_path / "in.tif") as image:  # Pillow reads the tags, though only 8 bits of the pixels
        said = image.getexif()
        assert (said[0x010F], said[0x0110], said[0x9C9B]) == ("Maker", "M", b"t\0i\0") and said.get(0x0112, 1) == 1
        assert said[270].encode("latin-1") == b"r\xc3\xa9sum\xc3\xa9" and said[700] == b"<x/>"
        assert said[305].encode("latin-1").startswith(b"a note")
        inner = said.get_ifd(0x8769)
        assert inner[0x829A] == IFDRational(1, 125) and inner[0x927C] == b"\1\2odd\xff"
        assert said.get_ifd(0xA005)[1] == "R98" and said.get_ifd(0x8825)[2] == (48.0, 12.0, 30.0)
    apply("-k", "identity", "--frame", 0, tmp_path / "in.tif", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.getexif().get_ifd(0x8825)[1] == "N" and image.getexif()[0x013B] == "Jos\xc3\xa9"
    np.testing.assert_array_equal(load(tmp_path / "out.png"), RGB)


@pytest.mark.skipif(not shutil.which("exiftool"), reason="wants ExifTool (Debian: libimage-exiftool-perl)")
def test_exiftool_finds_all_of_it_again(tmp_path):
    save(tmp_path / "plain.png", RGB)
    data = (tmp_path / "plain.png").read_bytes()
    block = exif(">").removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    apply("-k", "identity", tmp_path / "a.png", tmp_path / "b.tif")
    apply("-k", "identity", tmp_path / "b.tif", tmp_path / "c.tif")
    before = told(tmp_path / "a.png")
    assert len(before) == 4 and told(tmp_path / "b.tif") == before == told(tmp_path / "c.tif")


def test_float_colour_keeps_what_it_says(tmp_path):
    """Pillow does not open such files at all."""
    from PIL import ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(
        tmp_path / "in.tif",
        (RGB / 65535).astype(np.float32),
        photometric="rgb",
        iccprofile=icc,
        resolution=(100, 50),
        resolutionunit="CENTIMETER",
        description="a remark",
        metadata=None,
        extratags=[(315, "s", 0, "An artist", True), (700, "B", 4, b"<x/>", True)],
    )
    apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as tiff:
        tags = tiff.pages[0].tags
        assert tags[315].value == "An artist" and tags[270].value == "a remark" and bytes(tags[700].value) == b"<x/>"
        assert tiff.pages[0].iccprofile == icc
        assert tiff.pages[0].resolution == pytest.approx((254, 127)) and tiff.pages[0].resolutionunit == 2


@pytest.mark.filterwarnings("ignore:Metadata Warning:UserWarning")  # Pillow's, when it reads the block again
@given(st.data())
def test_a_block_that_lies_is_moved_without_harm(data):
    from convcli.images.exif import into_tiff, of_tiff

    block = bytearray(exif(data.draw(st.sampled_from("<>"))).removeprefix(b"Exif\0\0"))
    for _ in range(data.draw(st.integers(0, 6))):
        block[data.draw(st.integers(8, len(block) - 1))] = data.draw(st.sampled_from([0, 1, 4, 8, 127, 255]))
    stream = io.BytesIO()
    PLAIN.save(stream, "TIFF")
    before = len(stream.getvalue())
    assert into_tiff(stream, bytes(block), [])
    assert len(stream.getvalue()) < before + 8 * len(block) + 200
    told = of_tiff(stream)
    again = io.BytesIO()
    PLAIN.save(again, "TIFF")
    if told:
        assert into_tiff(again, told, []) and of_tiff(again) == told
    stream.seek(0)
    with Image.open(stream) as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(PLAIN))
