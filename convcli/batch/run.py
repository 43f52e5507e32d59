"""The run over a folder: jobs through a pool, few in hand at a time, whatever the length of the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait

from convcli.batch.listing import FileJob
from convcli.batch.work import Result
from convcli.errors import AccessError, first_line
from convcli.files.names import printable_path

_GLANCE = 1.0  # seconds after which to look for an interrupt, if no file finishes


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
    """Do the jobs in a pool and yield each result as it comes; at most `capacity()` are in hand at a time.

    settle: what needs no doing. stop: begin nothing new after a failure. halted: asked before a job is begun; once it
    says yes, nothing new is begun and the jobs in hand are finished.
    Raises AccessError where the pool has gone.
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
    """Cancel what waits in the pool; what is left is being done."""
    return {future: job for future, job in futures.items() if not future.cancel()}


def _result(future: Future[Result], job: FileJob) -> Result:
    """What came of it; a pool that gave it up has its own reasons."""
    try:
        return future.result()
    except CancelledError:
        raise AccessError("the cluster has gone; start it again, and the same command with --resume goes on") from None
    except Exception as error:
        return Result(job, "failed", f"{printable_path(job.source)}: given up by the cluster: {first_line(error)}")
