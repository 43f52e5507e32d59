"""The equal call in other tools: every text is run, and its responses are ours."""

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from convcli import filter_image, load_kernel
from convcli.errors import RecipeError
from convcli.kernel import Kernel
from convcli.kernels.export import TOOLS, emit

PICTURE = np.random.default_rng(11).integers(0, 256, (14, 19), dtype=np.uint8)
SPECS = ["sobel-x", "contour", "gaussian-5", "[1 2; 3 -4 / 3]", "motion-horizontal", "gaussian:sigma=1.5,size=6"]


def ours(spec_or_kernel, picture=PICTURE):
    return filter_image(picture.astype(np.float32) / 255, spec_or_kernel, range="raw") * 255


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("tool", ["torch", "numpy", "opencv", "scipy"])
def test_python_texts_give_our_responses(tool, spec):
    space = {"picture": PICTURE}
    exec(compile(emit(load_kernel(spec), tool), tool, "exec"), space)
    assert space["response"].shape == PICTURE.shape
    np.testing.assert_allclose(np.asarray(space["response"]), ours(spec), atol=2e-3)


def test_torch_says_kernels_of_depth_three():
    deep = Kernel(np.random.default_rng(1).integers(-5, 6, (3, 3, 2)), divisor=2, bias=3)
    picture = np.random.default_rng(2).integers(0, 256, (3, 8, 9), dtype=np.uint8)
    space = {"picture": picture}
    exec(compile(emit(deep, "torch"), "torch", "exec"), space)
    np.testing.assert_allclose(np.asarray(space["response"]), ours(deep, np.moveaxis(picture, 0, 2)), atol=2e-3)


def run(text, folder):
    text = text.replace("INPUT", "in.png").replace("OUTPUT", "out.png")
    done = subprocess.run(["bash", "-ec", text], cwd=folder, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    with Image.open(folder / "out.png") as picture:
        return np.asarray(picture.convert("L")).astype(int)


@pytest.mark.skipif(not shutil.which("vips"), reason="libvips' program is not installed")
@pytest.mark.parametrize("spec", SPECS)
def test_vips_gives_our_pixels(spec, tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "in.png")
    theirs = run(emit(load_kernel(spec), "vips"), tmp_path)
    expected = filter_image(PICTURE, spec, range="clip").astype(int)
    assert theirs.shape == expected.shape
    assert abs(theirs - expected).max() <= 1  # libvips cuts the fraction off where we round
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.png"]


def imagemagick():
    """Whether `convert` is ImageMagick's; other programs have that name, too."""
    told = shutil.which("convert") and subprocess.run(["convert", "-version"], capture_output=True, text=True).stdout
    return bool(told) and "ImageMagick" in told


@pytest.mark.skipif(not imagemagick(), reason="ImageMagick is not installed")
@pytest.mark.parametrize("spec", SPECS)
def test_imagemagick_gives_our_pixels(spec, tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "in.png")
    theirs = run(emit(load_kernel(spec), "imagemagick"), tmp_path)
    assert abs(theirs - filter_image(PICTURE, spec, range="clip").astype(int)).max() <= 1


def test_what_cannot_be_said_is_told():
    with pytest.raises(RecipeError, match="--emit knows torch, numpy, opencv, scipy, imagemagick, vips, not 'matlab'"):
        emit(load_kernel("box"), "matlab")
    deep = Kernel(np.ones((3, 1, 1)))
    for tool in TOOLS:
        if tool != "torch":
            with pytest.raises(RecipeError, match="depth 3, which only --emit torch can say"):
                emit(deep, tool)
