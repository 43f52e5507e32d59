"""How one pixel of a feature map comes about: the patch, the products, the sum and what the range makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.geometry import Geometry, extent
from convcli.images.luma import luma
from convcli.kernel import Kernel
from convcli.ranges import full_scale

Size = tuple[int, int]
Values = NDArray[np.float64]
Crop = tuple[int, int, int, int]  # x, y, width, height


@dataclass(frozen=True)
class Patch:
    """One channel of the picture under the kernel; every array is (KH, KW).

    pixels: the values under the weights. padded: which of them are padding. weights: as the kernel has them.
    """

    channel: str
    pixels: Values
    padded: NDArray[np.bool_]
    weights: Values

    @property
    def products(self) -> Values:
        """Weights times pixels; a weight of zero does not look, be there NaN or infinity."""
        with np.errstate(over="ignore"):
            return np.multiply(self.weights, self.pixels, out=np.zeros_like(self.weights), where=self.weights != 0)

    @property
    def total(self) -> float:
        """The sum of the products, rounded once."""
        return sum_of(self.products.ravel().tolist())


@dataclass(frozen=True)
class Response:
    """One channel of the map at the point: the windows that are summed, the engine's response and its pixel."""

    channel: str
    windows: tuple[Patch, ...]
    response: float
    pixel: float

    @property
    def total(self) -> float:
        """The sum over all windows."""
        return sum_of(window.total for window in self.windows)


@dataclass(frozen=True)
class Explanation:
    """A point (x, y) of the map and everything that made it.

    size, output: (height, width) of the picture and of the map. first: row and column of the first weight's pixel,
    which may be on the padding. limits: the least and greatest response of the map (what `normalize` stretches).
    before: the names of the kernels that the chain has before this one, whose pixels are the picture here.
    stored: where the picture was brought to linear light, the dtype of the file, to which the pixel goes back.
    """

    x: int
    y: int
    size: Size
    output: Size
    first: tuple[int, int]
    kernel: Kernel
    geometry: Geometry
    range: str
    dtype: np.dtype[Any]
    limits: tuple[float, float]
    responses: tuple[Response, ...]
    before: tuple[str, ...] = ()
    stored: np.dtype[Any] | None = None

    @property
    def bias(self) -> float:
        """The kernel's bias in units of the picture."""
        return self.kernel.bias * full_scale(self.dtype) / 255


@dataclass(frozen=True)
class Stage:
    """The last kernel of a recipe on the pixels that the others gave: what it works on and what comes out.

    planes: (H, W, C) of the picture's dtype, named by `names`. raw: float32 responses; pixels: what `run_recipe` makes
    of them; both (H', W', C'). summed: whether the windows of all channels make one map.
    """

    planes: NDArray[Any]
    names: tuple[str, ...]
    kernel: Kernel
    geometry: Geometry
    range: str
    raw: NDArray[np.float32]
    pixels: NDArray[Any]
    summed: bool
    before: tuple[str, ...]

    def explain(self, x: int, y: int) -> Explanation:
        """The pixel at (x, y) of the map."""
        windows = _windows(self.planes, self.names, self.kernel, self.geometry, x, y)
        groups = [("sum", windows)] if self.summed else [(w.channel, (w,)) for w in windows]
        at_point = zip(groups, self.raw[y, x], self.pixels[y, x], strict=True)
        (top, _), (left, _) = self.geometry.pads(self.planes.shape[:2], self.kernel.size)
        first = (y * self.geometry.stride[0] - top, x * self.geometry.stride[1] - left)
        return Explanation(
            x, y, self.planes.shape[:2], self.raw.shape[:2], first, self.kernel, self.geometry, self.range,
            self.planes.dtype, (float(self.raw.min()), float(self.raw.max())),
            tuple(Response(name, group, float(r), p.item()) for (name, group), r, p in at_point),
            self.before,
        )  # fmt: skip


def stage_of(image: NDArray[Any], recipe: Recipe) -> Stage:
    """Run the recipe on an array and keep what its last kernel works on. Raises whatever `run_recipe` raises."""
    *before, kernel = recipe.kernels
    if before:
        image = run_recipe(image, replace(recipe, kernels=tuple(before))).pixels
    last = replace(recipe, kernels=(kernel,))
    colour = image.ndim == 3
    if recipe.channels == "gray":
        image = luma(image)
    raw = run_recipe(image, replace(last, range="raw")).pixels
    done = run_recipe(image, last)
    planes = image.reshape(*image.shape[:2], -1)
    names = ("luma",) if recipe.channels == "gray" and colour else channel_names(planes.shape[2])
    summed = (recipe.channels == "sum" or kernel.depth > 1) and len(names) > 1
    flat = (*raw.shape[:2], -1)
    return Stage(
        planes, names, kernel, recipe.geometry, done.range, raw.reshape(flat), done.pixels.reshape(flat), summed,
        tuple(kernel.name or "kernel" for kernel in before),
    )  # fmt: skip


def explain_pixel(image: NDArray[Any], recipe: Recipe, at: tuple[int, int] | None = None) -> Explanation:
    """Explain the pixel at (x, y) of the map that the recipe makes of an array; the strongest response off the
    padding without `at`. Of a chain, the last kernel is explained, on the pixels that the others gave.

    Raises GeometryError where the point is outside the map, and whatever `run_recipe` raises.
    """
    stage = stage_of(image, recipe)
    return stage.explain(*(checked_point(at, stage.raw.shape) if at else strongest(stage)))


def sum_of(numbers: Iterable[float]) -> float:
    """The sum, rounded once; NaN where infinities of both signs meet."""
    terms = list(numbers)
    try:
        return fsum(terms)
    except (ValueError, OverflowError):  # both infinities, or more than there are numbers for on the way
        return sum(terms)


def border(i: int, n: int, mode: str) -> int | None:
    """Which of n pixels stands at place i of an axis; None where the padding holds a constant."""
    if 0 <= i < n:
        return i
    if mode in ("zeros", "constant"):
        return None
    if mode == "replicate":
        return 0 if i < 0 else n - 1
    if mode == "circular":
        return i % n
    period = 2 * n if mode == "symmetric" else max(2 * n - 2, 1)
    i %= period
    return i if i < n else period - i - (mode == "symmetric")


def channel_names(count: int) -> tuple[str, ...]:
    """What the channels of a picture are called."""
    known = {1: ("gray",), 3: ("red", "green", "blue"), 4: ("cyan", "magenta", "yellow", "black")}
    return known.get(count, tuple(f"channel {c}" for c in range(count)))


def _windows(
    planes: NDArray[Any], names: tuple[str, ...], kernel: Kernel, geometry: Geometry, x: int, y: int
) -> tuple[Patch, ...]:
    """What lies under the kernel at (x, y) of the map, channel by channel."""
    (top, _), (left, _) = geometry.pads(planes.shape[:2], kernel.size)
    (sy, sx), (dy, dx) = geometry.stride, geometry.dilation
    rows = [y * sy - top + i * dy for i in range(kernel.size[0])]
    columns = [x * sx - left + j * dx for j in range(kernel.size[1])]
    patch, padded = bordered(planes, rows, columns, geometry)
    weights = np.broadcast_to(kernel.weights, (planes.shape[2], *kernel.size))
    return tuple(Patch(name, patch[:, :, c], padded, weights[c]) for c, name in enumerate(names))


def bordered(
    planes: NDArray[Any], rows: Sequence[int], columns: Sequence[int], geometry: Geometry
) -> tuple[Values, NDArray[np.bool_]]:
    """The values of (H, W, C) at these rows and columns, padding included, and which of the places are padding."""
    height, width, mode = planes.shape[0], planes.shape[1], geometry.padding_mode
    at_y, at_x = [border(i, height, mode) for i in rows], [border(j, width, mode) for j in columns]
    values = planes[np.ix_([i or 0 for i in at_y], [j or 0 for j in at_x])].astype(np.float64)
    constant = np.array([i is None for i in at_y])[:, None] | np.array([j is None for j in at_x])
    values[constant] = geometry.padding_value * full_scale(planes.dtype) / 255 if mode == "constant" else 0.0
    inside = np.array([0 <= i < height for i in rows])[:, None] & np.array([0 <= j < width for j in columns])
    return values, ~inside


def check_crop(crop: Crop, shape: tuple[int, ...]) -> None:
    """Raise GeometryError where a crop is empty or leaves a picture of that shape."""
    x, y, width, height = crop
    if width < 1 or height < 1 or x + width > shape[1] or y + height > shape[0]:
        raise GeometryError(
            f"crop {x},{y},{width},{height} is not inside the picture of {shape[1]}x{shape[0]}; "
            "it is X,Y,WIDTH,HEIGHT from the upper left corner"
        )


def checked_point(at: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
    """The point (x, y), if a map of that shape has it; else GeometryError."""
    height, width = shape[:2]
    if not (0 <= at[0] < width and 0 <= at[1] < height):
        raise GeometryError(
            f"point {at[0]},{at[1]} is outside the map of {width}x{height}: "
            f"X goes from 0 to {width - 1} and Y from 0 to {height - 1}"
        )
    return at


def strongest(stage: Stage) -> tuple[int, int]:
    """Where the response is strongest over all channels, as (x, y): off the padding, if there is such a place."""
    return _greatest(stage, np.abs(stage.raw).sum(axis=2))


def liveliest(stage: Stage) -> tuple[int, int]:
    """A place (x, y) where there is something to see: the strongest response, or, for a kernel that answers flat
    ground too because its weights do not sum to zero, the place where the map changes most."""
    weights, response = stage.kernel.weights, stage.raw.sum(axis=2)
    if abs(weights.sum()) < 1e-6 * np.abs(weights).sum():
        return strongest(stage)
    slopes = [np.gradient(response, axis=axis) for axis in (0, 1) if response.shape[axis] > 1]
    return _greatest(stage, sum((slope**2 for slope in slopes), np.zeros_like(response)))


def _greatest(stage: Stage, strength: NDArray[np.float32]) -> tuple[int, int]:
    size, kernel, geometry = stage.planes.shape[:2], stage.kernel.size, stage.geometry
    pads = geometry.pads(size, kernel)
    rows, columns = (
        np.array([before <= o * s and o * s - before + extent(k, d) <= n for o in range(count)])
        for count, n, k, s, d, (before, _) in zip(
            strength.shape, size, kernel, geometry.stride, geometry.dilation, pads, strict=True
        )
    )
    inside = rows[:, None] & columns
    if inside.any():
        strength = np.where(inside, strength, -1)
    y, x = np.unravel_index(int(strength.argmax()), strength.shape)
    return int(x), int(y)
