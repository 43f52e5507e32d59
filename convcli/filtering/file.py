"""Filter one file by a recipe: the code that `convcli apply` and `convcli batch` share."""

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
from convcli.images.geography import told as geography_told
from convcli.system.memory import free_memory
from convcli.version import __version__


@dataclass(frozen=True)
class Outcome:
    """The result of filtering one file. Sizes are (height, width)."""

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
    """Read a picture, run the recipe on it and write the result.

    source, output: paths or URLs; the output may be "-" for standard output. It appears whole or not at all.
    pipes: the source may be a pipe, or "-" for standard input.
    when_complete: called with the complete output before it appears.
    ahead: the early decoding of the source, if it has been started.
    Raises ConvcliError if the files can't be read or written, or if the recipe does not fit the picture.
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
        notes = _write(output, frames, reading, recipe, made, target, force, when_complete)
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
    """Return the output's size. Raises ConvcliError if the kernel, the frames or the memory they need do not fit."""
    try:
        size = recipe.output(reading.size)
        target.check_size(size)
    except ConvcliError as error:
        raise type(error)(f"{reading.name}: {error}") from None
    target.check(reading.name, reading.origin)
    growth = max(1.0, size[0] * size[1] / (reading.size[0] * reading.size[1]))
    others = reading.origin.frames - 1  # their results stay in memory until all are written
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
    """Filter every frame by the recipe. A frame is freed before its result is written."""
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
    output: str | Path, frames: Iterator[Frame], reading: Reading, recipe: Recipe, made: str, target: Target,
    force: bool, when_complete: Callable[[BinaryIO], None] | None,
) -> list[str]:  # fmt: skip
    first = next(frames)  # decoding completes the metadata, and may fail before a file is begun
    metadata, stays = reading.metadata, recipe.stays(reading.size)
    geography, lost = geography_told(metadata.geography, metadata.nodata, stays, target.format)
    told = (reading.origin, replace(metadata, geography=geography), f"convcli {__version__}: {made}")
    lost = [] if target.strip else lost
    coming = _chained(first, frames)
    del first
    if str(output) != "-":
        with open_output(output, force, when_complete) as stream:
            return target.write(stream, coming, *told) + lost
    buffer = BytesIO()
    notes = target.write(buffer, coming, *told) + lost
    write_standard_output(buffer.getbuffer())
    return notes


def _chained(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from others
