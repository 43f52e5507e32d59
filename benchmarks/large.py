"""One picture larger than memory against libvips: a tiled TIFF of 1.2 gigapixels, file to file, time and peak memory.

`python -m benchmarks large` takes about half an hour and 15 GB of the temporary folder; with --quick the picture has 48
megapixels.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.machine import CONVCLI, program
from benchmarks.photographs import photograph
from benchmarks.timing import Table, begun, ratio

TILE = 256
SIZES = {True: (6000, 8000), False: (30000, 40000)}  # quick or not: height, width
AIM_MB = 600
# Runs a command and tells its seconds and the most memory it held: a small process, for a child's figure counts what
# its parent held at the time.
_MEASURE = """
import os, sys, time
begin = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - begin, usage.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""
_FORMAT = "[tile,bigtiff,tile-width=256,tile-height=256,compression={}]"


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    vips, size = program("vips"), SIZES[quick]
    table = begun(
        f"{size[1]}x{size[0]} RGB, tiled TIFF to tiled TIFF", "filter", "compression", "convcli s", "vips s", "ratio",
        "convcli peak MB", "vips peak MB", "aim MB", "convcli file MB", "vips file MB",
        note="Whole processes, once each, one after the other; the picture is in the page cache for both. The input is "
        "deflated. gaussblur is given the radius of convcli's kernel (31x31); its default cuts the kernel at 17x17. "
        "Deflate is level 1 of libdeflate in convcli, level 6 of zlib, the only one, in vips.",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, ours, theirs = folder / "in.tif", folder / "ours.tif", folder / "theirs.tif"
        _write(source, size)
        (folder / "sobel.mat").write_text("3 3 1 0\n-1 0 1\n-2 0 2\n-1 0 1\n")
        jobs = {
            "Sobel 3x3": ("sobel-x", ("conv", folder / "sobel.mat", "--precision", "integer")),
            "Gaussian sigma 5": ("gaussian:sigma=5", ("gaussblur", "5", "--min-ampl", "0.0111")),
            "Gaussian sigma 5, vips default": ("gaussian:sigma=5", ("gaussblur", "5")),
        }
        for (label, (spec, (verb, *words))), packed in product(jobs.items(), ("none", "deflate")):
            if "default" in label and packed == "deflate":
                continue
            compression = "none" if packed == "none" else "fast"
            recipe = ("-k", spec, "--range", "clip", "--padding-mode", "replicate")
            recipe += ("--memory", "250M", "--max-pixels", str(10**10), "--compression", compression)
            mine = _measured(CONVCLI, "apply", *recipe, source, ours)
            _check(source, ours, spec, size)
            cells = ["", "", "", ""]
            if vips:
                other = _measured(vips, verb, source, f"{theirs}{_FORMAT.format(packed)}", *words)
                cells = [f"{other[0]:.1f}", ratio(other[0], mine[0]), f"{other[1] / 1e6:.0f}", _mb(theirs)]
            table.add(
                label,
                packed,
                f"{mine[0]:.1f}",
                *cells[:2],
                f"{mine[1] / 1e6:.0f}",
                cells[2],
                AIM_MB,
                _mb(ours),
                cells[3],
            )
            for file in (ours, theirs):
                file.unlink(missing_ok=True)
    return [table]


def _measured(*words: object) -> tuple[float, float]:
    """Seconds and the peak of bytes of a command."""
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", _MEASURE, *map(str, words)],
        capture_output=True, text=True, env=os.environ, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{words[0]} failed: {done.stderr.strip()}")
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


def _write(path: Path, size: tuple[int, int]) -> None:
    """A photograph's tiles over and over, deflated once."""
    import imagecodecs
    import tifffile

    pixels = photograph(12)
    down, across = pixels.shape[0] // TILE, pixels.shape[1] // TILE
    tiles = {
        (i, j): imagecodecs.deflate_encode(
            imagecodecs.delta_encode(np.ascontiguousarray(pixels[i * TILE :, j * TILE :][:TILE, :TILE]), axis=1), 6
        )
        for i, j in product(range(down), range(across))
    }
    rows, columns = -(-size[0] // TILE), -(-size[1] // TILE)
    coming = (tiles[i % down, j % across] for i in range(rows) for j in range(columns))
    tifffile.imwrite(
        path, coming, shape=(*size, 3), dtype=np.uint8, tile=(TILE, TILE), photometric="rgb", bigtiff=True,
        compression="zlib", predictor=2,
    )  # fmt: skip


def _check(source: Path, output: Path, spec: str, size: tuple[int, int]) -> None:
    """Some rows in the middle are what the same filter makes of them in memory."""
    import pyvips

    from convcli import filter_image

    pyvips.cache_set_max(0)  # another file stands under the same name by now

    first, rows, halo = size[0] // 2 - 150, 300, 20
    crop = pyvips.Image.new_from_file(str(source)).crop(0, first - halo, size[1], rows + 2 * halo).numpy()
    want = filter_image(np.ascontiguousarray(crop), spec, padding_mode="replicate")[halo:-halo]
    got = pyvips.Image.new_from_file(str(output)).crop(0, first, size[1], rows).numpy()
    if np.abs(got.astype(np.int16) - want).max() > 1:  # another size may go by another route
        raise SystemExit(f"{spec}: the rows from {first} on differ")


def _mb(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f}"
