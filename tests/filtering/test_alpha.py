"""Transparency: what each way promises, on a cut-out whose invisible pixels have a garish colour."""

import numpy as np
import pytest
import scipy.ndimage
import survey
from PIL import Image

GREEN, GARISH = (20, 120, 40), (255, 0, 255)


@pytest.fixture
def cutout(tmp_path):
    y, x = np.mgrid[:40, :50]
    inside = (y - 20) ** 2 + (x - 25) ** 2 < 150
    pixels = np.where(inside[..., None], (*GREEN, 255), (*GARISH, 0)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def apply(source, *words):
    out = source.with_name("out.png")
    result = survey.convcli("apply", "-f", *words, source, out)
    assert result.exit_code == 0, result.output
    return survey.pixels(out).astype(int)


def test_weight_lets_no_invisible_colour_in(cutout):
    out = apply(cutout, "-k", "gaussian:sigma=3", "--alpha", "weight")
    seen = out[out[..., 3] > 0]
    assert np.abs(seen[:, :3] - GREEN).max() <= 1
    assert ((out[..., 3] > 0) & (out[..., 3] < 255)).sum() > 300  # the edge is soft


def test_filter_lets_it_in(cutout):
    out = apply(cutout, "-k", "gaussian:sigma=3", "--alpha", "filter")
    assert np.abs(out[out[..., 3] > 0][:, :3] - GREEN).max() > 100


def test_weight_is_the_weighted_mean(tmp_path):
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (30, 20, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    out = apply(
        tmp_path / "in.png", "-k", "1 2 1; 2 4 2; 1 2 1 / 16", "--alpha", "weight", "--padding-mode", "symmetric"
    )
    weights = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    color, alpha = pixels[..., :3] / 255, pixels[..., 3] / 255

    def mean(plane):
        return scipy.ndimage.correlate(plane, weights, mode="reflect")

    new = mean(alpha)
    for channel in range(3):
        np.testing.assert_allclose(out[..., channel], 255 * mean(color[..., channel] * alpha) / new, atol=0.51)
    np.testing.assert_allclose(out[..., 3], 255 * new, atol=0.51)


@pytest.mark.parametrize(
    "words", [[], ["--bias", "20"], ["--divisor", "20"], ["--channels", "sum"], ["--channels", "gray"]]
)
def test_an_opaque_picture_is_as_without_alpha(tmp_path, words):
    pixels = np.random.default_rng(4).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([pixels, np.full((30, 20), 255, np.uint8)])).save(tmp_path / "rgba.png")
    rows = ["-k", "1 2 1; 2 5 2; 1 2 1 / 17", "--padding-mode", "replicate", *words]
    plain, clear = apply(tmp_path / "rgb.png", *rows), apply(tmp_path / "rgba.png", *rows, "--alpha", "weight")
    assert np.abs(clear[..., :-1].squeeze() - plain).max() <= 1 and (clear[..., -1] == 255).all()


@pytest.mark.parametrize(
    ("kernel", "way"), [("gaussian-3", "weight"), ("sharpen", "weight"), ("sobel-x", "keep"), ("laplacian", "keep")]
)
def test_what_is_usual(cutout, kernel, way):
    np.testing.assert_array_equal(apply(cutout, "-k", kernel), apply(cutout, "-k", kernel, "--alpha", way))


def test_keep_keeps(cutout):
    before = survey.pixels(cutout)
    out = apply(cutout, "-k", "sobel-x", "--alpha", "keep")
    np.testing.assert_array_equal(out[..., 3], before[..., 3])


@pytest.mark.parametrize(
    ("words", "rows", "columns"),
    [
        (["--stride", "3"], slice(0, None, 3), slice(1, None, 3)),  # same: one pixel before 40 rows, none before 50
        (["--padding", "valid"], slice(1, -1), slice(1, -1)),
        (["--padding", "valid", "--stride", "2,3"], slice(1, -1, 2), slice(1, -1, 3)),
        (["--padding", "valid", "--dilation", "2"], slice(2, -2), slice(2, -2)),
    ],
)
def test_kept_alpha_follows_the_geometry(cutout, words, rows, columns):
    before = survey.pixels(cutout)
    out = apply(cutout, "-k", "sobel-x", "--alpha", "keep", *words)
    np.testing.assert_array_equal(out[..., 3], before[rows, columns, 3])


@pytest.mark.parametrize(("mode", "edge"), [("zeros", 0), ("replicate", 9), ("symmetric", 9)])
def test_kept_alpha_on_a_wide_border(tmp_path, mode, edge):
    Image.fromarray(np.full((5, 5, 4), 9, np.uint8)).save(tmp_path / "in.png")
    out = apply(tmp_path / "in.png", "-k", "1", "--alpha", "keep", "--padding", "2", "--padding-mode", mode)
    assert out.shape == (9, 9, 4) and out[0, 0, 3] == edge and out[4, 4, 3] == 9


def test_drop(cutout):
    assert apply(cutout, "-k", "box", "--alpha", "drop").shape == (40, 50, 3)
    assert survey.convcli("apply", "-k", "box", "--alpha", "drop", cutout, cutout.with_name("o.jpg")).exit_code == 0


def test_identity_keeps_the_invisible_colour(cutout):
    np.testing.assert_array_equal(apply(cutout, "-k", "identity", "--alpha", "weight"), survey.pixels(cutout))


def test_a_transparent_border_for_zeros(tmp_path):
    Image.fromarray(np.full((9, 9, 4), (200, 10, 10, 255), np.uint8)).save(tmp_path / "in.png")
    out = apply(tmp_path / "in.png", "-k", "box")
    assert (out[..., :3] == (200, 10, 10)).all() and out[0, 0, 3] == round(255 * 4 / 9) and out[4, 4, 3] == 255


def test_npy_has_no_alpha(cutout, tmp_path):
    assert survey.convcli("apply", "-k", "box", cutout, tmp_path / "o.npy").exit_code == 0
    assert np.load(tmp_path / "o.npy").shape == (40, 50, 3)


@pytest.mark.parametrize("spec", ["sobel-x", "laplacian", "0", "1e-12 -1e-12", "0.1 0.2 -0.3", "sobel-x@30"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_weights_that_sum_to_zero_are_not_divided_by(cutout, suffix, spec):
    out = cutout.with_name(f"out.{suffix}")
    result = survey.convcli("apply", "-k", spec, "--alpha", "weight", cutout, out)
    assert result.exit_code == 2 and not out.exists()
    assert "weights that sum to 0" in result.stderr and "use --alpha keep" in result.stderr
    assert survey.convcli("apply", "-k", spec, cutout, out).exit_code == 0


@pytest.mark.parametrize("factor", [1e-12, -1, 1e6])
def test_the_mean_does_not_depend_on_the_scale_of_the_weights(cutout, factor):
    """Whatever the weights sum to, an opaque picture has the responses that it has without alpha."""
    from convcli.filtering.alpha import weighted
    from convcli.geometry import Geometry
    from convcli.kernel import Kernel

    color = np.random.default_rng(1).random((9, 9, 3), np.float32)
    kernel = Kernel(np.array([[1, 2, 1]]) * factor, divisor=4)
    made, alpha = weighted(color, np.ones((9, 9), np.float32), kernel, Geometry(padding="valid"), False)
    want = sum(w * color[:, i : i + 7] for i, w in enumerate((0.25, 0.5, 0.25))) * factor
    np.testing.assert_allclose(made, want, rtol=1e-5)
    np.testing.assert_allclose(alpha, 1, rtol=1e-6)
