"""One file through a recipe, in and out: what `convcli apply` and `convcli batch` share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ConvcliError
from convcli.files import check_output, standard_input, standard_output, whole
from convcli.geometry import Geometry, extent
from convcli.images import Frame, Reading, Target
from convcli.recipe import Filtered, Recipe, run

_TOLD = 0.01  # the share of saturated samples from which on the user is told


@dataclass(frozen=True)
class Outcome:
    """What was done to one file. Sizes are (height, width)."""

    format: str
    mode: str
    size: tuple[int, int]
    output_size: tuple[int, int]
    range: str
    samples: int
    below: int
    above: int
    seconds: float

    @property
    def notice(self) -> str | None:
        """What to say when more than one sample in a hundred saturated."""
        return saturation(self.range, self.samples, self.below, self.above)


def filter_file(
    source: str | Path,
    output: str | Path,
    recipe: Recipe,
    target: Target,
    *,
    force: bool = False,
    threads: int | None = None,
) -> Outcome:
    """Read a picture, run the recipe on it, write what comes out; "-" is standard input or output.

    The output appears whole or not at all.
    Raises ConvcliError: what can't be done with these files, or with this recipe on this picture.
    """
    begin = perf_counter()
    if str(output) != "-":
        check_output(output, force)
    with Reading(standard_input() if str(source) == "-" else source) as reading:
        outputs = _named(reading.name, recipe, reading.size)
        frames, done = _filtered(reading, recipe, target, threads)
        _write(output, frames, reading, target, force)
        return Outcome(
            reading.origin.format, reading.origin.mode, reading.size, outputs,
            done.range, done.samples, done.below, done.above, perf_counter() - begin,
        )  # fmt: skip


def _named(name: str, recipe: Recipe, size: tuple[int, int]) -> tuple[int, int]:
    """The output's size; where the kernel does not fit, the message names the file."""
    try:
        return recipe.output(size)
    except ConvcliError as error:
        raise type(error)(f"{name}: {error}") from None


def _filtered(reading: Reading, recipe: Recipe, target: Target, threads: int | None) -> tuple[list[Frame], Filtered]:
    if target.raw:
        recipe = replace(recipe, range="raw")
    frame = next(reading.frames())
    try:
        done = run(frame.pixels, recipe, count=True, threads=threads)
    except ConvcliError as error:
        raise type(error)(f"{reading.name}: {error}") from None
    alpha = frame.alpha
    for kernel in recipe.kernels:
        if alpha is not None:
            alpha = sampled(alpha, recipe.geometry, kernel.size)
    return [replace(frame, pixels=done.pixels, alpha=alpha)], done


def _write(output: str | Path, frames: list[Frame], reading: Reading, target: Target, force: bool) -> None:
    if str(output) == "-":
        stdout, buffer = standard_output(), BytesIO()
        target.write(buffer, frames, reading.origin)
        stdout.write(buffer.getbuffer())
        stdout.flush()
        return
    with whole(output, force) as stream:
        target.write(stream, frames, reading.origin)


def sampled(plane: NDArray[Any], geometry: Geometry, kernel: tuple[int, int]) -> NDArray[Any]:
    """The value under the kernel's centre at each of its positions: (H, W) to (H', W').

    The border is the padding mode's; what is padded with a constant is 0 there.
    """
    size, pads, mode = (plane.shape[0], plane.shape[1]), geometry.pads(plane.shape[:2], kernel), geometry.padding_mode
    count = geometry.output(size, kernel)
    rows, columns = (
        _centres(size[i], kernel[i], pads[i], geometry.stride[i], geometry.dilation[i], mode)[: count[i]]
        for i in (0, 1)
    )
    if all(np.array_equal(axis, np.arange(n)) for axis, n in zip((rows, columns), plane.shape, strict=True)):
        return plane
    taken = plane[rows][:, columns]
    taken[rows < 0] = 0
    taken[:, columns < 0] = 0
    return taken


def _centres(size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int, mode: str) -> NDArray[np.intp]:
    """Where the kernel's centre stands along one axis, as indices into the picture; -1 on a constant border."""
    numpy_mode: dict[str, Any] = {
        "replicate": "edge",
        "reflect": "reflect",
        "symmetric": "symmetric",
        "circular": "wrap",
    }
    indices = np.arange(size)
    if mode in numpy_mode:
        padded = np.pad(indices, pads, mode=numpy_mode[mode])
    else:
        padded = np.pad(indices, pads, constant_values=-1)
    first = (extent(kernel, dilation) - 1) // 2
    return padded[first::stride]


def saturation(range_: str, samples: int, below: int, above: int) -> str | None:
    """The sentence about saturated samples and the option that avoids them; None where they are few."""
    if below + above <= _TOLD * samples:
        return None
    shares = [
        f"{100 * count / samples:.1f} % of the samples {where}"
        for count, where in ((below, "fell below black"), (above, "rose above white"))
        if count
    ]
    return f"{' and '.join(shares)} and were clipped; {_way_out(range_, below, above)}"


def _way_out(range_: str, below: int, above: int) -> str:
    if range_ == "clip" and below:
        return "--range abs shows both signs, --range offset keeps zero at mid-gray, --range normalize keeps all"
    return "--range normalize, or a larger --divisor, keeps them"
