"""The whole job, file to file, against the C tools: the same picture, the same Sobel."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import CONVCLI, program
from benchmarks.photographs import photograph, save
from benchmarks.start import command
from benchmarks.timing import Table, begun, ms, ratio, taking_turns

WEIGHTS = "-1 0 1 -2 0 2 -1 0 1"
AIMS = {("png", 12): 2, ("png", 2): 1.5, ("jpg", 12): 0.7, ("jpg", 2): 0.4}


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        matrix = folder / "sobel.mat"
        matrix.write_text("3 3 1 0\n-1 0 1\n-2 0 2\n-1 0 1\n")
        return [_times(quick, folder, matrix)]


def sides(source: Path, matrix: Path, folder: Path) -> dict[str, tuple[Path, Callable[[], Any]]]:
    """By tool: where it writes, and the command."""
    suffix, comma = source.suffix, WEIGHTS.replace(" ", ",")
    im = f"3x3:{comma}"
    ways: dict[str, tuple[str | None, Callable[[str, Path], tuple[object, ...]]]] = {
        "convcli": (CONVCLI, lambda p, out: (p, "apply", "-f", "-k", "sobel-x", "--range", "clip", source, out)),
        "vips": (program("vips"), lambda p, out: (p, "conv", source, out, matrix, "--precision", "integer")),
        "gm": (program("gm"), lambda p, out: (p, "convert", source, "-convolve", comma, out)),
        "ImageMagick": (program("convert"), lambda p, out: (p, source, "-morphology", "Correlate", im, out)),
    }
    found = {}
    for tool, (path, words) in ways.items():
        if path:
            out = folder / f"{tool}{suffix}"
            found[tool] = out, command(*words(path, out))
    return found


def _times(quick: bool, folder: Path, matrix: Path) -> Table:
    table = begun(
        "File to file, Sobel", "file", "convcli ms", "vips conv ms", "gm convert ms", "ImageMagick ms",
        "ratio to the best", "aim", "bytes against Pillow's default",
        note="Whole processes that take turns, medians; the tools use the threads they choose themselves.",
    )  # fmt: skip
    for suffix, megapixels in AIMS:
        source = save(photograph(megapixels), folder / f"in.{suffix}")
        tools = sides(source, matrix, folder)
        for out, call in tools.values():
            call()
            _same(out, tools["convcli"][0])
        rounds = (1 if megapixels == 12 else 2) if quick else (5 if megapixels == 12 else 11)
        t = taking_turns({tool: call for tool, (_, call) in tools.items()}, rounds - 1 if quick else rounds)
        mine = t.pop("convcli")
        written = tools["convcli"][0]
        table.add(
            f"{megapixels} MP {suffix.upper()}", ms(mine),
            *(ms(t[n]) if n in t else "-" for n in ("vips", "gm", "ImageMagick")),
            ratio(min(t.values()), mine) if t else "-", AIMS[suffix, megapixels], _bytes(written),
        )  # fmt: skip
    return table


def _same(got: Path, want: Path) -> None:
    """Raises SystemExit unless two pictures agree but for their borders.

    JPEGs are written at qualities of the tools' own choice: there, means of 8x8 pixels are compared.
    """
    a, b = (pixels(path)[2:-2, 2:-2] for path in (got, want))
    off = np.abs(a - b)
    if (off.mean() > 3) if got.suffix == ".jpg" else (off.max() > 1):
        raise SystemExit(f"{got.stem} computes something else: {off.mean():.2f} levels off; not timed")


def pixels(path: Path) -> Any:
    """A picture's levels (H, W, 3); means of 8x8 of them for a JPEG."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    return np.asarray(rgb.reduce(8) if path.suffix == ".jpg" else rgb).astype(int)


def _bytes(path: Path) -> str:
    if path.suffix != ".png":
        return ""
    again = path.with_name("again.png")
    Image.open(path).save(again)
    return f"{path.stat().st_size / again.stat().st_size:.3f}"
