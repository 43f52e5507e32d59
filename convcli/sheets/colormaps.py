"""Numbers to colours: tables of 256 RGB colours, perceptual or diverging.

viridis, magma: drawn through ten colours of the maps by Smith, van der Walt and Firing (2015, CC0), whose lightness
rises evenly from dark to light.
diverging: blue - white - red, made here in Oklab (Ottosson, "A perceptual color space for image processing", 2020):
the lightness falls evenly from the white of zero to both ends, hue and chroma mirror each other.
"""

from __future__ import annotations

from functools import cache
from math import cos, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError

_VIRIDIS = "440154 482878 3e4a89 31688e 26828e 1f9e89 35b779 6dcd59 b4de2c fde725"
_MAGMA = "000004 180f3e 451077 721f81 9f2f7f cd4071 f1605d fd9567 fec98d fcfdbf"

COLORMAPS = ("gray", "viridis", "magma", "diverging")


@cache
def table(name: str) -> NDArray[np.uint8]:
    """The 256 colours of a map, (256, 3)."""
    if name == "gray":
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    if name == "viridis":
        return _through(_VIRIDIS)
    if name == "magma":
        return _through(_MAGMA)
    if name == "diverging":
        return _diverging()
    raise RecipeError(f"colormap must be one of {', '.join(COLORMAPS)}, not {name!r}")


def colored(values: NDArray[Any], name: str, low: float, high: float) -> NDArray[np.uint8]:
    """Values as RGB (..., 3): `low` gets the first colour, `high` the last, what is beyond the nearest, NaN gray."""
    span = high - low
    with np.errstate(invalid="ignore", over="ignore"):
        place = (values.astype(np.float64) - low) * (255 / span) if span > 0 else np.zeros(values.shape)
    missing = np.isnan(place)
    index = np.rint(np.where(missing, 0, place)).clip(0, 255).astype(np.intp)
    colors: NDArray[np.uint8] = table(name)[index]
    colors[missing] = (128, 128, 128)
    return colors


def _through(colors: str) -> NDArray[np.uint8]:
    stops = np.array([list(bytes.fromhex(color)) for color in colors.split()], float)
    at, places = np.linspace(0, 1, len(stops)), np.linspace(0, 1, 256)
    between = np.stack([np.interp(places, at, stops[:, c]) for c in range(3)], axis=1)
    return np.asarray(np.rint(between), np.uint8)


def _diverging() -> NDArray[np.uint8]:
    """Zero lies between the two middle colours, which are the same white."""
    side = np.linspace(0, 1, 128) ** 0.9
    lightness, chroma = 0.975 - 0.575 * side, 0.165 * np.sin(side * radians(110)) / sin(radians(110))
    halves = [oklab(lightness, chroma * cos(radians(hue)), chroma * sin(radians(hue))) for hue in (255, 30)]
    return np.concatenate([halves[0][::-1], halves[1]])


def oklab(lightness: Any, a: Any, b: Any) -> NDArray[np.uint8]:
    """Oklab to 8-bit sRGB, by the published matrices; colours that the screen lacks are clipped."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=-1,
    ).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), np.uint8)
