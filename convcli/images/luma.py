"""Converting colour to gray."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError


def luma(image: NDArray[Any]) -> NDArray[Any]:
    """Convert colour (H, W, 3) to gray (H, W), ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B. Gray values are unchanged.

    On 8 bits the result equals that of Pillow's convert("L"): sixteen fractional bits, rounded half up.
    Raises RecipeError for any other number of channels.
    """
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2])
    if image.shape[2] != 3:
        raise RecipeError(
            f"luma is made of red, green and blue, and this picture has {image.shape[2]} channels; "
            "channels=sum spans any number of them"
        )
    red, green, blue = np.moveaxis(image, 2, 0)
    if image.dtype.kind == "f":
        gray = 0.299 * red + 0.587 * green + 0.114 * blue
    else:
        wide = np.uint32 if image.dtype == np.uint8 else np.uint64
        gray = (19595 * red.astype(wide) + 38470 * green.astype(wide) + 7471 * blue.astype(wide) + 0x8000) >> 16
    return np.asarray(gray, image.dtype)
