"""conv2d against PyTorch's with the same number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import THREADS, optional
from benchmarks.timing import Table, alternate, begun, ms, ratio
from convcli import conv2d

# Name, channels, filters, kernel, (height, width), stride, padding, groups.
CASES = (
    ("3->16, 3x3, 224x224", 3, 16, 3, (224, 224), 1, 1, 1),
    ("3->16, 3x3, 1080x1920", 3, 16, 3, (1080, 1920), 1, 1, 1),
    ("3->64, 7x7, stride 2, 224x224", 3, 64, 7, (224, 224), 2, 3, 1),
    ("depthwise 3x3, 32 of 256x256", 32, 32, 3, (256, 256), 1, 1, 32),
    ("64->64, 3x3, 56x56", 64, 64, 3, (56, 56), 1, 1, 1),
)


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    torch: Any = optional("torch")
    if torch is None:
        return []
    os.environ["CONVCLI_THREADS"] = str(THREADS)
    random = np.random.default_rng(0)
    table = begun("conv2d, float32", "case", "convcli ms", "PyTorch ms", "ratio", "convcli GMAC/s")
    for name, channels, filters, kernel, size, stride, padding, groups in CASES:
        x = random.normal(size=(1, channels, *size)).astype(np.float32)
        w = random.normal(size=(filters, channels // groups, kernel, kernel)).astype(np.float32)
        how: dict[str, Any] = {"stride": stride, "padding": padding, "groups": groups}
        xt, wt = torch.from_numpy(x), torch.from_numpy(w)
        sides: dict[str, Callable[[], Any]] = {
            "convcli": lambda x=x, w=w, how=how: conv2d(x, w, **how),
            "PyTorch": lambda xt=xt, wt=wt, how=how: torch.nn.functional.conv2d(xt, wt, **how),
        }
        got, want = sides["convcli"](), sides["PyTorch"]().numpy()
        if np.abs(got - want).max() > 1e-4 * np.abs(want).max():
            raise SystemExit(f"conv2d, {name}: not what PyTorch computes; not timed")
        t = alternate(sides, *((3, 10) if quick else (7, 50 if want.size < 4e6 else 8)))
        work = want.size * w[0].size
        rate = f"{work / t['convcli'] / 1e9:.0f}"
        table.add(name, ms(t["convcli"]), ms(t["PyTorch"]), ratio(t["PyTorch"], t["convcli"]), rate)
    return [table]
