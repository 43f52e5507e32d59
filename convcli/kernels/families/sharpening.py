"""Sharpening: the picture plus a share of its detail."""

from __future__ import annotations

import numpy as np

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.families.registry import checked_size, family, sigma_size
from convcli.kernels.families.smoothing import bell

_MOST = 1e6


@family(source="Identity minus the Laplacian over 4 neighbours", tags=("sharpen",))
def sharpen(amount: float = 1.0) -> Kernel:
    """Sharpens: the centre weighed up against its four neighbours."""
    a = _amount("sharpen", amount)
    return Kernel(np.array([[0, -a, 0], [-a, 1 + 4 * a, -a], [0, -a, 0]]))


@family(source="Unsharp masking, from darkroom practice", tags=("sharpen",))
def unsharp(amount: float = 1.0, sigma: float = 1.0, size: int | None = None) -> Kernel:
    """Unsharp masking: adds what a Gaussian blur takes away, `amount` times."""
    a = _amount("unsharp", amount)
    taps = bell(sigma, sigma_size("unsharp", size, sigma))
    if len(taps) % 2 == 0:
        raise KernelError(f"unsharp: size must be odd, not {size}")
    weights = -a * np.outer(taps, taps)
    weights[len(taps) // 2, len(taps) // 2] += 1 + a
    return Kernel(weights)


@family(source="High-boost filtering, as in Gonzalez & Woods, Digital Image Processing", tags=("sharpen",))
def high_boost(amount: float = 2.0, size: int = 3) -> Kernel:
    """The picture `amount` times, minus its mean over a square: 1 leaves only detail, 2 sharpens."""
    a = _amount("high-boost", amount)
    n = checked_size("high-boost", size, least=3)
    if n % 2 == 0:
        raise KernelError(f"high-boost: size must be odd, not {size}")
    weights = np.full((n, n), -1.0)
    weights[n // 2, n // 2] += a * n * n
    return Kernel(weights, divisor=n * n, range="offset" if a == 1 else "clip")


def _amount(name: str, amount: float) -> float:
    if not -_MOST <= amount <= _MOST:
        raise KernelError(f"{name}: amount must be {-_MOST:g} to {_MOST:g}, not {amount:g}")
    return amount
