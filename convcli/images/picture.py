"""A picture in memory: its frames as arrays, its metadata, and facts about its file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from convcli.images.exif import Entry


@dataclass(frozen=True)
class Frame:
    """One frame or page, upright.

    pixels: uint8, uint16 or float32; (H, W) for gray, (H, W, 3) for RGB, (H, W, 4) for CMYK.
    alpha: the same dtype, (H, W), or None.
    duration: how long it is shown, in milliseconds, where the file says so.
    integer: the float32 samples are 32-bit integers, and are written as integers.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    duration: float | None = None
    integer: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def rows(self, start: int, stop: int) -> Frame:
        """Return the rows [start, stop) of the frame, fewer at its end."""
        alpha = None if self.alpha is None else self.alpha[start:stop]
        return replace(self, pixels=self.pixels[start:stop], alpha=alpha)

    @property
    def colors(self) -> int:
        """Samples a pixel without alpha: 1, 3 or 4."""
        return 1 if self.pixels.ndim == 2 else self.pixels.shape[2]

    @property
    def described(self) -> str:
        """The frame's kind in words: "8-bit RGB with transparency"."""
        depth = {"uint8": "8-bit", "uint16": "16-bit", "float32": "float"}[self.pixels.dtype.name]
        if self.integer:
            depth = "32-bit integer"
        color = {1: "gray", 3: "RGB", 4: "CMYK"}[self.colors]
        return f"{depth} {color}{' with transparency' if self.alpha is not None else ''}"


@dataclass(frozen=True)
class Metadata:
    """Metadata of a file. Orientation has already been applied to the pixels.

    exif: TIFF structure without a prefix. dpi: horizontal, vertical. text: PNG's keywords and texts. colour: PNG's
        chunks that describe the colour space, besides the ICC profile.
    geography, nodata: of a TIFF, where its pixels are on the earth, and which value stands for none.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: bytes | None = None
    text: dict[str, str] = field(default_factory=dict)
    colour: tuple[tuple[bytes, bytes], ...] = ()
    geography: tuple[Entry, ...] = ()
    nodata: str | None = None


@dataclass(frozen=True)
class Origin:
    """Facts about a source file that matter for writing the result. format and mode are named as in Pillow.

    frames: how many. loop: how often they are shown (0: for ever, None: the file does not say).
    lossless: whether the file's encoding is. jpeg: quantization tables and subsampling. compression: of a TIFF.
    """

    format: str
    mode: str
    frames: int = 1
    loop: int | None = None
    lossless: bool = True
    jpeg: dict[str, Any] | None = None
    compression: str | None = None
