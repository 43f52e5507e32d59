"""Filtering a large file with a recipe, in pieces, from source to output."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

from convcli.errors import ConvcliError, ImageError, RecipeError
from convcli.files import check_output, open_output
from convcli.files.names import printable_path
from convcli.files.zarr_folder import check_store, is_zarr, whole_store
from convcli.filtering.file import Outcome
from convcli.filtering.frame import PictureOptions
from convcli.filtering.notes import described, saturation, stretched_without
from convcli.filtering.recipe import Recipe
from convcli.images.geography import told as geography_told
from convcli.large import tiff_out, zarr_out
from convcli.large.options import OME, StreamOptions
from convcli.large.pages import Facts, MapShape, Stack
from convcli.large.pieces import Finish, Piece, Sink, Tell, made_here
from convcli.large.reading import Reading
from convcli.large.steps import Chain
from convcli.large.tiff_out import TiffOut
from convcli.large.workers import Place, StackJob, made_there
from convcli.large.zarr_out import ZarrOut
from convcli.system.cores import thread_count
from convcli.version import __version__


def filter_large(
    source: str,
    output: str,
    recipe: Recipe,
    streaming: StreamOptions,
    options: PictureOptions,
    tell: Callable[[int, int], None] = lambda rows, total: None,
) -> Outcome:
    """Filter a TIFF or Zarr in pieces, and write a tiled, compressed BigTIFF or a Zarr.

    tell: called with rows done and rows in all. Raises ConvcliError like filter_file, and if the picture is of a kind
    that can't be streamed.
    """
    begin, threads = perf_counter(), thread_count(streaming.threads)
    _check(source, output, streaming, options)
    reading = _reading(source, output, recipe, options)
    with reading.opened(threads) as stacks:
        grain = zarr_out.CHUNK if is_zarr(output) else tiff_out.TILE
        workers = threads if streaming.cluster else 1
        jobs = [
            StackJob(reading, index, recipe, options, streaming.limit // workers, grain) for index in range(len(stacks))
        ]
        format_ = "Zarr" if is_zarr(output) else "TIFF"
        runs = [_Run(stack, job, streaming, format_) for stack, job in zip(stacks, jobs, strict=True)]
        total, seen = sum(run.height for run in runs), 0

        def advance(rows: int) -> None:
            nonlocal seen
            seen += rows
            tell(seen, total)

        note = None if streaming.strip else f"convcli {__version__}: {described(recipe)}{options.described}"
        with _sink(output, streaming, stacks, note, threads) as sink, contextlib.ExitStack() as closing:
            place = closing.enter_context(_place(streaming, recipe, threads))
            for run in runs:
                finish = sink.begin(run.shape, run.facts)
                with run.named():
                    sink.take(run.pieces(place, finish, sink.levels > 1, advance))
        return _outcome(stacks, runs, sink.levels, perf_counter() - begin)


def look(
    source: str, output: str, recipe: Recipe, streaming: StreamOptions, options: PictureOptions
) -> tuple[int, int, int, str]:
    """Check that the picture can be filtered in pieces; return height, width, channels and dtype. Writes nothing."""
    _check(source, output, streaming, options)
    with _reading(source, output, recipe, options).opened(1) as stacks:
        page = stacks[0].pages[0]
        return page.shape[0], page.shape[1], page.shape[2] if len(page.shape) == 3 else 1, page.dtype.name


def _reading(source: str, output: str, recipe: Recipe, options: PictureOptions) -> Reading:
    """Return how to read the file for this recipe."""
    deep = recipe.channels in ("sum", "gray") or recipe.kernels[0].depth > 1 or recipe.combine == "angle"
    together = "all" if deep else "last" if is_zarr(output) else "rgb"
    return Reading(
        str(Path(source).absolute()), printable_path(source), options.frame, options.alpha == "drop", together
    )


class _Run:
    """A stack through a recipe, into a file of this format."""

    def __init__(self, stack: Stack, job: StackJob, streaming: StreamOptions, format_: str) -> None:
        self._stack, self._job, self._threads, recipe = (
            stack,
            job,
            1 if streaming.cluster else streaming.threads,
            job.recipe,
        )
        with self.named():
            plan = self._chain(0)
        self.range = plan.steps[-1].range
        self.shape = MapShape(plan.shape, plan.dtype, plan.alpha, stack.lead)
        self.height = plan.height * len(stack.pages)
        self.samples = self.below = self.above = self.infinite = 0
        rows, columns = recipe.geometry.stride
        times = 1 if recipe.combine else len(recipe.kernels)
        kept = _kept(stack, self.shape, streaming)
        height, width = stack.pages[0].shape[:2]
        stays = recipe.stays((height, width))
        geography, self.notes = geography_told(kept.geography, kept.nodata, stays, format_)
        self.facts = replace(kept, geography=geography).strided(rows**times, columns**times)

    def pieces(self, place: Place | None, finish: Finish, levels: bool, tell: Tell) -> Iterator[Piece]:
        """Yield the pieces of all pages in order, made here or by the workers of `place`."""
        if place:
            return made_there(place, self._job, self._chains(), finish, levels, tell)
        return made_here(self._chains(), finish, levels, self._threads, tell)

    def _chains(self) -> Iterator[Chain]:
        """Yield a chain of steps for each page, in order; add up its counts when the next one is requested."""
        for page in range(len(self._stack.pages)):
            chain = self._chain(page)
            yield chain
            for step in chain.steps:
                samples, below, above = step.counts.total
                self.samples, self.below, self.above = self.samples + samples, self.below + below, self.above + above
                self.infinite += sum(limits.infinite for limits in step.whole.limits.values() if step.stretched)

    def _chain(self, page: int) -> Chain:
        return self._job.chain(self._stack.pages[page], self._threads)

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Put the picture's name before the messages of errors about the recipe."""
        try:
            yield
        except ImageError:
            raise
        except ConvcliError as error:
            raise type(error)(f"{self._stack.name}: {error}") from None


def _check(source: str, output: str, streaming: StreamOptions, options: PictureOptions) -> None:
    """Raise an error if the arguments can't be combined, before anything is opened."""
    if options.reduce_depth:
        raise RecipeError("--reduce-depth needs the whole picture in memory; raise --memory, or leave it out")
    if is_zarr(output):
        check_store(output, streaming.force)
    elif not output.lower().endswith((".tif", ".tiff")):
        raise RecipeError(
            f"{printable_path(source)} is filtered to TIFF or Zarr; name an output that ends in .tif or .zarr"
        )
    else:
        if streaming.zarr_format:
            raise RecipeError("--zarr-format is for an output that ends in .zarr")
        check_output(output, streaming.force)


@contextlib.contextmanager
def _sink(output: str, streaming: StreamOptions, stacks: list[Stack], note: str | None, threads: int) -> Iterator[Sink]:
    """Open the sink that pieces are written to; it becomes the output only on success."""
    ome = streaming.pyramid or output.lower().endswith(OME) or any(stack.facts.ome for stack in stacks)
    if is_zarr(output):
        if len(stacks) > 1:
            raise ImageError(
                f"{stacks[0].name} has {len(stacks)} pictures, a Zarr takes one; --frame N chooses it, from 0"
            )
        version = streaming.zarr_format or stacks[0].version or 3
        with whole_store(output, streaming.force) as store:
            yield ZarrOut(store, streaming.compression, note, ome, streaming.pyramid, version, threads)
        return
    folder = Path(output).resolve().parent
    with open_output(output, streaming.force) as stream:
        tiff = TiffOut(stream, streaming.compression, note, ome, streaming.pyramid, folder, threads)
        with tiff:
            yield tiff


@contextlib.contextmanager
def _place(streaming: StreamOptions, recipe: Recipe, workers: int) -> Iterator[Place | None]:
    """Connect to the cluster's workers, if one was asked for; else give None."""
    if streaming.cluster is None:
        yield None
        return
    from convcli.filtering.run import warm
    from convcli.system.cluster import worker_pool

    with worker_pool(streaming.cluster, partial(warm, recipe), workers) as place:
        yield place


def _kept(stack: Stack, shape: MapShape, streaming: StreamOptions) -> Facts:
    """Return the source's facts that still hold for the output."""
    if streaming.strip:
        return Facts()
    same = stack.pages[0].shape[2:] == shape.size[2:]
    return stack.facts if same else replace(stack.facts, icc=None, channels=())


def _outcome(stacks: list[Stack], runs: list[_Run], levels: int, seconds: float) -> Outcome:
    samples, below, above = (sum(getattr(run, name) for run in runs) for name in ("samples", "below", "above"))
    notes = [f"{levels} levels were written, each half as wide and high as the one before"] if levels > 1 else []
    notes += [note for note in dict.fromkeys(stack.note for stack in stacks) if note]
    notes += dict.fromkeys(note for run in runs for note in run.notes)
    if told := saturation(runs[0].range, samples, below, above):
        notes.append(told)
    if told := stretched_without(sum(run.infinite for run in runs)):
        notes.append(told)
    page = stacks[0].pages[0]
    return Outcome(
        stacks[0].format, stacks[0].described, sum(len(stack.pages) for stack in stacks),
        (page.shape[0], page.shape[1]), (runs[0].shape.size[0], runs[0].shape.size[1]), runs[0].range, samples, below,
        above, seconds, tuple(notes),
    )  # fmt: skip
