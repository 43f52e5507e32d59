"""`convcli warmup`: compile the engine now instead of at first use."""

from __future__ import annotations

from time import perf_counter

import click


@click.command()
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def warmup(quiet: bool) -> None:
    """Compile the engine for this machine now.

    Every loop that the built-in kernels need is compiled and kept, so that the first picture is as quick as the next:
    for a container image, or before a measurement. What is there already is not compiled again.

    \b
    Example:
      convcli warmup
    """
    from convcli.engine import machine
    from convcli.engine.warm import warm

    begin = perf_counter()
    loops = 0
    for loops, name in enumerate(warm(), 1):
        if not quiet:
            click.echo(f"{loops:4}  {name}", err=True)
    if not quiet:
        click.echo(f"{loops} loops ready in {perf_counter() - begin:.1f} s; kept in {machine.folder()}", err=True)
