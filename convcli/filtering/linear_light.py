"""Conversion between sRGB pixels and linear light by the transfer function of IEC 61966-2-1."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.ranges import full_scale


def decode(v: Any) -> Any:
    """Convert sRGB 0..1 to linear 0..1: v / 12.92 up to 0.04045, then ((v + 0.055) / 1.055) ** 2.4."""
    v = np.asarray(v, np.float64)
    return np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0) + 0.055) / 1.055) ** 2.4)


def encode(x: Any) -> Any:
    """Convert linear 0..1 to sRGB 0..1."""
    x = np.asarray(x, np.float64)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 0) ** (1 / 2.4) - 0.055)


def to_linear(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Convert pixels to linear light, white at 1.0. Float pictures are linear already."""
    if pixels.dtype.kind == "f":
        return pixels
    linear: NDArray[np.float32] = _table(pixels.dtype.name)[pixels]
    return linear


def from_linear(light: NDArray[np.float32], dtype: Any) -> NDArray[Any]:
    """Convert linear light to pixels, clipped to 0..1. Inverse of `to_linear` for every pixel value."""
    if np.dtype(dtype).kind == "f":
        return light
    light = light.clip(0, 1)
    if np.dtype(dtype) == np.uint8:  # 1/65535 is a twentieth of the smallest step between 8-bit values
        return np.asarray(_steps()[np.rint(light * np.float32(65535)).astype(np.uint16)])
    return np.asarray(np.rint(encode(light) * full_scale(dtype)), dtype)


@cache
def _table(dtype: str) -> NDArray[np.float32]:
    top = int(full_scale(dtype))
    linear: NDArray[np.float32] = decode(np.arange(top + 1) / top).astype(np.float32)
    return linear


@cache
def _steps() -> NDArray[np.uint8]:
    steps: NDArray[np.uint8] = np.rint(encode(np.arange(65536) / 65535) * 255).astype(np.uint8)
    return steps
