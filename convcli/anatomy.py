"""What can be told of a kernel by looking at it: sum, rank, symmetry, the range of its response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convcli.kernel import Kernel


@dataclass(frozen=True)
class Anatomy:
    """Facts of a kernel.

    total: the sum of weights over the divisor, what a flat area is multiplied by.
    rank: how many separable kernels add up to it; the greatest among its grids.
    flip: what rotating it by 180 degrees does: "nothing", "the sign" or "another kernel".
    low, high: the least and greatest response to pixels within 0..255.
    """

    total: float
    rank: int
    flip: str
    low: float
    high: float

    @property
    def separable(self) -> bool:
        """Whether one column times one row gives the same kernel."""
        return self.rank <= 1


def anatomy(kernel: Kernel) -> Anatomy:
    """The facts of a kernel; sums and ranks that differ from a whole number only by rounding are that number."""
    low, high = kernel.limits
    largest = float(np.abs(kernel.scaled).sum())
    total = float(kernel.weights.sum()) / kernel.divisor
    if abs(total - round(total)) < 1e-12 * largest:
        total = float(round(total))
    grids = kernel.weights.reshape(-1, *kernel.size)
    rank = max(int(np.linalg.matrix_rank(grid, tol=1e-9 * float(np.abs(grid).sum() or 1))) for grid in grids)
    return Anatomy(total, rank, _flip(kernel), low, high)


def _flip(kernel: Kernel) -> str:
    weights, flipped = kernel.weights, kernel.flipped().weights
    near = 1e-12 * float(np.abs(weights).max())
    if np.abs(weights - flipped).max() <= near:
        return "nothing"
    return "the sign" if np.abs(weights + flipped).max() <= near else "another kernel"
