"""`convcli kernels`: list the kernels, show what one is made of, check files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import force_opt, kernel_names, paths, tell_hidden
from convcli.cli.terminal import console

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from convcli.anatomy import Anatomy
    from convcli.kernel import Kernel

_WIDEST_GRID = 21


@click.group()
def kernels() -> None:
    """List the kernels, show what one is made of, or check files of your own.

    \b
    Examples:
      convcli kernels list
      convcli kernels show sobel-x
      convcli kernels check kernels/sobel-x.yaml
    """


@kernels.command("list")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for machines.")
@click.argument("wanted", nargs=-1, metavar="[GROUP]...")
def list_(as_json: bool, wanted: tuple[str, ...]) -> None:
    """List every kernel that has a name, grouped by what it is for, or only those of some groups.

    \b
    Examples:
      convcli kernels list
      convcli kernels list blur sharpen
    """
    from convcli.presets import catalogue, hides_built_in, user_kernels

    entries = _of_groups(catalogue(), wanted)
    for fault in user_kernels().faults.values():
        click.echo(f"Note: left out: {fault}", err=True)
    if as_json:
        _print_json([_entry(kernel) for kernel in entries])
        return
    screen = console()
    groups: dict[str, list[Kernel]] = {}
    for kernel in entries:
        groups.setdefault(_group(kernel), []).append(kernel)
    for group, members in groups.items():
        screen.print(_table(group, members, screen.is_terminal))
    for kernel in filter(hides_built_in, entries):
        click.echo(f"Note: your {kernel.name} in {kernel.origin} hides the built-in one.", err=True)
    screen.print("`convcli kernels show NAME` shows the weights, `convcli kernels list GROUP` one group.")


def _group(kernel: Kernel) -> str:
    return kernel.tags[0] if kernel.tags else "other"


def _of_groups(entries: list[Kernel], wanted: tuple[str, ...]) -> list[Kernel]:
    groups = list(dict.fromkeys(map(_group, entries)))
    for word in wanted:
        if word not in groups:
            from convcli.specs import near

            raise click.BadParameter(f"no group {word!r}{near(word, groups) or '; there are ' + ', '.join(groups)}")
    return [kernel for kernel in entries if _group(kernel) in (wanted or groups)]


class _Spec(click.Command):
    """A command with a SPEC, which may begin with a minus: such a word is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        specs = [] if "--" in args else [arg for arg in args if re.match(r"-(?!-|[fh]$).", arg)]
        return super().parse_args(ctx, [*(arg for arg in args if arg not in specs), *(["--", *specs] if specs else [])])


@kernels.command(cls=_Spec, short_help="Show the weights of a kernel, and what can be told of it.")
@click.argument("spec", shell_complete=kernel_names)
@click.option("--json", "as_json", is_flag=True, help="One object, for machines.")
@click.option("--yaml", "as_yaml", is_flag=True, help="A kernel file, ready to be saved and changed.")
@click.option(
    "--emit", "tool", metavar="TOOL",
    help="The equal call in torch, numpy, opencv, scipy, imagemagick or vips.",
)  # fmt: skip
@click.option(
    "--image", "picture", metavar="FILE", shell_complete=paths, help="Draw the weights and their frequency response."
)
@click.option(
    "--normalize", type=click.Choice(("sum", "zero", "l1", "l2")),
    help="Scale the weights: to sum 1, to mean zero, to magnitudes or squares that sum to 1. The same as SPEC@sum ...",
)  # fmt: skip
@force_opt
def show(
    spec: str, as_json: bool, as_yaml: bool, tool: str | None, picture: str | None, normalize: str | None, force: bool
) -> None:
    """Show the weights of the kernel SPEC, and what can be told of it by looking.

    \b
    Examples:
      convcli kernels show sobel-x
      convcli kernels show "gaussian:sigma=1.5,size=5"
      convcli kernels show "1 2 1; 2 4 2; 1 2 1 / 16" --yaml
      convcli kernels show sobel-x --emit opencv
      convcli kernels show "gabor:theta=45" --image gabor.png
    """
    from convcli.anatomy import anatomy
    from convcli.errors import RecipeError
    from convcli.presets import load_kernel

    if sum(map(bool, (as_json, as_yaml, tool, picture))) > 1:
        raise click.UsageError("--json, --yaml, --emit and --image are four ways to show a kernel; choose one")
    kernel = load_kernel(spec)
    tell_hidden(spec)
    if normalize:
        from convcli.operations import MODIFIERS

        kernel = MODIFIERS[normalize][0](kernel)
    if tool:
        from convcli.emit import emit

        click.echo(emit(kernel, tool), nl=False)
    elif picture:
        _save_portrait(kernel, picture, force)
    elif as_json:
        _print_json(_full_entry(kernel, anatomy(kernel)))
    elif as_yaml:
        from convcli.plain_yaml import MOST_WEIGHTS
        from convcli.yaml_files import to_yaml

        if kernel.weights.size > MOST_WEIGHTS:
            raise RecipeError(f"{kernel.label} has {kernel.weights.size} weights; a YAML file holds {MOST_WEIGHTS}")
        click.echo(to_yaml(kernel), nl=False)
    else:
        _draw(kernel, anatomy(kernel))


@kernels.command(short_help="Check kernel files: faults, facts, suggestions.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=paths)
def check(files: tuple[str, ...]) -> None:
    """Check kernel files: faults with their place, facts of what is well, and notes on what may be meant otherwise.

    The exit code is 2 where a file is faulty, 1 where one cannot be read.

    \b
    Example:
      convcli kernels check kernels/sobel-x.yaml
    """
    from pathlib import Path

    from convcli.errors import ConvcliError
    from convcli.lint import check as checked

    code = 0
    for file in files:
        try:
            for line in checked(Path(file)):
                click.echo(line)
        except ConvcliError as error:
            told = str(error) if file in str(error) else f"{file}: {error}"
            click.echo(f"Error: {told}", err=True)
            code = max(code, error.exit_code)
        except OSError as error:
            click.echo(f"Error: {file}: {error.strerror}", err=True)
            code = max(code, 1)
    if code:
        raise SystemExit(code)


def _save_portrait(kernel: Kernel, file: str, force: bool) -> None:
    from pathlib import Path

    from convcli.errors import RecipeError
    from convcli.layers.output import Output
    from convcli.portrait import portrait

    output = Output.of(file, None, force)
    if output.kind != "sheet":
        raise RecipeError(f"--image needs a picture, as in {Path(file).stem}.png")
    output.write_picture(portrait(kernel))


def _print_json(value: Any) -> None:
    """JSON with a line for each entry of a list or object, so that a person can read it too."""
    import json

    if isinstance(value, list):
        lines = [json.dumps(item, ensure_ascii=False) for item in value]
    else:
        lines = [f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}" for key, item in value.items()]
    start, end = "[]" if isinstance(value, list) else "{}"
    click.echo(start + "\n  " + ",\n  ".join(lines) + "\n" + end)


def _entry(kernel: Kernel) -> dict[str, Any]:
    return {
        "name": kernel.name,
        "description": kernel.description,
        "range": kernel.range or "clip",
        "source": kernel.source,
        "tags": list(kernel.tags),
        "origin": kernel.origin,
        "size": list(kernel.size),
        "parameters": _parameters(kernel),
    }


def _full_entry(kernel: Kernel, facts: Anatomy) -> dict[str, Any]:
    weights = kernel.weights.tolist()
    return {
        **_entry(kernel),
        "weights": _whole(weights),
        "divisor": _whole(kernel.divisor),
        "bias": _whole(kernel.bias),
        "depth": kernel.depth,
        "sum": _whole(facts.total),
        "rank": facts.rank,
        "separable": facts.separable,
        "flip_changes": facts.flip,
        "response": [facts.low, facts.high],
    }


def _whole(value: Any) -> Any:
    """Numbers that are whole as integers, in lists of any depth."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def _parameters(kernel: Kernel) -> dict[str, Any]:
    """The parameters of the kernel's family with their defaults; empty for a fixed grid."""
    from convcli.families import FAMILIES
    from convcli.presets import BUILT_IN

    family = FAMILIES.get(kernel.name.partition(":")[0])
    if family is None or kernel.origin != BUILT_IN:
        return {}
    return {name: parameter.default for name, parameter in family.parameters.items()}


def _table(group: str, members: list[Kernel], boxed: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from convcli.presets import BUILT_IN

    table = Table(title=group, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD if boxed else None)
    table.add_column("Kernel", no_wrap=True, style="cyan")
    table.add_column("Size", no_wrap=True, justify="right")
    table.add_column("Range", no_wrap=True)
    table.add_column("What it does")
    for kernel in members:
        height, width = kernel.size
        parameters = ", ".join(_parameters(kernel))
        words = Text(kernel.description).append(f" [{parameters}]" if parameters else "", "dim")
        if kernel.origin != BUILT_IN:
            words.append(f"{' ' if kernel.description else ''}({kernel.origin})", "dim")
        table.add_row(Text(kernel.name), f"{width}x{height}", kernel.range or "clip", words)
    return table


def _draw(kernel: Kernel, facts: Anatomy) -> None:
    from rich.text import Text

    screen = console()
    screen.print(Text(kernel.name or "kernel", "bold"))
    for line in (kernel.description, f"Source: {kernel.source}" if kernel.source else ""):
        if line:
            screen.print(Text(line))
    height, width = kernel.size
    if width > _WIDEST_GRID or height > 2 * _WIDEST_GRID:
        screen.print(f"\n({height} rows of {width} weights are too many to draw; --json and --yaml write them all)")
    else:
        for grid in kernel.weights.reshape(-1, height, width):
            screen.print()
            screen.print(_grid(grid), soft_wrap=True)
    screen.print()
    for label, value in _facts(kernel, facts):
        screen.print(Text(f"{label:<11}{value}"))


def _grid(grid: Any) -> Text:
    """The weights, negative ones on blue, positive ones on red, the stronger the larger."""
    from rich.text import Text

    words = [[f"{weight:.4g}" for weight in row] for row in grid.tolist()]
    width = max(len(word) for row in words for word in row) + 2
    largest = float(abs(grid).max()) or 1.0
    text = Text()
    for row, weights in zip(words, grid.tolist(), strict=True):
        for word, weight in zip(row, weights, strict=True):
            text.append(word.rjust(width - 1) + " ", _shade(weight / largest))
        text.append("\n")
    text.right_crop(1)
    return text


def _shade(share: float) -> str:
    """White on blue for negative, white on red for positive; the background is darkest at zero."""
    strength = round(40 + 160 * abs(share))
    rgb = (strength, 40, 40) if share > 0 else (40, 60, strength) if share < 0 else (40, 40, 40)
    return f"white on rgb({rgb[0]},{rgb[1]},{rgb[2]})"


def _route(kernel: Kernel) -> str:
    """How the engine would go about it on a colour photograph of 8 bits, and why."""
    from convcli.engine.plan import Job, choose
    from convcli.geometry import Geometry
    from convcli.tone import tone_of

    range_ = kernel.range or "clip"
    tone = None if range_ == "normalize" else tone_of(range_, "uint8")
    plan = choose(Job.of(kernel, Geometry(), "uint8", (3000, 4000, 3), kernel.depth > 1, tone))
    return f"{plan.route} ({plan.why}) on 8-bit photographs"


def _facts(kernel: Kernel, facts: Anatomy) -> list[tuple[str, str]]:
    height, width = kernel.size
    depth = f", depth {kernel.depth}" if kernel.depth > 1 else ""
    rank = "yes: a column times a row" if facts.separable else f"no: a sum of {facts.rank} such kernels"
    flips = {
        "nothing": "nothing: it is symmetric under half a turn",
        "the sign": "the sign of the response",
        "another kernel": "the result",
    }
    rows = [
        ("size", f"{height} {'row' if height == 1 else 'rows'} of {width}{depth}"),
        ("sum", f"{facts.total:.6g}" + (" (keeps the brightness)" if facts.total == 1 else "")),
        ("divisor", f"{kernel.divisor:.6g}"),
        ("bias", f"{kernel.bias:.6g}"),
        ("separable", rank),
        ("--flip", f"changes {flips[facts.flip]}"),
        ("response", f"{facts.low:.6g} to {facts.high:.6g} on pixels of 0..255"),
        ("range", kernel.range or "clip"),
        ("route", _route(kernel)),
        ("tags", ", ".join(kernel.tags)),
        ("origin", kernel.origin),
    ]
    parameters = [
        f"{key}={'(from the others)' if value is None else value}" for key, value in _parameters(kernel).items()
    ]
    if parameters:
        rows.insert(0, ("parameters", ", ".join(parameters) + " unless given"))
    return [(label, value) for label, value in rows if value]
