"""Kill convcli with -9 at random moments while it writes, and look at what is there afterwards.

The tests run a short course. By hand:  python tests/kills.py TIMES [SEED]
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


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
