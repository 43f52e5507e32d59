"""One picture larger than memory: filtered band by band of rows, with the rows the kernel needs around each band.

The result is bit for bit that of the whole picture at once. A chain of kernels is a chain of sources: each band of one
asks the one before it for the rows it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convcli import __version__
from convcli.engine.window import Window, row_unit
from convcli.errors import ConvcliError, ImageError, RecipeError
from convcli.files import check_output, whole
from convcli.filtering import Outcome, described, free_memory, saturation
from convcli.frames import Handling, steps
from convcli.images import Target
from convcli.recipe import Filtered, Recipe, run
from convcli.tiled import TILE, Page, Writing, open_tiff, size_of
from convcli.tone import normalize, tone_of

Array = NDArray[Any]
_ROWS = 1024  # more rows a band bring nothing


class Source(Protocol):
    """Rows of a picture, on demand. shape: (H, W) or (H, W, C)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def rows(self, wanted: NDArray[np.intp]) -> Array:
        """These rows, ascending, as one array."""
        ...


class Step:
    """One kernel over a source: a source of the map's rows, made in bands of `band` rows.

    limits: of the responses, for the range normalize. Two bands are kept: the next step's halo lies in the last one.
    """

    def __init__(self, source: Source, recipe: Recipe, memory: int, threads: int | None) -> None:
        self._source, self._recipe, self._threads = source, recipe, threads
        (self._kernel,) = recipe.kernels
        self._size = (source.shape[0], source.shape[1])
        rows, columns = recipe.geometry.output(self._size, self._kernel.size)
        self.range = recipe.range or self._kernel.range or "clip"
        channels = source.shape[2] if len(source.shape) == 3 else 1
        depth = recipe.channels == "sum" or self._kernel.depth > 1
        gray = recipe.channels == "gray" or depth or len(source.shape) == 2
        self.shape: tuple[int, ...] = (rows, columns) if gray else (rows, columns, channels)
        self.dtype = np.dtype(np.float32) if self.range == "raw" else source.dtype
        tone = None if self.range in ("raw", "normalize") else tone_of(self.range, source.dtype)
        seen = 1 if recipe.channels == "gray" else channels
        unit = row_unit(self._kernel, recipe.geometry, source.dtype, (*self._size, seen), depth, tone)
        self.band = _band(source, self.shape, self.dtype, recipe, unit, memory)
        self.limits: tuple[float, float] | None = None
        self.finite = True
        self.count = Filtered(np.empty(0), self.range)
        self._kept: dict[int, Array] = {}

    def prepare(self, tell: Callable[[int], None]) -> None:
        """What has to be known of the whole picture before its first row can be made."""
        if self._source.dtype.kind == "f":
            self.finite = all(np.isfinite(self._source.rows(part)).all() for part in _parts(self.shape_in, self.band))
        if self.range == "normalize":
            low, high = np.inf, -np.inf
            for first in range(0, self.shape[0], self.band):
                responses = self._made(first, "raw").pixels
                low, high = min(low, float(responses.min())), max(high, float(responses.max()))
                tell(len(responses))
            self.limits = (low, high)

    @property
    def shape_in(self) -> tuple[int, ...]:
        """The source's shape."""
        return self._source.shape

    def bands(self) -> Iterator[Array]:
        """The map from top to bottom."""
        for first in range(0, self.shape[0], self.band):
            yield self._block(first)

    def rows(self, wanted: NDArray[np.intp]) -> Array:
        """These rows of the map, ascending."""
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        for first in np.unique(wanted // self.band) * self.band:
            here = (wanted >= first) & (wanted < first + self.band)
            out[here] = self._block(int(first))[wanted[here] - first]
        return out

    def _block(self, first: int) -> Array:
        if first not in self._kept:
            while len(self._kept) > 1:
                del self._kept[next(iter(self._kept))]
            done = self._made(first, self.range)
            pixels = done.pixels
            if self.range == "normalize":
                pixels = normalize(pixels, self.dtype, self.limits)
            total = self.count
            self.count = replace(
                total, samples=total.samples + done.samples, below=total.below + done.below,
                above=total.above + done.above,
            )  # fmt: skip
            self._kept[first] = pixels
        return self._kept[first]

    def _made(self, first: int, range_: str) -> Filtered:
        recipe = replace(self._recipe, range="raw" if range_ == "normalize" else range_)
        last = min(first + self.band, self.shape[0])
        window = Window.of(self._size, self._kernel.size, recipe.geometry, first, last, self.finite)
        rows = window.rows if len(window.rows) else np.zeros(1, np.intp)
        return run(self._source.rows(rows), recipe, threads=self._threads, window=window)


def _parts(shape: tuple[int, ...], band: int) -> Iterator[NDArray[np.intp]]:
    for first in range(0, shape[0], band):
        yield np.arange(first, min(first + band, shape[0]))


def _band(source: Source, shape: tuple[int, ...], dtype: Any, recipe: Recipe, unit: int, memory: int) -> int:
    """How many rows of the map to make at a time: what fits, in whole units."""
    row_in = int(np.prod(source.shape[1:])) * source.dtype.itemsize * recipe.geometry.stride[0]
    samples = int(np.prod(shape[1:]))
    row_out = samples * (np.dtype(dtype).itemsize * 2 + (4 if recipe.range == "normalize" else 0))
    fit = memory // (2 * (2 * row_in + row_out))
    step = unit * -(-TILE // unit)
    return int(max(step, min(fit, _ROWS) // step * step))


def streams(source: str, output: str, memory: int | None, max_pixels: int | None) -> bool:
    """Whether the picture is a TIFF, to be written as one, that is too large to be held in memory.

    memory: bytes that may be used, or None: a quarter of what is free. max_pixels: as asked for; more is refused, and
    so not streamed.
    """
    if "-" in (source, output) or Path(output).suffix.lower() not in (".tif", ".tiff"):
        return False
    path = Path(source)
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
            if head not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") or path.stat().st_size < 1 << 16:
                return False
    except OSError:
        return False
    from convcli.images import MAX_PIXELS

    found = size_of(source)
    if found is None:
        return False
    height, width, bytes_a_pixel = found
    if max_pixels is not None and height * width > max_pixels:
        return False
    limit = memory if memory is not None else (free_memory() or 1 << 32) // 4
    return height * width * bytes_a_pixel * 3 > limit or height * width > (max_pixels or MAX_PIXELS)


def filter_large(
    source: str,
    output: str,
    recipe: Recipe,
    target: Target,
    handling: Handling,
    *,
    memory: int | None = None,
    force: bool = False,
    threads: int | None = None,
    tell: Callable[[int, int], None] = lambda rows, total: None,
) -> Outcome:
    """Filter a TIFF in bands; a tiled, compressed BigTIFF comes out, page by page.

    memory: bytes that may be used; None is a quarter of what is free. tell: is given rows done and rows in all.
    Raises ConvcliError, as filter_file does, and where the picture is of a kind that is not streamed.
    """
    begin = perf_counter()
    check_output(output, force)
    _check(recipe, handling)
    limit = memory if memory is not None else (free_memory() or 1 << 32) // 4
    counts, sizes = Filtered(np.empty(0), "clip"), []
    with open_tiff(source, handling.frame, handling.alpha == "drop") as pages, whole(output, force) as stream:
        note = None if target.strip else f"convcli {__version__}: {described(recipe)}"
        with Writing(stream, target.compression, note, threads) as writing:
            for page in pages:
                done, size = _page(page, recipe, writing, target, limit // (len(recipe.kernels) + 1), threads, tell)
                counts = replace(
                    done, samples=counts.samples + done.samples, below=counts.below + done.below,
                    above=counts.above + done.above,
                )  # fmt: skip
                sizes.append(((page.shape[0], page.shape[1]), size))
    told = saturation(counts.range, counts.samples, counts.below, counts.above)
    return Outcome(
        "TIFF", pages[0].described, len(pages), sizes[0][0], sizes[0][1], counts.range, counts.samples, counts.below,
        counts.above, perf_counter() - begin, (told,) if told else (),
    )  # fmt: skip


def _check(recipe: Recipe, handling: Handling) -> None:
    if recipe.combine:
        raise RecipeError("--combine needs the whole picture in memory; raise --memory, or use one kernel")
    if handling.linear:
        raise RecipeError("--linear needs the whole picture in memory; raise --memory, or leave it out")
    if handling.reduce_depth:
        raise RecipeError("--reduce-depth needs the whole picture in memory; raise --memory, or leave it out")


def _page(
    page: Page, recipe: Recipe, writing: Writing, target: Target, memory: int, threads: int | None,
    tell: Callable[[int, int], None],
) -> tuple[Filtered, tuple[int, int]]:  # fmt: skip
    """One page through all steps and into the file."""
    try:
        chain: list[Step] = []
        for part in steps(recipe):
            chain.append(Step(chain[-1] if chain else page, part, memory, threads))
        last = chain[-1]
        seen, total = 0, last.shape[0] + sum(step.shape[0] for step in chain if step.range == "normalize")

        def advance(rows: int) -> None:
            nonlocal seen
            seen += rows
            tell(seen, total)

        for step in chain:
            step.prepare(advance)
        writing.page(last.bands(), last.shape, last.dtype, None if target.strip else page, advance)
    except ImageError:
        raise
    except ConvcliError as error:
        raise type(error)(f"{page.name}: {error}") from None
    counts = [step.count for step in chain]
    below, above = sum(c.below for c in counts), sum(c.above for c in counts)
    done = replace(last.count, samples=sum(c.samples for c in counts), below=below, above=above)
    return done, (last.shape[0], last.shape[1])
