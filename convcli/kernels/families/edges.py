"""Derivatives: their weights sum to zero, so that a flat area gives nothing.

A direction is that in which brightness increases for a positive response: 0 (e) to the right, 90 (s) downwards.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.families.registry import Array, balanced, checked_positive, family, offsets, sigma_size
from convcli.kernels.families.smoothing import bell
from convcli.kernels.rotation import turned

_DIRECTIONS = {"e": 0, "se": 45, "s": 90, "sw": 135, "w": 180, "nw": 225, "n": 270, "ne": 315}
_EDGE: dict[str, Any] = {"range": "abs", "tags": ("edge", "gradient")}
_COMPASS: dict[str, Any] = {"range": "abs", "tags": ("compass", "edge")}

_LAPLACIANS = {
    0: "1 1 1; 1 -8 1; 1 1 1",
    1: "0 1 0; 1 -4 1; 0 1 0",
    2: "2 -1 2; -1 -4 -1; 2 -1 2",
    3: "-1 2 -1; 2 -4 2; -1 2 -1",
    5: "4 1 0 1 4; 1 -2 -3 -2 1; 0 -3 -4 -3 0; 1 -2 -3 -2 1; 4 1 0 1 4",
    7: "10 5 2 1 2 5 10; 5 0 -3 -4 -3 0 5; 2 -3 -6 -7 -6 -3 2; 1 -4 -7 -8 -7 -4 1; "
    "2 -3 -6 -7 -6 -3 2; 5 0 -3 -4 -3 0 5; 10 5 2 1 2 5 10",
    15: "0 0 1 0 0; 0 1 2 1 0; 1 2 -16 2 1; 0 1 2 1 0; 0 0 1 0 0",
    19: "0 1 1 2 2 2 1 1 0; 1 2 4 5 5 5 4 2 1; 1 4 5 3 0 3 5 4 1; 2 5 3 -12 -24 -12 3 5 2; 2 5 0 -24 -40 -24 0 5 2; "
    "2 5 3 -12 -24 -12 3 5 2; 1 4 5 3 0 3 5 4 1; 1 2 4 5 5 5 4 2 1; 0 1 1 2 2 2 1 1 0",
}

_R = sqrt(2)
# Frei & Chen's nine orthogonal masks, each of unit length: 1-4 edges, 5-8 lines, 9 the mean.
# The tenth is a diagonal gradient, not one of the nine.
_FREI_CHEN = (
    ([[-1, 0, 1], [-_R, 0, _R], [-1, 0, 1]], 2 * _R),
    ([[-1, -_R, -1], [0, 0, 0], [1, _R, 1]], 2 * _R),
    ([[-_R, 1, 0], [1, 0, -1], [0, -1, _R]], 2 * _R),
    ([[0, -1, _R], [1, 0, -1], [-_R, 1, 0]], 2 * _R),
    ([[0, 1, 0], [-1, 0, -1], [0, 1, 0]], 2),
    ([[-1, 0, 1], [0, 0, 0], [1, 0, -1]], 2),
    ([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], 6),
    ([[-2, 1, -2], [1, 4, 1], [-2, 1, -2]], 6),
    ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], 3),
    ([[-1, -_R, 0], [-_R, 0, _R], [0, _R, 1]], sqrt(10)),
)


@family(source="Sobel & Feldman (1968)", **_EDGE)
def sobel(angle: float = 0.0, direction: str | None = None) -> Kernel:
    """Responds to edges of one direction; 0 is sobel-x, 90 is sobel-y."""
    return _compass("sobel", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], angle, direction)


@family(source="Prewitt (1970)", **_EDGE)
def prewitt(angle: float = 0.0, direction: str | None = None) -> Kernel:
    """Responds to edges of one direction, all rows weighed alike; 0 is prewitt-x."""
    return _compass("prewitt", [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], angle, direction)


@family(source="Scharr (2000)", **_EDGE)
def scharr(angle: float = 0.0, direction: str | None = None) -> Kernel:
    """Responds to edges of one direction; 0 is scharr-x, 90 is scharr-y."""
    return _compass("scharr", [[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]], angle, direction)


@family(source="Roberts (1963)", **_EDGE)
def roberts(angle: float | None = None, direction: str | None = None) -> Kernel:
    """Differences along a diagonal; with an angle, between the centre and its neighbour against that direction."""
    if angle is None and direction is None:
        return Kernel(np.array([[1.0, 0], [0, -1]]))
    return _compass("roberts", [[0, 0, 0], [0, -1, 1], [0, 0, 0]], angle or 0.0, direction)


@family(source="Kirsch (1971)", **_COMPASS)
def kirsch(angle: float = 270.0, direction: str | None = None) -> Kernel:
    """Strongest for edges whose bright side lies in that direction (270 or n is above); one of eight compass masks."""
    return _compass("kirsch", [[-3, -3, 5], [-3, 0, 5], [-3, -3, 5]], angle, direction)


@family(source="Robinson (1977)", **_COMPASS)
def robinson(angle: float = 270.0, direction: str | None = None, levels: int = 5) -> Kernel:
    """One of eight compass masks with 3 levels (-1 0 1) or 5 (-2 to 2)."""
    if levels not in (3, 5):
        raise KernelError(f"robinson: levels must be 3 or 5, not {levels}")
    middle = levels // 2
    return _compass("robinson", [[-1, 0, 1], [-middle, 0, middle], [-1, 0, 1]], angle, direction)


@family(source="Prewitt (1970)", **_COMPASS)
def compass(angle: float = 270.0, direction: str | None = None) -> Kernel:
    """Prewitt's compass mask: one of eight, with the centre at -2."""
    return _compass("compass", [[-1, 1, 1], [-1, -2, 1], [-1, 1, 1]], angle, direction)


@family(source="Frei & Chen (1977)", **_EDGE)
def frei_chen(angle: float = 0.0, direction: str | None = None, basis: int | None = None) -> Kernel:
    """Isotropic gradient, the root of two in the middle; basis 1 to 9: the orthogonal masks, 10: diagonal."""
    if basis is None:
        return _compass("frei-chen", [[-1, 0, 1], [-_R, 0, _R], [-1, 0, 1]], angle, direction)
    if not 1 <= basis <= 10:
        raise KernelError(f"frei-chen: basis must be 1 to 10, not {basis}")
    if angle or direction:
        raise KernelError("frei-chen: give an angle or a basis, not both")
    weights, divisor = _FREI_CHEN[basis - 1]
    return Kernel(np.array(weights, float), divisor=divisor, range="clip" if basis == 9 else "abs")


@family(source="Discrete Laplace operator; types numbered as ImageMagick's", range="abs", tags=("laplacian", "edge"))
def laplacian(type: int = 1) -> Kernel:
    """Second derivative: edges as double lines; type 1 has 4 neighbours, 0 has 8; also 2, 3, 5, 7, 15 and 19."""
    if type not in _LAPLACIANS:
        raise KernelError(f"laplacian: type must be one of {', '.join(map(str, _LAPLACIANS))}, not {type}")
    return Kernel(np.array([[float(w) for w in row.split()] for row in _LAPLACIANS[type].split(";")]))


@family(source="Derivatives of the normal distribution; Canny (1986)", **_EDGE)
def gaussian_derivative(sigma: float = 1.0, order: int = 1, angle: float = 0.0, size: int | None = None) -> Kernel:
    """First or second derivative along a direction, of the picture blurred by sigma."""
    n = sigma_size("gaussian-derivative", size, sigma)
    if order not in (1, 2) or n < 3:
        raise KernelError(f"gaussian-derivative: expected order 1 or 2 and size 3 or more, not {order} and {n}")
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    if angle % 90 == 0:
        cos, sin = round(float(cos)), round(float(sin))
    smooth, first = bell(sigma, n), _first(sigma, n)
    if order == 1:
        return Kernel(cos * np.outer(smooth, first) + sin * np.outer(first, smooth))
    second = _second(sigma, n)
    mixed = 2 * cos * sin * np.outer(first, first)
    return Kernel(cos**2 * np.outer(smooth, second) + mixed + sin**2 * np.outer(second, smooth))


@family(source="Marr & Hildreth (1980)", range="abs", tags=("laplacian", "edge"))
def log(sigma: float = 1.0, size: int | None = None) -> Kernel:
    """Laplacian of a Gaussian: blobs and edges of that scale; positive and negative weights sum to 1 and -1."""
    n = sigma_size("log", size, sigma)
    y, x = offsets(n, n)
    share = (x**2 + y**2) / (2 * sigma**2)
    return Kernel(balanced("log", (share - 1) * np.exp(-share)))


@family(source="Marr & Hildreth (1980); Wilson & Bergen (1979)", range="abs", tags=("laplacian", "edge"))
def dog(sigma: float = 1.0, sigma2: float = 1.6, size: int | None = None) -> Kernel:
    """Difference of two Gaussians: what lies between their scales; both signs sum to 1."""
    checked_positive("dog", "sigma", sigma)
    n = sigma_size("dog", size, max(sigma, sigma2))
    if sigma == sigma2 or sigma2 <= 0:
        raise KernelError(f"dog: sigma2 must be greater than 0 and differ from sigma, not {sigma2:g}")
    y, x = offsets(n, n)
    narrow, wide = (np.exp(-(x**2 + y**2) / (2 * s**2)) / s**2 for s in (sigma, sigma2))
    return Kernel(balanced("dog", narrow - wide))


def _compass(name: str, base: list[list[float]], angle: float, direction: str | None) -> Kernel:
    if direction is not None:
        if direction.lower() not in _DIRECTIONS:
            raise KernelError(f"{name}: direction must be one of {', '.join(_DIRECTIONS)}, not {direction!r}")
        angle = _DIRECTIONS[direction.lower()]
    return Kernel(turned(np.array(base, float), angle))


def _first(sigma: float, size: int) -> Array:
    """Return the taps of the first derivative; a ramp of slope 1 per pixel gives exactly 1, a flat row 0."""
    x = np.arange(size) - (size - 1) / 2
    taps = x * bell(sigma, size)
    return np.asarray(taps / (taps * x).sum())


def _second(sigma: float, size: int) -> Array:
    """Return the taps of the second derivative; x**2 / 2 gives exactly 1, a ramp or a flat row 0."""
    x = np.arange(size) - (size - 1) / 2
    smooth = bell(sigma, size)
    taps = smooth * (x**2 - (smooth * x**2).sum())
    return np.asarray(taps / (taps * x**2).sum() * 2)
