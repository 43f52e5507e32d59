"""One pixel's arithmetic as text for a terminal, and as an object for machines."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.explain.arithmetic import Step, pair, plain, share_of, steps
from convcli.explain.pixel import Explanation, Patch
from convcli.ranges import full_scale

if TYPE_CHECKING:
    from rich.text import Text

_LONG = 12  # how many products are listed of a kernel too wide for a grid
_GAP = "   "


def report(explanation: Explanation, width: int) -> Iterator[Text]:
    """The lines to print for a terminal of that width."""
    from rich.text import Text

    yield Text(where(explanation))
    for response in explanation.responses:
        yield Text("")
        for window in response.windows:
            yield Text(window.channel, style="bold")
            yield from window_lines(window, explanation, width)
            if len(response.windows) > 1:
                yield from way_lines([share_of(window)])
                yield Text("")
        yield from way_lines(steps(explanation, response), response.pixel)


def as_object(explanation: Explanation) -> dict[str, Any]:
    """The same for machines: x, y, response and pixel, and every number in between."""
    e = explanation
    return {
        "x": e.x,
        "y": e.y,
        "response": [json_number(r.response) for r in e.responses],
        "pixel": [json_number(r.pixel) for r in e.responses],
        "picture": [e.size[1], e.size[0]],
        "map": [e.output[1], e.output[0]],
        "kernel": e.kernel.name,
        "after": list(e.before),
        "linear": e.stored is not None,
        "range": e.range,
        "divisor": json_number(e.kernel.divisor),
        "bias": json_number(e.bias),
        "stride": list(e.geometry.stride),
        "dilation": list(e.geometry.dilation),
        "padding": e.geometry.padding if isinstance(e.geometry.padding, str) else list(e.geometry.padding),
        "padding_mode": e.geometry.padding_mode,
        "first": [e.first[1], e.first[0]],
        "channels": [
            {
                "channel": r.channel,
                "windows": [_window_object(w) for w in r.windows],
                "steps": [{"name": s.name, "text": s.text, "value": json_number(s.value)} for s in steps(e, r)],
                "response": json_number(r.response),
                "pixel": json_number(r.pixel),
            }
            for r in e.responses
        ],
    }


def _window_object(window: Patch) -> dict[str, Any]:
    return {
        "channel": window.channel,
        "pixels": json_number(window.pixels.tolist()),
        "padding": window.padded.tolist(),
        "weights": json_number(window.weights.tolist()),
        "products": json_number(window.products.tolist()),
        "sum": json_number(window.total),
    }


def json_number(value: Any) -> Any:
    """Whole numbers as integers; what JSON has no number for as null."""
    if isinstance(value, list):
        return [json_number(item) for item in value]
    if not isfinite(value):
        return None
    return int(value) if float(value).is_integer() else value


def where(e: Explanation, together: bool = False) -> str:
    """Where the kernel looks, and how; `together`: as one of several whose responses are combined."""
    g, (kh, kw), columns, rows = e.geometry, e.kernel.size, span("column", e, 1), span("row", e, 0)
    padding = g.padding if isinstance(g.padding, str) else ",".join(map(str, g.padding))
    count = len(e.before) + 1
    step = f" (kernel {count} of {count})" if e.before else ""
    settings = [f"stride {pair(g.stride)}"] if g.stride != (1, 1) else []
    settings += [f"dilation {pair(g.dilation)}"] if g.dilation != (1, 1) else []
    settings += [f"padding {padding} ({g.padding_mode})"]
    name = f"{e.kernel.shown if e.kernel.name else 'Kernel'} {kw}x{kh}{step}"
    if together:
        return f"{name} at {columns} and {rows}, {', '.join(settings)}"
    settings += [f"range {e.range}"] + (["in linear light, where white is 1"] if e.stored else [])
    chain = f"\nThe picture here is what {' and then '.join(e.before)} made of the file." if e.before else ""
    return (
        f"Pixel {e.x},{e.y} of the {e.output[1]}x{e.output[0]} map looks at {columns} and {rows} of the "
        f"{e.size[1]}x{e.size[0]} picture.\n{name}, {', '.join(settings)}.{chain}"
    )


def span(what: str, e: Explanation, axis: int) -> str:
    """`rows 3..5`: where the kernel's weights lie along an axis."""
    first, reach = e.first[axis], e.geometry.dilation[axis] * (e.kernel.size[axis] - 1)
    return f"{what}s {first}..{first + reach}" if reach else f"{what} {first}"


def window_lines(window: Patch, e: Explanation, width: int) -> Iterator[Text]:
    """Patch, kernel and products side by side; below each other, or as a list, where there is no room."""
    patch = [[f"({plain(v)})" if p else plain(v) for v, p in zip(*row, strict=True)]
             for row in zip(window.pixels, window.padded, strict=True)]  # fmt: skip
    weights = [[plain(v) for v in row] for row in window.weights]
    products = [[plain(v) for v in row] for row in window.products]
    greatest = float(np.abs(window.products).max()) or 1
    blocks = [
        _grid(
            "patch",
            patch,
            lambda i, j: _shade(float(window.pixels[i, j]) / full_scale(e.dtype), bool(window.padded[i, j])),
        ),
        _grid("kernel", weights, lambda i, j: _sign(float(window.weights[i, j]))),
        _grid("products", products, lambda i, j: _sign(float(window.products[i, j]), greatest)),
    ]
    widths = [max(line.cell_len for line in block) for block in blocks]
    if sum(widths) + 2 * len(_GAP) + 2 <= width:
        yield from _beside(blocks, widths)
    elif max(widths) + 2 <= width and len(patch) <= 15:
        for block in blocks:
            yield from (indented(line) for line in block)
    else:
        yield from _largest(window, e)
    if window.padded.any():
        yield indented(_styled(f"(n) is padding: {e.geometry.padding_mode}", "dim"))


def _grid(title: str, cells: list[list[str]], style: Any) -> list[Text]:
    from rich.text import Text

    cell = max(len(text) for row in cells for text in row)
    lines = [Text(title, style="dim")]
    for i, row in enumerate(cells):
        line = Text()
        for j, text in enumerate(row):
            line.append(" " if j else "")
            line.append(text.rjust(cell), style=style(i, j))
        lines.append(line)
    return lines


def _beside(blocks: list[list[Text]], widths: list[int]) -> Iterator[Text]:
    from rich.text import Text

    for row in zip(*blocks, strict=True):
        line = Text("  ")
        for number, (part, width) in enumerate(zip(row, widths, strict=True)):
            line.append_text(part)
            if number < len(blocks) - 1:
                line.append(" " * (width - part.cell_len) + _GAP)
        yield line


def _largest(window: Patch, e: Explanation) -> Iterator[Text]:
    """The products that matter most, where the grid is too wide for the terminal."""
    products = window.products
    order = np.argsort(-np.abs(products), axis=None, kind="stable")[:_LONG]
    (first_y, first_x), (dy, dx) = e.first, e.geometry.dilation
    shown = 0.0
    for index in order:
        i, j = np.unravel_index(int(index), products.shape)
        place = f"{first_x + int(j) * dx},{first_y + int(i) * dy}"
        mark = " (padding)" if window.padded[i, j] else ""
        yield indented(_styled(
            f"{plain(window.pixels[i, j]):>8} * {plain(window.weights[i, j]):<12} = {plain(products[i, j]):<12} "
            f"at {place}{mark}", _sign(float(products[i, j])),
        ))  # fmt: skip
        shown += float(products[i, j])
    rest = products.size - len(order)
    if rest:
        yield indented(_styled(f"and {rest} more products, together {plain(round(window.total - shown, 9))}", "dim"))


def way_lines(way: list[Step], pixel: float | None = None) -> Iterator[Text]:
    """A line for each step, and the pixel in which they end; None where they end in a response."""
    for step in way:
        value = plain(step.value)
        yield indented(_styled(f"{step.name:<9} {value if step.text == value else f'{step.text} = {value}'}", ""))
    if pixel is not None:
        yield indented(_styled(f"{'pixel':<9} {plain(pixel)}", "bold"))


def indented(line: Text) -> Text:
    """A line of the body."""
    from rich.text import Text

    return Text("  ").append_text(line)


def _styled(words: str, style: str) -> Text:
    from rich.text import Text

    return Text(words, style=style)


def _shade(share: float, padded: bool) -> str:
    """Ink on the pixel's own gray."""
    level = round(255 * min(max(share, 0.0), 1.0)) if isfinite(share) else 0
    ink = "rgb(0,0,0)" if level > 120 else "rgb(255,255,255)"
    return f"{'italic ' if padded else ''}{ink} on rgb({level},{level},{level})"


def _sign(value: float, greatest: float | None = None) -> str:
    """Orange for what adds, blue for what takes away: told apart by every eye."""
    weak = greatest is not None and abs(value) < 0.02 * greatest
    if value == 0 or weak:
        return "dim"
    return "rgb(230,140,20)" if value > 0 else "rgb(70,150,230)"
