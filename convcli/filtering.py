"""One file through a recipe, in and out: what `convcli apply` and `convcli batch` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import BinaryIO

from convcli import __version__
from convcli.ahead import Ahead
from convcli.errors import AccessError, ConvcliError, ImageError
from convcli.files import check_output, standard_input, standard_output, whole
from convcli.frames import Count, Handling, filter_frame, steps
from convcli.geometry import Geometry
from convcli.images import Frame, Reading, Target
from convcli.kernel import Kernel
from convcli.recipe import Recipe

_TOLD = 0.01  # the share of saturated samples from which on the user is told


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
    seal: Callable[[BinaryIO], None] | None = None,
    ahead: Ahead | None = None,
) -> Outcome:
    """Read a picture, run the recipe on it, write what comes out; "-" is standard input or output.

    Both are paths or URLs. The output appears whole or not at all; seal: is given it before it appears.
    ahead: the source, where its decoding has begun.
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
        ahead=ahead,
    ) as reading:
        size = _checked(reading, recipe, target)
        count = Count()
        made = described(recipe) + handling.described
        frames = _filtered(reading, recipe, target, handling, count, threads)
        notes = _write(output, frames, reading, made, target, force, seal)
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
    others = reading.origin.frames - 1  # whose results wait until all are written
    need, free = int(reading.bytes * ((1 + growth) / 1.5 + others * growth / 2)), free_memory()
    if free is not None and need > free:
        raise ImageError(
            f"{reading.name} needs about {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "free some, or use a smaller picture or padding"
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


def _filtered(
    reading: Reading, recipe: Recipe, target: Target, handling: Handling, count: Count, threads: int | None
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


def _write(
    output: str | Path, frames: Iterator[Frame], reading: Reading, made: str, target: Target, force: bool,
    seal: Callable[[BinaryIO], None] | None,
) -> list[str]:  # fmt: skip
    first = next(frames)  # metadata is complete once a frame has been decoded; and no file is begun for nothing
    told = (reading.origin, reading.metadata, f"convcli {__version__}: {made}")
    coming = _chained(first, frames)
    del first
    if str(output) != "-":
        with whole(output, force, seal) as stream:
            return target.write(stream, coming, *told)
    stdout, buffer = standard_output(), BytesIO()
    notes = target.write(buffer, coming, *told)
    try:
        stdout.write(buffer.getbuffer())
        stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        raise
    except OSError as error:
        raise AccessError(f"standard output can't be written: {error.strerror or error}") from None
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
    """Name, size, and the weights themselves where they are few."""
    words = [f"{kernel.name or 'kernel'} {kernel.size[1]}x{kernel.size[0]}"]
    if kernel.depth == 1 and kernel.weights.size <= 25:
        words.append(f"[{'; '.join(' '.join(f'{w:.6g}' for w in row) for row in kernel.weights)}]")
    words += [f"/ {kernel.divisor:.6g}"] * (kernel.divisor != 1) + [f"+ {kernel.bias:.6g}"] * (kernel.bias != 0)
    return " ".join(words)


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
