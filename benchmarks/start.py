"""How long a process takes before it does anything, against the imports that it can't do without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import CONVCLI
from benchmarks.photographs import drawn, save
from benchmarks.timing import Table, begun, ms, ratio, taking_turns, timed


def command(*words: object, **environment: str) -> Callable[[], str]:
    """A call that runs the command and gives its standard error; it must succeed."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | environment

    def call() -> str:
        done = subprocess.run(list(map(str, words)), env=env, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr.decode()}; not timed")
        return done.stderr.decode()

    return call


def python(code: str) -> Callable[[], str]:
    return command(sys.executable, "-c", code)


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    with tempfile.TemporaryDirectory() as folder:
        source = save(drawn((512, 512), 0), Path(folder) / "in.jpg")
        apply = ("apply", "-f", "-k", "sobel-x", source, Path(folder) / "out.jpg")
        command(CONVCLI, *apply)()
        return [_starts(quick, apply), _first_use(quick, folder, apply), _imports(apply)]


def _starts(quick: bool, apply: tuple[object, ...]) -> Table:
    click, needed = "import click", "import numpy, PIL.Image, click"
    t = taking_turns(
        {
            "nothing": python("pass"), click: python(click), needed: python(needed),
            "--help": command(CONVCLI, "--help"), "--version": command(CONVCLI, "--version"),
            "apply --help": command(CONVCLI, "apply", "--help"), "apply": command(CONVCLI, *apply),
        },
        3 if quick else 15,
    )  # fmt: skip
    table = begun("Start of the process", "command", "ms", "against", "ms", "times as long", "aim")
    for name, base, aim in (
        ("--help", click, 1.5),
        ("--version", click, 1.5),
        ("apply --help", click, ""),
        ("apply", needed, 1.6),
    ):
        what = "apply -k sobel-x, 512x512 JPEG" if name == "apply" else name
        table.add(f"`convcli {what}`", ms(t[name]), f'`python -c "{base}"`', ms(t[base]), ratio(t[name], t[base]), aim)
    table.add('`python -c "pass"`', ms(t["nothing"]), *[""] * 4)
    return table


def _first_use(quick: bool, folder: str, apply: tuple[object, ...]) -> Table:
    table = begun("First use on a machine: an empty cache", "kernel", "seconds", "aim")
    kernels = ("sobel-x",) if quick else ("sobel-x", "gaussian-5", "box:size=9", "gaussian:sigma=5", "log:sigma=2")
    for kernel in kernels:
        words = [kernel if word == "sobel-x" else word for word in apply]
        call = command(CONVCLI, *words, CONVCLI_CACHE_DIR=str(Path(folder) / kernel.replace(":", "-")))
        table.add(kernel, f"{timed(call):.2f}", 4)
    return table


def _imports(apply: tuple[object, ...]) -> Table:
    """The packages that apply imports, with the time of all their modules: -X importtime."""
    lines = command(sys.executable, "-X", "importtime", "-m", "convcli", *apply)().splitlines()
    spent: dict[str, list[int]] = {}
    for line in lines:
        if line.startswith("import time:") and "self [us]" not in line:
            own, _, name = line.removeprefix("import time:").split("|")
            spent.setdefault(name.strip().split(".")[0], []).append(int(own))
    table = begun("What apply imports", "package", "modules", "ms")
    for name in sorted(spent, key=lambda n: -sum(spent[n]))[:16]:
        table.add(name, len(spent[name]), f"{sum(spent[name]) / 1000:.1f}")
    rest = sorted(spent, key=lambda n: -sum(spent[n]))[16:]
    table.add(f"{len(rest)} others", sum(len(spent[n]) for n in rest), f"{sum(sum(spent[n]) for n in rest) / 1000:.1f}")
    for heavy in ("numba", "llvmlite", "rich", "yaml", "scipy"):
        if heavy in spent:
            print(f"  apply imports {heavy}, which it doesn't need")
    return table
