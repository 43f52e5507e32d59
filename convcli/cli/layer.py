"""`convcli layer`: one picture in, feature maps out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from convcli.cli.layer_options import (
    GEOMETRY,
    default_channels,
    first_bank,
    labels_of,
    layers_from,
    preparation_from,
    steps_from,
)
from convcli.cli.options import Numbers, dilation_opt, force_opt, format_opt, kernel_names, padding_mode_opt, paths
from convcli.errors import RecipeError
from convcli.printable import printable


class Quantities(click.ParamType[Any]):
    """Numbers set off by commas, fractions allowed: `0.485,0.456,0.406`, `1/255`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The numbers as a tuple; fails in Click's way."""
        from convcli.kernels.numerals import number

        try:
            return tuple(float(number(part.strip())) for part in str(value).split(","))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("input_", metavar="INPUT", shell_complete=paths, required=False)
@click.argument("output", metavar="OUTPUT", shell_complete=paths, required=False)
@click.option(
    "-k",
    "--kernel",
    "kernels",
    metavar="SPEC",
    shell_complete=kernel_names,
    multiple=True,
    help="A filter of the bank: preset, file or rows, as for apply. Repeatable.",
)
@click.option(
    "--weights",
    metavar="FILE[:NAME]",
    shell_complete=paths,
    help="A trained layer: .safetensors, .npz, .npy, .onnx, .pt. Without :NAME and INPUT, list the tensors.",
)
@click.option(
    "--layers", "layers_file", metavar="FILE", shell_complete=paths, help="A YAML file with a whole stack of layers."
)
@click.option("--out-channels", type=click.IntRange(min=1), metavar="N", help="N filters with seeded random weights.")
@click.option(
    "--kernel-size", type=Numbers("K|KH,KW", (2,), 1), default=3, show_default=True, help="Of the seeded filters."
)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True, help="Of the seeded filters."
)
@click.option("--bias/--no-bias", default=True, show_default=True, help="Use the biases that come with the weights.")
@click.option(
    "--channels",
    type=click.Choice(["sum", "each", "gray"]),
    default="sum",
    show_default=True,
    help="sum: a kernel spans the depth, one map; each: every channel by itself, a map each; gray: luma first.",
)
@click.option(
    "--stride",
    type=Numbers("S|SY,SX", (2,), 1),
    default=1,
    show_default=True,
    help="How many pixels the filters move at a time.",
)
@click.option(
    "--padding",
    type=Numbers(
        "P|PY,PX|TOP,BOTTOM,LEFT,RIGHT|same|same-lower|valid|full", (2, 4), 0, ("same", "same-lower", "valid", "full")
    ),
    default=0,
    show_default=True,
    help="Border added around the planes; same keeps the size at stride 1.",
)
@padding_mode_opt
@dilation_opt
@click.option(
    "--groups",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Split the channels into so many parts that do not see each other.",
)
@click.option(
    "--then",
    "steps",
    metavar="STEP",
    multiple=True,
    help="What follows, in order: relu, leaky-relu:0.2, sigmoid, tanh, gelu, abs, max-pool:3,stride=2,padding=1, "
    "average-pool:2, global-average-pool, batch-norm:NAME. Repeatable.",
)
@click.option(
    "--preprocess",
    type=click.Choice(["imagenet"]),
    help="imagenet: shorter side to 256, centre 224x224, 0..1, ImageNet's mean and std.",
)
@click.option("--resize", type=Numbers("N|H,W", (2,), 1), help="Shorter side to N pixels, or to exactly H,W.")
@click.option("--center-crop", type=Numbers("N|H,W", (2,), 1), help="Keep the middle.")
@click.option(
    "--scale", type=Quantities(), metavar="F", help="Factor for pixels on the 0..255 scale: 1/255. [default: 1]"
)
@click.option("--mean", type=Quantities(), metavar="M|M,M,M", help="Subtracted after scaling, for each channel.")
@click.option("--std", type=Quantities(), metavar="S|S,S,S", help="Divided by after that.")
@click.option(
    "--colormap",
    type=click.Choice(["auto", "gray", "viridis", "magma", "diverging"]),
    default="auto",
    show_default=True,
    help="auto: diverging, centred at zero, where maps have both signs; else viridis.",
)
@click.option(
    "--scale-maps",
    type=click.Choice(["shared", "each"]),
    default="shared",
    show_default=True,
    help="One colour scale for all maps, or one for each.",
)
@click.option("--columns", type=click.IntRange(min=1), metavar="N", help="Tiles side by side on the sheet.")
@click.option("--show-filters", is_flag=True, help="Draw the weights instead of the maps; INPUT may be left out.")
@click.option(
    "--summary",
    "summary_",
    is_flag=True,
    help="Shapes with the formula, parameters, multiply-adds, receptive field; OUTPUT may be left out.",
)
@click.option("--json", "json_", is_flag=True, help="The summary, or the list of tensors, as JSON.")
@format_opt
@force_opt
@click.pass_context
def layer(ctx: click.Context, /, input_: str | None, output: str | None, **options: Any) -> None:
    """Run a convolutional layer, or a stack of them, on INPUT: one picture in, feature maps out.

    OUTPUT is a contact sheet (.png), the numbers (.npy, .npz: C, H, W), or a folder (no suffix) for one picture per
    map. The filters come from -k, from a trained network (--weights), from a layer file (--layers), or are random
    (--out-channels), as in PyTorch's Conv2d(3, 16, kernel_size=3, padding=1):

    \b
    Examples:
      convcli layer --out-channels 16 --kernel-size 3 --padding 1 samples/scene.png maps.png
      convcli layer -k sobel-x -k sobel-y -k laplacian --then relu --then max-pool:2 samples/scene.png edges.png
      convcli layer --weights resnet18.safetensors:conv1.weight --stride 2 --padding 3 --preprocess imagenet \\
        --then batch-norm:bn1 --then relu --then max-pool:3,stride=2,padding=1 photo.jpg stem.png
      convcli layer --weights resnet18.safetensors
    """  # fmt: skip
    source = _source(ctx, options)
    if source == "weights" and input_ is None:
        _list_tensors(options)
        return
    if options["show_filters"] and output is None:
        input_, output = None, input_
    _check_usage(ctx, source, input_, output, options)
    _run(source, input_, output, options)


def _source(ctx: click.Context, options: dict[str, Any]) -> str:
    names = {"kernels": "-k", "weights": "--weights", "layers_file": "--layers", "out_channels": "--out-channels"}
    given = [name for name in names if options[name]]
    if len(given) != 1:
        found = "none is given" if not given else f"not {' and '.join(names[name] for name in given)} together"
        raise click.UsageError(f"the filters come from one of -k, --weights, --layers or --out-channels; {found}", ctx)
    typed = {click.core.ParameterSource.COMMANDLINE}
    if given[0] == "layers_file":
        for name in (*GEOMETRY, "channels", "bias"):
            if ctx.get_parameter_source(name) in typed and not (name == "channels" and options[name] == "gray"):
                flag = "--" + name.replace("_", "-")
                raise click.UsageError(f"{flag} has no meaning with --layers; write it into the layer file", ctx)
    if given[0] != "out_channels":
        for name in ("kernel_size", "seed"):
            if ctx.get_parameter_source(name) in typed:
                raise click.UsageError(f"--{name.replace('_', '-')} has a meaning only with --out-channels", ctx)
    return given[0]


def _check_usage(
    ctx: click.Context, source: str, input_: str | None, output: str | None, options: dict[str, Any]
) -> None:
    if input_ is None and not (options["show_filters"] and output):
        raise click.UsageError("missing argument INPUT", ctx)
    if output is None and not options["summary_"]:
        raise click.UsageError("missing argument OUTPUT; only --summary does without", ctx)
    if options["json_"] and not options["summary_"]:
        raise click.UsageError("--json needs --summary", ctx)
    if options["channels"] == "each" and (source != "kernels" or options["groups"] > 1):
        raise click.UsageError("--channels each is for kernels given with -k, without --groups", ctx)


def _list_tensors(options: dict[str, Any]) -> None:
    """The tensors that could be a convolution; with a name, that one."""
    from convcli.layers.weights import TensorFile, split_name
    from convcli.words import counted

    path, name = split_name(options["weights"])
    file = TensorFile.open(path)
    found = [file.chosen(name)] if name else file.convolutions()
    if not found:
        raise RecipeError(
            f"{path} holds {counted(len(file.shapes), 'tensor')}, but none of rank 4, as a convolution's are"
        )
    if options["json_"]:
        click.echo(json.dumps([{"name": n, "shape": list(file.shapes[n]), "bias": file.bias_of(n)} for n in found]))
        return
    width = max(len(printable(full)) for full in found)
    for full in found:
        bias = file.bias_of(full)
        shape = "x".join(map(str, file.shapes[full]))
        click.echo(f"{printable(full):{width}}  {shape}{f'  bias {printable(bias)}' if bias else ''}")


def _run(source: str, input_: str | None, output: str | None, options: dict[str, Any]) -> None:
    from convcli.layers.maps import Look, write_filters, write_maps
    from convcli.layers.prepare import picture_pixels
    from convcli.layers.stack import Stack
    from convcli.layers.summary import as_text, shape_line, summary
    from convcli.sheets.output import Output

    prepare = preparation_from(options)
    target = Output.for_path(output, options["format_"], options["force"]) if output else None
    pixels = picture_pixels(input_, gray=options["channels"] == "gray") if input_ else None
    channels = default_channels(source, options) if pixels is None else _channels(pixels)
    stack = Stack([*layers_from(source, channels, options), *steps_from(source, options)])
    look = Look(options["colormap"], options["scale_maps"] == "shared", options["columns"])
    if options["show_filters"] and target:
        bank = first_bank(stack)
        write_filters(target, bank, labels_of([bank], channels), look, title=repr(bank))
        return
    assert pixels is not None
    height, width = prepare.size((pixels.shape[0], pixels.shape[1]))
    prepare.check(channels)
    shape = (channels, height, width)
    after = stack.output(shape)
    if options["summary_"]:
        numbers = summary(stack, shape)
        click.echo(json.dumps(numbers, indent=2) if options["json_"] else as_text(numbers))
    if target:
        _advise(prepare)
        stack.check_memory(shape)
        maps = stack(prepare(pixels))
        line = shape_line(shape, after)
        title = f"{printable(Path(input_ or '').name)}  {line}"
        write_maps(target, maps, labels_of(stack.layers, channels), look, title)
        if not options["summary_"]:
            click.echo(line, err=output == "-")


def _advise(prepare: Any) -> None:
    if prepare.scale == 1 and prepare.std and max(prepare.std) <= 1:
        click.echo("Note: pixels are on the 0..255 scale; a mean and std of 0..1 need --scale 1/255.", err=True)


def _channels(pixels: Any) -> int:
    return 1 if pixels.ndim == 2 else int(pixels.shape[2])
