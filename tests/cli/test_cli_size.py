"""`convcli size`."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from convcli import output_size
from convcli.cli import main


def run(*args):
    return CliRunner().invoke(main, ["size", *args])


def test_the_formula_with_its_numbers():
    done = run("1920x1080", "-k", "7x7", "--stride", "2", "--padding", "3")
    assert done.exit_code == 0
    assert done.stdout == (
        "height   O = floor((1080 - 7 + 3 + 3) / 2) + 1 = floor(539.50) + 1 = 540\n"
        "width    O = floor((1920 - 7 + 3 + 3) / 2) + 1 = floor(959.50) + 1 = 960\n"
        "padding  top 3, bottom 3, left 3, right 3\n"
        "output   960x540\n"
    )


def test_dilation_and_what_no_kernel_position_covers():
    done = run("10x7", "-k", "3x2", "--stride", "3", "--padding", "valid", "--dilation", "2")
    assert "width    O = floor((10 - (2*(3 - 1) + 1) + 0 + 0) / 3) + 1 = floor(1.66...) + 1 = 2" in done.stdout
    assert "note     the bottom row is covered by no kernel position" in done.stdout
    assert "note     the 2 right columns are covered by no kernel position" in done.stdout


@pytest.mark.parametrize("size", [(15, 21), (64, 48)])
@pytest.mark.parametrize("kernel", ["3", "5x2", "sobel-x", "gaussian:sigma=1", "1 2 3; 4 5 6"])
@pytest.mark.parametrize("stride", ["1", "2,3"])
@pytest.mark.parametrize("padding", ["same", "valid", "full", "1", "0,1", "1,2,3,4"])
@pytest.mark.parametrize("dilation", ["1", "2,1"])
def test_it_says_what_output_size_computes(size, kernel, stride, padding, dilation):
    height, width = {"3": (3, 3), "5x2": (2, 5), "sobel-x": (3, 3), "gaussian:sigma=1": (7, 7)}.get(kernel, (2, 3))
    numbers = [tuple(map(int, text.split(","))) for text in (stride, dilation)]
    pads = padding if padding.isalpha() else tuple(map(int, padding.split(",")))
    pads = pads[0] if len(pads) == 1 else pads
    expected = output_size(size, (height, width), *[n if len(n) == 2 else n[0] for n in numbers[:1]], pads,
                           numbers[1] if len(numbers[1]) == 2 else numbers[1][0])  # fmt: skip
    done = run(f"{size[1]}x{size[0]}", "-k", kernel, "--stride", stride, "--padding", padding, "--dilation", dilation)
    assert f"output   {expected[1]}x{expected[0]}\n" in done.stdout


def test_several_kernels_are_a_chain():
    done = run("10x10", "-k", "3", "-k", "sobel-x", "--padding", "valid")
    assert "3:\n" in done.stdout
    assert "output   8x8\nsobel-x:\n" in done.stdout
    assert done.stdout.endswith("output   6x6\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["5x5", "-k", "7", "--padding", "valid"], "floor((5 - 7 + 0 + 0) / 1) + 1 < 1"),
        (["0x5", "-k", "3"], "'0x5' is not WIDTHxHEIGHT"),
        (["10", "-k", "3"], "'10' is not WIDTHxHEIGHT"),
        (["-3x4", "-k", "3"], "-3"),
        (["1e3x4", "-k", "3"], "is not WIDTHxHEIGHT"),
        (["9" * 40 + "x4", "-k", "3"], "is not WIDTHxHEIGHT"),
        (["10x10", "-k", "0"], "kernel must be at least 1, not 0"),
        (["10x10", "-k", "3x0"], "kernel must be at least 1, not 0"),
        (["10x10", "-k", "nope"], "unknown kernel 'nope'"),
        (["10x10", "-k", "3", "--stride", "0"], "must be at least 1"),
        (["10x10", "-k", "3", "--padding", "some"], "'some' is not same|valid|full"),
        (["10x10"], "Missing option '-k'"),
    ],
)
def test_wrong_numbers_are_told(args, message):
    done = run(*args)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.output


def test_plain_sizes_need_no_numpy():
    code = (
        "import sys; from convcli.cli import main; main(['size', '9x9', '-k', '3x3'], standalone_mode=False); "
        "print('numpy' in sys.modules, 'rich' in sys.modules, 'yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=1200)
    assert done.stdout.endswith("output   9x9\nFalse False False\n"), done.stderr
