"""Pictures with the statistics of photographs, drawn from a seed: nothing is downloaded.

The amplitude of natural images falls as 1/f (Field 1987, J. Opt. Soc. Am. A 4, 2379), their colours go together, they
have edges, and a sensor adds noise: that is what a codec and a filter feel of a picture.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[Any]
SIZES = {0.3: (480, 640), 2: (1224, 1632), 12: (3000, 4000), 100: (8660, 11547)}  # megapixels: height, width
_FIELD = 2048


@cache
def _field(seed: int) -> Pixels:
    """Noise of a 1/f spectrum, (N, N) float32 of mean 0 and deviation 1, periodic."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(_FIELD)[:, None], np.fft.rfftfreq(_FIELD)[None])
    f[0, 0] = np.inf
    phases = np.exp(2j * np.pi * rng.random(f.shape))
    noise = np.fft.irfft2(phases / f, (_FIELD, _FIELD)).astype(np.float32)
    return noise / noise.std()


def _cut(seed: int, size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """A part of the field of that size, repeated where the picture is larger."""
    top, left = rng.integers(0, _FIELD, 2)
    rows = (np.arange(size[0]) + top) % _FIELD
    columns = (np.arange(size[1]) + left) % _FIELD
    return _field(seed)[np.ix_(rows, columns)]


@cache
def photograph(megapixels: float = 12, seed: int = 0) -> Pixels:
    """An RGB picture (H, W, 3), uint8; read-only."""
    return drawn(SIZES[megapixels], seed)


def drawn(size: tuple[int, int], seed: int) -> Pixels:
    """Light and shade with objects in front of each other, a little colour, and the noise of a sensor."""
    rng = np.random.default_rng(seed)
    light = _cut(1, size, rng)
    objects = np.where(_cut(2, size, rng) > 0.4, 45, 0) + np.where(_cut(3, size, rng) < -0.8, -30, 0)
    pixels = np.empty((*size, 3), np.uint8)
    grain = rng.normal(0, 2.5, (256, 4096)).astype(np.float32).ravel()
    for c in range(3):
        layer = 118 + 38 * light + objects + 9 * _cut(4 + c, size, rng)
        for y in range(size[0]):
            start = int(rng.integers(0, grain.size - size[1]))
            layer[y] += grain[start : start + size[1]]
        pixels[:, :, c] = np.clip(layer, 0, 255)
    pixels.flags.writeable = False
    return pixels


def save(pixels: Pixels, path: Path) -> Path:
    """Written as a camera or an editor would: JPEG at quality 92, PNG as Pillow does by itself."""
    Image.fromarray(pixels).save(path, quality=92)
    return path
