"""A folder of photographs: `convcli batch` against mogrify, gm mogrify, a vips loop and a script around OpenCV."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.machine import CONVCLI, optional, program
from benchmarks.photographs import SIZES, drawn, save
from benchmarks.process import WEIGHTS, pixels
from benchmarks.timing import Table, begun, ratio

FILES = {"jpg": 200, "png": 60}  # the C tools take a second and more for a PNG
JOBS = 2
_SPECS = {"sobel": ("-k", "sobel-x", "--range", "clip"), "gaussian": ("-k", "gaussian:sigma=5")}

# What an engineer would write: OpenCV in a pool of processes.
_OPENCV = """
import sys
from multiprocessing import Pool
from pathlib import Path
import cv2, numpy as np
kernel, source, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
def one(path):
    cv2.setNumThreads(1)
    a = cv2.imread(str(path))
    if kernel == "sobel":
        a = cv2.filter2D(a, -1, np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32))
    else:
        a = cv2.GaussianBlur(a, (31, 31), 5)
    cv2.imwrite(str(output / path.name), a)
with Pool({jobs}) as pool:
    pool.map(one, sorted(source.iterdir()))
"""


@dataclass(frozen=True)
class Run:
    """Seconds, and the most memory that the processes used together."""

    seconds: float
    peak: int


def measured(words: list[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command in a session of its own, adding up the memory of its processes twenty times a second."""
    begin = perf_counter()
    process = subprocess.Popen(
        words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    done, most = threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], _memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, said = process.communicate()
    seconds = perf_counter() - begin
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: {said.decode()[-500:]}; not timed")
    return Run(seconds, most[0])


def _memory(session: int) -> int:
    """Resident bytes of all processes of a session; what they share is counted for each."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total


Words = Callable[[Path, Path], list[str]]


def _tools(kernel: str, matrix: Path) -> dict[str, Words]:
    """By tool the command for an input and an output folder."""
    sobel, comma = kernel == "sobel", WEIGHTS.replace(" ", ",")
    tools: dict[str, Words] = {"convcli": lambda a, b: [CONVCLI, "batch", *_SPECS[kernel], str(a), str(b)]}
    if optional("cv2"):
        code = _OPENCV.replace("{jobs}", str(JOBS))
        tools["OpenCV pool"] = lambda a, b: [sys.executable, "-c", code, kernel, str(a), str(b)]
    if (vips := program("vips")) and program("xargs"):
        one = (
            f"conv {{}} OUT/$(basename {{}}) {matrix} --precision integer"
            if sobel
            else "gaussblur {} OUT/$(basename {}) 5"
        )
        loop = f"ls -d IN/* | xargs -P{JOBS} -I{{}} sh -c '{vips} {one}'"
        tools["vips loop"] = lambda a, b: ["sh", "-c", loop.replace("IN", str(a)).replace("OUT", str(b))]
    if gm := program("gm"):
        way = ["-convolve", comma] if sobel else ["-gaussian", "15x5"]
        tools["gm mogrify"] = lambda a, b: ["sh", "-c", _all(a, gm, "mogrify", "-output-directory", b, *way)]
    if mogrify := program("mogrify"):
        do = ["-morphology", "Correlate", f"3x3:{comma}"] if sobel else ["-gaussian-blur", "15x5"]
        tools["mogrify"] = lambda a, b: ["sh", "-c", _all(a, mogrify, "-path", b, *do)]
    return tools


def _all(folder: Path, *words: object) -> str:
    """A shell's line for all files of a folder, from inside it: gm adds the whole name to its output folder."""
    return f"cd '{folder}' && {shlex.join(map(str, words))} *"


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    table = begun(
        "A folder of 2 MP photographs", "files", "kernel", "tool", "seconds", "files a second", "peak MB", "ratio",
        "aim",
        note="One run each. Ratio: the tool's seconds over convcli's. Peak: all processes of the tool together.",
    )  # fmt: skip
    scaling = begun("Jobs", "files", "kernel", "1 job s", "2 jobs s", "times sooner", "aim", note="One thread a job.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        matrix = folder / "sobel.mat"
        matrix.write_text("3 3 1 0\n-1 0 1\n-2 0 2\n-1 0 1\n")
        for suffix, count in FILES.items():
            count = 6 if quick else count
            source = _photographs(folder / suffix, suffix, count)
            for kernel in ("sobel", "gaussian sigma 5"):
                _compare(table, source, matrix, kernel.partition(" ")[0], kernel, count, suffix)
            if suffix == "jpg":
                _scale(scaling, source, folder / "out", count)
    return [table, scaling]


def _photographs(folder: Path, suffix: str, count: int) -> Path:
    folder.mkdir()
    for i in range(count):
        save(drawn(SIZES[2], i), folder / f"{i:03}.{suffix}")
    return folder


def _compare(table: Table, source: Path, matrix: Path, kernel: str, name: str, count: int, suffix: str) -> None:
    outputs = source.parent / "out"
    runs = {}
    _compiled(kernel, source, outputs)
    for tool, words in _tools(kernel, matrix).items():
        output = outputs / tool.replace(" ", "-")
        output.mkdir(parents=True)
        runs[tool] = measured(words(source, output))
        _check(tool, output, outputs / "convcli", count)
    for tool, done in runs.items():
        aim = "" if tool == "convcli" else 1 if tool == "OpenCV pool" else 2
        table.add(
            f"{count} {suffix.upper()}", name, tool, f"{done.seconds:.1f}", f"{count / done.seconds:.1f}",
            f"{done.peak / 1e6:.0f}", ratio(done.seconds, runs["convcli"].seconds), aim,
        )  # fmt: skip
    shutil.rmtree(outputs)


def _compiled(kernel: str, source: Path, outputs: Path) -> None:
    """Run convcli once, so that the loop is compiled before it is timed."""
    outputs.mkdir()
    first = sorted(source.iterdir())[0]
    measured([CONVCLI, "apply", *_SPECS[kernel], str(first), str(outputs / first.name)])
    shutil.rmtree(outputs)


def _check(tool: str, got: Path, want: Path, count: int) -> None:
    """Raises SystemExit unless every file is there and the first looks like ours (blurs end at different sizes)."""
    if len(list(got.iterdir())) != count:
        raise SystemExit(f"{tool} wrote {len(list(got.iterdir()))} files of {count}")
    first = sorted(got.iterdir())[0]
    a, b = (pixels(path)[5:-5, 5:-5] for path in (first, want / first.name))
    if np.abs(a - b).mean() > 4:
        raise SystemExit(f"{tool} computes something else: {np.abs(a - b).mean():.2f} levels off")


def _scale(table: Table, source: Path, output: Path, count: int) -> None:
    seconds = []
    for jobs in (1, 2):
        words = [CONVCLI, "batch", "-k", "sobel-x", "-j", str(jobs), str(source), str(output)]
        seconds.append(measured(words, {"CONVCLI_THREADS": "1"}).seconds)
        shutil.rmtree(output)
    table.add(f"{count} JPG", "sobel", f"{seconds[0]:.1f}", f"{seconds[1]:.1f}", ratio(*seconds), 1.8)
