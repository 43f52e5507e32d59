"""What is filtered in pieces: pages that give their rows on demand, and what their file says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convcli.images import Frame
from convcli.images.exif import Entry


class Source(Protocol):
    """Rows of a picture, on demand. shape: (H, W) or (H, W, C), without alpha."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: bool

    def rows(self, wanted: NDArray[np.intp]) -> Frame:
        """These rows, ascending."""
        ...


@dataclass(frozen=True)
class Facts:
    """What a file says beside its pixels.

    ome: whether it is OME-TIFF or OME-Zarr, so that what is made of it is too.
    spacing: of the axes x, y, z and t: how far apart, and the unit as OME-TIFF writes it (µm, s) or "".
    channels: of each channel what OME-TIFF calls Name, Color, EmissionWavelength and so on.
    icc, resolution (pixels a unit, across and down), unit, geography and nodata: a TIFF's.
    """

    ome: bool = False
    name: str = ""
    spacing: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    channels: tuple[Mapping[str, Any], ...] = ()
    icc: bytes | None = None
    resolution: tuple[float, float] | None = None
    unit: int = 1
    geography: tuple[Entry, ...] = ()
    nodata: str | None = None

    def strided(self, rows: int, columns: int) -> Facts:
        """The same of a picture of which every so-many-th row and column was kept."""
        times = {"y": rows, "x": columns}
        spacing = {axis: (step * times.get(axis, 1), unit) for axis, (step, unit) in self.spacing.items()}
        return replace(self, spacing=spacing)


@dataclass(frozen=True)
class MapShape:
    """What the pages of a stack are, or are to be: size (H, W) or (H, W, C), samples, and whether there is alpha.

    lead: names and lengths of the axes before y and x, in the order in which the pages follow one another.
    """

    size: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: bool = False
    lead: tuple[tuple[str, int], ...] = ()

    @property
    def pages(self) -> int:
        """How many."""
        return prod(length for _, length in self.lead)

    @property
    def colors(self) -> int:
        """Samples a pixel without alpha."""
        return self.size[2] if len(self.size) == 3 else 1

    @property
    def samples(self) -> int:
        """Samples a pixel with alpha."""
        return self.colors + self.alpha


@dataclass(frozen=True)
class Stack:
    """Pages of one kind, which belong together: a page of a TIFF, an image of an OME-TIFF, an array of a Zarr.

    format, described: in the words of the line that is told at the end. version: of Zarr. note: what was left out.
    """

    name: str
    pages: list[Source]
    lead: tuple[tuple[str, int], ...]
    facts: Facts
    format: str
    described: str
    version: int | None = None
    note: str | None = None


def joined(frame: Frame) -> NDArray[Any]:
    """Colour and alpha as one array (H, W) or (H, W, samples)."""
    if frame.alpha is None:
        return frame.pixels
    return np.dstack([frame.pixels, frame.alpha])
