"""`convcli size`: the output-size formula with the numbers put in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import dilation_opt, kernel_from, kernel_names, padding_opt, stride_opt

if TYPE_CHECKING:
    from convcli.geometry import Geometry

Size = tuple[int, int]


class PictureSize(click.ParamType[Size]):
    """`WIDTHxHEIGHT` as (height, width)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        """(height, width); fails in Click's way."""
        match = re.fullmatch(r"(\d{1,18})[xX×](\d{1,18})", value, re.ASCII) if isinstance(value, str) else None
        height, width = (int(match[2]), int(match[1])) if match else (0, 0)
        if not height or not width:
            self.fail(f"{value!r} is not WIDTHxHEIGHT in pixels, as in 1920x1080", param, ctx)
        return height, width


@click.command()
@click.argument("picture", type=PictureSize(), metavar="WIDTHxHEIGHT")
@click.option(
    "-k", "--kernel", "kernels", metavar="SPEC|K|KxK", shell_complete=kernel_names, multiple=True, required=True,
    help="A kernel as in `apply`, or just its size: 3, or WIDTHxHEIGHT as in 5x3. Several are applied in order.",
)  # fmt: skip
@stride_opt
@padding_opt
@dilation_opt
def size(picture: Size, kernels: tuple[str, ...], stride: Any, padding: Any, dilation: Any) -> None:
    """Show the size of the feature map: the formula, with the numbers put in.

    \b
    Example:
      convcli size 1920x1080 -k 7x7 --stride 2 --padding 3
    """
    from convcli.geometry import Geometry

    geometry = Geometry.from_options(stride, padding, dilation=dilation)
    for spec in kernels:
        kernel = _kernel_size(spec)
        if len(kernels) > 1:
            click.echo(f"{spec}:")
        picture = _report(picture, kernel, geometry)


def _report(picture: Size, kernel: Size, geometry: Geometry) -> Size:
    from convcli.geometry import formula, unused

    output = geometry.arithmetic(picture, kernel)
    pads = geometry.pads(picture, kernel)
    axes = list(zip(picture, kernel, pads, geometry.stride, geometry.dilation, strict=True))
    for name, axis, o in zip(("height", "width"), axes, output, strict=True):
        click.echo(f"{name:<8} O = {formula(*axis)} = {_quotient(*axis)}{o}")
    (top, bottom), (left, right) = pads
    click.echo(f"padding  top {top}, bottom {bottom}, left {left}, right {right}")
    click.echo(f"output   {output[1]}x{output[0]}")
    for (one, many), axis in zip((("bottom row", "bottom rows"), ("right column", "right columns")), axes, strict=True):
        if missed := unused(*axis):
            what = f"the {one} is" if missed == 1 else f"the {missed} {many} are"
            click.echo(f"note     {what} covered by no kernel position")
    return output


def _quotient(size: int, kernel: int, pads: tuple[int, int], stride: int, dilation: int) -> str:
    """The step between formula and result that shows what the floor takes away, where it takes anything."""
    span = size + sum(pads) - (dilation * (kernel - 1) + 1)
    if span % stride == 0:
        return ""
    whole, rest = divmod(span, stride)
    more = "..." if rest * 100 % stride else ""
    return f"floor({whole}.{rest * 100 // stride:02}{more}) + 1 = "


def _kernel_size(spec: str) -> Size:
    """Height and width, from the numbers alone where they are given."""
    from convcli.geometry import whole_number

    match = re.fullmatch(r"\s*(\d{1,18})(?:[xX×](\d{1,18}))?\s*", spec, re.ASCII)
    if match:
        return whole_number("kernel", int(match[2] or match[1]), least=1), whole_number(
            "kernel", int(match[1]), least=1
        )
    size: Size = kernel_from(spec).size
    return size
