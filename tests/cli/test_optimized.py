"""Python without docstrings and assertions (-OO, PYTHONOPTIMIZE=2): the same words and the same pictures."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from convcli.cli import _COMMANDS

pytestmark = pytest.mark.slow


def run(words, folder, optimize):
    return subprocess.run(
        [sys.executable, "-m", "convcli", *words], cwd=folder, capture_output=True, text=True, timeout=1200,
        env={**os.environ, "PYTHONOPTIMIZE": optimize},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(tmp_path / "in.png")
    return tmp_path


HELP = [[], *([name] for name in _COMMANDS), *(["kernels", name] for name in ("list", "show", "check"))]


@pytest.mark.parametrize("words", [[*words, "--help"] for words in HELP] + [["kernels", "list"]], ids=" ".join)
def test_the_same_words(folder, words):
    plain, optimized = (run(words, folder, level) for level in ("", "2"))
    assert plain.returncode == optimized.returncode == 0, optimized.stderr
    assert plain.stdout == optimized.stdout and plain.stderr == optimized.stderr == ""


@pytest.mark.parametrize(
    "words",
    ["apply -k sharpen in.png {}.png", "apply -k gaussian:sigma=4 --stride 2 in.png {}.tif",
     "layer --out-channels 4 in.png {}.npy", "compare -k box -k sobel-x in.png {}.png",
     "explain -k box --html {}.html in.png", "apply -k gabor:theta=30 in.png {}.npy"],
)  # fmt: skip
def test_the_same_results(folder, words):
    for level in ("", "2"):
        done = run(words.format(f"out{level}").split(), folder, level)
        assert done.returncode == 0, done.stderr
    plain, optimized = sorted(path for path in folder.iterdir() if path.stem.startswith("out"))
    assert plain.read_bytes() == optimized.read_bytes()
