"""Run over a folder: filter its pictures in a pool, with few in progress however many there are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from convcli import files
from convcli.batch.listing import FileJob, Listing
from convcli.batch.report import EarlierReport, Report
from convcli.batch.resume import SkipRule
from convcli.batch.work import Result, Work
from convcli.errors import AccessError, RecipeError, first_line
from convcli.files.names import Stamp, is_url, printable_path
from convcli.filtering.frame import PictureOptions
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import warm
from convcli.system.allocator import keep_freed
from convcli.system.cores import thread_count

_GLANCE = 1.0  # seconds between checks for an interrupt while no file finishes
_AWAY = 4  # files at a time per core if inputs or outputs are URLs, for most of the time is waiting


@dataclass(frozen=True)
class FolderOptions:
    """Options of a run over a folder.

    jobs: files at a time; None is one per core, or several if inputs or outputs are URLs.
    if_exists: "skip", "overwrite" or "fail" if the output exists; None follows from `force` and `resume`, else fail.
    resume: skip what an earlier run finished. report: the file that gets a line of JSON for each picture.
    retries: how often to retry a file that could not be read or written. stop: start nothing after a failure.
    cluster: the address of a Dask scheduler, or "local".
    """

    jobs: int | None = None
    if_exists: str | None = None
    force: bool = False
    resume: bool = False
    report: str | None = None
    retries: int = 0
    stop: bool = False
    cluster: str | None = None

    @property
    def overwrites(self) -> bool:
        """Whether existing outputs are overwritten."""
        return self.force or self.if_exists == "overwrite" or (self.resume and self.if_exists is None)


def run_folder(
    listing: Listing,
    planned: int,
    recipe: Recipe,
    options: FolderOptions,
    picture: PictureOptions,
    writing: dict[str, Any],
    tell: Callable[[Result], None],
    halted: Callable[[], bool] = lambda: False,
) -> None:
    """Filter the `planned` pictures of a folder, and call `tell` with each result as soon as it is there.

    writing: keywords of `images.Target`. halted: once it returns True, nothing new is started.
    Raises ConvcliError if the run can't start, the report can't be written, or the cluster is lost.
    """
    _check(listing, options)
    cores = thread_count()
    away = not options.cluster and (is_url(listing.folder) or is_url(listing.output))
    workers = min(options.jobs or (_AWAY * cores if away else cores), planned)
    work = Work(
        recipe,
        picture,
        writing,
        listing.format,
        force=options.overwrites or options.cluster is not None,  # another worker repeats the file of a lost one
        threads=1 if options.cluster else max(1, cores // workers),
        retries=max(options.retries, 3) if options.cluster else options.retries,  # a lost worker may still be writing
        prove=options.report is not None,
        base=str(Path.cwd()) if options.cluster else "",
    )
    told = work.report_fields()
    rule = _skip_rule(listing, options, told["recipe_digest"])
    with _report(options) as report, _pool(options.cluster, recipe, workers) as (pool, capacity):
        work = replace(work, intents=report.intents() if report else None)
        jobs = _looked_at(listing, rule.look)
        for result in run_jobs(
            jobs, work.do, pool, capacity=capacity, settle=rule.settle, stop=options.stop, halted=halted
        ):
            tell(result)
            if report and not rule.reported(result):
                report.add(result.record() | told)


def plan_folder(
    listing: Listing, recipe: Recipe, options: FolderOptions, picture: PictureOptions, writing: dict[str, Any]
) -> Iterator[tuple[FileJob, Result | None]]:
    """Dry run of `run_folder`: yield each picture, with its result if that is known without filtering.

    Raises ConvcliError if the run could not start.
    """
    _check(listing, options)
    work = Work(recipe, picture, writing, listing.format)
    rule = _skip_rule(listing, options, work.report_fields()["recipe_digest"])
    for job in _looked_at(listing, rule.look):
        settled = Result(job, "failed", job.problem) if job.problem else rule.settle(job)
        yield job, settled
        if options.stop and settled and settled.status == "failed":
            return


def _check(listing: Listing, options: FolderOptions) -> None:
    """Raise RecipeError if the report can't be written line by line, or is missing where the run requires one."""
    path = options.report
    if is_url(path):
        raise RecipeError(f"--report is a file of this machine, written line by line; {printable_path(path)} is none")
    if not listing.in_place:
        return
    for option, given in (("--resume", options.resume), ("--cluster", options.cluster)):
        if given and path is None:
            raise RecipeError(f"{option} in the same folder needs --report: inputs and outputs are the same files")
    if path and Path(path).exists() and not Path(path).is_file():
        raise RecipeError(
            f"{printable_path(path)} is no file; in the same folder --report must be one, for it is read again"
        )


def _looked_at(jobs: Iterable[FileJob], look: Callable[[str], Stamp | None]) -> Iterator[FileJob]:
    """Add the picture's stamp to the jobs whose output replaces the picture."""
    for job in jobs:
        yield replace(job, seen=look(job.source)) if not job.problem and files.same(job.source, job.output) else job


def _skip_rule(listing: Listing, options: FolderOptions, recipe_digest: str) -> SkipRule:
    earlier = EarlierReport(options.report) if options.resume and options.report else None
    if_exists = options.if_exists or ("overwrite" if options.overwrites else "fail")
    return SkipRule(if_exists, options.resume, earlier, recipe_digest, files.stamps_by_folder())


@contextlib.contextmanager
def _report(options: FolderOptions) -> Iterator[Report | None]:
    """Open the report, if the options name one."""
    if options.report is None:
        yield None
        return
    with Report(options.report, append=options.resume) as report:
        yield report


@contextlib.contextmanager
def _pool(address: str | None, recipe: Recipe, workers: int) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """Provide the executor, local or on a cluster, and a function that returns how many files to submit at a time."""
    if address:
        from convcli.system.cluster import worker_pool

        with worker_pool(address, partial(warm, recipe), workers) as place:
            yield place
        return
    from convcli.system.pool import ThreadPool

    keep_freed()
    with ThreadPool(workers) as pool:
        try:
            yield pool, lambda: 2 * workers
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_jobs(
    jobs: Iterable[FileJob],
    do: Callable[[FileJob], Result],
    pool: Executor,
    *,
    capacity: Callable[[], int],
    settle: Callable[[FileJob], Result | None] = lambda job: None,
    stop: bool = False,
    halted: Callable[[], bool] = lambda: False,
) -> Iterator[Result]:
    """Run the jobs in a pool and yield each result as it comes; at most `capacity()` are submitted at a time.

    settle: returns the result of a job that needs no work, else None. stop: start nothing new after a failure.
    halted: once it returns True, nothing new is started and only the running jobs are finished.
    Raises AccessError if the pool is lost.
    """
    waiting, busy, more = iter(jobs), dict[Future[Result], FileJob](), True
    while True:
        while more and len(busy) < capacity() and not halted():
            job = next(waiting, None)
            if job is None:
                more = False
            elif result := settle(job):
                yield result
                if stop and result.status == "failed":
                    more, busy = False, _begun(busy)
            else:
                busy[pool.submit(do, job)] = job
        if halted():
            more, busy = False, _begun(busy)
        if not busy:
            return
        done, _ = wait(busy, _GLANCE, return_when=FIRST_COMPLETED)
        for future in done:
            result = _result(future, busy.pop(future))
            yield result
            if stop and result.status == "failed":
                more, busy = False, _begun(busy)


def _begun(futures: dict[Future[Result], FileJob]) -> dict[Future[Result], FileJob]:
    """Cancel the jobs that wait in the pool; return those that are already running."""
    return {future: job for future, job in futures.items() if not future.cancel()}


def _result(future: Future[Result], job: FileJob) -> Result:
    """Return the job's result; a job that the pool gave up has failed with the pool's reason."""
    try:
        return future.result()
    except CancelledError:
        raise AccessError("the cluster has gone; start it again, and the same command with --resume goes on") from None
    except Exception as error:
        return Result(job, "failed", f"{printable_path(job.source)}: given up by the cluster: {first_line(error)}")
