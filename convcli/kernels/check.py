"""Check a kernel file before it is used: report its faults, its properties, and what `clip` would lose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convcli.errors import RecipeError
from convcli.kernel import Kernel
from convcli.kernels.catalogue import built_in
from convcli.kernels.facts import Anatomy, anatomy
from convcli.kernels.readers.by_suffix import SELF_NAMING, load_file


def check(path: Path) -> list[str]:
    """Return a line of properties for each kernel in the file, and a line for each suggestion.

    Raises KernelError if the file is faulty, ConvcliError if it cannot be read.
    """
    if path.is_dir():
        raise RecipeError(f"{path} is a folder; name the files in it, as in {path}/*.yaml")
    lines: list[str] = []
    known = {kernel.name: kernel for kernel in built_in()}
    for kernel in load_file(path):
        facts = anatomy(kernel)
        lines.append(f"{path}: {kernel.shown}: {summary(kernel, facts)}")
        lines += [f"{path}: {kernel.shown}: note: {note}" for note in notes(kernel, facts, known)]
    return lines


def summary(kernel: Kernel, facts: Anatomy) -> str:
    """Describe size, sum, rank, symmetry and response range in one line."""
    height, width = kernel.size
    rank = "separable" if facts.separable else "not separable" if facts.rank is None else f"rank {facts.rank}"
    flip = {"nothing": "the same when flipped", "the sign": "changes its sign when flipped"}.get(
        facts.flip, "another kernel when flipped"
    )
    return f"{width}x{height}, sum {facts.total:.6g}, {rank}, {flip}, response {facts.low:.6g} to {facts.high:.6g}"


def notes(kernel: Kernel, facts: Anatomy, known: dict[str, Kernel]) -> list[str]:
    """Return a sentence for each property that the author may not have intended, with a remedy."""
    found = []
    range_ = kernel.range or "clip"
    keyed = Path(kernel.origin).suffix.lower() in SELF_NAMING
    to_one = "`divisor: sum`" if keyed else f"`{kernel.origin}@sum`"
    both = "`range: abs` or `range: offset`" if keyed else "`--range abs` or `--range offset`"
    if not kernel.weights.any():
        return ["all weights are zero; every response is the bias"]
    if facts.high <= 0 and range_ == "clip":
        found.append(f"no response is above zero, so that `clip` leaves nothing; turn the signs, or use {both}")
    elif facts.total == 0 and range_ == "clip" and facts.low < 0:
        found.append(f"`clip` loses the negative half of the responses; {both} shows both")
    if 1 < facts.total < float("inf") and range_ == "clip" and facts.low >= 0:
        found.append(f"it brightens by {facts.total:.4g}; {to_one} keeps the brightness")
    if 0 < facts.total < 1 and range_ == "clip" and facts.low >= 0:
        found.append(f"it darkens to {facts.total:.4g}; {to_one} keeps the brightness")
    if any(side % 2 == 0 for side in kernel.size):
        found.append("a side with an even number of weights has no centre; the picture moves by half a pixel")
    same = [other.name for other in known.values() if np.array_equal(other.scaled, kernel.scaled)]
    if kernel.name in known and kernel.name not in same:
        found.append("it hides the built-in kernel of that name")
    if same and kernel.name not in same:
        found.append(f"it is the built-in {same[0]}")
    return found
