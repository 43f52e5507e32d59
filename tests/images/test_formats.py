"""Every mode in every format: what is read, filtered and written is what Pillow reads, and what SciPy makes of it."""

import numpy as np
import pytest
import scipy.ndimage
import survey
from PIL import Image

from convcli.images.formats import format_of, readable, suffixes
from convcli.images.modes import RULES, frame_of

CASES = list(survey.cases())


@pytest.mark.parametrize(("format_", "mode"), CASES)
def test_identity_keeps_every_pixel(format_, mode, tmp_path):
    seen = survey.kept(format_, mode, tmp_path)
    if format_ == "ICO" and mode.startswith("I"):
        assert "can't hold 16-bit gray" in seen
        return
    before, after, difference = seen
    assert difference <= survey.LOSSY.get(format_, survey.QUANTIZED.get((format_, mode), 0))
    gray = before in ("1", "L", "LA", "I", "F") or before.startswith("I;16")
    assert not gray or after in ("1", "L", "LA", "P", "I", "F", "I;16")


@pytest.mark.parametrize(("format_", "mode"), CASES)
def test_a_blur_of_every_file_is_the_definition(format_, mode, tmp_path):
    path, out = tmp_path / f"in{survey.SUFFIX[format_]}", tmp_path / "out.npy"
    survey.picture(mode).save(path, format_)
    result = survey.convcli("apply", "-k", "box", "--padding-mode", "symmetric", "--alpha", "keep", path, out)
    assert result.exit_code == 0, result.output
    responses = np.load(out)
    with Image.open(path) as image:
        colors = {2: "L", 3: "RGB"}[responses.ndim] if responses.shape[2:] != (4,) else "CMYK"
        raw = image.mode.startswith(("I", "F")) or image.mode == "LAB"
        samples = np.asarray(converted(image, RULES[image.mode]) if raw else image.convert(colors), float)
    want = scipy.ndimage.uniform_filter(samples, (3, 3, 1)[: samples.ndim], mode="reflect")
    np.testing.assert_allclose(responses, want, atol=1e-5 * max(np.abs(want).max(), 1))


def test_all_formats_of_the_table_are_there():
    assert {format_ for format_, _ in CASES} >= {"PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "AVIF", "JPEG2000"}
    assert len(CASES) > 100


@pytest.mark.parametrize("mode", survey.MODES)
def test_a_blur_is_the_definition(mode, tmp_path):
    image = survey.picture(mode)
    frame = frame_of(image)
    rule = RULES[mode]
    assert frame.pixels.dtype == rule.dtype and frame.colors == rule.colors
    assert (frame.alpha is not None) == rule.alpha
    path = tmp_path / "in.tif"
    if mode in ("La", "RGBa", "HSV", "I;16N", "RGBX"):  # no file is read as these
        image = image.convert(rule.work) if mode != "I;16N" else Image.fromarray(frame.pixels)
    image.save(path)
    out = tmp_path / "out.npy"
    result = survey.convcli("apply", "-k", "box", "--padding-mode", "symmetric", "--alpha", "keep", path, out)
    assert result.exit_code == 0, result.output
    samples = np.asarray(converted(image, rule), float)
    samples = samples[..., : rule.colors] if samples.ndim == 3 else samples
    samples = samples[..., 0] if samples.ndim == 3 and rule.colors == 1 else samples
    size = (3, 3, 1)[: samples.ndim]
    want = scipy.ndimage.uniform_filter(samples, size, mode="reflect")
    scale = max(np.abs(want).max(), 1)
    np.testing.assert_allclose(np.load(out), want, atol=1e-5 * scale)


def converted(image, rule):
    if image.mode == rule.work or image.mode.startswith("I;16"):
        return image
    if image.mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    return image.convert(rule.work)


def test_a_gray_palette_stays_gray(tmp_path):
    image = Image.fromarray(survey.smooth(1)[..., 0]).convert("P")
    image.save(tmp_path / "in.png")
    assert survey.convcli("apply", "-k", "box", tmp_path / "in.png", tmp_path / "out.png").exit_code == 0
    with Image.open(tmp_path / "out.png") as out:
        assert out.mode == "L"


@pytest.mark.parametrize(("mode", "clear"), [("P", 3), ("L", 90), ("RGB", (1, 2, 3)), ("I;16", 700), ("1", 0)])
def test_a_transparent_colour_becomes_alpha(tmp_path, mode, clear):
    rng = np.random.default_rng(3)
    if mode == "RGB":
        image = Image.fromarray(rng.integers(0, 4, (20, 30, 3), dtype=np.uint8))
        want = (np.asarray(image) == clear).all(axis=2)
    elif mode == "1":
        image = Image.fromarray(rng.integers(0, 2, (20, 30), dtype=np.uint8) * 255).convert("1")
        want = ~np.asarray(image)
    elif mode == "P":
        image = Image.fromarray(rng.integers(0, 9, (20, 30), dtype=np.uint8), "P")
        image.putpalette(list(rng.integers(0, 256, 27)))
        want = np.asarray(image) == clear
    else:
        samples = rng.integers(0, 5, (20, 30)) + clear - 2
        image = Image.fromarray(samples.astype(np.uint8 if mode == "L" else np.uint16))
        want = samples == clear
    image.save(tmp_path / "in.png", transparency=clear)
    assert survey.convcli("apply", "-k", "identity", tmp_path / "in.png", tmp_path / "out.npy").exit_code == 0
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    import cv2

    alpha = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)[..., -1]
    np.testing.assert_array_equal(alpha == 0, want)


@pytest.mark.parametrize(
    ("source", "target", "parts"),
    [
        ("RGBA", "out.jpg", ["JPEG can't hold 8-bit RGB with transparency", "--alpha drop"]),
        ("CMYK", "out.png", ["PNG can't hold 8-bit CMYK", "JPEG or TIFF"]),
        ("I;16", "out.jpg", ["JPEG can't hold 16-bit gray", "--reduce-depth"]),
        ("F", "out.png", ["PNG can't hold float gray", "--reduce-depth"]),
        ("I", "out.png", ["PNG can't hold 32-bit integer gray"]),
        ("LA", "out.bmp", ["BMP can't hold 8-bit gray with transparency"]),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, source, target, parts):
    survey.picture(source).save(tmp_path / "in.tif")
    result = survey.convcli("apply", "-k", "identity", tmp_path / "in.tif", tmp_path / target)
    assert result.exit_code == 1 and not (tmp_path / target).exists()
    for part in parts:
        assert part in result.stderr


def test_reduce_depth_is_told(tmp_path):
    survey.picture("I;16").save(tmp_path / "in.png")
    result = survey.convcli("apply", "-k", "identity", "--reduce-depth", tmp_path / "in.png", tmp_path / "out.jpg")
    assert result.exit_code == 0 and "reduced to 8 bits" in result.stderr
    assert survey.pixels(tmp_path / "out.jpg").dtype == np.uint8


class TestQuality:
    @pytest.fixture
    def jpeg(self, tmp_path):
        Image.fromarray(survey.smooth(3)).save(tmp_path / "in.jpg", quality=63, subsampling="4:2:0")
        return tmp_path / "in.jpg"

    def tables(self, path):
        from PIL.JpegImagePlugin import get_sampling

        with Image.open(path) as image:
            return image.quantization, get_sampling(image)

    def test_jpeg_keeps_its_own(self, jpeg, tmp_path):
        assert survey.convcli("apply", "-k", "box", jpeg, tmp_path / "out.jpg").exit_code == 0
        assert self.tables(tmp_path / "out.jpg") == self.tables(jpeg)

    def test_jpeg_to_gray_keeps_the_first_table(self, jpeg, tmp_path):
        assert survey.convcli("apply", "-k", "box", "--channels", "gray", jpeg, tmp_path / "out.jpg").exit_code == 0
        assert self.tables(tmp_path / "out.jpg")[0] == {0: self.tables(jpeg)[0][0]}

    def test_jpeg_of_another_format_is_fine(self, tmp_path):
        survey.picture("RGB").save(tmp_path / "in.png")
        Image.fromarray(survey.smooth(3)).save(tmp_path / "want.jpg", quality=95, subsampling="4:4:4")
        survey.convcli("apply", "-k", "box", tmp_path / "in.png", tmp_path / "out.jpg")
        assert self.tables(tmp_path / "out.jpg") == self.tables(tmp_path / "want.jpg")

    def test_quality_is_obeyed(self, jpeg, tmp_path):
        for quality in ("20", "90"):
            survey.convcli("apply", "-k", "box", "--quality", quality, jpeg, tmp_path / f"{quality}.jpg")
        assert (tmp_path / "20.jpg").stat().st_size < (tmp_path / "90.jpg").stat().st_size

    def test_webp_is_lossless_for_lossless(self, jpeg, tmp_path):
        for source, word in ((jpeg, b"VP8 "), (tmp_path / "in.png", b"VP8L")):
            survey.picture("RGB").save(tmp_path / "in.png")
            survey.convcli("apply", "-k", "box", "-f", source, tmp_path / "out.webp")
            assert word in (tmp_path / "out.webp").read_bytes()[:4096]
        survey.convcli("apply", "-k", "box", "-f", "--lossless", jpeg, tmp_path / "out.webp")
        assert b"VP8L" in (tmp_path / "out.webp").read_bytes()[:4096]

    def test_lossy_webp_stays_lossy(self, tmp_path):
        survey.picture("RGB").save(tmp_path / "in.webp", quality=70)
        survey.convcli("apply", "-k", "box", tmp_path / "in.webp", tmp_path / "out.webp")
        assert b"VP8L" not in (tmp_path / "out.webp").read_bytes()

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (["--quality", "50", "out.png"], "PNG has no quality"),
            (["--lossless", "out.jpg"], "JPEG can't be lossless"),
            (["--lossless", "--quality", "5", "out.webp"], "exclude each other"),
            (["--compression", "max", "out.jpg"], "--compression is for PNG and TIFF"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, jpeg, tmp_path, words, part):
        result = survey.convcli("apply", "-k", "box", *words[:-1], jpeg, tmp_path / words[-1])
        assert result.exit_code == 2 and part in result.stderr and not (tmp_path / words[-1]).exists()

    def test_a_tiff_keeps_its_compression(self, tmp_path):
        for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "raw"):
            survey.picture("RGB").save(tmp_path / "in.tif", compression=compression)
            survey.convcli("apply", "-k", "box", "-f", tmp_path / "in.tif", tmp_path / "out.tif")
            with Image.open(tmp_path / "out.tif") as image:
                assert image.info["compression"] == compression


def test_suffixes():
    assert format_of("a.PNG") == "PNG" and format_of("-", ".jpeg") == "JPEG" and format_of("a.j2k") == "JPEG2000"
    assert {".png", ".npy", ".tif"} <= set(suffixes()) and ".psd" in readable() and ".psd" not in suffixes()


def test_float_pixels_without_bounds_become_8_bits_without_a_warning(tmp_path):
    samples = np.array([[np.inf, -np.inf, np.nan, 3e38, 0.5]], np.float32)
    Image.fromarray(samples).save(tmp_path / "in.tif")
    result = survey.convcli("apply", "-k", "1", "--reduce-depth", tmp_path / "in.tif", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out.png") as image:
        assert np.asarray(image).tolist() == [[255, 0, 0, 255, 128]]
