"""How many threads CONVCLI_THREADS asks for."""

import os
import subprocess
import sys

import pytest

from convcli.errors import RecipeError
from convcli.system.cores import thread_count


@pytest.mark.parametrize("threads", ["\u00b2", "\u0663", "\u2460", "0", "00", "-1", "1.5", "1e3", "x", "1" * 5000])
def test_a_number_that_is_none_is_refused(monkeypatch, threads):
    monkeypatch.setenv("CONVCLI_THREADS", threads)
    with pytest.raises(RecipeError, match="CONVCLI_THREADS must be a whole number from 1 to 999999999"):
        thread_count()


@pytest.mark.parametrize(("threads", "count"), [("1", 1), (" 007 ", 7), ("", None)])
def test_a_number(monkeypatch, threads, count):
    monkeypatch.setenv("CONVCLI_THREADS", threads)
    assert thread_count() == (count or len(os.sched_getaffinity(0)))


def test_the_command_says_so(tmp_path):
    from PIL import Image

    Image.new("RGB", (50, 50)).save(tmp_path / "in.png")
    done = subprocess.run(
        [sys.executable, "-m", "convcli", "apply", "-k", "box", "in.png", "out.png"], cwd=tmp_path, timeout=1200,
        capture_output=True, text=True, env={**os.environ, "CONVCLI_THREADS": "\u00b2"},
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("Error: CONVCLI_THREADS must be") and not done.stdout
