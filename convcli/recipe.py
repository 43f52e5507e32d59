"""A recipe: kernels, geometry, channels and range, settled before the first pixel; and what it makes of an array."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli import combine, engine
from convcli.engine.window import Whole, Window
from convcli.errors import RecipeError
from convcli.geometry import Geometry, extent, whole
from convcli.kernel import Kernel
from convcli.presets import load_kernel
from convcli.tone import normalize, tone_of
from convcli.words import CHANNELS, RANGES, is_one

_SAMPLES = 1 << 20  # of a band of responses that are combined


@dataclass(frozen=True)
class Recipe:
    """What to do to a picture, checked.

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
        """Height and width of what the whole chain makes of a picture of (height, width)."""
        if self.combine:
            sizes = {self.geometry.output(size, kernel.size) for kernel in self.kernels}
            if len(sizes) > 1:
                told = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
                raise RecipeError(f"the kernels give maps of different size ({told}); padding=same keeps them equal")
            return sizes.pop()
        for kernel in self.kernels:
            size = self.geometry.output(size, kernel.size)
        return size


@dataclass(frozen=True)
class Filtered:
    """Pixels (H, W) or (H, W, C), the last range that was used, and how many samples saturated below and above.

    `samples` is out of how many: those of every step of the chain.
    """

    pixels: NDArray[Any]
    range: str
    samples: int = 0
    below: int = 0
    above: int = 0


def run(image: NDArray[Any], recipe: Recipe, *, threads: int | None = None, window: Window | None = None) -> Filtered:
    """The recipe applied to an array (H, W) or (H, W, C) of uint8, uint16 or float32.

    window: only these rows of what one step makes of a picture of which the array holds the rows needed; a step is one
        kernel, or several that are combined.

    Raises RecipeError where the picture's channels do not match, GeometryError where a kernel does not fit.
    """
    if recipe.combine:
        return _combined(image, recipe, threads, window)
    last = len(recipe.kernels) - 1
    samples = below = above = 0
    for step, kernel in enumerate(recipe.kernels):
        range_ = recipe.range or kernel.range or "clip"
        if range_ == "raw" and step < last:
            range_ = kernel.range or "clip"
        depth = recipe.channels == "sum" or kernel.depth > 1
        if recipe.channels == "gray":
            image = luma(image)
        _check_depth(image, kernel, depth)
        tone = None if range_ in ("raw", "normalize") else tone_of(range_, image.dtype)
        dtype = image.dtype
        done = engine.convolve(image, kernel, recipe.geometry, depth=depth, tone=tone, threads=threads, window=window)
        samples, below, above = samples + done.pixels.size, below + done.below, above + done.above
        image = done.pixels
        if range_ == "normalize":
            image = normalize(image, dtype, window.limits if window else None)
    return Filtered(image, range_, samples, below, above)


def _combined(image: NDArray[Any], recipe: Recipe, threads: int | None, window: Window | None) -> Filtered:
    """All kernels on the same pixels, their responses combined, and those brought to pixels: a band of rows at a time,
    for the responses take eight times the bytes of a photograph.
    """
    if window:
        return _combined_rows(image, recipe, threads, window)
    finite = image.dtype.kind != "f" or bool(np.isfinite(image).all())
    whole = Whole(infinite=set() if finite else {"color"})

    def made() -> Iterator[Filtered]:
        for band in _bands(image, recipe, whole):
            yield _combined_rows(image[band.rows], recipe, threads, band)

    range_ = recipe.range or combine.default_range(str(recipe.combine), recipe.kernels)
    if range_ == "normalize":
        for _ in made():  # learns the limits
            pass
        whole.limits["color"].known = True
    parts = made()
    first = next(parts)
    rows, columns = recipe.output((image.shape[0], image.shape[1]))
    pixels = np.empty((rows, columns, *first.pixels.shape[2:]), first.pixels.dtype)
    filled = samples = below = above = 0
    for part in chain([first], parts):
        pixels[filled : filled + len(part.pixels)] = part.pixels
        filled += len(part.pixels)
        samples, below, above = samples + part.samples, below + part.below, above + part.above
    return Filtered(pixels, first.range, samples, below, above)


def _bands(image: NDArray[Any], recipe: Recipe, whole: Whole) -> Iterator[Window]:
    """Windows from top to bottom: so many rows that those around them, which are filtered twice, count for little."""
    size = image.shape[0], image.shape[1]
    kernels, (rows, columns) = [kernel.size for kernel in recipe.kernels], recipe.output(size)
    told = Whole(units=[1])
    first = Window.of(size, kernels, recipe.geometry, 0, 1, told)
    _combined_rows(image[first.rows], recipe, 1, first)
    step = math.lcm(*(told.units or ()))
    tallest = max(extent(height, recipe.geometry.dilation[0]) for height, _ in kernels)
    enough = max(_SAMPLES // (columns * math.prod(image.shape[2:])), 8 * tallest)
    step *= -(-enough // step)
    for start in range(0, rows, step):
        yield Window.of(size, kernels, recipe.geometry, start, min(start + step, rows), whole)


def _combined_rows(image: NDArray[Any], recipe: Recipe, threads: int | None, window: Window) -> Filtered:
    how = str(recipe.combine)
    depth = recipe.channels == "sum" or recipe.kernels[0].depth > 1
    if recipe.channels == "gray" or (how == "angle" and not depth):
        image = luma(image)
    _check_depth(image, recipe.kernels[0], depth)
    dtype, range_ = image.dtype, recipe.range or combine.default_range(how, recipe.kernels)
    responses = combine.responses(image, recipe.kernels, recipe.geometry, depth, threads, window)
    if how == "angle":
        angles, strength = combine.directions(responses)
        pixels = angles.astype(np.float32) if range_ == "raw" else combine.hues(angles, strength, dtype)
        return Filtered(pixels, range_ if range_ == "raw" else "clip", angles.size)
    combined = combine.combined(responses, how)
    if range_ == "raw":
        return Filtered(combined.astype(np.float32), range_, combined.size)
    pixels, below, above = combine.to_pixels(combined, range_, dtype, window.limits)
    return Filtered(pixels, range_, pixels.size, below, above)


def luma(image: NDArray[Any]) -> NDArray[Any]:
    """Gray from colour, ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B; (H, W, 3) to (H, W), gray stays as it is.

    On 8 bits it is Pillow's convert("L"), to the last bit: sixteen fractional bits, rounded half up.
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


def filter_image(
    a: NDArray[Any],
    kernel: Kernel | str | NDArray[Any] | Sequence[Any],
    stride: int | tuple[int, int] = 1,
    padding: Any = "same",
    padding_mode: str = "zeros",
    padding_value: float = 0,
    dilation: int | tuple[int, int] = 1,
    flip: bool = False,
    channels: str | None = "each",
    range: str | None = "clip",
    *,
    threads: int | None = None,
) -> NDArray[Any]:
    """Filter a picture: slide the kernel over it and return the feature map.

    a: uint8, uint16 or float32, shape (H, W) or (H, W, C); not modified. White is 255, 65535 or 1.0.
    kernel: a Kernel, a SPEC ("sobel-x", "gaussian:sigma=2", "my.yaml", "0 -1 0; -1 5 -1; 0 -1 0"), or weights as an
        array (KH, KW) or (3, KH, KW).
    stride, dilation: a number, or (vertical, horizontal).
    padding: "same", "valid", "full", a number, (PY, PX), (top, bottom, left, right) or ((top, bottom), (left, right)).
    padding_mode: zeros, constant (with padding_value, on the 0..255 scale), replicate, reflect, symmetric, circular.
    flip: rotate the kernel by 180 degrees first: convolution in the mathematical sense.
    channels: "each" filters every channel by itself; "sum" spans them (depth) and gives one map; "gray" takes the luma
        first. A kernel of depth 3 always spans the channels.
    range: how responses become pixels: "clip", "abs", "normalize", "offset"; "raw" gives the float32 responses;
        None is the kernel's own range.
    threads: how many threads the engine may use; the result does not depend on it.

    Returns an array of a's dtype (float32 for "raw"), (H', W') or (H', W', C).
    Raises ConvcliError for wrong arguments.

    The memory of results that are gone, 128 MB at most, stays with the process for the next results;
    `convcli.engine.memory.release()` gives it back.

    >>> import numpy as np
    >>> filter_image(np.eye(3, dtype=np.uint8) * 90, "1 1 1; 1 1 1; 1 1 1 / 9", padding="valid")
    array([[30]], dtype=uint8)
    """
    checked = picture(a)
    if not isinstance(flip, bool | np.bool_):
        raise RecipeError(f"flip must be True or False, not {flip!r}")
    if threads is not None:
        threads = whole("threads", threads, least=1)
    chosen = override(_as_kernel(kernel), flip=bool(flip))
    geometry = Geometry.of(stride, padding, padding_mode, padding_value, dilation)
    if chosen.depth > 1 and is_one(channels, ("each",)):
        channels = "sum"
    return run(checked, Recipe((chosen,), geometry, channels, range), threads=threads).pixels


def picture(a: Any) -> NDArray[Any]:
    """The array, if it is one that the engine takes."""
    if not isinstance(a, np.ndarray):
        raise RecipeError(f"a picture must be a NumPy array, not {type(a).__name__}")
    if a.dtype not in (np.uint8, np.uint16, np.float32):
        raise RecipeError(f"a picture must be uint8, uint16 or float32, not {a.dtype}; convert it with astype")
    if a.ndim not in (2, 3) or 0 in a.shape:
        raise RecipeError(f"a picture must have the shape (H, W) or (H, W, C), nothing empty, not {a.shape}")
    return a


def _as_kernel(kernel: Any) -> Kernel:
    if isinstance(kernel, Kernel):
        return kernel
    return load_kernel(kernel) if isinstance(kernel, str) else Kernel(kernel)


def _check_depth(image: NDArray[Any], kernel: Kernel, depth: bool) -> None:
    channels = 1 if image.ndim == 2 else image.shape[2]
    if depth and kernel.depth > 1 and channels != kernel.depth:
        raise RecipeError(
            f"{kernel.label} has depth {kernel.depth}, but the picture has {channels} channel(s); "
            "a kernel of depth 1 fits any picture"
        )


def override(kernel: Kernel, divisor: float | None = None, bias: float | None = None, flip: bool = False) -> Kernel:
    """The kernel with another divisor or bias, or flipped."""
    if divisor is not None:
        kernel = replace(kernel, divisor=divisor * kernel.denominator)
    if bias is not None:
        kernel = replace(kernel, bias=bias)
    return kernel.flipped() if flip else kernel
