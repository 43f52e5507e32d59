"""One file through a recipe, in and out: what `convcli apply` and `convcli batch` share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli import __version__
from convcli.alpha import as_float, as_samples, sampled, usual, weighted
from convcli.combine import default_range
from convcli.errors import ConvcliError, ImageError, RecipeError
from convcli.files import check_output, standard_input, standard_output, whole
from convcli.geometry import Geometry
from convcli.images import MAX_PIXELS, Frame, Reading, Target
from convcli.kernel import Kernel
from convcli.recipe import Filtered, Recipe, luma, run
from convcli.tone import settle
from convcli.words import ALPHA

_TOLD = 0.01  # the share of saturated samples from which on the user is told


@dataclass(frozen=True)
class Handling:
    """How pictures are taken in hand, beside the recipe.

    alpha: "keep", "weight", "filter", "drop", or None: what suits each kernel. linear: filter in linear light.
    frame: the only one to read. max_pixels: more are refused. reduce_depth: 8 bits a channel will do.
    """

    alpha: str | None = None
    linear: bool = False
    frame: int | None = None
    max_pixels: int = MAX_PIXELS
    reduce_depth: bool = False

    def __post_init__(self) -> None:
        if self.alpha not in (None, *ALPHA):
            raise RecipeError(f"alpha must be one of {', '.join(ALPHA)}, not {self.alpha!r}")


@dataclass
class _Count:
    """Samples that saturated, over all frames and kernels."""

    samples: int = 0
    below: int = 0
    above: int = 0
    range: str = "clip"

    def add(self, done: Filtered) -> None:
        self.samples += done.samples
        self.below += done.below
        self.above += done.above
        self.range = done.range


@dataclass(frozen=True)
class Outcome:
    """What was done to one file. Sizes are (height, width)."""

    format: str
    mode: str
    frames: int
    size: tuple[int, int]
    output_size: tuple[int, int]
    range: str
    samples: int
    below: int
    above: int
    seconds: float
    notes: tuple[str, ...] = field(default=())


def filter_file(
    source: str | Path,
    output: str | Path,
    recipe: Recipe,
    target: Target,
    handling: Handling | None = None,
    *,
    force: bool = False,
    threads: int | None = None,
) -> Outcome:
    """Read a picture, run the recipe on it, write what comes out; "-" is standard input or output.

    The output appears whole or not at all.
    Raises ConvcliError: what can't be done with these files, or with this recipe on this picture.
    """
    begin = perf_counter()
    handling = handling or Handling()
    if str(output) != "-":
        check_output(output, force)
    with Reading(
        standard_input() if str(source) == "-" else source,
        max_pixels=handling.max_pixels,
        frame=handling.frame,
        reduce_depth=handling.reduce_depth,
    ) as reading:
        size = _checked(reading, recipe, target)
        count = _Count()
        notes = _write(
            output, _filtered(reading, recipe, target, handling, count, threads), reading, recipe, target, force
        )
        if reading.reduced:
            notes.append("the depth was reduced to 8 bits a channel")
        if told := saturation(count.range, count.samples, count.below, count.above):
            notes.append(told)
        return Outcome(
            reading.origin.format, reading.origin.mode, reading.origin.frames, reading.size, size,
            count.range, count.samples, count.below, count.above, perf_counter() - begin, tuple(notes),
        )  # fmt: skip


def _checked(reading: Reading, recipe: Recipe, target: Target) -> tuple[int, int]:
    """The output's size, if the kernel fits, the format holds the frames, and there is memory for it all."""
    try:
        size = recipe.output(reading.size)
    except ConvcliError as error:
        raise type(error)(f"{reading.name}: {error}") from None
    target.check(reading.name, reading.origin)
    growth = max(1.0, size[0] * size[1] / (reading.size[0] * reading.size[1]))
    need, free = int(reading.bytes * (1 + growth) / 1.5), free_memory()
    if free is not None and need > free:
        raise ImageError(
            f"{reading.name} needs about {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "free some, or use a smaller picture"
        )
    return size


def free_memory() -> int | None:
    """Bytes that can be had without pushing others out, where the system says so; within the limit of a container."""
    free = []
    with suppress(OSError, StopIteration, ValueError), Path("/proc/meminfo").open() as lines:
        free.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024)
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        group = Path("/sys/fs/cgroup")
        words = (group / "memory.stat").read_text().split()
        free.append(int((group / "memory.max").read_text()) - int(words[words.index("anon") + 1]))
    return min(free, default=None)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _filtered(
    reading: Reading, recipe: Recipe, target: Target, handling: Handling, count: _Count, threads: int | None
) -> Iterator[Frame]:
    """Every frame through the recipe. A frame is let go before its result is written."""
    if target.raw:
        recipe = replace(recipe, range="raw")
    frames = reading.frames()
    while (frame := next(frames, None)) is not None:
        try:
            for step in steps(recipe):
                frame = filter_frame(frame, step, handling, count, threads)
        except ConvcliError as error:
            raise type(error)(f"{reading.name}: {error}") from None
        if handling.reduce_depth or not target.raw:
            frame = replace(frame, integer=frame.integer and frame.pixels.dtype.kind == "f")
        yield frame


def steps(recipe: Recipe) -> list[Recipe]:
    """The chain as recipes of one kernel each; "raw" is the last one's range only. Combined kernels are one step."""
    if recipe.combine:
        return [recipe]
    chain = [replace(recipe, kernels=(kernel,)) for kernel in recipe.kernels]
    if recipe.range == "raw":
        chain[:-1] = [replace(step, range=None) for step in chain[:-1]]
    return chain


def filter_frame(frame: Frame, recipe: Recipe, handling: Handling, count: _Count, threads: int | None = None) -> Frame:
    """One kernel on one frame, or several that are combined."""
    kernel, geometry = recipe.kernels[0], recipe.geometry
    way = handling.alpha or ("keep" if recipe.combine else usual(kernel))
    if recipe.combine and way not in ("keep", "drop"):
        raise RecipeError(f"combined responses leave alpha as it is or drop it: alpha=keep or drop, not {way!r}")
    if recipe.combine == "angle" and handling.linear:
        raise RecipeError("combine=angle makes hues, which have no linear light; leave out --linear")
    if recipe.channels == "gray" and frame.colors == 4:
        raise RecipeError("channels=gray is for RGB pictures, not for CMYK")
    if frame.alpha is None or way == "drop":
        alpha = None
    elif way == "keep" or recipe.range == "raw":
        alpha = sampled(frame.alpha, geometry, kernel.size)
    elif way == "filter":
        alpha = run(frame.alpha, _on_alpha(recipe), threads=threads).pixels
    else:
        return _weighted(frame, recipe, handling, count, threads)
    if handling.linear and frame.pixels.dtype.kind != "f":
        return replace(frame, pixels=_linear(frame, recipe, count, threads), alpha=alpha)
    done = run(frame.pixels, recipe, threads=threads)
    count.add(done)
    return replace(frame, pixels=done.pixels, alpha=alpha)


def _on_alpha(recipe: Recipe) -> Recipe:
    """The recipe for alpha as a channel of its own; a kernel of depth 3 by its mean grid."""
    kernel = recipe.kernels[0]
    if kernel.depth > 1:
        kernel = replace(kernel, weights=kernel.weights.mean(axis=0))
    return replace(recipe, kernels=(kernel,), channels="each")


def _linear(frame: Frame, recipe: Recipe, count: _Count, threads: int | None) -> NDArray[Any]:
    """The frame's colours filtered in linear light."""
    if frame.colors == 4:
        raise RecipeError("linear light is for gray and RGB pictures; CMYK is ink")
    image = _light().to_linear(luma(frame.pixels) if recipe.channels == "gray" else frame.pixels)
    raw = replace(recipe, range="raw", geometry=_lit(recipe.geometry))
    responses = run(image, raw, threads=threads).pixels
    return _settled(responses, recipe, frame.pixels.dtype, count, linear=True)


def _weighted(frame: Frame, recipe: Recipe, handling: Handling, count: _Count, threads: int | None) -> Frame:
    """The frame with colours weighted by alpha, in linear light if asked for."""
    assert frame.alpha is not None
    kernel, geometry, pixels = recipe.kernels[0], recipe.geometry, frame.pixels
    if recipe.channels == "gray":
        pixels = luma(pixels)
    linear = handling.linear and pixels.dtype.kind != "f"
    color = _light().to_linear(pixels) if linear else as_float(pixels)
    depth = recipe.channels == "sum" or kernel.depth > 1
    if kernel.depth > 1 and frame.colors != kernel.depth:
        run(pixels, recipe)  # says what does not match
    lit = _lit(geometry) if linear else geometry
    responses, alpha = weighted(color, as_float(frame.alpha), kernel, lit, depth, threads)
    return replace(
        frame,
        pixels=_settled(responses, recipe, frame.pixels.dtype, count, linear),
        alpha=as_samples(alpha, frame.alpha.dtype),
    )


def _settled(responses: NDArray[np.float32], recipe: Recipe, dtype: Any, count: _Count, linear: bool) -> NDArray[Any]:
    """Responses with white at 1.0 as pixels of dtype."""
    range_ = recipe.range or recipe.kernels[0].range or "clip"
    if recipe.combine:
        range_ = recipe.range or default_range(recipe.combine, recipe.kernels)
    if range_ == "raw":
        count.add(Filtered(responses, range_))
        return responses
    if not linear:
        pixels, below, above = settle(responses, range_, dtype)
    else:
        toned, _, _ = settle(responses, range_, np.float32)
        below, above = int((toned < 0).sum()), int((toned > 1).sum())
        pixels = _light().from_linear(toned, dtype)
    count.add(Filtered(pixels, range_, pixels.size, below, above))
    return pixels


def _light() -> ModuleType:
    """The module of linear light, which most runs do without."""
    from convcli import light

    return light


def _lit(geometry: Geometry) -> Geometry:
    """The geometry with its padding value, which is a pixel's, in linear light."""
    return replace(geometry, padding_value=255 * float(_light().decode(geometry.padding_value / 255)))


def _write(
    output: str | Path, frames: Iterator[Frame], reading: Reading, recipe: Recipe, target: Target, force: bool
) -> list[str]:
    first = next(frames)  # metadata is complete once a frame has been decoded; and no file is begun for nothing
    told = (reading.origin, reading.metadata, f"convcli {__version__}: {described(recipe)}")
    coming = _chained(first, frames)
    del first
    if str(output) != "-":
        with whole(output, force) as stream:
            return target.write(stream, coming, *told)
    stdout, buffer = standard_output(), BytesIO()
    notes = target.write(buffer, coming, *told)
    stdout.write(buffer.getbuffer())
    stdout.flush()
    return notes


def _chained(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from others


def described(recipe: Recipe) -> str:
    """The recipe in a line, for the file's own record."""
    geometry, plain = recipe.geometry, Geometry()
    words = [" then ".join(_kernel_words(kernel) for kernel in recipe.kernels)]
    for name in ("stride", "padding", "padding_mode", "padding_value", "dilation"):
        value = getattr(geometry, name)
        if value != getattr(plain, name):
            words.append(f"{name} {','.join(map(str, value)) if isinstance(value, tuple) else value}")
    words += [f"{name} {value}" for name in ("combine", "channels", "range") if (value := getattr(recipe, name))]
    return ", ".join(words)


def _kernel_words(kernel: Kernel) -> str:
    return f"{kernel.name or 'kernel'} {kernel.size[1]}x{kernel.size[0]}"


def saturation(range_: str, samples: int, below: int, above: int) -> str | None:
    """The sentence about saturated samples and the option that avoids them; None where they are few."""
    if below + above <= _TOLD * samples:
        return None
    shares = [
        f"{100 * count / samples:.1f} % of the samples {where}"
        for count, where in ((below, "fell below black"), (above, "rose above white"))
        if count
    ]
    return f"{' and '.join(shares)} and were clipped; {_way_out(range_, below)}"


def _way_out(range_: str, below: int) -> str:
    if range_ == "clip" and below:
        return "--range abs shows both signs, --range offset keeps zero at mid-gray, --range normalize keeps all"
    return "--range normalize, or a larger --divisor, keeps them"
