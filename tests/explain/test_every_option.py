"""Every line of an explanation, with every option that the command takes, ends in the pixel that `apply` writes."""

import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli.cli import main

SHAPES = [(12, 13), (11, 14, 3), (1, 9), (7, 2, 3)]
FLAT = [
    "identity", "sobel-x", "box", "sharpen", "emboss", "gaussian:sigma=1.3", "[1 2; -3 4 / 7]", "-laplacian",
    "[0.1 0 0.7] + [0 0.3 0]", "random:size=3", "[0 0 0]", "1/3 * gaussian * sobel-y",
]  # fmt: skip


def run(*words):
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code in (0, 1, 2), done
    return done


def picture(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    a = np.where(rng.random(shape) < 0.3, rng.random(shape) < 0.5, rng.random(shape) ** 3)
    return a.astype(np.float32) if dtype == "float32" else np.rint(a * np.iinfo(dtype).max).astype(dtype)


def maybe(words):
    return st.one_of(st.just(()), words)


def option(name, *values):
    return st.sampled_from(values).map(lambda value: (name, value))


@st.composite
def recipes(draw):
    """Words that apply and explain share."""
    count = draw(st.integers(1, 2))
    words = [word for _ in range(count) for word in ("-k", draw(st.sampled_from(FLAT)))]
    linear = draw(st.booleans())
    if count == 2 and draw(st.booleans()):
        words += ["--combine", draw(st.sampled_from(["magnitude", "max", "sum", "mean"]))]
        linear = False
    elif linear:
        words = words[:2]
    words += ["--linear"] if linear else []
    for one in (
        maybe(option("--stride", "2", "1,3")), maybe(option("--dilation", "2", "3,1")),
        maybe(option("--padding", "full", "3", "2,5")),
        maybe(option("--padding-mode", "replicate", "reflect", "symmetric", "circular", "zeros")),
        maybe(option("--padding-value", "40", "255")), maybe(st.just(("--flip",))),
        maybe(option("--channels", "each", "sum", "gray")), maybe(option("--divisor", "3", "-0.7")),
        maybe(option("--bias", "12.5", "-30")), maybe(option("--range", "clip", "abs", "offset", "normalize")),
    ):  # fmt: skip
        words += draw(one)
    return words


def numbers(text):
    return [float(word) for word in re.findall(r"(?<![\w.])-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|nan)(?![\w.])", text)]


@settings(max_examples=200, deadline=None)
@given(
    recipes(), st.sampled_from(SHAPES), st.sampled_from(["uint8", "uint16", "float32"]), st.integers(0, 99),
    st.booleans(), st.integers(0, 10**6),
)  # fmt: skip
def test_every_line_ends_in_the_pixel(words, shape, dtype, seed, odd, where):
    image = picture(shape, dtype, seed)
    if odd and dtype == "float32":
        image.flat[seed % image.size] = [np.nan, np.inf, -np.inf][seed % 3]
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.tif", Path(folder) / "out.tif"
        tifffile.imwrite(source, image, photometric="rgb" if len(shape) == 3 else "minisblack")
        made = run("apply", *words, source, output, "--alpha", "keep")
        if made.exit_code:
            return
        pixels = tifffile.imread(output)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        y, x = divmod(where % (pixels.shape[0] * pixels.shape[1]), pixels.shape[1])
        told = run("explain", *words, "--at", f"{x},{y}", "--json", source)
        shown = run("explain", *words, "--at", f"{x},{y}", source)
    assert (told.exit_code, told.stderr) == (0, shown.stderr), told.stderr
    found, want = json.loads(told.stdout), pixels[y, x].tolist()
    lines = [line for line in shown.stdout.splitlines() if re.match(r"  pixel +", line)]
    assert len(found["pixel"]) == len(want) == len(lines) == len(found["channels"])
    for pixel, channel, line, value in zip(found["pixel"], found["channels"], lines, want, strict=True):
        last = channel["steps"][-1]["value"]
        if not np.isfinite(value):
            assert pixel is last is None and line.split()[1] == f"{value:g}"
        elif dtype == "float32":
            assert pixel == pytest.approx(value) and f"{last:.7g}" == f"{pixel:.7g}" == f"{float(line.split()[1]):.7g}"
        else:
            assert pixel == last == value == float(line.split()[1])


def test_linear_light_and_the_pixel_of_the_lesson(tmp_path):
    """The case from which this came: explained as 0, written as 1."""
    for place in ((10, 10), (40, 7), (99, 99), (120, 40)):
        words = ["--linear", "-k", "sobel-x"]
        told = run("explain", *words, "--at", f"{place[0]},{place[1]}", "--json", "samples/scene.png")
        found = json.loads(told.stdout)
        for channel, pixel in zip(found["channels"], found["pixel"], strict=True):
            assert channel["steps"][-1]["value"] == pixel


def test_nan_and_infinity_are_told_without_a_warning(tmp_path):
    image = picture((9, 10), "float32", 1)
    image[4, 4], image[4, 5], image[5, 5] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "in.tif", image)
    for how in ([], ["--at", "4,4"], ["--at", "5,4"], ["--range", "normalize"], ["--json"], ["--linear"],
                ["--animate", "-f", tmp_path / "out.gif"], ["--html", "-f", tmp_path / "out.html"]):  # fmt: skip
        how = [how[1], how[0], how[2]] if "-f" in how else how
        for kernel in ("sobel-x", "sharpen", "identity", "box"):
            done = run("explain", "-k", kernel, *how, tmp_path / "in.tif")
            assert done.exit_code == 0, (how, kernel, done.stderr)
            assert "Warning" not in done.stderr
