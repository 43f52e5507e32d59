"""Apply a recipe to an array: its kernels in sequence, or all of them combined."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli import engine
from convcli.engine.window import RowWindow, Whole
from convcli.errors import RecipeError
from convcli.filtering import combine
from convcli.filtering.recipe import Recipe
from convcli.geometry import extent
from convcli.images.luma import luma
from convcli.kernel import Kernel
from convcli.ranges import Limits, normalize, range_map
from convcli.words import counted

_SAMPLES = 1 << 20  # in a band of responses that are combined


@dataclass(frozen=True)
class Filtered:
    """The result of a recipe: pixels (H, W) or (H, W, C), the range used last, and counts over all steps of the chain.

    samples: how many there were. below, above: how many saturated. infinite: how many responses were NaN or infinite
    and therefore left out by `normalize`; counted only without a window.
    """

    pixels: NDArray[Any]
    range: str
    samples: int = 0
    below: int = 0
    above: int = 0
    infinite: int = 0


def run_recipe(
    image: NDArray[Any], recipe: Recipe, *, threads: int | None = None, window: RowWindow | None = None,
    out: NDArray[Any] | None = None,
) -> Filtered:  # fmt: skip
    """Apply the recipe to an array (H, W) or (H, W, C) of uint8, uint16 or float32.

    window: the rows of the result to compute, if the array holds only the rows needed for them. The recipe must then be
        one step: one kernel, or several that are combined.
    out: an array that may be used for the result, unless the last kernel's responses need a second pass.

    Raises RecipeError if the picture's channels do not match, GeometryError if a kernel does not fit.
    """
    if recipe.combine:
        return _combined(image, recipe, threads, window)
    last = len(recipe.kernels) - 1
    samples = below = above = infinite = 0
    for step, kernel in enumerate(recipe.kernels):
        range_ = recipe.range or kernel.range or "clip"
        if range_ == "raw" and step < last:
            range_ = kernel.range or "clip"
        depth = recipe.channels == "sum" or kernel.depth > 1
        if recipe.channels == "gray":
            image = luma(image)
        _check_depth(image, kernel, depth)
        mapping = None if range_ in ("raw", "normalize") else range_map(range_, image.dtype)
        dtype = image.dtype
        done = engine.convolve(
            image, kernel, recipe.geometry, depth=depth, mapping=mapping, threads=threads, window=window,
            out=out if step == last and range_ != "normalize" else None,
        )  # fmt: skip
        samples, below, above = samples + done.pixels.size, below + done.below, above + done.above
        image = done.pixels
        if range_ == "normalize":
            limits = window.limits if window else Limits.in_responses(image)
            image = normalize(image, dtype, limits)
            infinite += 0 if window else limits.infinite
    return Filtered(image, range_, samples, below, above, infinite)


def warm(recipe: Recipe) -> None:
    """Compile or load the code that the recipe needs, by a run on a small picture. Raises as `run_recipe` does."""
    run_recipe(np.zeros((64, 64, 3), np.uint8), recipe, threads=1)


def _combined(image: NDArray[Any], recipe: Recipe, threads: int | None, window: RowWindow | None) -> Filtered:
    """Combine the responses of all kernels to the same pixels, and convert them to pixels.

    This is done in bands of rows, because responses take eight times the memory of a photograph.
    """
    if window:
        return _combined_rows(image, recipe, threads, window)
    whole = Whole()

    def made() -> Iterator[Filtered]:
        for band in _bands(image, recipe, whole):
            yield _combined_rows(image[band.rows], recipe, threads, band)

    range_, infinite = recipe.range or combine.default_range(str(recipe.combine), recipe.kernels), 0
    if range_ == "normalize":
        for _ in made():  # the first pass finds the limits
            pass
        whole.limits["color"].known = True
        infinite = whole.limits["color"].infinite
    parts = made()
    first = next(parts)
    rows, columns = recipe.output((image.shape[0], image.shape[1]))
    pixels = np.empty((rows, columns, *first.pixels.shape[2:]), first.pixels.dtype)
    filled = samples = below = above = 0
    for part in chain([first], parts):
        pixels[filled : filled + len(part.pixels)] = part.pixels
        filled += len(part.pixels)
        samples, below, above = samples + part.samples, below + part.below, above + part.above
    return Filtered(pixels, first.range, samples, below, above, infinite)


def _bands(image: NDArray[Any], recipe: Recipe, whole: Whole) -> Iterator[RowWindow]:
    """Split the result into windows from top to bottom, so high that few rows at their edges are filtered twice."""
    size = image.shape[0], image.shape[1]
    kernels, (rows, columns) = [kernel.size for kernel in recipe.kernels], recipe.output(size)
    told = Whole(units=[1])
    first = RowWindow.needed(size, kernels, recipe.geometry, 0, 1, told)
    _combined_rows(image[first.rows], recipe, 1, first)
    step = math.lcm(*(told.units or ()))
    tallest = max(extent(height, recipe.geometry.dilation[0]) for height, _ in kernels)
    enough = max(_SAMPLES // (columns * math.prod(image.shape[2:])), 8 * tallest)
    step *= -(-enough // step)
    for start in range(0, rows, step):
        yield RowWindow.needed(size, kernels, recipe.geometry, start, min(start + step, rows), whole)


def _combined_rows(image: NDArray[Any], recipe: Recipe, threads: int | None, window: RowWindow) -> Filtered:
    how = str(recipe.combine)
    depth = recipe.channels == "sum" or recipe.kernels[0].depth > 1
    if recipe.channels == "gray" or (how == "angle" and not depth):
        image = luma(image)
    _check_depth(image, recipe.kernels[0], depth)
    dtype, range_ = image.dtype, recipe.range or combine.default_range(how, recipe.kernels)
    responses = combine.responses(image, recipe.kernels, recipe.geometry, depth, threads, window)
    if how == "angle":
        angles, strength = combine.directions(responses)
        pixels = angles.astype(np.float32) if range_ == "raw" else combine.hues(angles, strength, dtype)
        return Filtered(pixels, range_ if range_ == "raw" else "clip", angles.size)
    combined = combine.combined(responses, how)
    if range_ == "raw":
        return Filtered(combined.astype(np.float32), range_, combined.size)
    pixels, below, above = combine.to_pixels(combined, range_, dtype, window.limits)
    return Filtered(pixels, range_, pixels.size, below, above)


def _check_depth(image: NDArray[Any], kernel: Kernel, depth: bool) -> None:
    channels = 1 if image.ndim == 2 else image.shape[2]
    if depth and kernel.depth > 1 and channels != kernel.depth:
        raise RecipeError(
            f"{kernel.label} has depth {kernel.depth}, but the picture has {counted(channels, 'channel')}; "
            "a kernel of depth 1 fits any picture"
        )
