"""A folder of pictures: what is done to each file, and the run that does it and tells of every one.

Reading, filtering and writing are one task a file, and tasks run side by side on threads: decoders, the engine and
encoders hold no lock while they work. Few tasks are in hand at a time, whatever the length of the folder.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest, sha256
from typing import Any

from convcli.errors import AccessError, ConvcliError
from convcli.files import shown
from convcli.filtering import Outcome, described, filter_file
from convcli.frames import Handling
from convcli.images import Target
from convcli.listing import Job
from convcli.recipe import Recipe
from convcli.report import Past, Stamp, kernel_digest, known, proves, stamp
from convcli.urls import is_url

_GLANCE = 1.0  # seconds after which to look for an interrupt, if no file finishes
_EARLIER = "finished earlier"
_PAUSE = 0.2  # seconds before the first retry; each further one waits twice as long


@dataclass(frozen=True)
class Proof:
    """What a report needs to tell later whether the file is still finished."""

    input_stamp: Stamp | None
    output_stamp: Stamp | None
    output_digest: str


@dataclass(frozen=True)
class Result:
    """What became of a job: "done", "failed" (with the reason) or "skipped"."""

    job: Job
    status: str
    reason: str = ""
    outcome: Outcome | None = None
    proof: Proof | None = None
    tries: int = 1

    def record(self) -> dict[str, Any]:
        """The line of the report, without what is the same for all files."""
        names = {"input": known(self.job.source), "output": known(self.job.output)}
        line: dict[str, Any] = {**names, "status": self.status}
        if self.reason:
            line["reason"] = self.reason
        if self.outcome:
            done = self.outcome
            line |= {
                "size": done.size, "output_size": done.output_size, "range": done.range, "samples": done.samples,
                "below": done.below, "above": done.above, "seconds": round(done.seconds, 3),
            }  # fmt: skip
        if self.tries > 1:
            line["tries"] = self.tries
        return line | (asdict(self.proof) if self.proof else {})


@dataclass(frozen=True)
class Work:
    """What is done to every file of a folder.

    writing: keywords of Target. format: the outputs' suffix, instead of the inputs'. retries: how often a file that
    could not be read or written is tried again. prove: digest the outputs for a report. base: the folder that relative
    paths start from, for workers that run elsewhere.
    """

    recipe: Recipe
    handling: Handling = field(default_factory=Handling)
    writing: dict[str, Any] = field(default_factory=dict)
    format: str | None = None
    force: bool = False
    threads: int = 1
    retries: int = 0
    prove: bool = False
    base: str = ""

    def do(self, job: Job) -> Result:
        """Filter one file; whatever goes wrong with it becomes a reason."""
        sealed: list[str] = []
        for tries in range(1, self.retries + 2):
            result, again = self._try(job, sealed)
            if not again or tries > self.retries:
                break
            time.sleep(_PAUSE * 2 ** (tries - 1))
        return replace(result, tries=tries)

    def _try(self, job: Job, sealed: list[str]) -> tuple[Result, bool]:
        """The result, and whether another try may help. sealed: grows by an output's digest before it is written."""
        try:
            if job.problem:
                return Result(job, "failed", job.problem), False
            return self._done(job, sealed), False
        except AccessError as error:
            return Result(job, "failed", str(error)), True
        except ConvcliError as error:
            return Result(job, "failed", str(error)), False
        except MemoryError:
            return Result(job, "failed", f"{shown(job.source)}: not enough memory for it"), False
        except OSError as error:
            return Result(job, "failed", f"{shown(error.filename or job.output)}: {error.strerror or error}"), True
        except Exception as error:  # one odd file must not end a night's work
            return Result(job, "failed", f"{shown(job.source)}: {type(error).__name__}: {error}"), False

    def _done(self, job: Job, sealed: list[str]) -> Result:
        target = Target.of(job.output, self.format, threads=self.threads, **self.writing)
        source, output = (self._placed(path) for path in (job.source, job.output))
        before = stamp(source) if self.prove else None
        _make_folder(output)

        def seal(stream: Any) -> None:
            stream.seek(0)
            sealed.append(file_digest(stream, "sha256").hexdigest() if self.prove else "")

        force = self.force or bool(sealed)  # what is there now, an earlier try has written without hearing of it
        outcome = filter_file(
            source, output, self.recipe, target, self.handling, force=force, threads=self.threads, seal=seal
        )
        proof = Proof(before, stamp(output), sealed[-1] if sealed else "") if self.prove else None
        return Result(job, "done", outcome=outcome, proof=proof)

    def _placed(self, path: str) -> str:
        return path if is_url(path) else os.path.join(self.base, path)  # noqa: PTH118

    def told(self) -> dict[str, Any]:
        """What every line of a report says of the work: the recipe in words, its digest and that of its kernels.

        The recipe's digest covers all that decides the outputs' content: kernels, geometry, channels, range, handling,
        writing and format.
        """
        kernels = kernel_digest(self.recipe.kernels)
        parts = (
            kernels, [kernel.range for kernel in self.recipe.kernels], asdict(self.recipe.geometry),
            self.recipe.channels, self.recipe.range, self.recipe.combine, asdict(self.handling), self.writing,
            self.format,
        )  # fmt: skip
        text = json.dumps(parts, sort_keys=True)
        return {
            "recipe": described(self.recipe),
            "recipe_digest": sha256(text.encode()).hexdigest(),
            "kernel_digest": kernels,
        }


@dataclass(frozen=True)
class Before:
    """Whether a file needs doing at all, seen from what is there already.

    if_exists: "skip", "overwrite", "fail". resume: finished files are skipped, by what `past` says of them (of the
    recipe of this digest), or, where there is no earlier report, by an output newer than its input. look: tells the
    stamp of a file.
    """

    if_exists: str = "fail"
    resume: bool = False
    past: Past | None = None
    recipe: str = ""
    in_place: bool = False
    look: Callable[[str], Stamp | None] = stamp

    def settle(self, job: Job) -> Result | None:
        """The result where there is nothing left to do, None where there is."""
        try:
            return self._settled(job)
        except ConvcliError as error:  # a store that does not answer
            return Result(job, "failed", str(error))
        except OSError as error:
            return Result(job, "failed", f"{shown(error.filename or job.output)}: {error.strerror or error}")

    def _settled(self, job: Job) -> Result | None:
        if job.problem:
            return None
        if self.resume and self._finished(job):
            return Result(job, "skipped", _EARLIER)
        if self.if_exists == "overwrite" or not self._exists(job.output):
            return None
        if self.if_exists == "skip":
            return Result(job, "skipped", "the output exists")
        if not is_url(job.output) and os.path.isdir(job.output):  # noqa: PTH112
            return None  # filtering says what is wrong with it
        return Result(job, "failed", f"{shown(job.output)} exists; --force overwrites it")

    def reported(self, result: Result) -> bool:
        """Whether the earlier report has the file's line already."""
        return result.reason == _EARLIER and self.past is not None and self.past.there

    def _finished(self, job: Job) -> bool:
        if self.past is not None and (self.past.there or self.in_place):
            record = self.past.record(job.source, job.output)
            return record is not None and proves(record, job.source, job.output, self.recipe, self.in_place, self.look)
        source, output = self.look(job.source), self.look(job.output)
        return source is not None and output is not None and output[1] >= source[1] >= 0

    def _exists(self, output: str) -> bool:
        return self.look(output) is not None if is_url(output) else os.path.lexists(output)


def _make_folder(output: str) -> None:
    """Make the folder that the file lies in."""
    if is_url(output):
        from convcli import remote

        remote.make_folder(output)
    else:
        os.makedirs(os.path.dirname(output) or ".", exist_ok=True)  # noqa: PTH103, PTH120 - a million of them


def run(
    jobs: Iterable[Job],
    do: Callable[[Job], Result],
    pool: Executor,
    *,
    hands: Callable[[], int],
    settle: Callable[[Job], Result | None] = lambda job: None,
    stop: bool = False,
    halted: Callable[[], bool] = lambda: False,
) -> Iterator[Result]:
    """Do the jobs in a pool and yield each result as it comes; at most `hands()` are in hand at a time.

    settle: what needs no doing. stop: begin nothing new after a failure. halted: asked before a job is begun; once it
    says yes, nothing new is begun and the jobs in hand are finished.
    Raises AccessError where the pool has gone.
    """
    waiting, busy, more = iter(jobs), dict[Future[Result], Job](), True
    while True:
        while more and len(busy) < hands() and not halted():
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


def _begun(futures: dict[Future[Result], Job]) -> dict[Future[Result], Job]:
    """Cancel what waits in the pool; what is left is being done."""
    return {future: job for future, job in futures.items() if not future.cancel()}


def _result(future: Future[Result], job: Job) -> Result:
    """What came of it; a pool that gave it up has its own reasons."""
    try:
        return future.result()
    except CancelledError:
        raise AccessError("the cluster has gone; start it again, and the same command with --resume goes on") from None
    except Exception as error:
        return Result(job, "failed", f"{shown(job.source)}: given up by the cluster: {error}".splitlines()[0])
