"""Kernels for demonstrations and tests: identity, shift and random weights."""

from __future__ import annotations

import numpy as np

from convcli.errors import KernelError
from convcli.kernel import Kernel
from convcli.kernels.families.registry import LARGEST_SIZE, checked_size, family


@family(source="The unit of convolution", tags=("basic",))
def identity(size: int = 3) -> Kernel:
    """Changes nothing; the picture comes out as it went in."""
    n = checked_size("identity", size)
    if n % 2 == 0:
        raise KernelError(f"identity: size must be odd, so that there is a centre, not {size}")
    weights = np.zeros((n, n))
    weights[n // 2, n // 2] = 1
    return Kernel(weights)


@family(source="The shifted unit of convolution", tags=("basic",))
def shift(dx: int = 1, dy: int = 0) -> Kernel:
    """Moves the picture dx pixels to the right and dy down."""
    furthest = LARGEST_SIZE // 2
    if max(abs(dx), abs(dy)) > furthest:
        raise KernelError(f"shift: dx and dy must be {-furthest} to {furthest}, not {dx} and {dy}")
    weights = np.zeros((2 * abs(dy) + 1, 2 * abs(dx) + 1))
    weights[abs(dy) - dy, abs(dx) - dx] = 1
    return Kernel(weights)


@family(source="Whole numbers from -9 to 9 by NumPy's PCG64 generator", range="offset", tags=("basic", "demonstration"))
def random(size: int = 3, seed: int = 0) -> Kernel:
    """Weights by chance, the same for the same seed: what an untrained network begins with."""
    n = checked_size("random", size)
    if seed < 0:
        raise KernelError(f"random: seed must not be negative, not {seed}")
    weights = np.random.default_rng(seed).integers(-9, 10, (n, n)).astype(float)
    return Kernel(weights, divisor=float(abs(weights).sum()) or 1.0)
