"""`convcli explain`: a convolution at work, on one's own picture."""

from __future__ import annotations

from typing import Any

import click

from convcli.cli.options import Numbers, recipe_from, recipe_options


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
@click.option(
    "--at", type=Exactly("X,Y", (2,), 0), help="The pixel of the map to explain. [default: the strongest response]"
)
@click.option("--json", "as_json", is_flag=True, help="One object with every number, for machines.")
@click.argument("source", metavar="INPUT")
def explain(source: str, at: tuple[int, int] | None, as_json: bool, **recipe_words: Any) -> None:
    """Show how a pixel of the feature map comes about, on the picture INPUT.

    The patch under the kernel, the products, their sum, divisor and bias, and what the range makes of it: the numbers
    end in the pixel that `convcli apply` writes.

    \b
    Examples:
      convcli explain -k sharpen --at 120,40 samples/scene.png
      convcli explain -k sobel-x --channels gray samples/scene.png
    """
    recipe = recipe_from(**recipe_words)
    from convcli.explain.pixel import explain_pixel

    explanation = explain_pixel(_pixels(source), recipe, at)
    if as_json:
        import json

        from convcli.explain.text import as_object

        click.echo(json.dumps(as_object(explanation), ensure_ascii=False))
        return
    from convcli.cli.terminal import console
    from convcli.explain.text import report

    screen = console()
    for line in report(explanation, screen.width):
        screen.print(line)


def _pixels(source: str) -> Any:
    """The pixels of the picture; of its first frame, where it has several."""
    from convcli.files import standard_input
    from convcli.images import Reading

    with Reading(standard_input() if source == "-" else source) as reading:
        return next(reading.frames()).pixels
