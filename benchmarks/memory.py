"""Peak memory of `convcli apply` beyond what the imports take, over the bytes of the picture."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.photographs import drawn, photograph, save
from benchmarks.timing import Table, begun

# The high-water mark of the process's own memory: a child's resource usage would count the parent's before exec.
_SCRIPT = """
import sys
from convcli.cli import main
main(sys.argv[1:], standalone_mode=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
KERNELS = {"sobel-x": "sobel-x", "gaussian:sigma=5": "gaussian:sigma=5", "31x31 without structure": "random.yaml"}
AIM = 2.5


def peak(*words: object) -> int:
    """Bytes at the most in use by apply."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, "apply", "-f", *map(str, words)], capture_output=True, text=True, check=True
    )
    return int(done.stdout) * 1024


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    if not Path("/proc/self/status").exists():
        print("skipped: memory is measured through /proc")
        return []
    table = begun(
        "Peak memory of apply", "file", "kernel", "picture MB", "imports MB", "peak MB", "beyond, pictures", "aim",
        note="Imports: the peak of the same command on a picture of 16x16. 1 picture is height x width x 3 bytes.",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "random.yaml").write_text(_random_kernel())
        for suffix in ("png", "jpg"):
            small, out = save(drawn((16, 16), 0), folder / f"small.{suffix}"), folder / f"out.{suffix}"
            for megapixels in (2, 12) if quick else (2, 12, 100):
                pixels = photograph(megapixels)
                source = save(pixels, folder / f"in.{suffix}")
                for label, spec in KERNELS.items():
                    kernel = folder / spec if spec.endswith(".yaml") else spec
                    peak("-k", kernel, small, out)  # what it needs is compiled now
                    few, most = peak("-k", kernel, small, out), peak("-k", kernel, source, out)
                    table.add(
                        f"{megapixels} MP {suffix.upper()}", label, f"{pixels.size / 1e6:.0f}", f"{few / 1e6:.0f}",
                        f"{most / 1e6:.0f}", f"{(most - few) / pixels.size:.2f}", AIM,
                    )  # fmt: skip
    return [table]


def _random_kernel() -> str:
    import numpy as np

    w = np.random.default_rng(0).normal(size=(31, 31))
    rows = "\n".join(f"  - {[round(float(v), 5) for v in row]}" for row in w / np.abs(w).sum() * 4)
    return f"name: random\nweights:\n{rows}\n"
