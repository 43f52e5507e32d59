"""Kill convcli with -9 at random moments while it writes, and look at what is there afterwards.

The tests run a short course. By hand:  python tests/kills.py one|folder TIMES [SEED]
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

WEIGHTS = (1, 0.5)


def whole(path, allowed):
    return path.read_bytes() in allowed


def run(times, seed=0):
    """Counts of what was found after each kill; anything but old, new and a leftover of ours is wrong."""
    rng, counts = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, output = folder / "in.png", folder / "out.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)).save(source)
        allowed = _two_results(source, folder)
        output.write_bytes(allowed[0])
        for _ in range(times):
            child = os.fork()
            if child == 0:  # nothing but writing, again and again, old and new by turns
                for turn in range(10**9):
                    _filter(source, output, WEIGHTS[turn % 2])
            time.sleep(rng.uniform(0, 0.06))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            counts["whole" if whole(output, allowed) else "broken"] += 1
            left = sorted({p.name for p in folder.iterdir()} - {"in.png", "out.png"})
            counts["left a temporary name"] += bool(left)
            counts["left something else"] += left not in ([], [".out.png.convcli-part"])
        command = [sys.executable, "-m", "convcli", "apply", "-k", "1", "-f", str(source), str(output)]
        counts["last run failed"] = subprocess.run(command, capture_output=True).returncode
        counts["stray after the next run"] = len({p.name for p in folder.iterdir()} - {"in.png", "out.png"})
    return dict(counts)


def _filter(source, output, weight):
    from convcli.filtering.file import filter_file
    from convcli.filtering.recipe import Recipe
    from convcli.images import Target
    from convcli.kernel import Kernel

    filter_file(source, output, Recipe((Kernel([[weight]]),)), Target.for_path(output, strip=True), force=True)


def _two_results(source, folder):
    results = []
    for weight in WEIGHTS:
        path = folder / "result.png"
        _filter(source, path, weight)
        results.append(path.read_bytes())
        path.unlink()
    return results


def run_in_place(times, seed=0):
    """How often each picture of a folder was filtered, after kills in the middle of a batch in place and --resume.

    The kernel adds 10 to every pixel: a pixel tells how often.
    """
    rng, counts = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plus10.yaml").write_text("weights: [[1]]\nbias: 10\n")
        for turn in range(times):
            pictures, report = folder / f"in{turn}", folder / f"{turn}.jsonl"
            pictures.mkdir()
            for i in range(30):
                Image.fromarray(np.full((40, 40), i, np.uint8)).save(pictures / f"{i}.png")
            words = ["batch", "-q", "-j2", "-k", folder / "plus10.yaml", pictures, pictures, "-f", "--report", report]
            child = os.fork()
            if child == 0:
                _leave_after(*words)
            while not (report.exists() and report.stat().st_size) and os.waitid(os.P_PID, child, _LOOK) is None:
                time.sleep(0.0005)
            time.sleep(rng.uniform(0, 0.06))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            counts["runs that were killed"] += os.WIFSIGNALED(status)
            child = os.fork()
            if child == 0:
                _leave_after(*words, "--resume")
            _, status = os.waitpid(child, 0)
            counts["resumed runs that failed"] += os.waitstatus_to_exitcode(status) != 0
            for i in range(30):
                with Image.open(pictures / f"{i}.png") as image:
                    added = np.unique(np.asarray(image)) - i
                counts[f"filtered {added[0] / 10:g} times" if added.size == 1 else "torn"] += 1
    return dict(counts)


_LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT


def _leave_after(*words):
    """Run the command in a child, which then ends without a word."""
    from convcli.cli import main

    code = 1
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        code = end.code or 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    course = {"one": run, "folder": run_in_place}[sys.argv[1]]
    print(json.dumps(course(*map(int, sys.argv[2:]))))
