"""From a picture to a network's input: resize, crop, scale, normalise; (H, W) or (H, W, C) to float32 (C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.ranges import full_scale
from convcli.words import counted


@dataclass(frozen=True)
class Preparation:
    """What happens to the pixels, in this order.

    resize: the shorter side's length, or (height, width); bilinear over the area that shrinks.
    center_crop: (height, width).
    scale: factor for pixels on the 0..255 scale, whatever the picture's depth.
    mean, std: one number, or one for each channel: (x * scale - mean) / std.
    """

    resize: int | tuple[int, int] | None = None
    center_crop: tuple[int, int] | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width after resizing and cropping. Raises RecipeError where the crop is too large."""
        size = self._resized(size)
        if self.center_crop is None:
            return size
        if self.center_crop[0] > size[0] or self.center_crop[1] > size[1]:
            wanted, found = ("x".join(map(str, s)) for s in (self.center_crop, size))
            raise RecipeError(f"center-crop {wanted} is larger than the picture, {found}; resize it first")
        return self.center_crop

    def check(self, channels: int) -> None:
        """Raises RecipeError where mean and std do not fit that many channels."""
        for what, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers and len(numbers) not in (1, channels):
                has = counted(len(numbers), "number")
                raise RecipeError(f"{what} has {has}, but the picture has {counted(channels, 'channel')}")
        if 0 in self.std:
            raise RecipeError("std must not be zero")

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """The picture's pixels as planes."""
        height, width = self.size((pixels.shape[0], pixels.shape[1]))
        if self.resize is not None:
            pixels = resized(pixels, self._resized((pixels.shape[0], pixels.shape[1])))
        top, left = round((pixels.shape[0] - height) / 2), round((pixels.shape[1] - width) / 2)
        pixels = pixels[top : top + height, left : left + width]
        planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
        self.check(planes.shape[0])
        x = planes.astype(np.float32, order="C")
        try:
            with np.errstate(over="raise", divide="raise", invalid="ignore"):  # a picture may hold infinities itself
                x *= np.float32(self.scale * 255 / full_scale(pixels.dtype))
                if self.mean:
                    x -= np.array(self.mean, np.float32)[:, None, None]
                if self.std:
                    x /= np.array(self.std, np.float32)[:, None, None]
        except FloatingPointError:
            raise RecipeError(
                f"scale {self.scale:g}, mean {_told(self.mean)} and std {_told(self.std)} make numbers beyond float32; "
                "give ones nearer to 1"
            ) from None
        return x

    def _resized(self, size: tuple[int, int]) -> tuple[int, int]:
        if self.resize is None:
            return size
        if isinstance(self.resize, tuple):
            return self.resize
        height, width = size
        short = min(size)
        return int(self.resize * height / short), int(self.resize * width / short)


def _told(numbers: tuple[float, ...]) -> str:
    return ",".join(f"{number:g}" for number in numbers) or "none"


def picture_pixels(path: str, gray: bool = False) -> NDArray[Any]:
    """A picture's pixels, upright, without its transparency; (H, W) for gray, else (H, W, C). "-" is standard input."""
    from convcli.images import Reading

    with Reading(path, pipes=True) as reading:
        pixels = next(reading.frames()).pixels
    if gray:
        from convcli.images.luma import luma

        return luma(pixels)
    return pixels


# The input that torchvision's ImageNet models were trained on.
IMAGENET = Preparation(256, (224, 224), 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PREPROCESS = {"imagenet": IMAGENET}


def resized(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """The picture in another (height, width), of the same dtype; bilinear, averaging what shrinks."""
    from PIL import Image

    def one(plane: NDArray[Any]) -> NDArray[Any]:
        image = Image.fromarray(plane if plane.dtype == np.uint8 else plane.astype(np.float32))
        return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))

    planes: Sequence[NDArray[Any]] = [pixels] if pixels.ndim == 2 else list(np.moveaxis(pixels, 2, 0))
    done = np.stack([one(np.ascontiguousarray(plane)) for plane in planes], axis=-1)
    if pixels.dtype == np.uint16:
        done = np.rint(done).clip(0, 65535)
    return done.astype(pixels.dtype).reshape(*size, *pixels.shape[2:])
