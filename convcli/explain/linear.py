"""One pixel in linear light: the picture brought there, explained, and the pixel brought back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convcli.errors import RecipeError
from convcli.explain.pixel import Explanation, explain_pixel
from convcli.filtering.frame import Count, PictureOptions, filter_frame, in_linear_light
from convcli.filtering.linear_light import to_linear
from convcli.filtering.recipe import Recipe
from convcli.images import Frame
from convcli.images.luma import luma


def explain_linear(frame: Frame, recipe: Recipe, at: tuple[int, int] | None = None) -> Explanation:
    """Explain the pixel at (x, y) that the recipe makes of a frame in linear light, whatever its alpha.

    Raises RecipeError for several kernels and for CMYK, and whatever `explain_pixel` raises.
    """
    if len(recipe.kernels) > 1:
        raise RecipeError("explain --linear shows one kernel; give a single -k")
    frame = replace(frame, alpha=None)
    if frame.pixels.dtype.kind == "f":
        return explain_pixel(frame.pixels, recipe, at)
    pixels = filter_frame(frame, recipe, PictureOptions(linear=True), Count()).pixels
    gray = recipe.channels == "gray"
    light = to_linear(luma(frame.pixels) if gray else frame.pixels)
    found = explain_pixel(light, replace(recipe, geometry=in_linear_light(recipe.geometry)), at)
    stored = np.atleast_1d(pixels[found.y, found.x])
    names = ("luma",) if gray else tuple(r.channel for r in found.responses)
    return replace(
        found,
        stored=frame.pixels.dtype,
        responses=tuple(
            replace(r, channel=name, pixel=p.item())
            for r, name, p in zip(found.responses, names, stored, strict=True)
        ),
    )  # fmt: skip
