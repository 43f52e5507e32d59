"""The fault corpus, a short course of it, in a process whose memory is bounded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit is Linux's")
def test_every_damaged_file_ends_in_a_picture_or_in_one_sentence():
    pytest.importorskip("tifffile")
    command = [sys.executable, "-W", "ignore", str(Path(__file__).parents[1] / "faults.py"), "6"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-2000:]
    strange = [line for line in done.stderr.splitlines() if not line.startswith("case: ")]
    assert not strange  # no library talks to the terminal past us
    seen = json.loads(done.stdout)
    assert seen["wrong"] == []
    assert seen["counts"]["refused"] > 200 and seen["counts"]["done"] > 100
    assert seen["growth MB"] < 30  # one process filters a whole folder of them
