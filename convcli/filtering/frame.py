"""Filter one frame by a recipe, with its transparency and, if asked for, in linear light."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import ALPHA
from convcli.engine.window import RowWindow
from convcli.errors import RecipeError
from convcli.files.reading import MOST
from convcli.filtering.alpha import as_float, as_samples, sampled, usual, weighted
from convcli.filtering.combine import default_range
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import Filtered, run_recipe
from convcli.geometry import Geometry
from convcli.images import MAX_PIXELS, Frame
from convcli.images.luma import luma
from convcli.ranges import Limits, full_scale, to_pixels


@dataclass(frozen=True)
class PictureOptions:
    """Options for reading and filtering pictures that are not part of the recipe.

    alpha: "keep", "weight", "filter", "drop", or None: what suits each kernel. linear: filter in linear light.
    frame: the only one to read. max_pixels: larger pictures are refused. reduce_depth: 8 bits per channel are enough.
    max_bytes: the most to read from a pipe or a URL.
    """

    alpha: str | None = None
    linear: bool = False
    frame: int | None = None
    max_pixels: int = MAX_PIXELS
    reduce_depth: bool = False
    max_bytes: int = MOST

    def __post_init__(self) -> None:
        if self.alpha not in (None, *ALPHA):
            raise RecipeError(f"alpha must be one of {', '.join(ALPHA)}, not {self.alpha!r}")

    @property
    def described(self) -> str:
        """Describe the options that affect the pixels, as the end of a sentence."""
        return (f", alpha {self.alpha}" if self.alpha else "") + (", linear light" if self.linear else "")


@dataclass
class Count:
    """Counts of saturated samples, and of responses that `normalize` left out, over all frames and kernels."""

    samples: int = 0
    below: int = 0
    above: int = 0
    range: str = "clip"
    infinite: int = 0

    def add(self, done: Filtered) -> None:
        """Add the counts of one step."""
        self.samples += done.samples
        self.below += done.below
        self.above += done.above
        self.infinite += done.infinite
        self.range = done.range


def steps(recipe: Recipe) -> list[Recipe]:
    """Split a chain into recipes of one kernel each, with "raw" only for the last. Combined kernels are one step."""
    if recipe.combine:
        return [recipe]
    chain = [replace(recipe, kernels=(kernel,)) for kernel in recipe.kernels]
    if recipe.range == "raw":
        chain[:-1] = [replace(step, range=None) for step in chain[:-1]]
    return chain


def filter_frame(
    frame: Frame, recipe: Recipe, options: PictureOptions, count: Count, threads: int | None = None,
    window: RowWindow | None = None,
) -> Frame:  # fmt: skip
    """Filter one frame with one kernel, or with several that are combined.

    window: the rows of the result to compute; the frame holds only the rows needed for them.
    """
    kernel, geometry = recipe.kernels[0], recipe.geometry
    way = options.alpha or ("keep" if recipe.combine else usual(kernel))
    if recipe.combine and way not in ("keep", "drop"):
        raise RecipeError(f"combined responses leave alpha as it is or drop it: alpha=keep or drop, not {way!r}")
    if recipe.combine == "angle" and options.linear:
        raise RecipeError("combine=angle makes hues, which have no linear light; leave out --linear")
    if recipe.channels == "gray" and frame.colors == 4:
        raise RecipeError("channels=gray is for RGB pictures, not for CMYK")
    if frame.alpha is None or way == "drop":
        alpha = None
    elif way == "keep" or recipe.range == "raw":
        alpha = sampled(frame.alpha, geometry, kernel.size, window)
    elif way == "filter":
        bare = window.on("alpha") if window else None
        alpha = run_recipe(frame.alpha, _on_alpha(recipe), threads=threads, window=bare).pixels
    else:
        return _weighted(frame, recipe, options, count, threads, window)
    if options.linear and frame.pixels.dtype.kind != "f":
        return replace(frame, pixels=_linear(frame, recipe, count, threads, window), alpha=alpha)
    done = run_recipe(frame.pixels, recipe, threads=threads, window=window)
    count.add(done)
    return replace(frame, pixels=done.pixels, alpha=alpha)


def _on_alpha(recipe: Recipe) -> Recipe:
    """Return the recipe for filtering alpha alone; a kernel of depth 3 is replaced by the mean of its grids."""
    kernel = recipe.kernels[0]
    if kernel.depth > 1:
        kernel = replace(kernel, weights=kernel.weights.mean(axis=0))
    return replace(recipe, kernels=(kernel,), channels="each")


def _linear(frame: Frame, recipe: Recipe, count: Count, threads: int | None, window: RowWindow | None) -> NDArray[Any]:
    """Filter the frame's colours in linear light."""
    if frame.colors == 4:
        raise RecipeError("linear light is for gray and RGB pictures; CMYK is ink")
    image = _light().to_linear(luma(frame.pixels) if recipe.channels == "gray" else frame.pixels)
    raw = replace(recipe, range="raw", geometry=in_linear_light(recipe.geometry))
    responses = run_recipe(image, raw, threads=threads, window=window).pixels
    return _settled(responses, recipe, frame.pixels.dtype, count, True, window)


def _weighted(
    frame: Frame, recipe: Recipe, options: PictureOptions, count: Count, threads: int | None, window: RowWindow | None
) -> Frame:
    """Filter the frame with colours weighted by alpha, in linear light if `options` say so."""
    assert frame.alpha is not None
    kernel, geometry, pixels = recipe.kernels[0], recipe.geometry, frame.pixels
    if recipe.channels == "gray":
        pixels = luma(pixels)
    linear = options.linear and pixels.dtype.kind != "f"
    color = _light().to_linear(pixels) if linear else as_float(pixels)
    depth = recipe.channels == "sum" or kernel.depth > 1
    if kernel.depth > 1 and frame.colors != kernel.depth:
        run_recipe(pixels, recipe, window=window)  # raises the error that names the mismatch
    place = in_linear_light(geometry) if linear else geometry
    responses, alpha = weighted(color, as_float(frame.alpha), kernel, place, depth, threads, window)
    return replace(
        frame,
        pixels=_settled(responses, recipe, frame.pixels.dtype, count, linear, window),
        alpha=as_samples(alpha, frame.alpha.dtype),
    )


def _settled(
    responses: NDArray[np.float32], recipe: Recipe, dtype: Any, count: Count, linear: bool, window: RowWindow | None
) -> NDArray[Any]:
    """Convert responses with white at 1.0 to pixels of dtype, and add the saturated ones to `count`."""
    range_ = recipe.range or recipe.kernels[0].range or "clip"
    if recipe.combine:
        range_ = recipe.range or default_range(recipe.combine, recipe.kernels)
    if range_ == "raw":
        count.add(Filtered(responses, range_))
        return responses * np.float32(full_scale(dtype))
    whole = Limits.in_responses(responses) if range_ == "normalize" and not window else None
    limits = window.limits if window else whole
    if not linear:
        pixels, below, above = to_pixels(responses, range_, dtype, limits)
    else:
        mapped, _, _ = to_pixels(responses, range_, np.float32, limits)
        below, above = int((mapped < 0).sum()), int((mapped > 1).sum())
        pixels = _light().from_linear(mapped, dtype)
    count.add(Filtered(pixels, range_, pixels.size, below, above, whole.infinite if whole else 0))
    return pixels


def _light() -> ModuleType:
    """Import the module `linear_light`, which most runs do not need."""
    from convcli.filtering import linear_light

    return linear_light


def in_linear_light(geometry: Geometry) -> Geometry:
    """Return the geometry with its padding value, which is an sRGB value, converted to linear light."""
    return replace(geometry, padding_value=255 * float(_light().decode(geometry.padding_value / 255)))
