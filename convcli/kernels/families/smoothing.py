"""Blurs: their weights sum to 1, so that a flat area keeps its brightness."""

from __future__ import annotations

from math import comb

import numpy as np

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.families.registry import (
    LARGEST_SIZE,
    Array,
    checked_positive,
    checked_radius,
    checked_size,
    family,
    offsets,
    sigma_size,
)
from convcli.kernels.rotation import turned


@family(source="Normal distribution, sampled, cut off and renormalised", tags=("blur", "smooth"))
def gaussian(sigma: float = 1.0, size: int | None = None) -> Kernel:
    """Blurs softly, the same in all directions; sigma is the spread in pixels."""
    taps = bell(sigma, sigma_size("gaussian", size, sigma))
    return Kernel(np.outer(taps, taps))


@family(source="Normal distribution, averaged over thirds of a pixel", tags=("blur", "smooth"))
def gaussian_line(sigma: float = 1.0, size: int | None = None, angle: float = 0.0) -> Kernel:
    """Blurs softly along one direction only; one half of a separable Gaussian."""
    n = sigma_size("gaussian-line", size, sigma)
    taps = bell(3 * sigma, 3 * n).reshape(n, 3).sum(axis=1)
    return Kernel(turned(taps[None, :], angle))


@family(source="Moving average", tags=("blur", "smooth"))
def box(size: int = 3, width: int | None = None, height: int | None = None) -> Kernel:
    """Blurs: every pixel becomes the mean of the square (or rectangle) around it."""
    columns = checked_size("box", size if width is None else width)
    rows = checked_size("box", size if height is None else height)
    return Kernel(np.ones((rows, columns)), divisor=rows * columns)


@family(source="Rows of Pascal's triangle", tags=("blur", "smooth"))
def binomial(radius: int = 1) -> Kernel:
    """Blurs softly: the Gaussian in whole numbers."""
    n = 2 * int(checked_radius("binomial", radius))
    if n > 24:
        raise KernelError(f"binomial: radius must be 0 to 12, not {radius}; gaussian has no such limit")
    taps = np.array([comb(n, i) for i in range(n + 1)], float)
    return Kernel(np.outer(taps, taps), divisor=4.0**n)


@family(source="Two boxes in succession; bilinear interpolation", tags=("blur", "smooth"), aliases=("tent",))
def pyramid(size: int = 5) -> Kernel:
    """Blurs: weights fall off in a straight line from the centre, along rows and along columns."""
    n = checked_size("pyramid", size)
    taps = np.minimum(np.arange(1, n + 1), np.arange(n, 0, -1)).astype(float)
    return Kernel(np.outer(taps, taps), divisor=float(taps.sum()) ** 2)


@family(source="Cone over a disk", tags=("blur", "smooth"))
def cone(radius: float = 2.5) -> Kernel:
    """Blurs: weights fall off in a straight line from the centre, the same in all directions."""
    r = checked_radius("cone", checked_positive("cone", "radius", radius))
    y, x = offsets(2 * int(r) + 1, 2 * int(r) + 1)
    return normalized(np.maximum(r - np.hypot(y, x), 0))


@family(source="Mean along a segment; a pixel counts by its distance from it", tags=("motion", "blur"))
def motion(length: float = 9.0, angle: float = 0.0) -> Kernel:
    """Blurs along a line, as if the camera had moved that many pixels."""
    if not 1 <= length <= LARGEST_SIZE:
        raise KernelError(f"motion: length must be 1 to {LARGEST_SIZE}, not {length:g}")
    half = (length - 1) / 2
    along = np.deg2rad(angle % 180)
    reach_y, reach_x = (int(np.ceil(half * abs(part) - 1e-9)) for part in (np.sin(along), np.cos(along)))
    y, x = offsets(2 * reach_y + 3, 2 * reach_x + 3)
    t = np.clip(x * np.cos(along) + y * np.sin(along), -half, half)
    distance = np.hypot(x - t * np.cos(along), y - t * np.sin(along))
    return normalized(_without_empty_border(np.where(distance < 1 - 1e-9, 1 - distance, 0)))


@family(source="One half of a normal distribution, averaged over thirds of a pixel", tags=("motion", "blur"))
def comet(length: int = 9, sigma: float = 3.0, angle: float = 0.0) -> Kernel:
    """Blurs to one side, like the tail of a comet; angle 0 draws the tails to the right."""
    n = checked_size("comet", length, 1)
    checked_positive("comet", "sigma", sigma)
    thirds = np.arange(3 * n)
    taps = np.exp(-(thirds**2) / (2 * (3 * sigma) ** 2)).reshape(n, 3).sum(axis=1)
    row = np.concatenate([taps[::-1], np.zeros(n - 1)])
    return normalized(turned(row[None, :], angle))


@family(source="Savitzky & Golay (1964)", range="clip", tags=("blur", "smooth", "gradient"))
def savitzky_golay(size: int = 5, degree: int = 2, derivative: int = 0, axis: str = "x") -> Kernel:
    """Fits a polynomial along rows (axis=x) or columns (axis=y): smooths and keeps peaks, or differentiates."""
    name = "savitzky-golay"
    if checked_size(name, size) % 2 == 0 or not 0 <= derivative <= degree < size or degree > 12:
        raise KernelError(
            f"{name}: expected an odd size, and 0 <= derivative <= degree < size with degree up to 12, "
            f"not size={size}, degree={degree}, derivative={derivative}"
        )
    if axis not in ("x", "y"):
        raise KernelError(f"{name}: axis must be x or y, not {axis!r}")
    x = np.arange(size) - size // 2
    scale = max(size // 2, 1)  # keeps the powers near 1
    powers = np.vander(x / scale, degree + 1, increasing=True)
    factorial = float(np.prod(np.arange(1, derivative + 1)))
    row = np.linalg.pinv(powers)[derivative] * factorial / scale**derivative
    if derivative:
        row -= row.sum() / size
    weights = row[None, :] if axis == "x" else row[:, None]
    return Kernel(weights, range="abs" if derivative else "clip")


def bell(sigma: float, size: int) -> Array:
    """Sample a normal distribution at `size` taps that sum to 1."""
    x = np.arange(size) - (size - 1) / 2
    # The divisor is kept above the least normal number, so that a sigma near zero gives a spike, not a NaN.
    taps = np.exp(-(x**2 - (x**2).min()) / max(2 * sigma**2, 1e-300))
    return np.asarray(taps / taps.sum())


def normalized(weights: Array) -> Kernel:
    """Make a kernel of the weights, scaled to sum to 1."""
    return Kernel(weights / weights.sum())


def _without_empty_border(weights: Array) -> Array:
    """Remove outer rows and columns of zeros; the grids are symmetric, so the centre stays."""
    rows, columns = np.nonzero(weights.any(axis=1))[0], np.nonzero(weights.any(axis=0))[0]
    return weights[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
