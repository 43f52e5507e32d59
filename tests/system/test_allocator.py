"""Memory that is freed stays with the process."""

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from convcli.system.allocator import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
def fill():
    np.empty(8 << 20, np.uint8).fill(1)
    np.empty(40 << 20, np.uint8).fill(1)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word):
    done = subprocess.run([sys.executable, "-c", CODE, word], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_taken_again_without_new_pages():
    assert faults("kept") < 1000 < faults("given back")


def test_without_glibc_nothing_happens(monkeypatch):
    from convcli.system import allocator

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    allocator.keep_freed()
