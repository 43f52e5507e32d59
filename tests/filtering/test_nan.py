"""What ranges, combinations, transparency and the commands make of NaN and infinity in a float picture."""

import json

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

import convcli
from convcli.cli import main
from convcli.filtering.frame import Count, PictureOptions, filter_frame
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.images import Frame
from convcli.kernel import Kernel
from convcli.ranges import Limits, normalize

NAN, INF = np.float32(np.nan), np.float32(np.inf)


def picture(shape=(9, 11), seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def stretched(values):
    """The finite ones stretched over 0..1, the others as they are."""
    finite = np.isfinite(values)
    low, high = values[finite].min(), values[finite].max()
    return np.where(finite, (values - low) / (high - low), values)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_normalize_stretches_the_finite_responses(bad):
    image = picture()
    image[4, 5] = bad
    got = convcli.filter_image(image, "identity", range="normalize")
    np.testing.assert_allclose(got, stretched(image), atol=1e-6)
    assert got[np.isfinite(got)].min() == 0 and got[np.isfinite(got)].max() == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_limits_of_parts_are_those_of_the_whole(dtype):
    responses = picture((40, 6)) * 3 - 1
    responses[3, 2], responses[20, 5], responses[21, 5], responses[30:] = NAN, INF, -INF, NAN
    limits = Limits()
    for rows in (slice(0, 7), slice(7, 30), slice(30, 40)):
        assert not normalize(responses[rows], dtype, limits).any()
    limits.known = True
    assert limits.infinite == 63
    parts = [normalize(responses[rows], dtype, limits) for rows in (slice(0, 22), slice(22, 40))]
    np.testing.assert_array_equal(np.concatenate(parts), normalize(responses, dtype))
    want = stretched(responses.astype(np.float64))
    if dtype == np.float32:
        np.testing.assert_allclose(np.concatenate(parts), want, atol=1e-6)
    else:
        top = np.iinfo(dtype).max
        want = np.rint(np.nan_to_num(want, posinf=1, neginf=0).clip(0, 1) * top)
        assert np.abs(np.concatenate(parts).astype(int) - want).max() <= 1


@pytest.mark.parametrize("values", [[1, 1], [NAN, NAN], [INF, INF], [-3e38, 3e38], [0, 1e-45], [-INF, 2], [NAN, 5, 5]])
def test_normalize_of_what_is_flat_or_far_apart(values):
    responses = np.array([values], np.float32)
    finite = np.isfinite(responses)
    got = normalize(responses, np.float32)
    np.testing.assert_array_equal(got[~finite], responses[~finite])
    if len(np.unique(responses[finite])) == 2:
        np.testing.assert_array_equal(got[0], [0, 1])
        np.testing.assert_array_equal(normalize(responses, np.uint8)[0], [0, 255])
    else:
        assert not got[finite].any()
    assert normalize(responses, np.uint16).dtype == np.uint16


@pytest.mark.parametrize("how", ["magnitude", "max", "sum", "mean"])
def test_combined_responses(how):
    image = picture()
    image[4, 5] = INF
    recipe = (Kernel([[1]]), Kernel([[-1]]), Kernel([[0, 2]]))
    got = run_recipe(image, Recipe(recipe, combine=how, range="raw")).pixels
    each = np.array([convcli.filter_image(image, kernel, range="raw") for kernel in recipe], np.float64)
    with np.errstate(invalid="ignore"):
        want = {"magnitude": np.sqrt((each**2).sum(axis=0)), "max": each.max(axis=0), "sum": each.sum(axis=0)}.get(
            how, each.mean(axis=0)
        )
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_what_is_invisible_does_not_look():
    """A colour of opacity zero weighs nothing, be it NaN."""
    image, alpha = picture((9, 11, 3)), np.ones((9, 11), np.float32)
    image[4, 5], alpha[4, 5] = [NAN, INF, 0.5], 0
    recipe = Recipe((convcli.load_kernel("box"),))
    done = filter_frame(Frame(image, alpha), recipe, PictureOptions(alpha="weight"), Count()).pixels
    image[4, 5] = 0.5
    np.testing.assert_allclose(
        done, filter_frame(Frame(image, alpha), recipe, PictureOptions(alpha="weight"), Count()).pixels, atol=1e-6
    )


@pytest.mark.parametrize("how", [[], ["--memory", "1MB"]])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_note_says_how_many_were_not_stretched(how, count, tmp_path):
    image = picture((300, 500))
    image[7, 10 : 10 + count] = NAN
    source, output = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, image)
    words = ["apply", "-k", "identity", "--range", "normalize", *how, str(source), str(output)]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    told = {0: "", 1: "1 response is NaN or infinite", 3: "3 responses are NaN or infinite"}[count]
    assert told in done.stderr and ("stretched the finite ones" in done.stderr) == (count > 0)
    np.testing.assert_allclose(tifffile.imread(output), stretched(image), atol=1e-6)


@pytest.mark.parametrize("kernel", ["sobel-x", "sobel-x@dilate=3", "sharpen", "identity", "gaussian:sigma=2"])
def test_every_command_has_the_same_rule(kernel, tmp_path):
    """apply, with and without pieces, and explain."""
    image = picture((40, 50))
    image[20, 25] = NAN
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, image)
    reached = np.count_nonzero(convcli.load_kernel(kernel).weights)
    for number, how in enumerate(([], ["--memory", "1MB"])):
        output = tmp_path / f"{number}.tif"
        done = CliRunner().invoke(main, ["apply", "-k", kernel, *how, str(source), str(output)], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        assert np.isnan(tifffile.imread(output)).sum() == reached
    told = tifffile.imread(output)
    for x, y in ((25, 20), (24, 20), (25, 19), (26, 21), (22, 20)):
        words = ["explain", "-k", kernel, "--at", f"{x},{y}", "--json", str(source)]
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        pixel = json.loads(done.stdout)["pixel"][0]
        step = json.loads(done.stdout)["channels"][0]["steps"][-1]["value"]
        if np.isnan(told[y, x]):
            assert pixel is None and step is None
        else:
            assert pixel == pytest.approx(float(told[y, x]), abs=1e-6) and step == pytest.approx(pixel, abs=1e-6)
