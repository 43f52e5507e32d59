"""A folder of photographs: `convcli batch` against mogrify, gm mogrify, a vips loop and a script around OpenCV.

`python -m benchmarks.batch FOLDER` measures one turn of the tools and keeps what was found in FOLDER, so that the whole
can be measured in pieces of a minute or two; after the last it prints the tables.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import signal
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

FILES, TURNS, DRAWN = 200, 2, 50  # how many; how often; how many of them differ
FEW = 3  # files a turn for what takes seconds a file
KERNELS = {"sobel": "sobel", "gaussian": "gaussian sigma 5"}
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
    """Seconds, the most memory that the processes used together, and the seconds of all processors."""

    seconds: float
    peak: int
    processors: float


def measured(words: list[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command in a session of its own, adding up the memory of its processes twenty times a second."""
    begin, before = perf_counter(), _processors()
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
    try:
        _, said = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        seconds = perf_counter() - begin
        done.set()
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: {said.decode()[-500:]}; not timed")
    return Run(seconds, most[0], _processors() - before)


def _processors() -> float:
    """Seconds of processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory(session: int) -> int:
    """The most resident bytes that each living process of a session has had; what they share is counted for each."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[3]) == session:
                lines = path.with_name("status").read_text().splitlines()
                total += next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)
        except OSError:  # it has ended
            continue
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


Found = dict[str, list[tuple[int, float, int, float]]]  # by case and tool, each turn: files, and what a Run has
CASES = [f"{suffix} {kernel}" for suffix in ("jpg", "png") for kernel in KERNELS]
PIECES = [(case, turn) for turn in range(TURNS) for case in [*CASES, "jobs"]]


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    found: Found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, 6 if quick else FILES)
        for case, turn in PIECES:
            if turn == 0 or not quick:
                measure(case, folder, found)
    return tables(found)


def prepare(folder: Path, count: int) -> None:
    """Draw the photographs."""
    (folder / "sobel.mat").write_text("3 3 1 0\n-1 0 1\n-2 0 2\n-1 0 1\n")
    for suffix in ("jpg", "png"):
        (folder / suffix).mkdir()
        for i in range(count):
            file = folder / suffix / f"{i:03}.{suffix}"
            if i < DRAWN:
                save(drawn(SIZES[2], i), file)
            else:
                shutil.copy(folder / suffix / f"{i % DRAWN:03}.{suffix}", file)
    for way in _SPECS.values():  # so that the loops are compiled before they are timed
        source = folder / "jpg" / "000.jpg"
        measured([CONVCLI, "apply", "-f", *way, str(source), str(folder / "compiled.jpg")])


def measure(case: str, folder: Path, found: Found) -> None:
    """One turn of every tool at one case."""
    for name in ("out", "few"):  # of a turn that was cut short
        shutil.rmtree(folder / name, ignore_errors=True)
    if case == "jobs":
        source, output = folder / "jpg", folder / "out"
        all_, one = ([CONVCLI, "batch", "-k", "sobel-x", "-j", str(jobs), str(source), str(output)] for jobs in (2, 1))
        even, odd = (shlex.join([*one, "--pattern", f"*[{digits}].jpg"]) for digits in ("02468", "13579"))
        apart = ["sh", "-c", f"{even} & {odd}; code=$?; wait; exit $code"]
        for name, words in (("jobs 1", one), ("jobs 2", all_), ("jobs apart", apart)):
            _turn(found, name, words, source, output)
        return
    suffix, kernel = case.split()
    source = folder / suffix
    few = folder / "few"
    few.mkdir()
    for path in sorted(source.iterdir())[:FEW]:
        shutil.copy(path, few)
    for tool, words in _tools(kernel, folder / "sobel.mat").items():
        slow = tool in ("gm mogrify", "mogrify") and case != "jpg sobel"
        output = folder / "out" / tool.replace(" ", "-")
        output.mkdir(parents=True)
        files = few if slow else source
        _turn(found, f"{case} {tool}", words(files, output), files)
        _check(tool, output, folder / "out" / "convcli", len(list(files.iterdir())))
        for path in sorted(output.iterdir())[1:]:
            path.unlink()
    shutil.rmtree(folder / "out")
    shutil.rmtree(few)


def _turn(found: Found, name: str, words: list[str], source: Path, output: Path | None = None) -> None:
    environment = {"CONVCLI_THREADS": "1"} if name.startswith("jobs") else {}
    os.sync()  # what another one wrote is not to be waited for, nor the disk for what is read
    for path in source.iterdir():
        path.read_bytes()
    done = measured(words, environment)
    found.setdefault(name, []).append((len(list(source.iterdir())), done.seconds, done.peak, done.processors))
    print(f"    {name}: {found[name][-1]}", flush=True)
    if output:
        shutil.rmtree(output)


def tables(found: Found) -> list[Table]:
    """What was found, as tables."""
    table = begun(
        "A folder of 2 MP photographs", "file to file", "kernel", "tool", "files in all turns", "files a second",
        "processor ms a file", "peak MB", "times as long as convcli", "aim",
        note="Whole processes that take turns. Peak: the most that each of a tool's processes had, together.",
    )  # fmt: skip
    for case in CASES:
        suffix, kernel = case.split()
        took = {}
        for name in [name for name in found if name.startswith(case)]:
            tool = name.removeprefix(case).strip()
            count, seconds, processors = (sum(turn[i] for turn in found[name]) for i in (0, 1, 3))
            took[tool] = seconds / count
            aim = "" if tool == "convcli" else 1 if tool == "OpenCV pool" else 2
            table.add(
                f"{suffix.upper()} to {suffix.upper()}", KERNELS[kernel], tool, count, f"{count / seconds:.1f}",
                f"{1e3 * processors / count:.0f}",
                f"{max(turn[2] for turn in found[name]) / 1e6:.0f}", ratio(took[tool], took["convcli"]), aim,
            )  # fmt: skip
    scaling = begun(
        "Jobs", "files", "kernel", "1 job s", "2 jobs s", "times sooner", "aim", "2 processes s", "peak MB",
        note="One thread a job; jobs are threads of one process. 2 processes: each has one job and half of the files.",
    )  # fmt: skip
    turns = [found[f"jobs {jobs}"] for jobs in (1, 2, "apart")]
    one, two, apart = (sum(turn[1] for turn in each) for each in turns)
    peaks = ", ".join(f"{max(turn[2] for turn in each) / 1e6:.0f}" for each in turns)
    count = sum(turn[0] for turn in turns[0])
    scaling.add(
        f"{count} JPG", "sobel", f"{one:.1f}", f"{two:.1f}", ratio(one, two), 1.8, f"{apart:.1f}", peaks
    )  # fmt: skip
    return [table, scaling]


def _check(tool: str, got: Path, want: Path, count: int) -> None:
    """Raises SystemExit unless every file is there and the first looks like ours (blurs end at different sizes)."""
    if len(list(got.iterdir())) != count:
        raise SystemExit(f"{tool} wrote {len(list(got.iterdir()))} files of {count}")
    first = sorted(got.iterdir())[0]
    a, b = (pixels(path)[5:-5, 5:-5] for path in (first, want / first.name))
    if np.abs(a - b).mean() > 4:
        raise SystemExit(f"{tool} computes something else: {np.abs(a - b).mean():.2f} levels off")


def main(folder: Path) -> None:
    """Measure the next piece, or print the tables."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    kept = folder / "found.json"
    found: Found = json.loads(kept.read_text()) if kept.exists() else {}
    done = found.pop("pieces", [])
    if not (folder / "sobel.mat").exists():
        folder.mkdir(exist_ok=True)
        prepare(folder, FILES)
    elif left := PIECES[len(done) :]:
        print(f"{left[0]}, {len(left)} left", flush=True)
        measure(left[0][0], folder, found)
        kept.write_text(json.dumps(found | {"pieces": [*done, left[0]]}))
    if len(done) + 1 >= len(PIECES):
        for table in tables(found):
            print(table.markdown())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
