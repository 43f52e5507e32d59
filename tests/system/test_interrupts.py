"""Ctrl-C before, while and after the command works, at moments that a clock could not hit."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

# Run as a process is: the command line behind, a Ctrl-C at the moment that the first lines choose.
PATHS = f"import sys\nsys.path[:0] = {sys.path!r}\n"
START = "import os, signal, sys, time\ndef press(*_): signal.raise_signal(signal.SIGINT)\n"
END = "\nsys.argv = ['convcli', *sys.argv[1:]]\nfrom convcli.__main__ import main\nmain()\n"


def pressed(moment, *words):
    code = START + moment + END
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=1200)


@pytest.mark.parametrize("module", ["click", "convcli.cli.size"])
def test_while_modules_are_imported(module):
    finder = f"class Press:\n    def find_spec(self, name, *_):\n        if name == {module!r}: press()\n"
    done = pressed(finder + "sys.meta_path.insert(0, Press())", "size", "5x5", "-k", "3")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nInterrupted.\n")


def test_nothing_is_imported_before_ctrl_c_is_taken_over():
    """Every import is time in which a Ctrl-C would be a traceback."""
    code = (
        "import os, sys\nbefore = set(sys.modules)\n"
        "from convcli.system import interrupts\n"
        "interrupts.take_over = lambda: sys.exit(' '.join(set(sys.modules) - before))\n"
        "import convcli.__main__\nconvcli.__main__.main()"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PATHS + code], capture_output=True, text=True, timeout=1200
    )
    ours = {"convcli", "convcli.version", "convcli.__main__", "convcli.system", "convcli.system.interrupts"}
    assert set(done.stderr.split()) - {"__future__"} == ours


def test_standard_error_that_is_closed_keeps_the_exit_code():
    finder = "class Press:\n    def find_spec(self, name, *_):\n        if name == 'click': press()\n"
    done = pressed(f"os.close(2)\n{finder}sys.meta_path.insert(0, Press())", "size", "5x5", "-k", "3")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_in_a_finalizer_where_nothing_can_be_raised():
    moment = (
        "class Dropped:\n    __del__ = press\n"
        "def waits(*_, **__):\n"
        "    Dropped()\n"
        "    for _ in range(3000): time.sleep(0.01)\n"
        "import convcli.geometry\nconvcli.geometry.Geometry.from_options = waits"
    )
    done = pressed(moment, "size", "5x5", "-k", "3")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nInterrupted.\n")


def test_other_trouble_in_a_finalizer_is_told_as_python_tells_it():
    moment = (
        "class Dropped:\n    def __del__(self): 1 / 0\n"
        "import convcli.kernels.catalogue\nconvcli.kernels.catalogue.preset_names = lambda: Dropped() and []"
    )
    assert "ZeroDivisionError" in pressed(moment, "kernels", "list").stderr


def test_after_the_work_is_done():
    done = pressed("import atexit\natexit.register(press)", "size", "5x5", "-k", "3", "--padding", "valid")
    assert done.returncode == 0 and "output   3x3" in done.stdout and not done.stderr


def test_after_the_work_has_failed():
    done = pressed("import atexit\natexit.register(press)", "size", "5x5", "-k", "no-such-kernel")
    assert done.returncode == 130 and "Traceback" not in done.stderr


def test_a_program_that_imports_convcli_keeps_its_own_handler():
    code = (
        "import signal\nfrom click.testing import CliRunner\nfrom convcli.cli import main\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "assert CliRunner().invoke(main, ['size', '5x5', '-k', '3']).exit_code == 0\n"
        "assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=1200)


@pytest.mark.parametrize("words", [("size", "5x5", "-k", "3"), ("batch", "-k", "box", "in", "out")])
def test_a_process_that_ignores_ctrl_c_goes_on_to(words, tmp_path):
    """As everything in the background of a script does: Ctrl-C is meant for what runs in front."""
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "in" / "a.png")
    code = (
        "import atexit, signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import click\nsaid = click.echo\n"
        "def echo(*words, **how):\n    signal.raise_signal(signal.SIGINT)\n    said(*words, **how)\nclick.echo = echo\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + END, *words], cwd=tmp_path, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0 and "nterrupted" not in done.stderr, done.stderr
