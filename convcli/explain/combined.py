"""One pixel of a map that several kernels make together: the response of each, and how they are combined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import RecipeError
from convcli.explain import text
from convcli.explain.arithmetic import Step, ended, plain, to_pixel, to_response
from convcli.explain.pixel import Explanation, checked_point, stage_of, strongest, sum_of
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.ranges import Limits

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class Together:
    """One channel of the map at the point: each kernel's response, the combination of them, and its pixel."""

    channel: str
    responses: tuple[float, ...]
    response: float
    pixel: float


@dataclass(frozen=True)
class Combined:
    """A point (x, y) of the map: each kernel explained up to its response, and for each channel what becomes of them.

    limits: the least and greatest finite combined response of the map.
    """

    x: int
    y: int
    how: str
    range: str
    limits: tuple[float, float]
    parts: tuple[Explanation, ...]
    channels: tuple[Together, ...]


def explain_combined(image: NDArray[Any], recipe: Recipe, at: tuple[int, int] | None = None) -> Combined:
    """Explain the pixel at (x, y) of a recipe that combines its kernels; the strongest response without `at`.

    Raises RecipeError for combine="angle", GeometryError where the point is outside the map, and what `run_recipe`
    raises.
    """
    how = str(recipe.combine)
    if how == "angle":
        raise RecipeError(
            "an angle becomes a hue, which is no arithmetic to be shown; --combine magnitude explains its brightness"
        )
    raw, done = run_recipe(image, replace(recipe, range="raw")).pixels, run_recipe(image, recipe)
    stages = [
        stage_of(image, replace(recipe, kernels=(kernel,), combine=None, range="raw")) for kernel in recipe.kernels
    ]
    flat = raw.reshape(*raw.shape[:2], -1)
    widest = max(stages, key=lambda stage: stage.kernel.size)
    x, y = checked_point(at, raw.shape) if at else strongest(replace(widest, raw=flat))
    parts = tuple(stage.explain(x, y) for stage in stages)
    limits = Limits.in_responses(raw)
    pixels = done.pixels.reshape(*raw.shape[:2], -1)[y, x]
    channels = tuple(
        Together(
            parts[0].responses[c].channel,
            tuple(to_response(part, part.responses[c])[-1].value for part in parts),
            float(flat[y, x, c]),
            pixels[c].item(),
        )
        for c in range(flat.shape[2])
    )
    return Combined(x, y, how, done.range, (limits.low, limits.high), parts, channels)


def steps(combined: Combined, channel: Together) -> list[Step]:
    """The way from the responses to the pixel, in order."""
    how, found = combined.how, channel.responses
    words = [plain(r) for r in found]
    if how == "magnitude":
        step = Step(how, f"root of {' + '.join(f'({word})^2' if word[0] == '-' else f'{word}^2' for word in words)}",
                    sqrt(sum_of(r * r for r in found)))  # fmt: skip
    elif how == "max":
        step = Step(how, f"the greatest of {', '.join(words)}", float(np.max(found)))
    else:
        total = words[0] + "".join(f" {'-' if w[0] == '-' else '+'} {w.lstrip('-')}" for w in words[1:])
        step = Step(how, f"({total}) / {len(found)}" if how == "mean" else total,
                    sum_of(found) / (len(found) if how == "mean" else 1))  # fmt: skip
    way = [step, *to_pixel(step.value, combined.range, combined.limits, combined.parts[0].dtype)]
    return ended(way, channel.pixel)


def report(combined: Combined, width: int) -> Iterator[Text]:
    """The lines to print for a terminal of that width."""
    from rich.text import Text

    one = combined.parts[0]
    yield Text(
        f"Pixel {combined.x},{combined.y} of the {one.output[1]}x{one.output[0]} map: the responses of "
        f"{len(combined.parts)} kernels to the same {one.size[1]}x{one.size[0]} picture, {combined.how}, "
        f"range {combined.range}."
    )
    for part in combined.parts:
        yield Text("")
        yield Text(text.where(part, together=True), style="bold")
        for response in part.responses:
            for window in response.windows:
                yield text.indented(Text(window.channel, style="bold"))
                yield from text.window_lines(window, part, width)
            yield from text.way_lines(to_response(part, response))
    for channel in combined.channels:
        yield Text("")
        yield Text(f"together, {channel.channel}", style="bold")
        yield from text.way_lines(steps(combined, channel), channel.pixel)


def as_object(combined: Combined) -> dict[str, Any]:
    """The same for machines: x, y, response and pixel, each kernel, and every step."""
    number = text.json_number
    return {
        "x": combined.x,
        "y": combined.y,
        "response": [number(c.response) for c in combined.channels],
        "pixel": [number(c.pixel) for c in combined.channels],
        "combine": combined.how,
        "range": combined.range,
        "kernels": [_part(part) for part in combined.parts],
        "channels": [
            {
                "channel": c.channel,
                "responses": [number(r) for r in c.responses],
                "steps": [{"name": s.name, "text": s.text, "value": number(s.value)} for s in steps(combined, c)],
                "response": number(c.response),
                "pixel": number(c.pixel),
            }
            for c in combined.channels
        ],
    }


def _part(part: Explanation) -> dict[str, Any]:
    """A kernel's own share, which ends in its responses."""
    found = text.as_object(part)
    del found["pixel"], found["range"]
    for channel in found["channels"]:
        del channel["pixel"]
    return found
