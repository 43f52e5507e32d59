"""`convcli explain`: a convolution at work, on one's own picture."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from convcli.cli.console import console, tell_json
from convcli.cli.options import Numbers, combine_opt, force_opt, paths, recipe_from, recipe_options


class Exactly(Numbers):
    """Whole numbers set off by commas, exactly so many."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The tuple; fails in Click's way."""
        numbers = super().convert(value, param, ctx)
        if isinstance(numbers, int):
            self.fail(f"{value!r} is one number, expected {self.metavar}", param, ctx)
        return numbers


@click.command()
@recipe_options
@combine_opt
@click.option("--linear", is_flag=True, help="In linear light and back to sRGB, as `apply --linear`.")
@click.option(
    "--at",
    type=Exactly("X,Y", (2,), -(10**9)),
    help="The pixel of the map to explain, to animate around, or to begin the page with. "
    "[default: the strongest response]",
)
@click.option("--json", "as_json", is_flag=True, help="One object with every number, for machines.")
@click.option(
    "--animate",
    metavar="FILE",
    shell_complete=paths,
    help="Write the kernel sliding over a crop, as .gif, .webp or .apng, instead.",
)
@click.option(
    "--html", metavar="FILE", shell_complete=paths, help="Write a page to play with instead: every pixel, every weight."
)
@click.option(
    "--crop",
    type=Exactly("X,Y,W,H", (4,), 0),
    help="The part to animate, or to put on the page. [default: where there is something to see; on the page, all]",
)
@click.option(
    "--speed", type=click.FloatRange(0.1, 50), default=2, show_default=True, metavar="N", help="Positions a second."
)
@click.option(
    "--frame", type=click.IntRange(1), metavar="N", help="Only this frame of the animation, from 1, as a still."
)
@force_opt
@click.argument("source", metavar="INPUT", shell_complete=paths)
def explain(
    source: str, at: tuple[int, int] | None, as_json: bool, animate: str | None, html: str | None, crop: Any,
    speed: float, frame: int | None, force: bool, linear: bool, **recipe_words: Any,
) -> None:  # fmt: skip
    """Show how a pixel of the feature map comes about, on the picture INPUT.

    The patch under the kernel, the products, their sum, divisor and bias, and what the range makes of it: the numbers
    end in the pixel that `convcli apply` writes. Colours are taken as they are stored, as with `apply --alpha keep`.

    \b
    Examples:
      convcli explain -k sharpen --at 120,40 samples/scene.png
      convcli explain -k sobel-x --channels gray samples/scene.png
      convcli explain -k sobel-x -k sobel-y --combine magnitude --at 120,40 samples/scene.png
      convcli explain -k sobel-x --animate sobel.gif samples/scene.png
      convcli explain -k sobel-x --html sobel.html samples/scene.png
    """
    _check_together(html, animate, as_json, crop, frame)
    recipe = recipe_from(**recipe_words)
    if (recipe.combine or linear) and (html is not None or animate is not None):
        what, given = "--combine" if recipe.combine else "--linear", "--animate" if html is None else "--html"
        raise click.UsageError(
            f"{given} shows one kernel on the values as they are stored; leave out {what}, or leave out {given} to see "
            "a pixel's arithmetic in the terminal"
        )
    if recipe.combine and linear:
        raise click.UsageError("--combine and --linear are explained one at a time; leave out one of them")
    if html is not None:
        _page(source, html, recipe, crop, at, force)
    elif animate is not None:
        _animate(source, animate, recipe, crop, at, speed, frame, force)
    else:
        _tell(source, recipe, at, as_json, linear)


def _check_together(html: str | None, animate: str | None, as_json: bool, crop: Any, frame: int | None) -> None:
    """Refuse options of which one would do nothing."""
    if html is not None and animate is not None:
        raise click.UsageError("--html and --animate write different files; give one of them")
    if as_json and (html is not None or animate is not None):
        raise click.UsageError("--json prints a pixel; --html and --animate write a file; give one of them")
    if html is None and animate is None and crop:
        raise click.UsageError("--crop is for --animate FILE and --html FILE")
    speed = click.get_current_context().get_parameter_source("speed") is not ParameterSource.DEFAULT
    if animate is None and (frame or speed):
        raise click.UsageError(f"--{'frame' if frame else 'speed'} is for --animate FILE")


def _tell(source: str, recipe: Any, at: tuple[int, int] | None, as_json: bool, linear: bool) -> None:
    from convcli.explain import combined, text
    from convcli.explain.linear import explain_linear
    from convcli.explain.pixel import explain_pixel

    frame = _frame(source)
    made: Any
    words: Any = combined if recipe.combine else text
    if recipe.combine:
        made = combined.explain_combined(frame.pixels, recipe, at)
    else:
        made = explain_linear(frame, recipe, at) if linear else explain_pixel(frame.pixels, recipe, at)
    if as_json:
        tell_json(words.as_object(made))
        return
    screen = console()
    for line in words.report(made, screen.width):
        screen.print(line)


def _animate(
    source: str, output: str, recipe: Any, crop: Any, at: tuple[int, int] | None, speed: float, frame: int | None,
    force: bool,
) -> None:  # fmt: skip
    from pathlib import Path

    from convcli.explain.animation import check_animation, check_suffix, figure_of, write_animation
    from convcli.files import check_output, open_output
    from convcli.files.names import printable_path
    from convcli.words import counted

    check_suffix(output, frame)
    check_output(output, force)
    figure = figure_of(_frame(source).pixels, recipe, crop, at)
    check_animation(figure, frame)
    with open_output(output, force) as stream:
        write_animation(stream, figure, Path(output).suffix, speed, frame)
    what = f"frame {frame} of {figure.frames}" if frame else counted(figure.frames, "frame")
    click.echo(f"{printable_path(output)}: {what}, {figure.width}x{figure.height}; {figure.title}", err=True)


def _page(source: str, output: str, recipe: Any, crop: Any, at: tuple[int, int] | None, force: bool) -> None:
    from convcli.explain.page import check_page, page
    from convcli.files import check_output, open_output
    from convcli.files.names import printable_path
    from convcli.words import size

    check_page(output)
    check_output(output, force)
    frame = _frame(source)
    name = "input.png" if source == "-" else source
    text = page(frame.pixels, recipe, name, crop, alpha=frame.alpha is not None, at=at).encode()
    with open_output(output, force) as stream:
        stream.write(text)
    click.echo(f"{printable_path(output)}: {size(len(text))}; open it in a browser", err=True)


def _frame(source: str) -> Any:
    """The picture; its first frame, where it has several."""
    from convcli.images import Reading

    with Reading(source, pipes=True) as reading:
        frame = next(reading.frames())
    if frame.alpha is not None:
        click.echo(
            "Note: colours are explained as they are stored, whatever their opacity; so is --alpha keep.", err=True
        )
    return frame
