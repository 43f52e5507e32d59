"""A picture between reading and writing: its frames as arrays, and what the file was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One frame or page, upright.

    pixels: uint8, uint16 or float32; (H, W) for gray, (H, W, 3) for RGB, (H, W, 4) for CMYK.
    alpha: the same dtype, (H, W), or None.
    duration: how long it is shown, in milliseconds, where the file says so.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    duration: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class Origin:
    """What a file was, as far as a file made from it should be told.

    format and mode are Pillow's words. keep: what is written again where the new format has a place for it.
    """

    format: str
    mode: str
    frames: int = 1
    keep: dict[str, Any] = field(default_factory=dict)
