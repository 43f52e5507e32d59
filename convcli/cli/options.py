"""Options that commands share. A parameter type turns the words into values; the meaning is checked by the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from convcli.words import CHANNELS, PADDING_MODES, RANGES, SYNONYMS


class Numbers(click.ParamType[Any]):
    """`N` or several whole numbers set off by commas: a number, or a tuple of one of the allowed lengths."""

    name = "numbers"

    def __init__(self, metavar: str, lengths: tuple[int, ...], least: int, words: tuple[str, ...] = ()) -> None:
        self.metavar, self.lengths, self.least, self.words = metavar, lengths, least, words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What `--help` shows for the value."""
        return self.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, the tuple or the word; fails in Click's way."""
        if not isinstance(value, str) or value in self.words:
            return value
        try:
            numbers = tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not {self.metavar}", param, ctx)
        if min(numbers) < self.least:
            self.fail(f"{value!r} must be at least {self.least}", param, ctx)
        if len(numbers) == 1:
            return numbers[0]
        if len(numbers) not in self.lengths:
            self.fail(f"{value!r} has {len(numbers)} numbers, expected {self.metavar}", param, ctx)
        return numbers


class Mode(click.Choice[str]):
    """A padding mode, under our name or another tool's."""

    def __init__(self) -> None:
        super().__init__([*PADDING_MODES, *SYNONYMS])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The modes under our own names."""
        return f"[{'|'.join(PADDING_MODES)}]"


kernel_opt = click.option(
    "-k", "--kernel", "kernels", metavar="SPEC", multiple=True, required=True,
    help="A preset (sobel-x, gaussian:sigma=2), a file (my.yaml, my.yaml#name) or rows "
    '("0 -1 0; -1 5 -1; 0 -1 0"). Several are applied in order.',
)  # fmt: skip
stride_opt = click.option(
    "--stride", type=Numbers("S|SY,SX", (2,), 1), default=1, show_default=True,
    help="How many pixels the kernel moves at a time.",
)  # fmt: skip
padding_opt = click.option(
    "--padding", type=Numbers("same|valid|full|P|PY,PX|TOP,BOTTOM,LEFT,RIGHT", (2, 4), 0, ("same", "valid", "full")),
    default="same", show_default=True, help="Border added around the picture: same keeps the size, valid is none.",
)  # fmt: skip
padding_mode_opt = click.option(
    "--padding-mode", type=Mode(), default="zeros", show_default=True,
    help="What the border holds, around a picture abcd: zeros 00|abcd|00, constant vv|abcd|vv, "
    "replicate aa|abcd|dd, reflect cb|abcd|cb, symmetric ba|abcd|dc, circular cd|abcd|ab.",
)  # fmt: skip
padding_value_opt = click.option(
    "--padding-value", type=float, metavar="V", help="The constant, on the 0..255 scale. [default: 0]"
)
dilation_opt = click.option(
    "--dilation", type=Numbers("D|DY,DX", (2,), 1), default=1, show_default=True,
    help="Distance between neighbouring weights.",
)  # fmt: skip
flip_opt = click.option(
    "--flip", is_flag=True, help="Rotate the kernel by 180 degrees: convolution in the mathematical sense."
)
channels_opt = click.option(
    "--channels", type=click.Choice(CHANNELS),
    help="each: every colour channel by itself; sum: the kernel spans the depth, one map; gray: luma first. "
    "[default: each; sum for a kernel of depth 3]",
)  # fmt: skip
divisor_opt = click.option("--divisor", type=float, metavar="D", help="Instead of the kernel's own.")
bias_opt = click.option(
    "--bias", type=float, metavar="B", help="Instead of the kernel's own; added last, on the 0..255 scale."
)
range_opt = click.option(
    "--range", "range_", type=click.Choice(RANGES),
    help="Responses to pixels. clip: saturate; abs: magnitude; normalize: stretch min..max; "
    "offset: zero becomes mid-gray. [default: the kernel's own, else clip]",
)  # fmt: skip
force_opt = click.option("-f", "--force", is_flag=True, help="Overwrite an output that exists.")
format_opt = click.option(
    "--format", "format_", metavar="EXT", help="Format to write (png, jpg, tiff, npy ...) instead of the suffix's."
)

_RECIPE = (
    kernel_opt, stride_opt, padding_opt, padding_mode_opt, padding_value_opt, dilation_opt, flip_opt,
    channels_opt, divisor_opt, bias_opt, range_opt,
)  # fmt: skip


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All options that say what to do to a picture; `recipe_from` turns their values into a Recipe."""
    for option in reversed(_RECIPE):
        command = option(command)
    return command


def recipe_from(
    kernels: tuple[str, ...],
    stride: Any,
    padding: Any,
    padding_mode: str,
    padding_value: float | None,
    dilation: Any,
    flip: bool,
    channels: str | None,
    divisor: float | None,
    bias: float | None,
    range_: str | None,
) -> Any:
    """The Recipe that the options ask for."""
    from convcli.geometry import Geometry
    from convcli.presets import load_kernel
    from convcli.recipe import Recipe, override

    if padding_value is not None and padding_mode == "zeros":
        padding_mode = "constant"
    geometry = Geometry.of(stride, padding, padding_mode, padding_value or 0.0, dilation)
    chosen = tuple(override(load_kernel(spec), divisor, bias, flip) for spec in kernels)
    return Recipe(chosen, geometry, channels, range_)
