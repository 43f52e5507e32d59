"""`convcli warmup`: compile the engine now instead of at first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

import click


@click.command()
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
def warmup(quiet: bool) -> None:
    """Compile the engine for this machine now.

    Every loop that the built-in kernels need is compiled and kept, so that the first picture is as quick as the next:
    for a container image, or before a measurement. What is there already is not compiled again. CONVCLI_CACHE_DIR says
    where it is kept.

    \b
    Example:
      convcli warmup
    """
    from convcli.engine.compiled import cache, compiler

    begin, before = perf_counter(), compiler.compiled()
    for call in _calls():
        known, count = len(compiler.loops()), compiler.compiled()
        call()
        if compiler.compiled() > count and not quiet:
            for name in compiler.loops()[known:]:
                click.echo(name, err=True)
    if not quiet:
        from convcli.words import counted, elapsed

        new, seconds = compiler.compiled() - before, perf_counter() - begin
        click.echo(
            f"{counted(len(compiler.loops()), 'loop')} ready, {new} of them compiled now, in {elapsed(seconds)}; "
            f"kept in {cache.folder()}",
            err=True,
        )


def _calls() -> Iterator[Callable[[], Any]]:
    """Calls that between them meet every loop: pictures through kernels, planes through conv2d."""
    from convcli.engine import convolve
    from convcli.engine.planes import conv2d
    from convcli.geometry import Geometry
    from convcli.ranges import range_map

    for kernel, picture, raw in _jobs():
        mapping = None if raw else range_map("clip", picture.dtype)
        yield partial(convolve, picture, kernel, Geometry(), mapping=mapping, depth=kernel.depth > 1)
    for planes, weight in _planes():
        yield partial(conv2d, planes, weight)


def _planes() -> Iterator[tuple[Any, Any]]:
    """Planes of either precision, and filters that make one row of a map at a time, and two."""
    import numpy as np

    for dtype in (np.float32, np.float64):
        for filters, size in ((1, 1), (4, 3)):
            yield np.zeros((1, 4, 4), dtype), np.zeros((filters, 1, size, size), dtype)


def _jobs() -> Iterator[tuple[Any, Any, bool]]:
    """Kernels and small pictures that between them meet every loop: (kernel, picture, raw responses)."""
    import numpy as np

    from convcli.kernel import Kernel
    from convcli.kernels.catalogue import catalogue
    from convcli.kernels.load import load_kernel

    small, large = (32, 40, 3), (1000, 1100, 3)
    named = catalogue()
    common = [load_kernel(name) for name in ("sobel-x", "sharpen", "gaussian-3", "box", "gaussian:sigma=2")]
    dense = [Kernel(np.random.default_rng(0).normal(size=(size, size))) for size in (2, 3, 4, 5, 6, 7, 9, 16, 31)]
    for kernel in (*named, *common, *dense):
        yield kernel, np.zeros(large, np.uint8), False
    for kernel in (*common, *dense):
        for dtype in (np.uint8, np.uint16, np.float32):
            for size in (small, large):
                for raw in (False, True):
                    yield kernel, np.zeros(size, dtype), raw
