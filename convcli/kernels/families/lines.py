"""Lines, waves and textures."""

from __future__ import annotations

import re

import numpy as np

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.families.registry import Array, balanced, checked_positive, family, offsets, sigma_size
from convcli.kernels.rotation import turned

_LAWS = {
    "L3": (1, 2, 1), "E3": (-1, 0, 1), "S3": (-1, 2, -1),
    "L5": (1, 4, 6, 4, 1), "E5": (-1, -2, 0, 2, 1), "S5": (-1, 0, 2, 0, -1), "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
}  # fmt: skip


@family(source="Line masks, as in Gonzalez & Woods, Digital Image Processing", range="abs", tags=("line",))
def line(angle: float = 0.0) -> Kernel:
    """Responds to bright lines one pixel wide: 0 horizontal, 45 falling to the right, 90 vertical."""
    return Kernel(turned(np.array([[-1.0, -1, -1], [2, 2, 2], [-1, -1, -1]]), angle))


@family(
    source="Lindeberg (1998); without a scale the isotropic Laplacian, sign reversed",
    range="abs",
    tags=("line", "laplacian"),
)
def ridge(angle: float | None = None, sigma: float | None = None, size: int | None = None) -> Kernel:
    """Responds to bright ridges: of any direction, or of one (0 horizontal, 90 vertical); sigma is half their width."""
    if sigma is None:
        if size is not None:
            raise KernelError("ridge: a size needs a sigma; without one the grid is 3x3")
        if angle is None:
            return Kernel(np.array([[-1.0, -2, -1], [-2, 12, -2], [-1, -2, -1]]), divisor=4)
        return Kernel(turned(np.array([[-1.0, -2, -1], [2, 4, 2], [-1, -2, -1]]), angle), divisor=4)
    n = sigma_size("ridge", size, sigma)
    y, x = offsets(n, n)
    if angle is None:
        share = (x**2 + y**2) / (2 * sigma**2)
        return Kernel(balanced("ridge", (1 - share) * np.exp(-share)))
    turn = np.deg2rad(angle)
    across = y * np.cos(turn) - x * np.sin(turn)
    bell = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return Kernel(balanced("ridge", (1 - across**2 / sigma**2) * bell))


@family(source="Gabor (1946); Daugman (1985)", range="offset", tags=("line", "texture"))
def gabor(
    wavelength: float = 8.0, theta: float = 0.0, sigma: float = 4.0, gamma: float = 0.5, phase: float = 0.0,
    size: int | None = None,
) -> Kernel:  # fmt: skip
    """A wave under a Gaussian: texture of one wavelength and direction theta; absolute weights sum to 2."""
    checked_positive("gabor", "wavelength", wavelength)
    checked_positive("gabor", "gamma", gamma)
    n = sigma_size("gabor", size, sigma)
    y, x = offsets(n, n)
    turn = np.deg2rad(theta)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    wave = np.cos(2 * np.pi * along / wavelength + np.deg2rad(phase))
    weights = np.exp(-(along**2 + gamma**2 * across**2) / (2 * sigma**2)) * wave
    largest = np.abs(weights).sum()
    if not largest > 1e-9:
        raise KernelError("gabor: all weights are zero with this phase and size")
    return Kernel(weights * (2 / largest))


@family(source="Laws (1980)", range="abs", tags=("texture",))
def laws(pair: str = "E5L5") -> Kernel:
    """Texture energy: two of L5 E5 S5 W5 R5 (level, edge, spot, wave, ripple), down and across; or L3 E3 S3."""
    parts = re.fullmatch(r"([LESWR][35])([LESWR][35])", pair.upper())
    if not parts or parts[1] not in _LAWS or parts[2] not in _LAWS:
        raise KernelError(f"laws: pair must be two of {', '.join(_LAWS)}, as in E5L5, not {pair!r}")
    down, across = (np.array(_LAWS[part], float) for part in parts.groups())
    divisor = float(_strength(down) * _strength(across))
    return Kernel(
        np.outer(down, across), divisor=divisor, range="clip" if divisor == np.outer(down, across).sum() else "abs"
    )


def _strength(vector: Array) -> float:
    """Return the sum of the vector, or of its positive entries if all of it sums to zero."""
    return float(vector.sum() or np.abs(vector).sum() / 2)


@family(source="Relief by directional difference", range="offset", tags=("relief",))
def emboss(angle: float = 45.0) -> Kernel:
    """Relief lit from one side: 0 from the left, 45 from the upper left; flat areas become mid-gray."""
    return Kernel(turned(np.array([[1.0, 0, -1], [1, 0, -1], [1, 0, -1]]), angle))
