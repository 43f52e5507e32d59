"""Reading TIFF by rows: the tiles or strips that hold the requested rows are decoded in parallel."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ImageError
from convcli.images import Frame
from convcli.images.damage import trouble
from convcli.images.geography import geography_of, nodata_of
from convcli.images.tiff_samples import layout_of, unused_note
from convcli.large import libraries
from convcli.large.ome import facts_of, names_other_files
from convcli.large.pages import Facts, Stack
from convcli.system.cores import thread_count
from convcli.system.pool import ThreadPool

Array = NDArray[Any]
_ORIENTATION = 274
_JPEG = (6, 7, 34892, 33007)


class Page:
    """A page of a TIFF as a source of rows, with the same samples as when the picture is read into memory.

    drop: leave alpha out. note: for the user, on other samples that are left out.
    """

    def __init__(self, page: Any, file: int, name: str, pool: ThreadPool, drop: bool) -> None:
        self.name, self._page, self._file, self._pool = name, page, file, pool
        self._layout = layout = layout_of(page.tags.valueof, name)
        self._refuse()
        self._stored = np.dtype(page.dtype or "u1").newbyteorder("=")
        self.dtype = layout.dtype
        height, width = int(page.imagelength), int(page.imagewidth)
        self.shape: tuple[int, ...] = (height, width) if layout.colors == 1 else (height, width, layout.colors)
        self.alpha = layout.alpha is not None and not drop
        self._alpha_at = layout.alpha if self.alpha or layout.veiled else None
        self._samples = layout.stored if self._alpha_at is None else self._alpha_at + 1
        self._height = page.tilelength if page.is_tiled else min(page.rowsperstrip, height)
        self._across = -(-width // page.tilewidth) if page.is_tiled else 1
        self._down = -(-height // self._height)
        self._planes = page.samplesperpixel if page.planarconfig == 2 else 1
        self._kept: dict[int, Array] = {}
        kind = {1: "gray", 3: "RGB"}.get(layout.colors, "CMYK")
        self.described = f"{self.dtype.name} {kind}{' with transparency' if self.alpha else ''}"
        self.note = unused_note(page.tags.valueof)
        self.facts = Facts(
            icc=page.iccprofile,
            resolution=page.get_resolution() if page.resolution != (1, 1) else None,
            unit=_unit(page),
            geography=geography_of(page.tags.valueof),
            nodata=nodata_of(page.tags.valueof),
        )

    def _refuse(self) -> None:
        why, page = None, self._page
        if not (page.tilelength and page.tilewidth if page.is_tiled else page.rowsperstrip):
            raise ImageError(f"{self.name} is damaged: its tiles or strips have no rows or columns")
        if self._layout.integer:
            why = f"holds {'signed ' * (self._layout.kind == 'i')}whole numbers of {self._layout.bits} bits"
        elif page.tags.valueof(_ORIENTATION, 1) != 1:
            why = "is stored turned"
        if why:
            raise ImageError(f"{self.name} {why}, which is not streamed; raise --memory to hold the picture as a whole")

    def rows(self, wanted: NDArray[np.intp]) -> Frame:
        """Return the rows of the given numbers, which are ascending."""
        width, count = self.shape[1], self._layout.stored
        colors = np.empty((len(wanted), width) if count == 1 else (len(wanted), width, count), self._stored)
        alpha = None if self._alpha_at is None else np.empty((len(wanted), width), self._stored)
        belts = np.unique(wanted // self._height)
        self._kept = {belt: rows for belt, rows in self._kept.items() if belt in belts}
        for belt in belts:
            here = np.flatnonzero(wanted // self._height == belt)
            inside: Any = wanted[here] - belt * self._height
            there: Any = here
            if inside[-1] - inside[0] == len(inside) - 1:
                inside, there = slice(inside[0], inside[-1] + 1), slice(here[0], here[-1] + 1)
            rows = self._belt(int(belt))[inside]
            colors[there] = rows[..., :count] if colors.ndim == 3 else rows[..., 0]
            if alpha is not None:
                alpha[there] = rows[..., self._alpha_at]
            if belt not in belts[-2:]:
                self._kept.pop(int(belt), None)
        frame = self._layout.frame(colors, alpha, self.name)
        return frame if self.alpha else replace(frame, alpha=None)

    def _belt(self, belt: int) -> Array:
        """Decode a row of tiles, or a strip: (rows, W, samples)."""
        if belt not in self._kept:
            height = min(self._height, self.shape[0] - belt * self._height)
            rows = np.empty((height, self.shape[1], self._samples), self._stored)
            first = belt * self._across
            indices = [
                plane * self._down * self._across + first + i
                for plane in range(self._planes if self._planes == 1 else self._samples)
                for i in range(self._across)
            ]
            for done in self._pool.map(lambda index: self._place(rows, belt * self._height, index), indices):
                assert done
            self._kept[belt] = rows
        return self._kept[belt]

    def _place(self, rows: Array, top: int, index: int) -> bool:
        """Decode one tile or strip into its place."""
        page = self._page
        try:
            count, offset = page.databytecounts[index], page.dataoffsets[index]
            data = os.pread(self._file, count, offset) if count else None
            if data is not None and len(data) < count:
                raise ImageError(f"{self.name} is damaged or incomplete: the file ends within its pixels")
            words = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if page.compression in _JPEG else {}
            tile, (plane, _, y, x, _), _ = page.decode(data, index, _fullsize=False, **words)
        except ImageError:
            raise
        except Exception as error:  # decoders raise almost any exception on damaged data
            raise trouble(self.name, error) from None
        part = rows if self._planes == 1 else rows[..., plane : plane + 1]
        if tile is None:  # never written: the file is sparse there
            width = page.tilewidth if page.is_tiled else self.shape[1]
            part[y - top : y - top + self._height, x : x + width] = page.nodata or 0
        else:
            tile = tile[0][: part.shape[0] - (y - top), : part.shape[1] - x, : part.shape[2]]
            part[y - top : y - top + tile.shape[0], x : x + tile.shape[1]] = tile
        return True


@contextlib.contextmanager
def open_tiff(source: str, name: str, frame: int | None, drop: bool) -> Iterator[list[Stack]]:
    """Open the stacks of a TIFF: the images of an OME-TIFF, else its pages; only one page if `frame` is given.

    The reduced pages of a pyramid are left out. drop: leave alpha out.
    """
    tifffile = libraries.tifffile()
    logging.getLogger("tifffile").disabled = True  # we report what matters ourselves
    with contextlib.ExitStack() as closing:
        try:
            tiff = closing.enter_context(tifffile.TiffFile(source, _multifile=False))  # False: open no other files
            groups = _groups(tiff, name)
        except ImageError:
            raise
        except Exception as error:
            raise trouble(name, error) from None
        if frame is not None:
            pages = [(page, facts) for group, _, facts in groups for page in group]
            if not -len(pages) <= frame < len(pages):
                raise ImageError(f"{name} has no frame {frame}: it has {len(pages)}, counted from 0")
            groups = [([pages[frame][0]], (), pages[frame][1])]
        file = os.open(source, os.O_RDONLY)
        closing.callback(os.close, file)
        pool = closing.enter_context(ThreadPool(thread_count()))
        try:
            stacks = [_stack(group, lead, facts, file, name, pool, drop) for group, lead, facts in groups]
        except ImageError:
            raise
        except Exception as error:  # tags of any kind and value
            raise trouble(name, error) from None
        yield stacks


Group = tuple[list[Any], tuple[tuple[str, int], ...], Facts]


def _groups(tiff: Any, name: str) -> list[Group]:
    """Return the groups of pages that belong together, with their axes and facts."""
    if not tiff.is_ome:
        pages = [_whole(page) for page in tiff.pages]
        return [([page], (), Facts()) for page in pages if not page.is_reduced] or [([pages[0]], (), Facts())]
    found: list[Group] = []
    series_of_pages = tiff.series
    if series_of_pages[0].kind.lower() != "ome" and names_other_files(tiff.ome_metadata, tiff.filename):
        raise ImageError(f"{name} keeps pages in other files, which are not read; join them into one OME-TIFF")
    for index, series in enumerate(series_of_pages):
        axes = [axis for axis in series.axes if axis not in "YXS"]
        lengths = [length for axis, length in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
        if any(page is None for page in series.pages):
            raise ImageError(f"{name} is damaged or incomplete: it lacks pages that its OME-XML names")
        facts = facts_of(tiff.ome_metadata, index)
        found.append(
            ([_whole(page) for page in series.pages], tuple(zip(map(str.lower, axes), lengths, strict=True)), facts)
        )
    return found


def _unit(page: Any) -> int:
    """What its resolution counts by: 1 for nothing, 2 for inches, 3 for centimetres."""
    unit = page.tags.valueof("ResolutionUnit", 2)
    return int(unit) if unit in (1, 2, 3) else 1


def _whole(page: Any) -> Any:
    """Return the page with all its tags."""
    return page.aspage() if hasattr(page, "aspage") else page


def _stack(
    group: list[Any], lead: tuple[tuple[str, int], ...], facts: Facts, file: int, name: str, pool: ThreadPool,
    drop: bool,
) -> Stack:  # fmt: skip
    pages = [Page(page, file, name, pool, drop) for page in group]
    first = pages[0]
    known = replace(first.facts, ome=facts.ome, name=facts.name, spacing=facts.spacing, channels=facts.channels)
    kind = "OME-TIFF" if facts.ome else "TIFF"
    return Stack(name, list(pages), lead, known, kind, first.described, note=first.note)


def weight(source: str) -> tuple[int, int, bool] | None:
    """Return the pixels of the first page, the bytes of all pages, and whether it is OME-TIFF; None on any failure."""
    try:
        tifffile = libraries.tifffile()
        logging.getLogger("tifffile").disabled = True
        with tifffile.TiffFile(source) as tiff:
            page, count = tiff.pages[0], len(tiff.pages)
            pixels = int(page.imagelength) * int(page.imagewidth)
            return pixels, pixels * page.samplesperpixel * max(1, page.bitspersample // 8) * count, bool(tiff.is_ome)
    except Exception:  # reading the file in memory reports what is wrong
        return None
