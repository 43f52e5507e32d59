"""Pictures of any kind as 8-bit arrays, for screens, sheets and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.images import Reading
from convcli.ranges import full_scale

Pixels = NDArray[np.uint8]

_BEHIND = 128  # the gray behind what is transparent


def as_bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert pixels of any depth to 8 bits."""
    if image.dtype == np.uint8:
        return image
    shares = image.astype(np.float64) * (255 / full_scale(image.dtype))
    return np.rint(np.nan_to_num(shares)).clip(0, 255).astype(np.uint8)


def picture_of(path: str | Path, pipes: bool = False) -> Pixels:
    """Read the first frame of a picture as 8-bit RGB, (H, W, 3), blended over gray where it is transparent.

    pipes: see Reading.
    """
    with Reading(path, pipes=pipes) as reading:
        frame = next(reading.frames())
    pixels = as_bytes(frame.pixels)
    if frame.colors == 4:
        from PIL import Image

        pixels = np.asarray(Image.fromarray(pixels, "CMYK").convert("RGB"))
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if frame.alpha is not None:
        pixels = over_gray(pixels, as_bytes(frame.alpha))
    return pixels


def over_gray(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Blend pixels of any number of channels over the gray background."""
    veil = (alpha if pixels.ndim == 2 else alpha[:, :, None]).astype(np.float32) / 255
    mixed: Pixels = np.rint(pixels * veil + _BEHIND * (1 - veil)).astype(np.uint8)
    return mixed


def as_rgb(pixels: NDArray[Any]) -> Pixels:
    """Convert gray or RGB pixels of any depth to 8-bit RGB, (H, W, 3)."""
    eight = as_bytes(pixels)
    return np.repeat(eight.reshape(*eight.shape[:2], 1), 3, axis=2) if eight.ndim == 2 or eight.shape[2] == 1 else eight
