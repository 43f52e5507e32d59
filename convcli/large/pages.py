"""Pages that are filtered in pieces: their rows are read on demand; and the metadata of their file."""

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
    """A picture whose rows are read on demand. shape: (H, W) or (H, W, C), without alpha."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: bool

    def rows(self, wanted: NDArray[np.intp]) -> Frame:
        """Return the rows of the given numbers, which are ascending."""
        ...


@dataclass(frozen=True)
class Facts:
    """Metadata of a large picture's file.

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
        """Return the facts with the spacing of a picture filtered with this stride."""
        times = {"y": rows, "x": columns}
        spacing = {axis: (step * times.get(axis, 1), unit) for axis, (step, unit) in self.spacing.items()}
        return replace(self, spacing=spacing)


@dataclass(frozen=True)
class MapShape:
    """Size (H, W) or (H, W, C), sample type and alpha of the pages of a stack.

    lead: names and lengths of the axes before y and x, in which the pages are numbered, the last fastest.
    """

    size: tuple[int, ...]
    dtype: np.dtype[Any]
    alpha: bool = False
    lead: tuple[tuple[str, int], ...] = ()

    @property
    def pages(self) -> int:
        """The number of pages."""
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
    """Pages of one kind that belong together: a page of a TIFF, an image of an OME-TIFF, an array of a Zarr.

    format, described: in words, for the summary at the end. version: of Zarr. note: what was left out.
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
    """Join colour and alpha into one array, (H, W) or (H, W, samples)."""
    if frame.alpha is None:
        return frame.pixels
    return np.dstack([frame.pixels, frame.alpha])
