"""`convcli plan`: what a recipe would do, without doing it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.console import tell_json
from convcli.cli.options import combine_opt, paths, recipe_from, recipe_options

if TYPE_CHECKING:
    from convcli.explain.forecast import PictureShape


@click.command()
@recipe_options
@combine_opt
@click.option("--json", "as_json", is_flag=True, help="One object, for machines.")
@click.argument("picture", metavar="INPUT|WIDTHxHEIGHT[xCHANNELS]", shell_complete=paths)
def plan(picture: str, as_json: bool, **recipe_words: Any) -> None:
    """Tell what a recipe would do to a picture, without doing it.

    Sizes with the formula, rows and columns that no kernel position covers, weights and multiply-adds beside those of
    a dense layer, the receptive field of a chain, memory, the engine's route, and about how long it takes. The picture
    is a file, or just a size: 1920x1080 has 3 channels of 8 bits, 1920x1080x1 is gray.

    \b
    Examples:
      convcli plan -k sobel-x samples/scene.png
      convcli plan -k gaussian-5 -k laplacian --stride 2 --channels gray 4000x3000
    """
    recipe = recipe_from(**recipe_words)
    tell(picture, recipe, as_json)


def tell(picture: str, recipe: Any, as_json: bool = False, shape: PictureShape | None = None, **reading: Any) -> None:
    """Print the plan of a recipe for a picture of a known shape, or else one that is read as `reading` says."""
    from convcli.explain.forecast import as_object, lines, plan_of
    from convcli.files.names import printable_path
    from convcli.words import counted

    shape = shape or _shape(picture, reading)
    made = plan_of(shape, recipe)
    if as_json:
        tell_json(as_object(made))
        return
    height, width = shape.size
    kind = f"{counted(shape.channels, 'channel')} of {shape.dtype}"
    click.echo(f"{printable_path(picture)}: {width}x{height}, {kind}")
    for line in lines(made):
        click.echo(line)


def _shape(picture: str, reading: dict[str, Any]) -> PictureShape:
    from convcli.explain.forecast import PictureShape

    size = re.fullmatch(r"([1-9]\d{0,8})[xX×]([1-9]\d{0,8})(?:[xX×]([1-9]))?", picture, re.ASCII)
    if size:
        return PictureShape((int(size[2]), int(size[1])), int(size[3] or 3), "uint8")
    from convcli.errors import RecipeError
    from convcli.images import Reading

    if re.fullmatch(r"-?\d+([xX×]-?\d+)+", picture) and not Path(picture).exists():
        raise RecipeError(
            f"{picture} is no size: WIDTHxHEIGHT or WIDTHxHEIGHTxCHANNELS is expected, with 1 to 9 channels and sides "
            "from 1 to 999999999"
        )
    with Reading(picture, pipes=True, **reading) as opened:
        pixels = next(opened.frames()).pixels
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return PictureShape((pixels.shape[0], pixels.shape[1]), channels, pixels.dtype.name)
