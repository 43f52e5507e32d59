"""What `convcli apply` has for pictures larger than memory: options, the choice of the way, and a bar."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.console import error_console
from convcli.cli.options import Address, Bytes

if TYPE_CHECKING:
    from convcli.explain.forecast import PictureShape
    from convcli.large import StreamOptions

_OPTIONS = (
    click.option(
        "--memory", type=Bytes(), metavar="SIZE",
        help="A TIFF that needs more (500M, 2G) is filtered in pieces, to a tiled BigTIFF. "
        "[default: a quarter of the free]",
    ),
    click.option(
        "--pyramid", is_flag=True,
        help="Write smaller levels too, into a TIFF or Zarr, until one fits a tile: for viewers of large pictures.",
    ),
    click.option(
        "--zarr-format", type=click.Choice(("2", "3")), help="Of an OUTPUT.zarr. [default: INPUT's, else 3]",
    ),
    click.option(
        "--cluster", type=Address(), metavar="ADDRESS",
        help="Let the workers of a Dask scheduler (tcp://HOST:8786) filter the pieces of a large TIFF or Zarr; "
        "local starts one on this machine.",
    ),
)  # fmt: skip
_NAMES = ("memory", "pyramid", "zarr_format", "cluster")


def large_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options for pictures larger than memory; `stream_options_from` takes their values."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_large_options(words: dict[str, Any]) -> dict[str, Any]:
    """The values of these options, taken out of those of all."""
    return {name: words.pop(name) for name in _NAMES}


def stream_options_from(
    asked: dict[str, Any], picture: dict[str, Any], threads: int | None, force: bool
) -> StreamOptions:
    """How a large picture is to be filtered, from the values of these options and those of pictures."""
    from convcli.large import StreamOptions

    version = int(asked["zarr_format"]) if asked["zarr_format"] else None
    return StreamOptions(
        picture["compression"], picture["strip"], asked["pyramid"], version, asked["memory"], threads, force,
        asked["cluster"],
    )  # fmt: skip


def shape_of(source: str, output: str, recipe: Any, streaming: StreamOptions, options: Any) -> PictureShape:
    """What the picture is like, once it is clear that it can be filtered in pieces."""
    from convcli.explain.forecast import PictureShape
    from convcli.large.run import look

    height, width, channels, dtype = look(source, output, recipe, streaming, options)
    return PictureShape((height, width), channels, dtype)


@contextlib.contextmanager
def bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar of rows, with rate and time left, on a terminal; nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda rows, total: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Filtering"), BarColumn(), TaskProgressColumn(show_speed=True), TimeRemainingColumn())
    with Progress(*columns, console=error_console(), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda rows, total: progress.update(task, completed=rows, total=total)
