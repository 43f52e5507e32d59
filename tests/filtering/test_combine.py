"""Several kernels on the same picture, combined into one result."""

import tracemalloc
from itertools import product
from math import isqrt

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage as ndi

from convcli import load_kernel
from convcli.cli import main
from convcli.errors import RecipeError
from convcli.filtering.combine import hues
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.geometry import Geometry
from convcli.kernel import Kernel

PICTURE = np.random.default_rng(5).integers(0, 256, (13, 17, 3), dtype=np.uint8)
GRAY = PICTURE[..., 0].copy()


def kernels(*specs):
    return tuple(load_kernel(spec) for spec in specs)


def responses(image, spec):
    """The definition: exact sums, by SciPy in whole numbers."""
    weights = load_kernel(spec).weights.astype(np.int64)
    planes = image if image.ndim == 3 else image[..., None]
    done = [ndi.correlate(planes[..., c].astype(np.int64), weights, mode="constant") for c in range(planes.shape[2])]
    return np.stack(done, axis=-1).reshape(image.shape)


def rounded_root(n):
    """The root of a whole number, rounded to the nearest one; the half is never hit exactly."""
    root = isqrt(n)
    return root + (n > root * root + root)


@settings(max_examples=25)
@given(arrays(np.uint8, (6, 7)), st.sampled_from(["sobel", "prewitt", "scharr"]))
def test_magnitude_of_whole_gradients_is_the_exact_hypotenuse(image, name):
    done = run_recipe(image, Recipe(kernels(f"{name}-x", f"{name}-y"), combine="magnitude"))
    x, y = responses(image, f"{name}-x"), responses(image, f"{name}-y")
    roots = np.array([[rounded_root(int(a)) for a in row] for row in x**2 + y**2])
    assert np.array_equal(done.pixels, np.minimum(roots, 255))
    assert (done.below, done.above) == (0, (roots > 255).sum())


def test_a_shared_divisor_is_taken_after_the_root():
    done = run_recipe(GRAY, Recipe(kernels("sobel-5x", "sobel-5y"), combine="magnitude")).pixels
    x, y = responses(GRAY, "sobel-5x"), responses(GRAY, "sobel-5y")
    assert np.array_equal(done, np.minimum(np.rint(np.sqrt(x**2 + y**2) / 16), 255))


@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 6])
def test_every_hypotenuse_of_two_bytes_is_rounded_half_to_even(divisor):
    pairs = np.stack(np.divmod(np.arange(65536), 256), axis=1).astype(np.uint8)
    both = kernels(f"[0 1 0 / {divisor}]", f"[0 0 1 / {divisor}]")
    done = run_recipe(pairs, Recipe(both, combine="magnitude")).pixels[:, 0].astype(np.int64)
    squares = (pairs.astype(np.int64) ** 2).sum(axis=1)
    # A pixel k stands for the root of n over the divisor d where (2k - 1)d <= 2 root(n) <= (2k + 1)d; of ties the even.
    below, above = ((2 * done + side) * divisor for side in (-1, 1))
    seen = done < 255
    assert ((below**2 <= 4 * squares) | (done == 0)).all()
    assert (4 * squares <= above**2)[seen].all()
    ties = (4 * squares == below**2) & (done > 0) | (4 * squares == above**2) & seen
    assert ties.any() == (divisor % 2 == 0)
    assert not (done[ties] % 2).any()


@pytest.mark.parametrize("image", [PICTURE, GRAY], ids=["color", "gray"])
@pytest.mark.parametrize(("how", "function"), [("max", np.max), ("sum", np.sum), ("mean", np.mean)])
def test_max_sum_and_mean(image, how, function):
    directions = [f"kirsch:direction={d}" for d in ("n", "ne", "e", "se", "s", "sw", "w", "nw")]
    done = run_recipe(image, Recipe(kernels(*directions), combine=how, range="clip")).pixels
    expected = function([responses(image, spec) for spec in directions], axis=0)
    assert np.array_equal(done, np.rint(expected).clip(0, 255))


def test_the_range_is_applied_once_and_to_the_combined_response():
    pair = ("sobel-x", "sobel-y")
    total = responses(GRAY, "sobel-x") + responses(GRAY, "sobel-y")
    assert np.array_equal(run_recipe(GRAY, Recipe(kernels(*pair), combine="sum")).pixels, abs(total).clip(0, 255))
    for range_, expected in (("clip", total), ("offset", total + 128)):
        done = run_recipe(GRAY, Recipe(kernels(*pair), combine="sum", range=range_)).pixels
        assert np.array_equal(done, expected.clip(0, 255))
    raw = run_recipe(GRAY, Recipe(kernels(*pair), combine="sum", range="raw")).pixels
    assert raw.dtype == np.float32
    assert np.array_equal(raw, total)
    stretched = run_recipe(GRAY, Recipe(kernels(*pair), combine="magnitude", range="normalize")).pixels
    assert (stretched.min(), stretched.max()) == (0, 255)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_other_depths(dtype):
    scale = 257 if dtype == np.uint16 else 1 / 255
    image = (GRAY.astype(float) * scale).astype(dtype)
    done = run_recipe(image, Recipe(kernels("sobel-x", "sobel-y"), combine="magnitude")).pixels
    x, y = (ndi.correlate(image.astype(float), load_kernel(s).weights, mode="constant") for s in ("sobel-x", "sobel-y"))
    assert done.dtype == dtype
    if dtype == np.uint16:
        roots = [[rounded_root(int(a)) for a in row] for row in x**2 + y**2]
        assert np.array_equal(done, np.minimum(roots, 65535))
    else:
        np.testing.assert_allclose(done, np.hypot(x, y), atol=1e-5)


def test_angle_is_a_hue_clockwise_from_the_right():
    y, x = np.mgrid[:41, :41] - 20
    cone = (255 - 8 * np.hypot(x, y)).clip(0, 255).astype(np.uint8)
    degrees = run_recipe(cone, Recipe(kernels("sobel-x", "sobel-y"), combine="angle", range="raw")).pixels
    # Brightness grows towards the middle: to the right of it the gradient points left.
    assert degrees[20, 30] == pytest.approx(180, abs=1)
    assert degrees[20, 10] == pytest.approx(0, abs=1)
    assert degrees[10, 20] == pytest.approx(90, abs=1)
    assert degrees[30, 20] == pytest.approx(270, abs=1)
    shown = run_recipe(cone, Recipe(kernels("sobel-x", "sobel-y"), combine="angle")).pixels
    assert shown.shape == (41, 41, 3)
    assert shown[20, 10].argmax() == 0
    assert not run_recipe(np.full((5, 5), 9, np.uint8), Recipe(kernels("sobel-x", "sobel-y"), Geometry(padding="valid"),
                                                        combine="angle")).pixels.any()  # fmt: skip


@given(st.floats(0, 359.99), st.floats(0, 255))
def test_hues_are_pillows_hsv(angle, strength):
    ours = hues(np.array([[angle]]), np.array([[strength]]), np.uint8)[0, 0].astype(int)
    import colorsys

    theirs = np.array(colorsys.hsv_to_rgb(angle / 360, 1, strength / 255)) * 255
    assert abs(ours - theirs).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("specs", "options", "message"),
    [
        (["sobel-x"], {"combine": "max"}, "combine=max needs at least two kernels"),
        (["sobel-x"] * 3, {"combine": "angle"}, "combine=angle needs two kernels"),
        (["sobel-x", "sobel-y"], {"combine": "product"}, "combine must be one of magnitude, max"),
        (["sobel-x", "sobel-y"], {"combine": "angle", "channels": "each"}, "channels=gray or channels=sum"),
        (["sobel-x", "sobel-y"], {"combine": "angle", "range": "abs"}, "combine=angle .* takes range=clip, not abs"),
        (["sobel-x", "sobel-y"], {"combine": "angle", "range": "normalize"}, "takes range=clip, not normalize"),
        (["sobel-x", "depth-luma"], {"combine": "sum"}, "depth 1 and of depth 3 cannot be combined"),
    ],
)
def test_what_cannot_be_combined_is_told(specs, options, message):
    with pytest.raises(RecipeError, match=message):
        Recipe(kernels(*specs), **options)


def test_maps_of_different_size_are_told():
    recipe = Recipe(kernels("sobel-x", "sobel-5x"), Geometry(padding="valid"), combine="magnitude")
    with pytest.raises(RecipeError, match=r"maps of different size \(13x9 and 15x11\); padding=same"):
        run_recipe(GRAY, recipe)


def test_deep_kernels_are_combined_over_the_depth():
    deep = Kernel(np.ones((3, 1, 1)))
    done = run_recipe(PICTURE, Recipe((deep, deep), combine="mean", range="raw")).pixels
    assert np.array_equal(done, PICTURE.sum(axis=2))


@pytest.mark.parametrize("mode", ["zeros", "constant", "reflect", "circular"])
@pytest.mark.parametrize(("how", "range_"), [
    *product(["magnitude", "max", "sum", "mean"], ["clip", "normalize", "raw", "offset"]),
    ("angle", "clip"), ("angle", "raw"),
])  # fmt: skip
@pytest.mark.parametrize(("specs", "dtype", "stride"), [
    (("sobel-x", "sobel-y"), np.uint8, 1), (("sobel-x", "gaussian:sigma=2"), np.uint16, 2),
    (("random:size=33", "random:size=31,seed=1"), np.uint8, 1), (("random:size=21", "sobel-x"), np.float32, 3),
])  # fmt: skip
def test_the_result_does_not_depend_on_the_bands_it_is_made_in(specs, dtype, stride, mode, how, range_, monkeypatch):
    image = np.random.default_rng(8).integers(0, 256, (300, 11, 3)).astype(dtype)
    if dtype == np.float32:
        image[40, 3] = np.nan
    padding = "same" if len({load_kernel(spec).size for spec in specs}) > 1 else (40, 3)
    recipe = Recipe(kernels(*specs), Geometry.from_options(stride, padding, mode, 30, 1), range=range_, combine=how)
    with np.errstate(invalid="ignore"):
        whole = run_recipe(image, recipe)
        monkeypatch.setattr("convcli.filtering.run._SAMPLES", 1)
        cut = run_recipe(image, recipe)
    assert np.array_equal(whole.pixels, cut.pixels, equal_nan=dtype == np.float32)
    assert (whole.range, whole.samples, whole.below, whole.above) == (cut.range, cut.samples, cut.below, cut.above)


def test_combining_takes_a_few_bands_of_memory_beside_the_picture():
    image = np.zeros((2000, 2000, 3), np.uint8)
    recipe = Recipe(kernels("sobel-x", "sobel-y"), combine="magnitude")
    run_recipe(image[:300], recipe)
    tracemalloc.start()
    try:
        run_recipe(image, recipe)
        assert tracemalloc.get_traced_memory()[1] < 4 * image.nbytes
    finally:
        tracemalloc.stop()


def opened(path):
    with Image.open(path) as picture:
        return picture.mode, np.asarray(picture)


def apply(*args):
    return CliRunner().invoke(main, ["apply", *map(str, args)])


def test_on_the_command_line(tmp_path):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(PICTURE).save(source)
    done = apply("-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", source, out)
    assert done.exit_code == 0, done.output
    x, y = responses(PICTURE, "sobel-x"), responses(PICTURE, "sobel-y")
    assert np.array_equal(opened(out)[1], np.rint(np.hypot(x, y)).clip(0, 255))
    done = apply("-k", "sobel-x", "-k", "sobel-y", "--combine", "angle", source, tmp_path / "angle.png")
    assert done.exit_code == 0, done.output
    assert opened(tmp_path / "angle.png")[0] == "RGB"
    Image.fromarray(GRAY).save(tmp_path / "gray.png")
    done = apply("-k", "sobel-x", "-k", "sobel-y", "--combine", "angle", tmp_path / "gray.png", tmp_path / "hue.jpg")
    assert done.exit_code == 0, done.output
    assert opened(tmp_path / "hue.jpg")[0] == "RGB"


def test_alpha_stays_beside_combined_responses(tmp_path):
    rgba = np.dstack([PICTURE, GRAY])
    Image.fromarray(rgba).save(tmp_path / "in.png")
    args = ("-k", "sobel-x", "-k", "sobel-y", "--combine", "max")
    assert apply(*args, tmp_path / "in.png", tmp_path / "out.png").exit_code == 0
    assert np.array_equal(opened(tmp_path / "out.png")[1][..., 3], GRAY)
    done = apply(*args, "--alpha", "weight", tmp_path / "in.png", tmp_path / "no.png")
    assert done.exit_code != 0
    assert "alpha=keep or drop, not 'weight'" in done.stderr
    assert not (tmp_path / "no.png").exists()


def test_a_users_kernel_that_hides_a_built_in_is_told(tmp_path, monkeypatch):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "sobel-x.yaml").write_text("weights: [[1]]")
    Image.fromarray(GRAY).save(tmp_path / "in.png")
    monkeypatch.chdir(tmp_path)
    done = apply("-k", "sobel-x", "in.png", "out.png")
    assert "Note: sobel-x is your own kernel in kernels/sobel-x.yaml; it hides the built-in one." in done.stderr
    assert np.array_equal(opened("out.png")[1], GRAY)
