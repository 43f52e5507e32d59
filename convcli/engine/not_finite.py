"""NaN and infinity in a float picture: they affect only the responses to which they contribute by a nonzero weight.

No route does that by itself: 0 times infinity is NaN, groups of taps are padded with zero weights, and a transform or
a sum of separable kernels spreads NaN further. So the picture is filtered with zeros in place of NaN and infinity, and
the responses that they affect are found by integer convolutions. All other responses are unchanged, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.kernel import Kernel

Mask = NDArray[np.bool_]
Reached = Callable[[Mask, Mask], Mask]  # (pixels, weights) -> where in the map one lies on the other


def without(image: NDArray[Any]) -> NDArray[Any]:
    """Return the picture with zeros for NaN and infinity."""
    return np.where(np.isfinite(image), image, image.dtype.type(0))


def put_back(pixels: NDArray[Any], image: NDArray[Any], kernel: Kernel, absolute: bool, reached: Reached) -> None:
    """Write the NaN and infinite responses of a picture into `pixels`, the map of `without(image)`, in place.

    A response is NaN where a nonzero weight lies on NaN, or where infinite terms of both signs meet; infinite where the
    infinite terms have one sign.
    """
    signs = np.sign(kernel.weights) * np.sign(kernel.divisor)
    above, below = image == np.inf, image == -np.inf
    rising = reached(above, signs > 0) | reached(below, signs < 0)
    falling = reached(above, signs < 0) | reached(below, signs > 0)
    pixels[rising] = np.inf
    pixels[falling] = np.inf if absolute else -np.inf
    pixels[reached(np.isnan(image), signs != 0) | (rising & falling)] = np.nan
