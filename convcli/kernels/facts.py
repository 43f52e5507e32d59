"""Properties of a kernel that follow from its weights: sum, rank, symmetry, range of the response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.kernel import Kernel

_RANKED = 1024  # the longest shorter side for which singular values are computed, in time that grows with its cube


@dataclass(frozen=True)
class Anatomy:
    """Properties of a kernel.

    total: the sum of the weights over the divisor, which is the gain on flat areas.
    rank: the greatest rank among its grids, i.e. how many separable kernels add up to it; None: a large one, 2 or more.
    flip: what rotation by 180 degrees changes: "nothing", "the sign", or "another kernel".
    low, high: the least and greatest response to pixels within 0..255.
    """

    total: float
    rank: int | None
    flip: str
    low: float
    high: float

    @property
    def separable(self) -> bool:
        """Whether one column times one row gives the same kernel."""
        return self.rank is not None and self.rank <= 1


def anatomy(kernel: Kernel) -> Anatomy:
    """Compute the properties of a kernel; rounding errors in the sum and the rank are removed."""
    low, high = kernel.limits
    largest = float(np.abs(kernel.scaled).sum())
    total = float(kernel.weights.sum()) / kernel.divisor
    if abs(total - round(total)) <= 1e-12 * largest:
        total = float(round(total))
    ranks = [_rank(grid) for grid in kernel.weights.reshape(-1, *kernel.size)]
    rank = None if None in ranks else max(filter(None, ranks), default=0)
    return Anatomy(total, rank, _flip(kernel), low, high)


def _rank(grid: NDArray[Any]) -> int | None:
    """Return the rank of the grid; for a large one only 0, 1, or None for 2 or more."""
    near = 1e-9 * float(np.abs(grid).sum() or 1)
    if min(grid.shape) <= _RANKED:
        return int(np.linalg.matrix_rank(grid, tol=near))
    row, column = np.unravel_index(np.abs(grid).argmax(), grid.shape)
    pivot = grid[row, column]
    if not pivot:
        return 0
    rest = grid - np.outer(grid[:, column], grid[row] / pivot)  # zero if every row is a multiple of that one
    return 1 if np.linalg.norm(rest) <= near else None


def _flip(kernel: Kernel) -> str:
    weights, flipped = kernel.weights, kernel.flipped().weights
    near = 1e-12 * float(np.abs(weights).max())
    if np.abs(weights - flipped).max() <= near:
        return "nothing"
    return "the sign" if np.abs(weights + flipped).max() <= near else "another kernel"
