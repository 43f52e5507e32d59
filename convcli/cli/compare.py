"""`convcli compare`: one picture under several kernels, padding modes or strides, on one sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import (
    Mode,
    Numbers,
    bias_opt,
    channels_opt,
    dilation_opt,
    divisor_opt,
    flip_opt,
    force_opt,
    kernel_names,
    padding_opt,
    padding_value_opt,
    paths,
    range_opt,
    recipe_from,
)

if TYPE_CHECKING:
    from convcli.sheets.comparison import Candidate


class _ModeOrAll(Mode):
    """A padding mode, or all of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return "all" if value == "all" else super().convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "MODE|all"


@click.command()
@click.option(
    "-k", "--kernel", "kernels", metavar="SPEC", shell_complete=kernel_names, multiple=True, required=True,
    help="A kernel as in `apply`; several are compared.",
)  # fmt: skip
@click.option(
    "--padding-mode", type=_ModeOrAll(), default="zeros", show_default=True,
    help="What the border holds; `all` compares the modes in the upper left corner and marks what differs.",
)  # fmt: skip
@click.option(
    "--stride", "strides", type=Numbers("S|SY,SX", (2,), 1), multiple=True,
    help="How many pixels the kernel moves at a time; several are compared. [default: 1]",
)  # fmt: skip
@padding_opt
@padding_value_opt
@dilation_opt
@flip_opt
@channels_opt
@divisor_opt
@bias_opt
@range_opt
@click.option("--columns", type=click.IntRange(1), metavar="N", help="Tiles side by side.")
@click.option(
    "--tile", type=click.IntRange(32, 4096), default=240, show_default=True, metavar="PIXELS",
    help="The longer side of a tile.",
)  # fmt: skip
@force_opt
@click.argument("source", metavar="INPUT", shell_complete=paths)
@click.argument("output", metavar="OUTPUT", shell_complete=paths)
def compare(
    source: str,
    output: str,
    kernels: tuple[str, ...],
    strides: tuple[Any, ...],
    padding_mode: str,
    columns: int | None,
    tile: int,
    force: bool,
    **words: Any,
) -> None:
    """Draw the picture INPUT under several kernels on one labelled sheet, OUTPUT.

    Or under one kernel with all padding modes, or with several strides: one thing at a time.

    \b
    Examples:
      convcli compare samples/scene.png -k sobel-x -k emboss -k sharpen sheet.png
      convcli compare samples/scene.png -k gaussian-5 --padding-mode all modes.png
      convcli compare samples/scene.png -k laplacian --stride 1 --stride 2 --stride 4 strides.png
    """
    several = [len(kernels) > 1, padding_mode == "all", len(strides) > 1]
    if sum(several) > 1:
        raise click.UsageError("several kernels, --padding-mode all and several strides: compare one of them at a time")
    candidates = _candidates(kernels, strides or (1,), padding_mode, words)
    from pathlib import Path

    from convcli.errors import RecipeError
    from convcli.files.names import printable_path
    from convcli.images import Reading
    from convcli.sheets.comparison import padding_sheet, sheet
    from convcli.sheets.output import Output

    target = Output.for_path(output, None, force)
    if target.kind != "sheet":
        raise RecipeError(f"a sheet is a picture: name one, as in {Path(output).with_suffix('.png')}")
    with Reading(source, frame=0, pipes=True) as reading:
        pixels = next(reading.frames()).pixels
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            raise RecipeError(f"{reading.name}: compare shows gray and RGB pictures, not CMYK")
    draw = padding_sheet if padding_mode == "all" else sheet
    image = draw(pixels, candidates, columns, tile)
    target.write_picture(image)
    click.echo(f"{printable_path(output)}: {image.width}x{image.height}", err=True)


def _candidates(
    kernels: tuple[str, ...], strides: tuple[Any, ...], padding_mode: str, words: dict[str, Any]
) -> list[Candidate]:
    from convcli.sheets.comparison import Candidate, padding_modes

    if padding_mode == "all":
        return padding_modes(recipe_from(kernels=kernels, stride=strides[0], padding_mode="constant", **words))
    found = []
    for spec in kernels:
        for stride in strides:
            recipe = recipe_from(kernels=(spec,), stride=stride, padding_mode=padding_mode, **words)
            step = stride if isinstance(stride, int) else ",".join(map(str, stride))
            found.append(Candidate(f"stride {step}" if len(strides) > 1 else spec, recipe))
    return found
