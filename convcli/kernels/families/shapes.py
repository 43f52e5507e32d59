"""Means over flat shapes; the divisor is the number of pixels under the shape."""

from __future__ import annotations

from typing import Any

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.families.registry import Array, checked_radius, family, offsets


@family(source="Circle of confusion of an ideal lens", tags=("shape", "blur"))
def disk(radius: float = 2.5) -> Kernel:
    """Blurs like a lens out of focus: the mean over a disk."""
    y, x = _around("disk", radius)
    return _mean(x**2 + y**2 <= radius**2)


@family(source="City-block ball", tags=("shape", "blur"))
def diamond(radius: int = 2) -> Kernel:
    """The mean over a diamond: all pixels within that many steps up, down, left or right."""
    y, x = _around("diamond", radius)
    return _mean(abs(x) + abs(y) <= radius)


@family(source="Ball of alternating city-block and chessboard steps", tags=("shape", "blur"))
def octagon(radius: int = 3) -> Kernel:
    """The mean over an octagon."""
    y, x = _around("octagon", radius)
    return _mean(abs(x) + abs(y) <= radius + radius // 2)


@family(source="Flat structuring shape", tags=("shape", "blur"))
def plus(radius: int = 2) -> Kernel:
    """The mean over a plus sign."""
    y, x = _around("plus", radius)
    return _mean((x == 0) | (y == 0))


@family(source="Flat structuring shape", tags=("shape", "blur"))
def cross(radius: int = 2) -> Kernel:
    """The mean over a diagonal cross."""
    y, x = _around("cross", radius)
    return _mean(abs(x) == abs(y))


@family(source="Annulus; the blur of a mirror lens out of focus", tags=("shape", "blur"))
def ring(inner: float = 2.5, outer: float = 3.5) -> Kernel:
    """The mean over a ring: lights become circles."""
    if not 0 <= inner < outer:
        raise KernelError(f"ring: expected 0 <= inner < outer, not inner={inner:g}, outer={outer:g}")
    y, x = _around("ring", outer)
    shape = (x**2 + y**2 > inner**2) & (x**2 + y**2 <= outer**2)
    if not shape.any():
        raise KernelError(f"ring: no pixel lies between {inner:g} and {outer:g}; widen the ring")
    return _mean(shape)


def _around(name: str, radius: float) -> tuple[Array, Array]:
    n = 2 * int(checked_radius(name, radius)) + 1
    return offsets(n, n)


def _mean(shape: Any) -> Kernel:
    return Kernel(shape.astype(float), divisor=float(shape.sum()))
