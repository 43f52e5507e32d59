"""`convcli explain`: every number on the way is right, and the way ends in the pixel that `apply` writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import naive
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convcli.cli import main
from convcli.errors import ConvcliError
from convcli.explain.arithmetic import plain, steps
from convcli.explain.pixel import border, explain_pixel
from convcli.explain.text import as_object, report
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.geometry import Geometry
from convcli.kernel import Kernel

SAMPLES = Path(__file__).parents[2] / "samples"
MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def picture(shape, dtype=np.uint8, seed=0):
    noise = np.random.default_rng(seed).random(shape)
    return (noise * naive.FULL_SCALE[np.dtype(dtype).name]).astype(dtype)


def convcli(*words, **how):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False, **how)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_border_is_the_definition(mode, n):
    for i in range(-3 * n - 2, 4 * n + 2):
        assert border(i, n, mode) == naive.border(i, n, mode)


@given(
    shape=st.sampled_from([(1, 1), (4, 7), (6, 5, 3), (5, 5, 4)]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    size=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    padding=st.sampled_from(["same", "full", (9, 2, 8, 11)]),
    mode=st.sampled_from(MODES),
    channels=st.sampled_from(["each", "sum"]),
    range_=st.sampled_from(["clip", "abs", "offset", "normalize"]),
    where=st.integers(0, 10**6),
)
@settings(max_examples=150, deadline=None)
def test_the_way_ends_in_the_pixel(shape, dtype, size, stride, dilation, padding, mode, channels, range_, where):
    image = picture(shape, dtype)
    kernel = Kernel(np.random.default_rng(where).integers(-4, 5, size), divisor=3, bias=2)
    geometry = Geometry.from_options(stride, padding, mode, 40, dilation)
    recipe = Recipe((kernel,), geometry, channels, range_)
    want = run_recipe(image, recipe).pixels
    y, x = np.unravel_index(where % (want.shape[0] * want.shape[1]), want.shape[:2])
    e = explain_pixel(image, recipe, (int(x), int(y)))
    r = naive.responses_by_tap(
        image, kernel.weights, 3, 2, depth=channels == "sum", stride=stride, dilation=dilation,
        padding=padding, padding_mode=mode, padding_value=40,
    )  # fmt: skip
    for response, pixel, exact in zip(e.responses, np.atleast_1d(want[y, x]), np.atleast_1d(r[y, x]), strict=True):
        assert response.pixel == pixel
        assert response.response == pytest.approx(exact, rel=1e-5, abs=1e-5 * np.abs(r).max())
        assert sum(w.products.sum() for w in response.windows) / 3 + e.bias == pytest.approx(exact, rel=1e-9, abs=1e-9)
        last = steps(e, response)[-1].value
        assert last == pytest.approx(float(pixel), abs=1e-5 * max(1, np.abs(r).max()) if dtype != np.uint8 else 0)


def test_what_lies_under_the_kernel_by_hand():
    image = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    recipe = Recipe(
        (Kernel([[1, 2], [3, 4]]),), Geometry.from_options(stride=(1, 2), padding=1, padding_mode="reflect")
    )
    e = explain_pixel(image, recipe, (0, 0))
    (window,) = e.responses[0].windows
    assert e.first == (-1, -1)
    assert window.pixels.tolist() == [[6, 5], [2, 1]]
    assert window.padded.tolist() == [[True, True], [True, False]]
    assert window.products.tolist() == [[6, 10], [6, 4]]
    assert [(s.name, s.text, s.value) for s in steps(e, e.responses[0])] == [("sum", "6 + 10 + 6 + 4", 26)]
    assert e.responses[0].pixel == 26


def test_every_step_is_told():
    image = np.full((3, 3), 100, np.uint8)
    recipe = Recipe((Kernel([[-3]], divisor=8, bias=-1),), range="abs")
    e = explain_pixel(image, recipe, (1, 1))
    assert [(s.name, s.text, plain(s.value)) for s in steps(e, e.responses[0])] == [
        ("sum", "-300", "-300"),
        ("response", "-300 / 8 - 1", "-38.5"),
        ("abs", "|-38.5|", "38.5"),
        ("round", "38.5 half to even", "38"),
    ]
    e = explain_pixel(image, Recipe((Kernel([[-3]]),), range="offset"), (0, 0))
    assert [(s.name, s.value) for s in steps(e, e.responses[0])] == [("sum", -300), ("offset", -172), ("saturate", 0)]


def test_without_a_point_the_strongest_response_off_the_padding_is_chosen():
    image = np.full((9, 9), 200, np.uint8)
    image[4, 6] = 0
    e = explain_pixel(image, Recipe((Kernel([[0, 0, 0], [0, 4, -1], [0, 0, 0]]),)))
    assert (e.x, e.y) == (5, 4)  # 4 * 200 - 0; the padding's 4 * 200 - 0 does not count
    assert (explain_pixel(image[:2, :2], Recipe((Kernel(SOBEL),))).x) == 0  # nowhere off the padding


def test_a_chain_explains_its_last_kernel():
    image = picture((12, 13, 3))
    blur, edge = Kernel(np.ones((3, 3)), divisor=9), Kernel(SOBEL, range="abs")
    e = explain_pixel(image, Recipe((blur, edge)), (5, 6))
    assert e.before and e.kernel is edge
    between = run_recipe(image, Recipe((blur,))).pixels
    assert e.responses[1].windows[0].pixels.tolist() == between[5:8, 4:7, 1].tolist()
    assert [r.pixel for r in e.responses] == run_recipe(image, Recipe((blur, edge))).pixels[6, 5].tolist()


RECIPES = (
    ["-k", "sobel-x"],
    ["-k", "gaussian:sigma=2", "--stride", "3", "--channels", "gray"],
    ["-k", "sharpen", "-k", "emboss", "--padding-mode", "circular"],
)


@pytest.mark.parametrize("name", ["scene.png", "chart.png", "scene.jpg", "cutout.png"])
@pytest.mark.parametrize("options", RECIPES, ids=" ".join)
def test_json_holds_the_pixel_that_apply_writes(name, options, tmp_path):
    opaque = ["--alpha", "keep"] if name == "cutout.png" else []
    assert convcli("apply", *options, *opaque, SAMPLES / name, tmp_path / "out.png").exit_code == 0
    written = np.asarray(Image.open(tmp_path / "out.png"))
    written = written if written.ndim == 2 else written[:, :, :3]
    for at in ([], ["--at", "0,0"], ["--at", "17,31"]):
        told = json.loads(convcli("explain", *options, *at, "--json", SAMPLES / name).stdout)
        pixel = np.atleast_1d(written[told["y"], told["x"]]).tolist()
        if name == "cutout.png" and len(pixel) == 2:
            pixel = pixel[:1]
        assert told["pixel"] == pixel
        assert len(told["response"]) == len(told["pixel"])
        if at:
            assert f"{told['x']},{told['y']}" == at[1]
        for channel in told["channels"]:
            assert channel["steps"][-1]["value"] == channel["pixel"]
            for window in channel["windows"]:
                assert np.multiply(window["pixels"], window["weights"]).tolist() == window["products"]


def test_json_writes_null_where_there_is_no_number():
    image = np.full((3, 3), np.nan, np.float32)
    told = as_object(explain_pixel(image, Recipe((Kernel([[1]]),)), (1, 1)))
    assert told["response"] == [None] and told["channels"][0]["windows"][0]["pixels"] == [[None]]


def test_the_report_shows_patch_kernel_and_products():
    done = convcli("explain", "-k", "sobel-x", "--channels", "gray", "--at", "0,0", SAMPLES / "scene.png")
    assert done.exit_code == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Pixel 0,0 of the 640x480 map looks at columns -1..1 and rows -1..1 of the 640x480 picture."
    assert lines[1] == "sobel-x 3x3, padding same (zeros), range abs."
    assert "luma" in lines and any("patch" in line and "kernel" in line and "products" in line for line in lines)
    assert "  (n) is padding: zeros" in lines
    assert lines[-1].startswith("  pixel     ")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
@pytest.mark.parametrize("size", [1, 3, 7, 25])
def test_the_report_fits_the_terminal(width, size):
    kernel = Kernel(np.random.default_rng(0).normal(size=(size, size)), name="noise")
    e = explain_pixel(picture((40, 40, 3)), Recipe((kernel,), Geometry.from_options(padding_mode="reflect")), (1, 1))
    grids = [line for line in report(e, width) if line.plain.startswith("  ") and "=" not in line.plain]
    assert all(line.cell_len <= max(width, 66) for line in grids)
    text = "\n".join(line.plain for line in report(e, width))
    assert ("more products, together" in text) == (size == 25 or (size == 7 and width < 75))


def test_colours_only_where_they_are_wanted():
    words = [sys.executable, "-m", "convcli", "explain", "-k", "sobel-x", "--at", "9,9", SAMPLES / "chart.png"]
    for extra, coloured in (
        ({"FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ):
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")} | extra
        done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=1200, check=True)
        assert ("\x1b[" in done.stdout) == coloured, extra


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--at", "640,10"], 2, "point 640,10 is outside the map of 640x480: X goes from 0 to 639 and Y from 0 to 479"),
        (["--at", "5,480"], 2, "point 5,480 is outside the map"),
        (["--at", "5,300", "--stride", "2"], 2, "map of 320x240"),
        (["--at", "5"], 2, "'5' is one number, expected X,Y"),
        (["--at", "5,-1"], 2, "point 5,-1 is outside the map of 640x480: X goes from 0 to 639 and Y from 0 to 479"),
        (["--json", "--html", "no.html"], 2, "--json prints a pixel"),
        (["--json", "--animate", "no.gif"], 2, "--json prints a pixel"),
        (["--speed", "3"], 2, "--speed is for --animate FILE"),
        (["--frame", "3"], 2, "--frame is for --animate FILE"),
        (["--html", "no.txt"], 2, "a page is HTML: its name ends in .html, not in .txt"),
        (["--html", "no.html", "--at", "640,1"], 2, "point 640,1 is outside the map"),
        (["--animate", "no.gif", "--at", "1,480"], 2, "point 1,480 is outside the map"),
        (["--animate", "no.gif", "--at", "1,1", "--crop", "0,0,5,5"], 2, "give one of them"),
        (["--at", "a,b"], 2, "'a,b' is not X,Y"),
        (["--at", "1,2,3"], 2, "has 3 numbers, expected X,Y"),
        (["--padding", "valid", "-k", "box:size=999"], 2, "the kernel does not fit"),
    ],
)
def test_bad_input_is_named(words, code, message):
    done = convcli("explain", "-k", "sobel-x", *words, SAMPLES / "scene.png")
    assert done.exit_code == code and message in " ".join(done.stderr.split()) and done.stdout == ""


def test_a_missing_picture_is_named(tmp_path):
    done = convcli("explain", "-k", "sobel-x", tmp_path / "none.png")
    assert done.exit_code == 1 and "none.png" in done.stderr and done.stdout == ""


def test_a_picture_of_the_wrong_depth_is_named():
    with pytest.raises(ConvcliError, match="depth 3, but the picture has 1 channel"):
        explain_pixel(picture((5, 5)), Recipe((Kernel(np.ones((3, 3, 3))),)))


def test_transparency_is_told_to_be_left_out():
    done = convcli("explain", "-k", "sharpen", "--at", "9,9", SAMPLES / "cutout.png")
    assert done.exit_code == 0 and "whatever their opacity; so is --alpha keep" in done.stderr


# Several kernels together, chains, and linear light


@pytest.mark.parametrize("how", ["magnitude", "max", "sum", "mean"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_combined_responses_end_in_the_pixel(how, dtype):
    from convcli.explain import combined

    image = picture((9, 11, 3), dtype)
    kernels = (Kernel(SOBEL, name="across"), Kernel(np.transpose(SOBEL), divisor=2, bias=3), Kernel(np.ones((3, 2))))
    for channels, range_, geometry in (
        ("each", "clip", Geometry.from_options(stride=(1, 2))),
        ("gray", "offset", Geometry.from_options(padding_mode="constant", padding_value=40)),
        ("sum", "abs", Geometry.from_options(dilation=2)),
        ("each", "normalize", Geometry.from_options()),
        (None, None, Geometry.from_options()),
    ):
        recipe = Recipe(kernels, geometry, channels, range_, how)
        want, raw = (
            run_recipe(image, recipe).pixels,
            run_recipe(image, Recipe(kernels, geometry, channels, "raw", how)).pixels,
        )
        for x, y in ((0, 0), (4, 7), (raw.shape[1] - 1, raw.shape[0] - 1)):
            e = combined.explain_combined(image, recipe, (x, y))
            found = combined.as_object(e)
            assert found["pixel"] == np.atleast_1d(want[y, x]).tolist() and len(found["kernels"]) == 3
            np.testing.assert_allclose(found["response"], np.atleast_1d(raw[y, x]), rtol=1e-6)
            for number, channel in enumerate(e.channels):
                way = combined.steps(e, channel)
                np.testing.assert_allclose(way[0].value, channel.response, rtol=1e-5, atol=1e-4)
                slack = 0 if np.dtype(dtype) == np.uint8 and range_ != "normalize" else 1
                assert way[-1].value == pytest.approx(channel.pixel, abs=slack, rel=1e-5)
                for kernel, response in zip(kernels, channel.responses, strict=True):
                    alone = run_recipe(image, Recipe((kernel,), geometry, channels, "raw")).pixels[y, x]
                    assert np.atleast_1d(alone)[number] == pytest.approx(response, rel=1e-5, abs=1e-4)


def test_combined_responses_are_told_kernel_by_kernel():
    done = convcli("explain", "-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", "--channels", "gray",
                   "--at", "120,40", SAMPLES / "scene.png")  # fmt: skip
    assert done.exit_code == 0
    for words in (
        "responses of 2 kernels to the same 640x480 picture", "sobel-x 3x3 at columns 119..121 and rows 39..41",
        "sobel-y 3x3 at", "root of 16^2 + (-2)^2 = 16.12452", "pixel     16",
    ):  # fmt: skip
        assert words in done.stdout
    strong = json.loads(convcli("explain", "-k", "sobel-x", "-k", "sobel-y", "--combine", "max", "--json",
                                SAMPLES / "scene.png").stdout)  # fmt: skip
    image = np.asarray(Image.open(SAMPLES / "scene.png"))
    both = tuple(Kernel(w) for w in (SOBEL, np.transpose(SOBEL)))
    raw = np.abs(run_recipe(image, Recipe(both, range="raw", combine="max")).pixels).sum(axis=2)[1:-1, 1:-1]
    assert sum(map(abs, strong["response"])) == raw.max()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-k", "sobel-x", "--combine", "max"], "needs at least two kernels"),
        (["-k", "sobel-x", "-k", "sobel-y", "--combine", "angle"], "--combine magnitude explains its brightness"),
        (["-k", "sobel-x", "-k", "sobel-y", "--combine", "max", "--linear"], "explained one at a time"),
        (["-k", "sobel-x", "-k", "sobel-y", "--combine", "max", "--html", "a.html"], "or leave out --html"),
        (["-k", "box", "--linear", "--animate", "a.gif"], "leave out --linear, or leave out --animate"),
        (["-k", "box", "-k", "box", "--linear"], "explain --linear shows one kernel"),
        (["-k", "sobel-x", "-k", "sobel-y", "--combine", "max", "--at", "9,900"], "Y from 0 to 479"),
    ],
)
def test_what_is_not_explained_is_said(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = convcli("explain", *words, SAMPLES / "scene.png")
    assert done.exit_code == 2 and message in " ".join(done.stderr.split()) and not list(tmp_path.iterdir())


def test_a_chain_says_whose_pixels_the_last_kernel_sees():
    done = convcli("explain", "-k", "gaussian-5", "-k", "box", "-k", "sobel-x", SAMPLES / "scene.png")
    assert "sobel-x 3x3 (kernel 3 of 3)" in done.stdout
    assert "The picture here is what gaussian-5 and then box made of the file." in done.stdout


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_linear_light_ends_in_the_pixel_that_apply_writes(dtype, tmp_path):
    image = picture((12, 13, 3), np.uint8) if dtype == np.uint8 else picture((12, 13), dtype)
    Image.fromarray(image).save(tmp_path / "in.png")
    for how in (["-k", "box"], ["-k", "sobel-x", "--range", "offset"], ["-k", "sharpen", "--stride", "2"],
                ["-k", "box", "--padding-mode", "constant", "--padding-value", "90", "--at", "0,0"],
                ["-k", "sobel-y", "--range", "normalize", "--channels", "gray"]):  # fmt: skip
        where = [word for word in how if word not in ("--at", "0,0")]
        made = convcli("apply", *where, "--linear", "-f", tmp_path / "in.png", tmp_path / "out.png")
        assert made.exit_code == 0, made.stderr
        found = json.loads(convcli("explain", *how, "--linear", "--json", tmp_path / "in.png").stdout)
        want = np.asarray(Image.open(tmp_path / "out.png"))[found["y"], found["x"]]
        assert found["linear"] and found["pixel"] == np.atleast_1d(want).tolist()
        for channel in found["channels"]:
            assert channel["steps"][-1]["name"] == "to sRGB"
            assert abs(channel["steps"][-1]["value"] - channel["pixel"]) <= (1 if dtype == np.uint8 else 4)
    assert (
        "in linear light, where white is 1" in convcli("explain", "-k", "box", "--linear", tmp_path / "in.png").stdout
    )


def test_the_share_of_every_channel_is_told():
    image = picture((5, 6, 3))
    done = "\n".join(
        str(line) for line in report(explain_pixel(image, Recipe((Kernel([[2, -1]]),), channels="sum"), (1, 1)), 80)
    )
    shares = [2 * int(image[1, 1, c]) - int(image[1, 2, c]) for c in range(3)]
    for share in shares:
        assert f" = {share}\n" in done
    assert f" = {sum(shares)}\n" in done


def test_the_steps_of_a_stretched_map_end_in_its_pixels():
    """Next to a half, float32 and float64 may round to different sides."""
    for seed in (66, 75, 83, 117):
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 256, (16, 17), np.uint8)
        recipe = Recipe((Kernel(rng.integers(-5, 6, (2, 3))),), range="normalize")
        want = run_recipe(image, recipe).pixels
        for y, x in np.ndindex(want.shape):
            e = explain_pixel(image, recipe, (x, y))
            assert steps(e, e.responses[0])[-1].value == want[y, x]
