"""What the numbers were measured on and against."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

THREADS = 2
PACKAGES = (
    "convcli",
    "numpy",
    "numba",
    "llvmlite",
    "pillow",
    "click",
    "opencv-python-headless",
    "torch",
    "scipy",
    "pyvips",
)
CONVCLI = str(Path(sys.executable).with_name("convcli"))


@cache
def optional(name: str) -> ModuleType | None:
    """A module, set to two threads; None, and a line that says so, where it isn't installed."""
    os.environ.setdefault("VIPS_CONCURRENCY", str(THREADS))
    try:
        module = import_module(name)
    except (ImportError, OSError):
        print(f"skipped: {name} is not installed", flush=True)
        return None
    if name == "cv2":
        module.setNumThreads(THREADS)
    if name == "torch":
        module.set_num_threads(THREADS)
    return module


@cache
def program(name: str) -> str | None:
    """The path of a program; None, and a line that says so, where it isn't installed.

    ImageMagick's convert is the one beside its mogrify: other programs have that name too.
    """
    found = shutil.which(name)
    if name == "convert":
        beside = shutil.which("mogrify")
        found = (
            str(Path(beside).with_name("convert")) if beside and Path(beside).with_name("convert").exists() else None
        )
    if not found:
        print(f"skipped: {name} is not installed", flush=True)
    return found


def facts() -> list[str]:
    """The machine, the packages and the programs, one line each."""
    lines = [f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"]
    lines.append(f"Python {platform.python_version()}, " + ", ".join(_versions()))
    told = [_first_line(path, *words) for name, *words in _PROGRAMS if (path := program(name))]
    return [*lines, *told, _commit()]


_PROGRAMS = (("vips", "--version"), ("gm", "version"), ("convert", "-version"))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return found


def _first_line(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].removeprefix("Version: ").partition(" http")[0]


def _commit() -> str:
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else "no commit"
