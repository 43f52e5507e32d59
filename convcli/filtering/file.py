"""One file through a recipe, in and out: what `convcli apply` and `convcli batch` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import BinaryIO

from convcli import words
from convcli.errors import ConvcliError, ImageError
from convcli.files import check_output, open_output
from convcli.files.pipes import write_standard_output
from convcli.filtering.frame import Count, PictureOptions, filter_frame, steps
from convcli.filtering.notes import described, saturation, stretched_without
from convcli.filtering.recipe import Recipe
from convcli.images import Frame, Reading, Target
from convcli.images.early import EarlyDecoding
from convcli.system.memory import free_memory
from convcli.version import __version__


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
    options: PictureOptions | None = None,
    *,
    force: bool = False,
    threads: int | None = None,
    pipes: bool = False,
    when_complete: Callable[[BinaryIO], None] | None = None,
    ahead: EarlyDecoding | None = None,
) -> Outcome:
    """Read a picture, run the recipe on it, write what comes out; "-" is standard output.

    pipes: the source may be a pipe, or "-" for standard input.
    Both are paths or URLs. The output appears whole or not at all; when_complete: is given it before it appears.
    ahead: the source, where its decoding has begun.
    Raises ConvcliError: what can't be done with these files, or with this recipe on this picture.
    """
    begin = perf_counter()
    options = options or PictureOptions()
    if str(output) != "-":
        check_output(output, force)
    with Reading(
        source,
        max_pixels=options.max_pixels,
        frame=options.frame,
        reduce_depth=options.reduce_depth,
        pipes=pipes,
        max_bytes=options.max_bytes,
        ahead=ahead,
    ) as reading:
        size = _checked(reading, recipe, target)
        count = Count()
        made = described(recipe) + options.described
        frames = _filtered(reading, recipe, target, options, count, threads)
        notes = _write(output, frames, reading, made, target, force, when_complete)
        notes += reading.notes
        if reading.reduced:
            notes.append("the depth was reduced to 8 bits a channel")
        if told := saturation(count.range, count.samples, count.below, count.above):
            notes.append(told)
        if told := stretched_without(count.infinite):
            notes.append(told)
        return Outcome(
            reading.origin.format, reading.origin.mode, reading.origin.frames, reading.size, size,
            count.range, count.samples, count.below, count.above, perf_counter() - begin, tuple(notes),
        )  # fmt: skip


def _checked(reading: Reading, recipe: Recipe, target: Target) -> tuple[int, int]:
    """The output's size, if the kernel fits, the format holds the frames, and there is memory for it all."""
    try:
        size = recipe.output(reading.size)
        target.check_size(size)
    except ConvcliError as error:
        raise type(error)(f"{reading.name}: {error}") from None
    target.check(reading.name, reading.origin)
    growth = max(1.0, size[0] * size[1] / (reading.size[0] * reading.size[1]))
    others = reading.origin.frames - 1  # whose results wait until all are written
    need, free = int(reading.bytes * ((1 + growth) / 1.5 + others * growth / 2)), free_memory()
    if free is not None and need > free:
        raise ImageError(
            f"{reading.name} needs about {words.size(need)} of memory and {words.size(free)} are free; "
            "free some, or use a smaller picture or padding"
        )
    return size


def _filtered(
    reading: Reading, recipe: Recipe, target: Target, options: PictureOptions, count: Count, threads: int | None
) -> Iterator[Frame]:
    """Every frame through the recipe. A frame is let go before its result is written."""
    if target.raw:
        recipe = replace(recipe, range="raw")
    frames = reading.frames()
    while (frame := next(frames, None)) is not None:
        try:
            for step in steps(recipe):
                frame = filter_frame(frame, step, options, count, threads)
        except ConvcliError as error:
            raise type(error)(f"{reading.name}: {error}") from None
        if options.reduce_depth or not target.raw:
            frame = replace(frame, integer=frame.integer and frame.pixels.dtype.kind == "f")
        yield frame


def _write(
    output: str | Path, frames: Iterator[Frame], reading: Reading, made: str, target: Target, force: bool,
    when_complete: Callable[[BinaryIO], None] | None,
) -> list[str]:  # fmt: skip
    first = next(frames)  # metadata is complete once a frame has been decoded; and no file is begun for nothing
    told = (reading.origin, reading.metadata, f"convcli {__version__}: {made}")
    coming = _chained(first, frames)
    del first
    if str(output) != "-":
        with open_output(output, force, when_complete) as stream:
            return target.write(stream, coming, *told)
    buffer = BytesIO()
    notes = target.write(buffer, coming, *told)
    write_standard_output(buffer.getbuffer())
    return notes


def _chained(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from others
