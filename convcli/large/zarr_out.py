"""Writing chunked, compressed Zarr and OME-Zarr piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ImageError
from convcli.files.zarr_folder import drop_orphan
from convcli.large import libraries
from convcli.large.ome import zarr_attributes
from convcli.large.pages import Facts, MapShape
from convcli.large.pieces import Piece
from convcli.large.pyramid import Pyramid, level_sizes
from convcli.system.pool import ThreadPool

Array = NDArray[Any]
CHUNK = 512
_LEVELS = {"none": None, "fast": 1, "max": 9}


@dataclass(frozen=True)
class Placing:
    """Writes rows to their place in an array. Can be sent to another machine that shares the disk.

    axes: of the array. lead: names and lengths of the axes that number the pages. token: unique to this run, as a
    worker may have opened another store of the same name before.
    """

    token: str
    store: str
    path: str
    axes: tuple[str, ...]
    lead: tuple[tuple[str, int], ...]

    def __call__(self, page: int, first: int, rows: Array, pool: ThreadPool | None = None) -> None:
        """Write rows of a page that start at row `first`."""
        places = np.unravel_index(page, [length for _, length in self.lead]) if self.lead else ()
        index: dict[str, Any] = {axis: int(place) for (axis, _), place in zip(self.lead, places, strict=True)}
        index["y"] = slice(first, first + len(rows))
        part = rows if rows.ndim == 2 or self.axes[-1] == "c" else np.moveaxis(rows, 2, 0)
        _opened(self.token, self.store, self.path)[tuple(index.get(axis, slice(None)) for axis in self.axes)] = part
        drop_orphan(self.store)


@lru_cache(4)
def _opened(token: str, store: str, path: str) -> Any:
    return libraries.zarr().open_array(store, path=path or None, mode="r+")


class ZarrOut:
    """A Zarr store that is being written.

    ome: write OME-Zarr, a group of levels with metadata, instead of an array. version: of Zarr, 2 or 3.
    pyramid: add levels until one fits a chunk.
    """

    def __init__(
        self, store: Path, compression: str | None, note: str | None, ome: bool, pyramid: bool, version: int,
        threads: int,
    ) -> None:  # fmt: skip
        self.grain, self._store, self._level, self._note = CHUNK, str(store), _LEVELS[compression or "fast"], note
        self._ome, self._pyramid, self._version, self._threads = ome, pyramid, version, threads

    @property
    def levels(self) -> int:
        """The number of levels, including the full size."""
        return len(self._sizes)

    def begin(self, shape: MapShape, facts: Facts) -> Placing:
        """Create the arrays for a stack, and return the function that writes rows, here or on a worker."""
        zarr = libraries.zarr()
        zarr.config.set({"threading.max_workers": self._threads})
        axes, lengths = self._axes(shape)
        self._sizes = level_sizes(shape.size[:2], self.grain if self._pyramid else max(shape.size[:2]))
        shapes = [[lengths | {"y": height, "x": width}][0] for height, width in self._sizes]
        sizes = [[known[axis] for axis in axes] for known in shapes]
        made = {"software": self._note} if self._note else {}
        if self._ome:
            group = zarr.create_group(self._store, zarr_format=self._version)
            group.attrs.update(zarr_attributes(facts, axes, sizes, shape, self._version) | made)
            made = {}
        for level, size in enumerate(sizes):
            self._array(zarr, str(level) if self._ome else "", axes, size, shape, made)
        token = os.urandom(8).hex()
        self._placings = [
            Placing(token, self._store, str(level) if self._ome else "", tuple(axes), shape.lead)
            for level in range(self.levels)
        ]  # fmt: skip
        return self._placings[0]

    def _axes(self, shape: MapShape) -> tuple[list[str], dict[str, int]]:
        """Return the axes in order, and the lengths of all but y and x."""
        axes, lengths = [axis for axis, _ in shape.lead], dict(shape.lead)
        if shape.samples > 1 and "c" in lengths:
            raise ImageError(
                "Zarr has one axis of channels, and this picture's channels are in colour; --frame chooses one"
            )
        if self._ome:
            if unknown := set(axes) - set("tcz"):
                raise ImageError(f"OME-Zarr has the axes t, c, z, y and x, and not {', '.join(sorted(unknown))}")
            known = {*axes, *("c" * (shape.samples > 1))}
            axes = [axis for axis in "tczyx" if axis in known or axis in "yx"]
        else:
            axes = [*axes, "y", "x", *("c" * (shape.samples > 1))]
        if shape.samples > 1:
            lengths["c"] = shape.samples
        return axes, lengths

    def _array(
        self, zarr: Any, path: str, axes: list[str], size: list[int], shape: MapShape, attributes: dict[str, Any]
    ) -> None:
        whole = shape.samples if axes[-1] == "c" else 1  # channels stored as planes get separate chunks
        chunks = [min(length, self.grain if axis in "yx" else whole) for axis, length in zip(axes, size, strict=True)]
        words: dict[str, Any] = {"dimension_names": axes}
        if self._version == 2:
            words = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
            attributes = attributes | {"_ARRAY_DIMENSIONS": axes}
        zarr.create_array(
            self._store, name=path or None, shape=tuple(size), dtype=shape.dtype, chunks=tuple(chunks),
            compressors=self._compressor(zarr), zarr_format=self._version, attributes=attributes, fill_value=0, **words,
        )  # fmt: skip

    def _compressor(self, zarr: Any) -> Any:
        """Return Blosc with zstd and byte shuffle; None without compression."""
        if self._level is None:
            return None
        if self._version == 2:
            from numcodecs import Blosc

            return Blosc("zstd", self._level, Blosc.SHUFFLE)
        return zarr.codecs.BloscCodec(cname="zstd", clevel=self._level, shuffle="shuffle")

    def take(self, pieces: Iterator[Piece]) -> None:
        """Write the levels below the full size, whose rows were written when the pieces were finished."""
        page, levels = -1, None

        def put(level: int, row: int, rows: Array) -> None:
            self._placings[level](page, row, rows)

        for piece in pieces:
            if not piece.first:
                page, levels = page + 1, Pyramid(self._sizes, self.grain, put, self._threads)
            if levels and piece.half is not None:
                levels.push(1, piece.half)
        for leftover in Path(self._store).rglob(
            "*.partial"
        ):  # zarr's name for a chunk that a killed worker was writing
            leftover.unlink(missing_ok=True)
