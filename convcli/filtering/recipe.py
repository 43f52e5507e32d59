"""Recipes: kernels, geometry, channels and range, checked before a picture is read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from convcli.choices import CHANNELS, RANGES, is_one
from convcli.errors import RecipeError
from convcli.filtering import combine
from convcli.geometry import Geometry
from convcli.kernel import Kernel


@dataclass(frozen=True)
class Recipe:
    """The checked description of what to do to a picture.

    kernels: applied in order, each to the pixels that the one before it gave; or, with `combine`, all to the same
        pixels, and their responses combined: "magnitude", "max", "sum", "mean" or "angle".
    channels: "each", "sum" (depth), "gray" (luma first), or None: sum for a kernel of depth 3, else each.
    range: "clip", "abs", "normalize", "offset", "raw" (float32 responses), or None: the kernel's own, else clip.
    """

    kernels: tuple[Kernel, ...]
    geometry: Geometry = field(default_factory=Geometry)
    channels: str | None = None
    range: str | None = None
    combine: str | None = None

    def __post_init__(self) -> None:
        if not self.kernels:
            raise RecipeError("a recipe needs at least one kernel")
        if self.channels is not None and not is_one(self.channels, CHANNELS):
            raise RecipeError(f"channels must be one of {', '.join(CHANNELS)}, not {self.channels!r}")
        if self.range is not None and not is_one(self.range, (*RANGES, "raw")):
            raise RecipeError(f"range must be one of {', '.join(RANGES)} or raw, not {self.range!r}")
        deep = next((k for k in self.kernels if k.depth > 1), None)
        if deep and self.channels not in (None, "sum"):
            raise RecipeError(f"{deep.label} has depth {deep.depth}: it needs channels=sum, not {self.channels!r}")
        if self.combine is not None:
            combine.checked(self.combine, self.kernels, self.channels, self.range)

    def output(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the output's (height, width) after the whole chain, for a picture of (height, width)."""
        if self.combine:
            sizes = {self.geometry.output(size, kernel.size) for kernel in self.kernels}
            if len(sizes) > 1:
                told = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
                raise RecipeError(f"the kernels give maps of different size ({told}); padding=same keeps them equal")
            return sizes.pop()
        for kernel in self.kernels:
            size = self.geometry.output(size, kernel.size)
        return size

    def stays(self, size: tuple[int, int]) -> bool:
        """Whether the map has as many pixels as a picture of (height, width), each where the picture's is."""
        balanced = all(
            abs(before - after) <= 1 for k in self.kernels for before, after in self.geometry.pads(size, k.size)
        )
        return self.geometry.stride == (1, 1) and balanced and self.output(size) == size


def override(kernel: Kernel, divisor: float | None = None, bias: float | None = None, flip: bool = False) -> Kernel:
    """Return the kernel with its divisor or bias replaced, or flipped."""
    if divisor is not None:
        kernel = replace(kernel, divisor=divisor * kernel.denominator)
    if bias is not None:
        kernel = replace(kernel, bias=bias)
    return kernel.flipped() if flip else kernel
