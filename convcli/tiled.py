"""TIFF by the row: the tiles or strips that hold some rows, decoded side by side; and tiles written as rows come.

Goes through tifffile (and imagecodecs for its compressions), the extra `large`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from convcli.engine.bands import thread_count
from convcli.errors import AccessError, ImageError
from convcli.files import shown

Array = NDArray[Any]
TILE = 256
_INSTALL = "pip install 'convcli[large]'"
_GRAY, _RGB, _CMYK, _YCBCR = 1, 2, 5, 6  # photometric interpretations
_JPEG = (6, 7, 34892, 33007)
_LEVELS = {"none": (None, None), "fast": ("zlib", 1), "max": ("zlib", 9)}


class Page:
    """One page of a TIFF as a source of rows. shape: (H, W) for gray, else (H, W, C) without alpha."""

    def __init__(self, page: Any, file: int, name: str, pool: ThreadPoolExecutor, drop: bool) -> None:
        self.name, self._page, self._file, self._pool = name, page, file, pool
        extra = len(page.extrasamples)
        colors = page.samplesperpixel - extra
        self._refuse(extra, drop, colors)
        height, width = int(page.imagelength), int(page.imagewidth)
        self.shape: tuple[int, ...] = (height, width) if colors == 1 else (height, width, colors)
        self.colors = colors
        stored = np.dtype(page.dtype).newbyteorder("=")
        self.dtype = np.dtype(np.float32) if stored.kind == "f" else stored
        self._height = page.tilelength if page.is_tiled else min(page.rowsperstrip, height)
        self._across, self._down = page.chunked[-2] if page.is_tiled else 1, -(-height // self._height)
        self._planes = page.samplesperpixel if page.planarconfig == 2 else 1
        self._kept: dict[int, Array] = {}
        self.described = f"{self.dtype.name} {'gray' if colors == 1 else 'RGB' if colors == 3 else 'CMYK'}"
        self.icc = page.iccprofile
        self.resolution = page.get_resolution() if page.resolution != (1, 1) else None
        self.unit = page.resolutionunit

    def _refuse(self, extra: int, drop: bool, colors: int) -> None:
        page, kind = self._page, np.dtype(self._page.dtype or "u1")
        why = None
        if kind.newbyteorder("=") not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
            why = f"holds {kind.name} samples"
        elif page.photometric not in (_GRAY, _RGB, _CMYK, _YCBCR) or colors not in (1, 3, 4):
            why = f"holds {page.photometric.name.lower()} colours of {colors} channels"
        elif page.photometric == _YCBCR and page.compression not in _JPEG:
            why = "holds YCbCr colours without JPEG"
        elif extra and not drop:
            why = "has transparency (--alpha drop leaves it out)"
        elif getattr(page.tags.get(274), "value", 1) != 1:
            why = "is stored turned"
        if why:
            raise ImageError(f"{self.name} {why}, which is not streamed; raise --memory to hold the picture as a whole")

    def rows(self, wanted: NDArray[np.intp]) -> Array:
        """These rows, ascending, as one array."""
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        belts = np.unique(wanted // self._height)
        self._kept = {belt: rows for belt, rows in self._kept.items() if belt in belts}
        for belt in belts:
            here = np.flatnonzero(wanted // self._height == belt)
            inside = wanted[here] - belt * self._height
            rows = self._belt(int(belt))
            if inside[-1] - inside[0] == len(inside) - 1:
                out[here[0] : here[-1] + 1] = rows[inside[0] : inside[-1] + 1]
            else:
                out[here] = rows[inside]
            if belt not in belts[-2:]:
                self._kept.pop(int(belt), None)
        return out

    def _belt(self, belt: int) -> Array:
        """A row of tiles, or a strip."""
        if belt not in self._kept:
            height = min(self._height, self.shape[0] - belt * self._height)
            rows = np.empty((height, *self.shape[1:]), self.dtype)
            first = belt * self._across
            indices = [
                plane * self._down * self._across + first + i
                for plane in range(self._planes if self._planes == 1 else self.colors)
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
        except OSError as error:
            raise AccessError(f"{self.name} can't be read: {error.strerror or error}") from None
        except Exception as error:  # decoders raise whatever they like on damaged data
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise ImageError(f"{self.name} is damaged or incomplete: {reason[0]}") from None
        part = rows if self._planes == 1 or rows.ndim == 2 else rows[..., plane : plane + 1]
        part = part if part.ndim == 3 else part[..., None]
        if tile is None:  # never written: the file is sparse there
            width = page.tilewidth if page.is_tiled else self.shape[1]
            part[y - top : y - top + self._height, x : x + width] = page.nodata or 0
        else:
            tile = tile[0][: part.shape[0] - (y - top), : part.shape[1] - x, : part.shape[2]]
            part[y - top : y - top + tile.shape[0], x : x + tile.shape[1]] = tile
        return True


def size_of(source: str) -> tuple[int, int, int] | None:
    """Height, width and bytes a pixel of a TIFF's first page; None where they can't be told."""
    try:
        tifffile = _tifffile()
        with tifffile.TiffFile(source) as tiff:
            page = tiff.pages[0]
            bytes_a_pixel = page.samplesperpixel * max(1, page.bitspersample // 8)
            return int(page.imagelength), int(page.imagewidth), int(bytes_a_pixel)
    except Exception:  # whatever is wrong with the file or the extra, the ordinary way says it
        return None


@contextlib.contextmanager
def open_tiff(source: str, frame: int | None, drop: bool) -> Iterator[list[Page]]:
    """The pages of a TIFF, or the one that is asked for. drop: leave alpha out; else a page with alpha is refused."""
    tifffile = _tifffile()
    name = shown(source)
    with contextlib.ExitStack() as stack:
        try:
            tiff = stack.enter_context(tifffile.TiffFile(source))
            pages = list(tiff.pages)
        except OSError as error:
            raise AccessError(f"{name} can't be read: {error.strerror or error}") from None
        except Exception as error:
            raise ImageError(f"{name} is damaged or incomplete: {error}") from None
        if frame is not None:
            if not -len(pages) <= frame < len(pages):
                raise ImageError(f"{name} has no frame {frame}: it has {len(pages)}, counted from 0")
            pages = [pages[frame]]
        file = os.open(source, os.O_RDONLY)
        stack.callback(os.close, file)
        pool = stack.enter_context(ThreadPoolExecutor(thread_count()))
        yield [Page(page.aspage() if hasattr(page, "aspage") else page, file, name, pool, drop) for page in pages]


class Writing:
    """A tiled BigTIFF that is being written, page by page, from rows as they come."""

    def __init__(self, stream: BinaryIO, compression: str | None, note: str | None, threads: int | None) -> None:
        self._tiff = _tifffile().TiffWriter(stream, bigtiff=True)
        self._codec, self._level = _LEVELS[compression or "fast"]
        self._note, self._threads = note, thread_count(threads)

    def page(
        self, bands: Iterator[Array], shape: tuple[int, ...], dtype: Any, source: Page | None,
        tell: Callable[[int], None],
    ) -> None:  # fmt: skip
        """Write one page. source: whose profile and resolution it keeps."""
        colors = 1 if len(shape) == 2 else shape[2]
        words: dict[str, Any] = {}
        if source and source.icc and source.colors == colors:
            words["iccprofile"] = source.icc
        if source and source.resolution:
            words |= {"resolution": source.resolution, "resolutionunit": source.unit}
        self._tiff.write(
            _tiles(bands, shape, tell), shape=shape, dtype=dtype, tile=(TILE, TILE),
            photometric={1: "minisblack", 3: "rgb", 4: "separated"}[colors],
            planarconfig="contig" if colors > 1 else None,
            compression=self._codec, compressionargs=None if self._level is None else {"level": self._level},
            predictor=self._codec is not None, maxworkers=self._threads,
            software=self._note or False, metadata=None, buffersize=1 << 25, **words,
        )  # fmt: skip

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, *trouble: object) -> None:
        if trouble[0] is None:
            self._tiff.close()


def _tiles(bands: Iterator[Array], shape: tuple[int, ...], tell: Callable[[int], None]) -> Iterator[Array]:
    """Whole tiles, filled up with zeros at the right and at the bottom, left to right and then down."""
    height, width = shape[:2]
    row, held = 0, np.empty((0, *shape[1:]))
    for band in bands:
        rows = np.concatenate([held, band]) if len(held) else band
        whole = len(rows) if row + len(rows) == height else len(rows) // TILE * TILE
        for y in range(0, whole, TILE):
            for x in range(0, width, TILE):
                part = rows[y : y + TILE, x : x + TILE]
                spare = [(0, TILE - part.shape[0]), (0, TILE - part.shape[1]), *[(0, 0)] * (part.ndim - 2)]
                yield np.pad(part, spare) if any(after for _, after in spare) else np.ascontiguousarray(part)
        row, held = row + whole, rows[whole:]
        tell(len(band))


def _tifffile() -> Any:
    try:
        import tifffile
    except ImportError:
        raise ImageError(f"pictures larger than memory need the extra `large`: {_INSTALL}") from None
    return tifffile
