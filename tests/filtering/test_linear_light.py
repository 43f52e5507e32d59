"""Linear light: the curve of IEC 61966-2-1, and filtering under it."""

import numpy as np
import pytest
import scipy.ndimage
import survey
from PIL import Image

from convcli.filtering import linear_light


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_value_comes_back(dtype):
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    np.testing.assert_array_equal(linear_light.from_linear(linear_light.to_linear(values), dtype), values)


def test_the_curve():
    assert linear_light.decode(0.5) == pytest.approx(0.214041, abs=1e-6)  # known to every renderer
    assert linear_light.decode([0, 1]).tolist() == [0, 1] and linear_light.encode(
        linear_light.decode(0.04)
    ) == pytest.approx(0.04)


def blur(tmp_path, image, *words):
    image.save(tmp_path / "in.png")
    result = survey.convcli("apply", "-k", "box", "-f", *words, tmp_path / "in.png", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    return survey.pixels(tmp_path / "out.png")


def test_a_blur_in_linear_light(tmp_path):
    pixels = survey.smooth(3)
    out = blur(tmp_path, Image.fromarray(pixels), "--linear", "--padding-mode", "replicate")
    mean = scipy.ndimage.uniform_filter(linear_light.decode(pixels / 255), (3, 3, 1), mode="nearest")
    np.testing.assert_allclose(out, linear_light.encode(mean) * 255, atol=0.55)


def test_black_and_white_mix_brighter(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (20, 10))
    plain, linear = (blur(tmp_path, Image.fromarray(stripes), *w)[10, 10] for w in ([], ["--linear"]))
    assert linear > plain + 40


def test_responses_are_on_the_scale_of_the_pixels(tmp_path):
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save(tmp_path / "in.png")
    survey.convcli("apply", "-k", "1", "--bias", 3, "--linear", tmp_path / "in.png", tmp_path / "out.npy")
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), 258, rtol=1e-5)


def test_a_constant_border_is_the_colour_that_was_named(tmp_path):
    flat = np.full((9, 9), 90, np.uint8)
    out = blur(tmp_path, Image.fromarray(flat), "--linear", "--padding-value", 90)
    assert (out == 90).all()


def test_with_transparency(tmp_path):
    out = blur(tmp_path, survey.picture("RGBA"), "--linear", "--padding-mode", "symmetric")
    assert out.shape == (24, 40, 4)


def test_ink_has_no_linear_light(tmp_path):
    survey.picture("CMYK").save(tmp_path / "in.tif")
    result = survey.convcli("apply", "-k", "box", "--linear", tmp_path / "in.tif", tmp_path / "out.tif")
    assert result.exit_code == 2 and "CMYK is ink" in result.stderr
