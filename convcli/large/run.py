"""A file through a recipe in pieces, in and out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter

from convcli.errors import ConvcliError, ImageError, RecipeError
from convcli.files import check_output, open_output
from convcli.files.names import printable_path
from convcli.files.zarr_folder import check_store, is_zarr, whole_store
from convcli.filtering.file import Outcome
from convcli.filtering.frame import Handling
from convcli.filtering.notes import described, saturation
from convcli.filtering.recipe import Recipe
from convcli.large import tiff_out, zarr_out
from convcli.large.pages import Facts, Shape, Stack
from convcli.large.pieces import Finish, Piece, Sink, Tell, made_here
from convcli.large.reading import Reading
from convcli.large.steps import Chain
from convcli.large.tiff_out import TiffOut
from convcli.large.workers import Job, Place, made_there
from convcli.large.zarr_out import ZarrOut
from convcli.system.cores import thread_count
from convcli.system.memory import free_memory
from convcli.version import __version__

OME = (".ome.tif", ".ome.tiff", ".ome.zarr")


@dataclass(frozen=True)
class Manner:
    """How a large picture is written, and with what means.

    compression: "none", "fast" (the default) or "max". strip: no profile, no note of how it was made.
    pyramid: add smaller levels. zarr_format: 2 or 3, or None: the source's, else 3.
    memory: bytes that may be used; None is a quarter of what is free. cluster: a scheduler's address, or "local".
    """

    compression: str | None = None
    strip: bool = False
    pyramid: bool = False
    zarr_format: int | None = None
    memory: int | None = None
    threads: int | None = None
    force: bool = False
    cluster: str | None = None

    @property
    def limit(self) -> int:
        """Bytes that may be used."""
        return self.memory if self.memory is not None else (free_memory() or 1 << 32) // 4


def filter_large(
    source: str,
    output: str,
    recipe: Recipe,
    manner: Manner,
    handling: Handling,
    tell: Callable[[int, int], None] = lambda rows, total: None,
) -> Outcome:
    """Filter a TIFF or Zarr in pieces; a tiled, compressed BigTIFF or a Zarr comes out.

    tell: is given rows done and rows in all. Raises ConvcliError, as filter_file does, and where the picture is of a
    kind that is not streamed.
    """
    begin, threads = perf_counter(), thread_count(manner.threads)
    _check(source, output, manner, handling)
    reading = _reading(source, output, recipe, handling)
    with reading.opened(threads) as stacks:
        grain = zarr_out.CHUNK if is_zarr(output) else tiff_out.TILE
        workers = threads if manner.cluster else 1
        jobs = [Job(reading, index, recipe, handling, manner.limit // workers, grain) for index in range(len(stacks))]
        runs = [_Run(stack, job, manner) for stack, job in zip(stacks, jobs, strict=True)]
        total, seen = sum(run.height for run in runs), 0

        def advance(rows: int) -> None:
            nonlocal seen
            seen += rows
            tell(seen, total)

        note = None if manner.strip else f"convcli {__version__}: {described(recipe)}{handling.described}"
        with _sink(output, manner, stacks, note, threads) as sink, contextlib.ExitStack() as closing:
            place = closing.enter_context(_place(manner, recipe, threads))
            for run in runs:
                finish = sink.begin(run.shape, run.facts)
                with run.named():
                    sink.take(run.pieces(place, finish, sink.levels > 1, advance))
        return _outcome(stacks, runs, sink.levels, perf_counter() - begin)


def look(source: str, output: str, recipe: Recipe, manner: Manner, handling: Handling) -> tuple[int, int, int, str]:
    """Height, width, channels and dtype of the first picture, where it can be filtered so; nothing is written."""
    _check(source, output, manner, handling)
    with _reading(source, output, recipe, handling).opened(1) as stacks:
        page = stacks[0].pages[0]
        return page.shape[0], page.shape[1], page.shape[2] if len(page.shape) == 3 else 1, page.dtype.name


def _reading(source: str, output: str, recipe: Recipe, handling: Handling) -> Reading:
    """How the file is to be read for this recipe."""
    deep = recipe.channels in ("sum", "gray") or recipe.kernels[0].depth > 1 or recipe.combine == "angle"
    together = "all" if deep else "last" if is_zarr(output) else "rgb"
    return Reading(
        str(Path(source).absolute()), printable_path(source), handling.frame, handling.alpha == "drop", together
    )


class _Run:
    """A stack through a recipe."""

    def __init__(self, stack: Stack, job: Job, manner: Manner) -> None:
        self._stack, self._job, self._threads, recipe = stack, job, 1 if manner.cluster else manner.threads, job.recipe
        with self.named():
            plan = self._chain(0)
        self.range = plan.steps[-1].range
        self.shape = Shape(plan.shape, plan.dtype, plan.alpha, stack.lead)
        self.height = plan.height * len(stack.pages)
        self.samples = self.below = self.above = 0
        rows, columns = recipe.geometry.stride
        times = 1 if recipe.combine else len(recipe.kernels)
        self.facts = _kept(stack, self.shape, manner).strided(rows**times, columns**times)

    def pieces(self, place: Place | None, finish: Finish, levels: bool, tell: Tell) -> Iterator[Piece]:
        """The pieces of all pages, in order, made here or at a place of many workers."""
        if place:
            return made_there(place, self._job, self._chains(), finish, levels, tell)
        return made_here(self._chains(), finish, levels, self._threads, tell)

    def _chains(self) -> Iterator[Chain]:
        """A chain of steps for each page, in order; what it counted is added once the next is asked for."""
        for page in range(len(self._stack.pages)):
            chain = self._chain(page)
            yield chain
            for step in chain.steps:
                samples, below, above = step.counts.total
                self.samples, self.below, self.above = self.samples + samples, self.below + below, self.above + above

    def _chain(self, page: int) -> Chain:
        return self._job.chain(self._stack.pages[page], self._threads)

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Errors that speak of the recipe name the picture."""
        try:
            yield
        except ImageError:
            raise
        except ConvcliError as error:
            raise type(error)(f"{self._stack.name}: {error}") from None


def _check(source: str, output: str, manner: Manner, handling: Handling) -> None:
    """Raise where these can't go together, before anything is opened."""
    if handling.reduce_depth:
        raise RecipeError("--reduce-depth needs the whole picture in memory; raise --memory, or leave it out")
    if is_zarr(output):
        check_store(output, manner.force)
    elif not output.lower().endswith((".tif", ".tiff")):
        raise RecipeError(
            f"{printable_path(source)} is filtered to TIFF or Zarr; name an output that ends in .tif or .zarr"
        )
    else:
        if manner.zarr_format:
            raise RecipeError("--zarr-format is for an output that ends in .zarr")
        check_output(output, manner.force)


@contextlib.contextmanager
def _sink(output: str, manner: Manner, stacks: list[Stack], note: str | None, threads: int) -> Iterator[Sink]:
    """What takes the pieces; it becomes the output when all is well."""
    ome = manner.pyramid or output.lower().endswith(OME) or any(stack.facts.ome for stack in stacks)
    if is_zarr(output):
        if len(stacks) > 1:
            raise ImageError(
                f"{stacks[0].name} has {len(stacks)} pictures, a Zarr takes one; --frame N chooses it, from 0"
            )
        version = manner.zarr_format or stacks[0].version or 3
        with whole_store(output, manner.force) as store:
            yield ZarrOut(store, manner.compression, note, ome, manner.pyramid, version, threads)
        return
    folder = Path(output).resolve().parent
    with open_output(output, manner.force) as stream:
        tiff = TiffOut(stream, manner.compression, note, ome, manner.pyramid, folder, threads)
        with tiff:
            yield tiff


@contextlib.contextmanager
def _place(manner: Manner, recipe: Recipe, workers: int) -> Iterator[Place | None]:
    """Where the pieces are made, if not here."""
    if manner.cluster is None:
        yield None
        return
    from convcli.filtering.run import warm
    from convcli.system.cluster import cluster

    with cluster(manner.cluster, partial(warm, recipe), workers) as place:
        yield place


def _kept(stack: Stack, shape: Shape, manner: Manner) -> Facts:
    """What the output says of what the source said."""
    if manner.strip:
        return Facts()
    same = stack.pages[0].shape[2:] == shape.size[2:]
    return stack.facts if same else replace(stack.facts, icc=None, channels=())


def _outcome(stacks: list[Stack], runs: list[_Run], levels: int, seconds: float) -> Outcome:
    samples, below, above = (sum(getattr(run, name) for run in runs) for name in ("samples", "below", "above"))
    notes = [f"{levels} levels were written, each half as wide and high as the one before"] if levels > 1 else []
    if told := saturation(runs[0].range, samples, below, above):
        notes.append(told)
    page = stacks[0].pages[0]
    return Outcome(
        stacks[0].format, stacks[0].described, sum(len(stack.pages) for stack in stacks),
        (page.shape[0], page.shape[1]), (runs[0].shape.size[0], runs[0].shape.size[1]), runs[0].range, samples, below,
        above, seconds, tuple(notes),
    )  # fmt: skip
