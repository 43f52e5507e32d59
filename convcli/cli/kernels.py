"""`convcli kernels`: list the kernels, show what one is made of, check files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.console import console
from convcli.cli.kernel_text import draw, parameters, table
from convcli.cli.options import force_opt, kernel_from, kernel_names, paths

if TYPE_CHECKING:
    from convcli.kernel import Kernel
    from convcli.kernels.facts import Anatomy


@click.group()
def kernels() -> None:
    """List the kernels, show what one is made of, or check files of your own.

    \b
    Examples:
      convcli kernels list
      convcli kernels show sobel-x
      convcli kernels check kernels/sobel-x.yaml
    """


@kernels.command("list", short_help="List every kernel that has a name, in groups.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for machines.")
@click.argument("wanted", nargs=-1, metavar="[GROUP]...")
def list_(as_json: bool, wanted: tuple[str, ...]) -> None:
    """List every kernel that has a name, grouped by what it is for, or only those of some groups.

    \b
    Examples:
      convcli kernels list
      convcli kernels list blur sharpen
    """
    from convcli.kernels.catalogue import catalogue, hides_built_in, user_kernels

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
        screen.print(table(group, members, screen.is_terminal))
    for kernel in filter(hides_built_in, entries):
        click.echo(f"Note: your {kernel.name} in {kernel.origin} hides the built-in one.", err=True)
    screen.print("`convcli kernels show NAME` shows the weights, `convcli kernels list GROUP` one group.")


def _group(kernel: Kernel) -> str:
    return kernel.tags[0] if kernel.tags else "other"


def _of_groups(entries: list[Kernel], wanted: tuple[str, ...]) -> list[Kernel]:
    groups = list(dict.fromkeys(map(_group, entries)))
    for word in wanted:
        if word not in groups:
            from convcli.choices import suggestions

            raise click.BadParameter(
                f"no group {word!r}{suggestions(word, groups) or '; there are ' + ', '.join(groups)}"
            )
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
    help="Scale the weights: to sum 1, to mean zero, to magnitudes or squares that sum to 1. As SPEC@sum, "
    "SPEC@zero and so on.",
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
    from convcli.errors import RecipeError
    from convcli.kernels.facts import anatomy

    if sum(map(bool, (as_json, as_yaml, tool, picture))) > 1:
        raise click.UsageError("--json, --yaml, --emit and --image are four ways to show a kernel; choose one")
    kernel = kernel_from(spec)
    if normalize:
        from convcli.kernels.algebra import MODIFIERS

        kernel = MODIFIERS[normalize][0](kernel)
    if tool:
        from convcli.kernels.export import emit

        click.echo(emit(kernel, tool), nl=False)
    elif picture:
        _save_portrait(kernel, picture, force)
    elif as_json:
        _print_json(_full_entry(kernel, anatomy(kernel)))
    elif as_yaml:
        from convcli.kernels.readers.plain_yaml import MOST_WEIGHTS
        from convcli.kernels.readers.yaml_tree import to_yaml

        if kernel.weights.size > MOST_WEIGHTS:
            raise RecipeError(f"{kernel.label} has {kernel.weights.size} weights; a YAML file holds {MOST_WEIGHTS}")
        click.echo(to_yaml(kernel), nl=False)
    else:
        draw(kernel, anatomy(kernel))


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
    from convcli.kernels.check import check as checked

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
    from convcli.files.names import printable_path
    from convcli.sheets.kernel_portrait import portrait
    from convcli.sheets.output import Output

    output = Output.for_path(file, None, force)
    if output.kind != "sheet":
        raise RecipeError(f"--image needs a picture, as in {Path(file).stem}.png")
    image = portrait(kernel)
    output.write_picture(image)
    click.echo(f"{printable_path(file)}: {image.width}x{image.height}", err=True)


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
        "parameters": parameters(kernel),
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
