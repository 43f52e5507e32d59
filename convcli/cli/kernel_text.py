"""A kernel in the terminal: its grid and what can be told of it, and tables of kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convcli.cli.console import console

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from convcli.kernel import Kernel
    from convcli.kernels.facts import Anatomy

_WIDEST_GRID = 21


def parameters(kernel: Kernel) -> dict[str, Any]:
    """The parameters of the kernel's family: as they are given, else their defaults; empty for a fixed grid."""
    from convcli.kernels.catalogue import BUILT_IN
    from convcli.kernels.families import FAMILIES

    name, _, given = kernel.name.partition(":")
    family = FAMILIES.get(name)
    if family is None or kernel.origin != BUILT_IN:
        return {}
    return family.settled(dict(word.split("=", 1) for word in given.split(",") if word))


def table(group: str, members: list[Kernel], boxed: bool) -> Table:
    """The kernels of a group, with what they do. boxed: with a line below the head."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from convcli.kernels.catalogue import BUILT_IN

    table = Table(title=group, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD if boxed else None)
    table.add_column("Kernel", no_wrap=True, style="cyan")
    table.add_column("Size", no_wrap=True, justify="right")
    table.add_column("Range", no_wrap=True)
    table.add_column("What it does")
    for kernel in members:
        height, width = kernel.size
        taken = ", ".join(parameters(kernel))
        words = Text(kernel.description).append(f" [{taken}]" if taken else "", "dim")
        if kernel.origin != BUILT_IN:
            words.append(f"{' ' if kernel.description else ''}({kernel.origin})", "dim")
        table.add_row(Text(kernel.name), f"{width}x{height}", kernel.range or "clip", words)
    return table


def draw(kernel: Kernel, facts: Anatomy) -> None:
    """Print the kernel's weights in colours, and its facts."""
    from rich.text import Text

    screen = console()
    screen.print(Text(kernel.name or "kernel", "bold"))
    for line in (kernel.description, f"Source: {kernel.source}" if kernel.source else ""):
        if line:
            screen.print(Text(line))
    height, width = kernel.size
    if width > _WIDEST_GRID or height > 2 * _WIDEST_GRID:
        screen.print(f"\n({height} rows of {width} weights are too many to draw; --json and --yaml write them all)")
    else:
        for grid in kernel.weights.reshape(-1, height, width):
            screen.print()
            screen.print(_grid(grid), soft_wrap=True)
    screen.print()
    for label, value in _facts(kernel, facts):
        screen.print(Text(f"{label:<11}{value}"))


def _grid(grid: Any) -> Text:
    """The weights, negative ones on blue, positive ones on red, the stronger the larger."""
    from rich.text import Text

    words = [[f"{weight:.4g}" for weight in row] for row in grid.tolist()]
    width = max(len(word) for row in words for word in row) + 2
    largest = float(abs(grid).max()) or 1.0
    text = Text()
    for row, weights in zip(words, grid.tolist(), strict=True):
        for word, weight in zip(row, weights, strict=True):
            text.append(word.rjust(width - 1) + " ", _shade(weight / largest))
        text.append("\n")
    text.right_crop(1)
    return text


def _shade(share: float) -> str:
    """White on blue for negative, white on red for positive; the background is darkest at zero."""
    strength = round(40 + 160 * abs(share))
    rgb = (strength, 40, 40) if share > 0 else (40, 60, strength) if share < 0 else (40, 40, 40)
    return f"white on rgb({rgb[0]},{rgb[1]},{rgb[2]})"


def _route(kernel: Kernel) -> str:
    """How the engine would go about it on a colour photograph of 8 bits, and why."""
    from convcli.engine.job import EngineJob
    from convcli.engine.routes import choose
    from convcli.geometry import Geometry
    from convcli.ranges import range_map

    range_ = kernel.range or "clip"
    mapping = None if range_ == "normalize" else range_map(range_, "uint8")
    route = choose(EngineJob.for_picture(kernel, Geometry(), "uint8", (3000, 4000, 3), kernel.depth > 1, mapping))
    return f"{route.name} ({route.why}) on 8-bit photographs"


def _facts(kernel: Kernel, facts: Anatomy) -> list[tuple[str, str]]:
    height, width = kernel.size
    depth = f", depth {kernel.depth}" if kernel.depth > 1 else ""
    terms = "several" if facts.rank is None else facts.rank
    rank = "yes: a column times a row" if facts.separable else f"no: a sum of {terms} such kernels"
    flips = {
        "nothing": "nothing: it is symmetric under half a turn",
        "the sign": "the sign of the response",
        "another kernel": "the result",
    }
    rows = [
        ("size", f"{height} {'row' if height == 1 else 'rows'} of {width}{depth}"),
        ("sum", f"{facts.total:.6g}" + (" (keeps the brightness)" if facts.total == 1 else "")),
        ("divisor", f"{kernel.divisor:.6g}"),
        ("bias", f"{kernel.bias:.6g}"),
        ("separable", rank),
        ("--flip", f"changes {flips[facts.flip]}"),
        ("response", f"{facts.low:.6g} to {facts.high:.6g} on pixels of 0..255"),
        ("range", kernel.range or "clip"),
        ("route", _route(kernel)),
        ("tags", ", ".join(kernel.tags)),
        ("origin", kernel.origin),
    ]
    taken = [f"{key}={'(from the others)' if value is None else value}" for key, value in parameters(kernel).items()]
    if taken:
        rows.insert(0, ("parameters", ", ".join(taken) + " unless given" * (":" not in kernel.name)))
    return [(label, value) for label, value in rows if value]
