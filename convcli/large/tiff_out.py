"""Writing tiled, compressed BigTIFF and OME-TIFF piece by piece; the levels of a pyramid are SubIFDs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convcli.large import libraries
from convcli.large.ome import suits_ome, tiff_metadata
from convcli.large.pages import Facts, MapShape
from convcli.large.pieces import Piece
from convcli.large.pyramid import Pyramid, level_sizes
from convcli.system.pool import ThreadPool

Array = NDArray[Any]
TILE = 256
_DEFLATE, _LEVELS = 8, {"none": None, "fast": 1, "max": 9}
_PHOTOMETRIC = {1: "minisblack", 3: "rgb", 4: "separated"}


@dataclass(frozen=True)
class Cutting:
    """Cuts rows into tiles and encodes each as in the file. Can be sent to another machine.

    level: of deflate, 1 to 9, with the horizontal (for floats the floating-point) predictor; None: not compressed.
    """

    tile: int
    level: int | None

    def __call__(self, page: int, first: int, rows: Array, pool: ThreadPool) -> list[Any]:
        """Return the encoded tiles, row by row, padded with zeros at the right and at the bottom."""
        tile = self.tile
        corners = [(y, x) for y in range(0, len(rows), tile) for x in range(0, rows.shape[1], tile)]
        return list(pool.map(lambda corner: self._encoded(rows, *corner), corners))

    def _encoded(self, rows: Array, y: int, x: int) -> Any:
        part = rows[y : y + self.tile, x : x + self.tile]
        spare = [(0, self.tile - part.shape[0]), (0, self.tile - part.shape[1]), *[(0, 0)] * (part.ndim - 2)]
        part = np.pad(part, spare) if any(after for _, after in spare) else np.ascontiguousarray(part)
        if self.level is None:
            return part
        codecs = libraries.imagecodecs()
        predict = codecs.floatpred_encode if part.dtype.kind == "f" else codecs.delta_encode
        return codecs.deflate_encode(predict(part, axis=1), self.level)


class TiffOut:
    """A BigTIFF that is being written to a stream.

    ome: write OME-XML if it has the axes. pyramid: add levels until one fits a tile. folder: for temporary files.
    """

    def __init__(
        self, stream: BinaryIO, compression: str | None, note: str | None, ome: bool, pyramid: bool, folder: Path,
        threads: int,
    ) -> None:  # fmt: skip
        self.grain, self._ome, self._pyramid, self._folder, self._note = TILE, ome, pyramid, folder, note
        self._stream, self._threads = stream, threads
        self._cutting = Cutting(TILE, _LEVELS[compression or "fast"])
        self._tiff: Any = None

    def begin(self, shape: MapShape, facts: Facts) -> Cutting:
        """Prepare for a stack, and return the function that cuts and encodes rows, here or on a worker."""
        self._shape, self._facts = shape, facts
        self._sizes = level_sizes(shape.size, self.grain if self._pyramid else max(shape.size[:2]))
        if self._tiff is None:
            self._ome = self._ome and suits_ome(shape.lead)
            self._tiff = libraries.tifffile().TiffWriter(self._stream, bigtiff=True, byteorder="<", ome=self._ome)
        return self._cutting

    @property
    def levels(self) -> int:
        """The number of levels, including the full size."""
        return len(self._sizes)

    def take(self, pieces: Iterator[Piece]) -> None:
        """Write the pages of a stack, piece by piece."""
        with ThreadPool(self._threads) as pool, tempfile.TemporaryFile(dir=self._folder) as first:
            spools = [Spool(first)] if self.levels > 1 else []
            try:
                spools += [Spool(tempfile.TemporaryFile(dir=self._folder)) for _ in self._sizes[2:]]  # noqa: SIM115
                tiles = self._tiles(pieces, spools, pool)
                self._write(0, chain(tiles))  # the writer would close a generator after the last tile
                for _ in tiles:  # runs the generator's end, which finishes the smaller levels
                    raise AssertionError("more tiles than the page has")
                for level, spool in enumerate(spools, 1):
                    self._write(level, spool.read())
            finally:
                for spool in spools:
                    spool.stream.close()

    def _tiles(self, pieces: Iterator[Piece], spools: list[Spool], pool: ThreadPool) -> Iterator[Any]:
        def put(level: int, row: int, rows: Array) -> None:
            spools[level - 1].write(self._cutting(0, row, rows, pool))

        levels = None
        for piece in pieces:
            yield from piece.made
            if not piece.first:
                levels = Pyramid(self._sizes, self.grain, put, self._threads)
            if levels and piece.half is not None:
                levels.push(1, piece.half)

    def _write(self, level: int, tiles: Iterator[Any]) -> None:
        shape, facts, compressed = self._shape, self._facts, self._cutting.level is not None
        size = (*self._sizes[level][:2], *([shape.samples] if shape.samples > 1 else []))
        words: dict[str, Any] = {}
        if level == 0:
            words["metadata"] = tiff_metadata(facts, shape, self._note or "") if self._ome else None
            words["iccprofile"] = facts.icc if facts.icc else None
            words["software"] = self._note.encode() if self._note else False
            words["extratags"] = [(e.tag, e.kind, e.number, e.value, True) for e in facts.geography]
            if facts.resolution:
                words |= {"resolution": facts.resolution, "resolutionunit": facts.unit}
        else:
            words |= {"subfiletype": 1, "metadata": None, "software": False}
        self._tiff.write(
            tiles, shape=(*(length for _, length in shape.lead), *size), dtype=shape.dtype, tile=(self.grain,) * 2,
            photometric=_PHOTOMETRIC[shape.colors], extrasamples=["unassalpha"] if shape.alpha else None,
            planarconfig="contig" if shape.samples > 1 else None, compression=_DEFLATE if compressed else None,
            predictor=(3 if shape.dtype.kind == "f" else 2) if compressed else None,
            subifds=0 if level else len(self._sizes) - 1, maxworkers=1, **words,
        )  # fmt: skip

    def __enter__(self) -> TiffOut:
        return self

    def __exit__(self, *trouble: object) -> None:
        if trouble[0] is None and self._tiff is not None:
            self._tiff.close()


class Spool:
    """Encoded tiles in an unnamed temporary file, until they can be written to the output."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._kinds: list[tuple[int, Any]] = []

    def write(self, tiles: list[Any]) -> None:
        """Append tiles."""
        for tile in tiles:
            array = isinstance(tile, np.ndarray)
            self._kinds.append((tile.nbytes if array else len(tile), (tile.shape, tile.dtype) if array else None))
            self.stream.write(tile)

    def read(self) -> Iterator[Any]:
        """Yield all tiles in order."""
        self.stream.seek(0)
        for length, kind in self._kinds:
            data = self.stream.read(length)
            yield np.frombuffer(data, kind[1]).reshape(kind[0]) if kind else data
