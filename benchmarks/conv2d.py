"""conv2d against PyTorch with the same number of threads: `python benchmarks/conv2d.py`.

Blocks of calls of one side and the other alternate in one process; the table shows the median over the blocks of the
mean time of a call, and the ratio. Alternating single calls would disturb PyTorch's pool of threads and flatter us.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch

import convcli

# Name, channels, filters, kernel, (height, width), stride, padding, groups.
CASES = (
    ("3->16, 3x3, 224x224", 3, 16, 3, (224, 224), 1, 1, 1),
    ("3->16, 3x3, 1080x1920", 3, 16, 3, (1080, 1920), 1, 1, 1),
    ("3->64, 7x7, stride 2, 224x224", 3, 64, 7, (224, 224), 2, 3, 1),
    ("depthwise 3x3, 32 of 256x256", 32, 32, 3, (256, 256), 1, 1, 32),
    ("64->64, 3x3, 56x56", 64, 64, 3, (56, 56), 1, 1, 1),
)
BLOCKS, SECONDS = 7, 0.25


def block(call: Callable[[], Any]) -> float:
    """The mean time of a call over a block of about a quarter of a second, its first call left out."""
    call()
    count, begin = 0, perf_counter()
    while perf_counter() - begin < SECONDS:
        call()
        count += 1
    return (perf_counter() - begin) / count


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    random = np.random.default_rng(0)
    print("| conv2d, float32 | convcli ms | PyTorch ms | ratio | GMAC/s |\n|---|---|---|---|---|")
    for name, channels, filters, kernel, size, stride, padding, groups in CASES:
        x = random.normal(size=(1, channels, *size)).astype(np.float32)
        w = random.normal(size=(filters, channels // groups, kernel, kernel)).astype(np.float32)
        how: dict[str, Any] = {"stride": stride, "padding": padding, "groups": groups}
        xt, wt = torch.from_numpy(x), torch.from_numpy(w)
        sides: list[Callable[[], Any]] = [
            lambda x=x, w=w, how=how: convcli.conv2d(x, w, **how),
            lambda xt=xt, wt=wt, how=how: torch.nn.functional.conv2d(xt, wt, **how),
        ]
        times = [[block(side) for side in sides] for _ in range(BLOCKS)]
        ours, theirs = (median(t[i] for t in times) for i in (0, 1))
        work = sides[0]().size * w[0].size
        print(f"| {name} | {ours * 1e3:.2f} | {theirs * 1e3:.2f} | {theirs / ours:.2f} | {work / ours / 1e9:.0f} |")


if __name__ == "__main__":
    main()
