"""Kernels with parameters, by family: `gaussian:sigma=2,size=9`. Angles are degrees, clockwise on the screen."""

from convcli.kernels.families import edges, lines, shapes, sharpening, smoothing, special
from convcli.kernels.families.registry import ALIASES, FAMILIES, LARGEST_SIZE, Family

__all__ = [
    "ALIASES", "FAMILIES", "LARGEST_SIZE", "Family", "edges", "lines", "shapes", "sharpening", "smoothing", "special",
]  # fmt: skip
