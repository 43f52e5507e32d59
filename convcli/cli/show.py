"""`convcli show`: a picture in the terminal."""

from __future__ import annotations

import click

from convcli.cli.options import paths

_STYLES = ("auto", "graphics", "blocks", "text")


@click.command()
@click.option(
    "--style", type=click.Choice(_STYLES), default="auto", show_default=True,
    help="graphics: kitty's or sixel, with the extra `show`; blocks: half-block characters in colour; text: plain "
    "characters; auto: the best the terminal has.",
)  # fmt: skip
@click.argument("pictures", metavar="IMAGE...", shell_complete=paths, nargs=-1, required=True)
def show(pictures: tuple[str, ...], style: str) -> None:
    """Draw pictures in the terminal, side by side.

    \b
    Example:
      convcli show samples/scene.png samples/chart.png
    """
    draw(list(pictures), style, pipes=True)


def draw(pictures: list[str], style: str = "auto", pipes: bool = False) -> None:
    """Draw picture files side by side on standard output. pipes: they may be pipes, or "-" for standard input."""
    from convcli.cli.console import console
    from convcli.explain.terminal import show
    from convcli.files.names import printable_path
    from convcli.images.eight_bit import picture_of

    drawn = [(printable_path(name), picture_of(name, pipes)) for name in pictures]
    show(console(), drawn, style)
