"""A picture under several kernels, padding modes or strides, side by side on one labelled sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import PADDING_MODES
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.geometry import extent
from convcli.images.eight_bit import as_rgb
from convcli.sheets.contact_sheet import contact_sheet, fitted

if TYPE_CHECKING:
    from PIL import Image

_MARK = (255, 0, 160)  # a colour that no photograph has
_CORNER = 8  # how many kernel radii of the corner are shown where padding is compared
_LEAST_CORNER = 24


@dataclass(frozen=True)
class Candidate:
    """What stands under a tile, and the recipe that makes it."""

    label: str
    recipe: Recipe


def padding_modes(recipe: Recipe) -> list[Candidate]:
    """The recipe under every padding mode."""
    value = f"{recipe.geometry.padding_value:g}"
    return [
        Candidate(
            f"constant {value}" if mode == "constant" else mode,
            replace(recipe, geometry=replace(recipe.geometry, padding_mode=mode)),
        )
        for mode in PADDING_MODES
    ]


def sheet(picture: NDArray[Any], candidates: Sequence[Candidate], columns: int | None, tile: int) -> Image.Image:
    """The picture and what each recipe makes of it, with the size of each map below it where they differ.

    picture: uint8, uint16 or float32, (H, W) or (H, W, 3).
    """
    tiles, sizes = [fitted(as_rgb(picture), tile)], [_size(picture)]
    for candidate in candidates:
        pixels = run_recipe(picture, candidate.recipe).pixels
        tiles.append(fitted(as_rgb(pixels), tile))
        sizes.append(_size(pixels))
    labels = ["input", *(candidate.label for candidate in candidates)]
    if len(set(sizes)) > 1:
        labels = [f"{label}, {size}" for label, size in zip(labels, sizes, strict=True)]
    else:
        labels[0] += f", {sizes[0]}"
    return contact_sheet(tiles, labels, columns, tile=tile)


def padding_sheet(
    picture: NDArray[Any], candidates: Sequence[Candidate], columns: int | None, tile: int
) -> Image.Image:
    """The upper left corner under each padding mode, magnified; pixels that differ from the first mode's are marked."""
    first = run_recipe(picture, candidates[0].recipe).pixels
    corner = _corner(candidates[0].recipe)
    tiles, labels = [as_rgb(picture[:corner, :corner])], ["input, upper left corner"]
    for candidate in candidates:
        pixels = first if candidate is candidates[0] else run_recipe(picture, candidate.recipe).pixels
        differs = pixels != first
        differs = differs.any(axis=2) if differs.ndim == 3 else differs
        tiles.append(_marked(as_rgb(pixels[:corner, :corner]), differs[:corner, :corner]))
        count = int(differs.sum())
        told = "" if candidate is candidates[0] else f", {count} {'pixel differs' if count == 1 else 'pixels differ'}"
        labels.append(candidate.label + told)
    title = f"Pixels that differ from those under {candidates[0].label} are tinted pink"
    return contact_sheet([_magnified(t, tile) for t in tiles], labels, columns, tile=tile, title=title)


def _corner(recipe: Recipe) -> int:
    kernel, dilation = recipe.kernels[0], recipe.geometry.dilation
    reach = max(extent(k, d) for k, d in zip(kernel.size, dilation, strict=True))
    return max(_LEAST_CORNER, _CORNER * (reach // 2))


def _marked(pixels: NDArray[np.uint8], differs: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Half of each marked pixel's colour gives way to the mark."""
    done = pixels.copy()
    done[differs] = (pixels[differs].astype(np.uint16) + np.array(_MARK, np.uint16)) // 2
    return done


def _magnified(pixels: NDArray[np.uint8], tile: int) -> NDArray[np.uint8]:
    factor = max(1, tile // max(pixels.shape[:2]))
    return pixels.repeat(factor, 0).repeat(factor, 1)


def _size(pixels: NDArray[Any]) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
