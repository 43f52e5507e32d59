"""Writing pictures: which mode a format takes, and the options it is written with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from convcli.errors import ImageError
from convcli.images.formats import HOLDS, NPY, format_of
from convcli.images.modes import image_of
from convcli.images.picture import Frame, Origin
from convcli.images.png import write_png

# A mode and the ones that hold it without loss, nearest first.
_WIDER = {
    "1": ("1", "L", "RGB"),
    "L": ("L", "RGB", "LA", "RGBA"),
    "LA": ("LA", "RGBA"),
    "RGB": ("RGB", "RGBA"),
    "F": ("F",),
    "I;16": ("I;16",),
    "CMYK": ("CMYK",),
    "RGBA": ("RGBA",),
}


@dataclass(frozen=True)
class Target:
    """Where a picture goes: the format, and how it is written there."""

    format: str
    threads: int = 1

    @classmethod
    def of(cls, path: str | Path, word: str | None = None, **options: Any) -> Target:
        """The target that a path's suffix, or the word of --format, names."""
        return cls(format_of(path, word), **options)

    @property
    def raw(self) -> bool:
        """Whether the responses themselves are wanted, before any range mapping."""
        return self.format == NPY

    def write(self, stream: BinaryIO, frames: Sequence[Frame], origin: Origin) -> None:
        """Write the frames. Raises ImageError where the format can't hold them."""
        frame = frames[0]
        if self.raw:
            np.lib.format.write_array(stream, frame.pixels, allow_pickle=False)
        elif self.format == "PNG" and _colors(frame) != 4 and frame.pixels.dtype.kind == "u":
            write_png(stream, frame.pixels, frame.alpha, threads=self.threads)
        else:
            self._save(stream, frame, origin)

    def _save(self, stream: BinaryIO, frame: Frame, origin: Origin) -> None:
        image = image_of(frame.pixels, frame.alpha)
        mode = next((wide for wide in _WIDER[image.mode] if wide in HOLDS[self.format]), None)
        if mode is None:
            raise ImageError(f"{self.format} can't hold {_described(frame)}; write PNG or TIFF")
        if mode != image.mode:
            image = image.convert(mode)
        try:
            image.save(stream, self.format, **_options(self.format))
        except (OSError, ValueError, KeyError) as error:
            if getattr(error, "errno", None):
                raise
            raise ImageError(f"{self.format} refuses the picture: {error}") from None


def _options(format_: str) -> dict[str, Any]:
    if format_ == "JPEG":
        return {"quality": 95, "subsampling": 0}
    if format_ == "WEBP":
        return {"lossless": True}
    return {}


def _colors(frame: Frame) -> int:
    return 1 if frame.pixels.ndim == 2 else frame.pixels.shape[2]


def _described(frame: Frame) -> str:
    depth = {"uint8": "8-bit", "uint16": "16-bit", "float32": "float"}[frame.pixels.dtype.name]
    color = {1: "gray", 3: "colour", 4: "CMYK"}[_colors(frame)]
    return f"{depth} {color}{' with transparency' if frame.alpha is not None else ''}"
