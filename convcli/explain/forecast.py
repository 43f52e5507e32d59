"""The plan of a recipe: sizes, work, memory, route and time, without filtering the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from convcli import words
from convcli.engine.job import EngineJob
from convcli.engine.plans import route_of
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.geometry import extent, formula, unused
from convcli.kernel import Kernel
from convcli.ranges import RangeMap, range_map

Size = tuple[int, int]
_TRIAL = 512  # the side of the noise on which the time is tried


@dataclass(frozen=True)
class PictureShape:
    """What a picture is like before it is read: (height, width), channels and dtype."""

    size: Size
    channels: int
    dtype: str

    @property
    def samples(self) -> int:
        """Height times width times channels."""
        return self.size[0] * self.size[1] * self.channels

    @property
    def bytes(self) -> int:
        """What its samples take in memory."""
        return self.samples * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Step:
    """One kernel of the recipe.

    formulas: of width and height, with the result. uncovered: right columns and bottom rows that no position covers.
    weights: the parameters; uses: how often each is used. multiply_adds: of the definition. inputs: how many samples
    an output looks at. dense_weights: of the dense layer between the same picture and map. receptive: (height, width)
    of the first picture that an output of this step sees.
    """

    kernel: str
    size: Size
    picture: PictureShape
    map: PictureShape
    range: str
    formulas: tuple[str, str]
    uncovered: tuple[int, int]
    weights: int
    uses: int
    multiply_adds: int
    inputs: int
    dense_weights: int
    receptive: Size
    route: str
    why: str


@dataclass(frozen=True)
class Forecast:
    """All steps, the memory of the largest one in bytes, and about how long filtering takes in seconds."""

    steps: tuple[Step, ...]
    combine: str | None
    memory: int
    seconds: float


def plan_of(shape: PictureShape, recipe: Recipe) -> Forecast:
    """The plan of a recipe for pictures of that shape. Raises what the recipe would raise on the picture."""
    recipe.output(shape.size)
    if recipe.channels == "gray":
        shape = PictureShape(shape.size, 1, shape.dtype)
    found: list[Step] = []
    picture, reach, apart = shape, (1, 1), (1, 1)
    for kernel in recipe.kernels:
        step = _step(kernel, recipe, picture, reach, apart)
        found.append(step)
        if not recipe.combine:
            picture, reach = step.map, step.receptive
            apart = (apart[0] * recipe.geometry.stride[0], apart[1] * recipe.geometry.stride[1])
    seconds = sum(_seconds(step, kernel, recipe) for step, kernel in zip(found, recipe.kernels, strict=True))
    return Forecast(tuple(found), recipe.combine, max(map(_memory, found)), seconds)


def as_object(plan: Forecast) -> dict[str, Any]:
    """The plan for machines; sizes are [width, height]."""
    told = asdict(plan)
    for step in told["steps"]:
        for shape in (step["picture"], step["map"]):
            shape["size"] = shape["size"][::-1]
        step["size"], step["receptive"] = step["size"][::-1], step["receptive"][::-1]
    return told


def lines(plan: Forecast) -> Iterator[str]:
    """The plan as lines of text."""
    for step in plan.steps:
        yield f"{step.kernel} {_by(step.size)}, range {step.range}"
        yield from (f"  {name:<16} {text}" for name, text in _told(step))
    several = f", combined by {plan.combine}" if plan.combine else ""
    yield f"all together{several}"
    yield f"  {'memory':<16} about {words.size(plan.memory)}"
    time = words.duration(plan.seconds)
    yield f"  {'time':<16} about {time} for filtering, as tried on noise; reading and writing come to it"


def _told(step: Step) -> Iterator[tuple[str, str]]:
    yield "width", step.formulas[0]
    yield "height", step.formulas[1]
    for count, what in zip(step.uncovered, ("right column", "bottom row"), strict=True):
        if count:
            them = "it" if count == 1 else "them"
            yield "uncovered", f"{words.counted(count, what)}: no kernel position covers {them}"
    yield "map", f"{_by(step.map.size)}, {words.counted(step.map.channels, 'channel')} of {step.map.dtype}"
    yield "weights", f"{step.weights:,}, each used {words.counted(step.uses, 'time')} (parameter sharing)"
    yield "an output sees", f"{step.inputs:,} of {words.counted(step.picture.samples, 'sample')} (sparse connectivity)"
    yield "multiply-adds", f"{step.multiply_adds:,}"
    yield "a dense layer", f"would have {words.counted(step.dense_weights, 'weight')} for the same map"
    yield "receptive field", f"{_by(step.receptive)} of the picture"
    yield "route", f"{step.route}: {step.why}"


def _step(kernel: Kernel, recipe: Recipe, picture: PictureShape, reach: Size, apart: Size) -> Step:
    geometry = recipe.geometry
    depth = recipe.channels == "sum" or kernel.depth > 1
    rows, columns = geometry.output(picture.size, kernel.size)
    axes = list(
        zip(
            picture.size,
            kernel.size,
            geometry.pads(picture.size, kernel.size),
            geometry.stride,
            geometry.dilation,
            strict=True,
        )
    )
    height, width = (f"O = {formula(*axis)} = {o}" for axis, o in zip(axes, (rows, columns), strict=True))
    range_ = recipe.range or kernel.range or "clip"
    made = PictureShape((rows, columns), 1 if depth else picture.channels, picture.dtype)
    taps = kernel.size[0] * kernel.size[1]
    mapping: RangeMap | None = (
        None if range_ in ("raw", "normalize") or recipe.combine else range_map(range_, picture.dtype)
    )
    job = EngineJob.for_picture(kernel, geometry, picture.dtype, (*picture.size, picture.channels), depth, mapping)
    chosen = route_of(job, picture.size)
    receptive = tuple(
        r + (extent(k, d) - 1) * a for r, k, d, a in zip(reach, kernel.size, geometry.dilation, apart, strict=True)
    )
    return Step(
        kernel.shown, kernel.size, picture, made, range_, (width, height),
        (unused(*axes[1]), unused(*axes[0])), int(kernel.weights.size),
        rows * columns * (picture.channels if kernel.depth == 1 else 1),
        rows * columns * taps * picture.channels, taps * (picture.channels if depth else 1),
        picture.samples * made.samples, (receptive[0], receptive[1]), chosen.name, chosen.why,
    )  # fmt: skip


def _memory(step: Step) -> int:
    """The picture, the map, and float32 responses where the range needs them all at once."""
    responses = 4 * step.map.samples if step.range in ("normalize", "raw") else 0
    return step.picture.bytes + step.map.bytes + responses


def _seconds(step: Step, kernel: Kernel, recipe: Recipe) -> float:
    """Tried on a small picture of noise; the best of three runs, since the first one loads the engine."""
    geometry, picture = recipe.geometry, step.picture
    reach = (extent(k, d) for k, d in zip(kernel.size, geometry.dilation, strict=True))
    small = tuple(min(n, max(_TRIAL, 2 * r)) for n, r in zip(picture.size, reach, strict=True))
    noise = np.random.default_rng(0).random((*small, picture.channels), np.float32)
    image = noise if picture.dtype == "float32" else (noise * np.iinfo(picture.dtype).max).astype(picture.dtype)
    alone = Recipe((kernel,), geometry, recipe.channels, recipe.range)
    best = float("inf")
    for _ in range(3):
        begin = perf_counter()
        made = run_recipe(image, alone).pixels
        best = min(best, perf_counter() - begin)
    return best * step.map.samples / made.size


def _by(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
