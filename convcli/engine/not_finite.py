"""NaN and infinity in a float picture: a weight of zero does not look, so they reach only what other weights see.

No route does that by itself: 0 times infinity is NaN, taps are filled up to groups, and a transform or a sum of
separable kernels spreads NaN further. So a picture that holds them is filtered with zeros in their places, and what
they do to the map is found by whole numbers. What they don't reach is the same, bit for bit, whatever else there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.kernel import Kernel

Mask = NDArray[np.bool_]
Reached = Callable[[Mask, Mask], Mask]  # from pixels and weights: where the map has such a weight on such a pixel


def without(image: NDArray[Any]) -> NDArray[Any]:
    """The picture with zeros for NaN and infinity."""
    return np.where(np.isfinite(image), image, image.dtype.type(0))


def put_back(pixels: NDArray[Any], image: NDArray[Any], kernel: Kernel, absolute: bool, reached: Reached) -> None:
    """Into the map of the picture without them, in place, what its NaN and infinities make of it.

    A response is NaN where a weight stands on NaN, or where infinite terms of both signs meet; infinite where the
    infinite terms have one sign.
    """
    signs = np.sign(kernel.weights) * np.sign(kernel.divisor)
    above, below = image == np.inf, image == -np.inf
    rising = reached(above, signs > 0) | reached(below, signs < 0)
    falling = reached(above, signs < 0) | reached(below, signs > 0)
    pixels[rising] = np.inf
    pixels[falling] = np.inf if absolute else -np.inf
    pixels[reached(np.isnan(image), signs != 0) | (rising & falling)] = np.nan
