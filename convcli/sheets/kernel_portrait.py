"""A kernel as a picture: its weights, and beside them what it does to waves of every length and direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.kernel import Kernel
from convcli.sheets.colormaps import colored
from convcli.sheets.contact_sheet import contact_sheet

if TYPE_CHECKING:
    from PIL import Image

_TILE = 320


def frequency_response(weights: NDArray[np.float64], side: int = 255) -> NDArray[np.float64]:
    """How strongly each wave passes: |sum of w[y, x] * exp(-2 pi i (fy * y + fx * x))|, (side, side).

    The frequencies fy, fx run from -1/2 to 1/2 cycles a pixel; zero, the flat area, is in the middle. side: odd.
    """
    f = np.linspace(-0.5, 0.5, side)
    height, width = weights.shape
    down = np.exp(-2j * np.pi * np.outer(f, np.arange(height)))
    across = np.exp(-2j * np.pi * np.outer(np.arange(width), f))
    return np.asarray(np.abs(down @ weights @ across))


def portrait(kernel: Kernel) -> Image.Image:
    """An RGB picture: for each grid its weights (blue negative, red positive) and its frequency response.

    Of several grids the colours mean the same; those of frequencies begin at zero, for nothing passes there.
    """
    tiles: list[NDArray[Any]] = []
    labels: list[str] = []
    grids = kernel.scaled.reshape(-1, *kernel.size)
    waves = [frequency_response(grid) for grid in grids]
    reach, loudest = float(np.abs(grids).max()) or 1.0, max(float(wave.max()) for wave in waves) or 1.0
    for index, (grid, wave) in enumerate(zip(grids, waves, strict=True)):
        channel = f" {'RGB'[index]}" if len(grids) > 1 else ""
        cells = colored(grid, "diverging", -reach, reach)
        grown = _grown(grid.shape)
        tiles += [cells.repeat(grown, 0).repeat(grown, 1), colored(wave, "viridis", 0, loudest)]
        labels += [f"weights{channel}, {grid.min():.3g} to {grid.max():.3g}"]
        labels += [f"frequencies{channel}, {wave.min():.3g} to {wave.max():.3g}"]
    return contact_sheet(tiles, labels, columns=2, shared=False, tile=_TILE, title=kernel.shown)


def _grown(shape: tuple[int, ...]) -> int:
    """By how much a small grid is magnified, so that it stands beside its frequencies."""
    return max(1, 256 // max(shape))
