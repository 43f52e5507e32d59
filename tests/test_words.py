"""Numbers as a person writes them, in every line that tells one."""

import doctest
import re

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convcli import words
from convcli.cli import main


def test_the_examples():
    assert doctest.testmod(words).failed == 0


@given(st.floats(1e-4, 1e12), st.sampled_from([words.amount, words.duration, lambda n: words.size(int(n))]))
def test_no_number_has_an_exponent_or_is_told_as_nothing(number, say):
    told = say(number)
    assert not re.search(r"\de[+-]?\d", told)
    assert re.search(r"[1-9]", told) or number < 1


@given(st.floats(1e-6, 1e9))
def test_two_digits_are_kept(number):
    assert float(words.amount(number).replace(",", "")) == pytest.approx(number, rel=0.051)


@pytest.mark.parametrize("command", [
    ["plan", "-k", "box", "4000x3000"], ["plan", "-k", "random:size=31", "20000x20000"], ["plan", "-k", "box", "1x1x1"],
    ["plan", "-k", "identity", "3x3"], ["batch", "-k", "box", "in", "out"], ["batch", "-n", "-k", "box", "in", "out"],
    ["batch", "-k", "box", "in", "out", "--gallery", "index.html"],
    ["explain", "-k", "[1]", "--crop", "0,0,1,1", "--animate", "one.gif", "in/a.png"],
    ["explain", "-k", "[1]", "--crop", "0,0,2,1", "--animate", "two.gif", "in/a.png"],
    ["explain", "-k", "box", "--html", "page.html", "in/a.png"], ["apply", "-k", "box", "in/a.png", "a.png"],
    ["layer", "-k", "sobel-x", "--summary", "in/a.png"], ["kernels", "show", "box:width=3,height=1"],
    ["compare", "-k", "box", "-k", "sobel-x", "in/a.png", "sheet.png"],
])  # fmt: skip
def test_what_the_commands_print(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((4, 5, 3), 99, np.uint8)).save(tmp_path / "in" / "a.png")
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    told = done.stdout + done.stderr
    assert not re.search(r"\b\d(\.\d+)?e[+-]\d", told), told
    assert not re.search(r"(?<![\d.,x/])1 (frames|pictures|files|channels|loops|weights|levels|times|bytes)\b", told), (
        told
    )
    assert not re.search(r"\b0(\.0+)? (megapixels|files|MB|s|ms)\b|\(s\)", told), told
