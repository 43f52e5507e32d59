"""Options that commands share. A parameter type turns the words into values; the meaning is checked by the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from convcli.choices import ALPHA, CHANNELS, COMBINE, COMPRESSION, PADDING_MODES, RANGES, SYNONYMS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


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


class Bytes(click.ParamType[int]):
    """An amount of memory: a number of bytes, or with K, M, G or T behind it (powers of 1024)."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes; fails in Click's way."""
        text = str(value).strip().upper().removesuffix("B").removesuffix("I")
        power = "KMGT".find(text[-1:]) + 1 if text else 0
        try:
            amount = float(text[:-1] if power else text) * 1024**power
        except ValueError:
            amount = 0
        if not 1 << 20 <= amount < 1 << 60:
            self.fail(f"{value!r} is not an amount of memory of at least 1M, as in 500M or 2G", param, ctx)
        return int(amount)


class Address(click.ParamType[str]):
    """Where a Dask scheduler listens, or `local`."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address; fails in Click's way."""
        import re

        text = str(value)
        found = re.fullmatch(r"((tcp|tls|ws|wss)://)?([^/:\s]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})", text)
        if text != "local" and not (found and 0 < int(found["port"]) < 1 << 16):
            self.fail(f"{text!r} is no address of a cluster; write tcp://HOST:8786, or local", param, ctx)
        return text


class Mode(click.Choice[str]):
    """A padding mode, under our name or another tool's."""

    def __init__(self) -> None:
        super().__init__([*PADDING_MODES, *SYNONYMS])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """The modes under our own names."""
        return f"[{'|'.join(PADDING_MODES)}]"


def paths(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a shell completes a path with: the files that are there."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def kernel_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a shell completes a SPEC with: the kernels of that beginning, else files."""
    from click.shell_completion import CompletionItem

    from convcli.kernels.catalogue import preset_names, user_kernels
    from convcli.kernels.families import FAMILIES

    names = sorted({*preset_names(), *FAMILIES, *user_kernels().kernels})
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or paths(ctx, param, incomplete)


kernel_opt = click.option(
    "-k", "--kernel", "kernels", metavar="SPEC", multiple=True, required=True, shell_complete=kernel_names,
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
    "--padding-value",
    type=float,
    metavar="V",
    help="What constant puts there, on the 0..255 scale; alone it means constant. [default: 0]",
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
combine_opt = click.option(
    "--combine", type=click.Choice(COMBINE),
    help="Several kernels on the same picture, not one after the other: magnitude (root of the squares), max, sum, "
    "mean; angle shows the direction of two gradients as a hue.",
)  # fmt: skip
threads_opt = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N",
    help="Threads of the engine; the result does not depend on it. [default: CONVCLI_THREADS, else the cores]",
)  # fmt: skip
force_opt = click.option("-f", "--force", is_flag=True, help="Overwrite an output that exists.")
format_opt = click.option(
    "--format", "format_", metavar="EXT", help="Format to write (png, jpg, tiff, npy ...) instead of the suffix's."
)
_PICTURE = (
    click.option(
        "--alpha", type=click.Choice(ALPHA),
        help="keep: alpha stays; weight: invisible colour bleeds nowhere, alpha is blurred too; "
        "filter: like a colour; drop: opaque. [default: weight for a kernel with a positive sum, else keep]",
    ),
    click.option("--linear", is_flag=True, help="Filter in linear light and go back to sRGB: right for blurs."),
    click.option("--frame", type=int, metavar="N", help="Only this frame or page, from 0. [default: all]"),
    click.option(
        "--quality", type=click.IntRange(1, 100), metavar="N",
        help="Of JPEG, WebP, AVIF, JPEG 2000. [default: as the source]",
    ),
    click.option("--lossless", is_flag=True, help="WebP and JPEG 2000 without loss."),
    click.option("--compression", type=click.Choice(COMPRESSION), help="Of PNG and TIFF. [default: fast for PNG]"),
    click.option("--strip", is_flag=True, help="Write no metadata, and no note of how the picture was made."),
    click.option("--reduce-depth", is_flag=True, help="Accept 8 bits a channel where the file has more."),
    click.option(
        "--max-pixels", type=click.IntRange(1), metavar="N", help="Refuse larger pictures. [default: 178956970]"
    ),
    click.option(
        "--max-bytes", type=Bytes(), metavar="SIZE",
        help="Refuse longer input from a pipe, standard input or a URL. [default: 1G]",
    ),
)  # fmt: skip

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
    combine: str | None = None,
) -> Any:
    """The Recipe that the options ask for."""
    from convcli.filtering.recipe import Recipe, override
    from convcli.geometry import Geometry

    if padding_value is not None:
        padding_mode = _mode_beside_a_value(padding_mode)
    geometry = Geometry.from_options(stride, padding, padding_mode, padding_value or 0.0, dilation)
    chosen = tuple(override(kernel_from(spec), divisor, bias, flip) for spec in kernels)
    return Recipe(chosen, geometry, channels, range_, combine)


def _mode_beside_a_value(mode: str) -> str:
    """A padding value alone means a constant border; beside another mode it means nothing, and the user is told."""
    source = click.get_current_context().get_parameter_source("padding_mode")
    if source is click.core.ParameterSource.DEFAULT:
        return "constant"
    if mode != "constant":
        click.echo(f"Note: --padding-value is of no use with --padding-mode {mode}; constant takes it.", err=True)
    return mode


def kernel_from(spec: str) -> Any:
    """The kernel of a SPEC, in which the user's own have names too. What is to be said of those is said once."""
    from convcli.kernels.load import load_kernel_or_own

    said: set[str] = click.get_current_context().meta.setdefault("convcli.said of kernels", set())

    def tell(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            click.echo(f"Note: {sentence}.", err=True)

    return load_kernel_or_own(spec, tell)


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how pictures are read and written; `picture_options_from` and `writing_from` take them."""
    for option in reversed(_PICTURE):
        command = option(command)
    return command


def picture_options_from(
    alpha: str | None,
    linear: bool,
    frame: int | None,
    reduce_depth: bool,
    max_pixels: int | None,
    max_bytes: int | None,
    **others: Any,
) -> Any:
    """The PictureOptions that the picture options ask for."""
    from convcli.files.reading import MOST
    from convcli.filtering.frame import PictureOptions
    from convcli.images import MAX_PIXELS

    return PictureOptions(alpha, linear, frame, max_pixels or MAX_PIXELS, reduce_depth, max_bytes or MOST)


def writing_from(
    quality: int | None, lossless: bool, compression: str | None, strip: bool, **others: Any
) -> dict[str, Any]:
    """The keywords of Target that the picture options ask for."""
    return {"quality": quality, "lossless": lossless, "compression": compression, "strip": strip}


def split_options(words: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of the recipe options, and those of the picture options."""
    names = {option.name for option in getattr(picture_options(lambda: None), "__click_params__", ())}
    picture = {name: value for name, value in words.items() if name in names}
    return {name: value for name, value in words.items() if name not in names}, picture
