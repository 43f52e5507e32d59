"""A folder of pictures: plan the work, check it, then do it and tell of every file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from convcli.errors import ConvcliError
from convcli.files import shown
from convcli.filtering import Handling, Outcome, filter_file
from convcli.images import Target
from convcli.images.formats import readable
from convcli.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """One picture of the folder and where its result goes."""

    source: Path
    output: Path


@dataclass(frozen=True)
class Result:
    """What became of a job: "done", "failed" (with the reason) or "skipped"."""

    job: Job
    status: str
    reason: str = ""
    outcome: Outcome | None = None

    def record(self) -> dict[str, Any]:
        """The line of the report."""
        line: dict[str, Any] = {"input": str(self.job.source), "output": str(self.job.output), "status": self.status}
        if self.reason:
            line["reason"] = self.reason
        if self.outcome:
            done = self.outcome
            line |= {
                "size": done.size, "output_size": done.output_size, "range": done.range, "samples": done.samples,
                "below": done.below, "above": done.above, "seconds": round(done.seconds, 3),
            }  # fmt: skip
        return line


def plan(
    folder: Path,
    output: Path,
    *,
    recursive: bool = False,
    patterns: Sequence[str] = (),
    format_: str | None = None,
) -> list[Job]:
    """The pictures of a folder in the order of their names, and the output of each: its name mirrored.

    patterns: of file names (or of paths below the folder); without any, every suffix that names a picture.
    format_: the outputs' suffix, instead of the inputs'.

    Raises ConvcliError where the folder is missing or holds no picture, or where two pictures would write one output.
    """
    if not folder.is_dir():
        what = "is not a folder; convcli apply filters one picture" if folder.exists() else "does not exist"
        raise ConvcliError(f"{shown(folder)} {what}")
    if output.exists() and not output.is_dir():
        raise ConvcliError(f"{shown(output)} is not a folder")
    suffix = "." + format_.lower().lstrip(".") if format_ else None
    jobs = []
    for path in _pictures(folder, output, recursive, patterns):
        mirrored = output / path.relative_to(folder)
        jobs.append(Job(path, mirrored.with_suffix(suffix) if suffix else mirrored))
    if not jobs:
        matching = f" that matches {' or '.join(patterns)}" if patterns else ""
        deeper = "" if recursive else "; --recursive looks into its folders"
        raise ConvcliError(f"{shown(folder)} holds no picture{matching}{deeper}")
    _check_clashes(jobs)
    return jobs


def _pictures(folder: Path, output: Path, recursive: bool, patterns: Sequence[str]) -> Iterator[Path]:
    """The files to filter. The output folder, where it lies inside, is not looked into; nor are hidden files."""
    wanted = readable() if not patterns else frozenset()
    into = None if output.resolve() == folder.resolve() else output.resolve()
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(d for d in folders if recursive and (here / d).resolve() != into)
        for name in sorted(names):
            path = here / name
            below = str(path.relative_to(folder))
            if patterns:
                if any(fnmatch(name, p) or fnmatch(below, p) for p in patterns):
                    yield path
            elif not name.startswith(".") and path.suffix.lower() in wanted:
                yield path


def _check_clashes(jobs: Sequence[Job]) -> None:
    """Names that differ only in case are one file on many disks, so they clash everywhere."""
    owners: dict[str, Path] = {}
    for job in jobs:
        other = owners.setdefault(str(job.output).casefold(), job.source)
        if other != job.source:
            raise ConvcliError(
                f"{shown(other)} and {shown(job.source)} would both write {shown(job.output)}; "
                "rename one, or choose among them with --pattern"
            )


@dataclass(frozen=True)
class Work:
    """What is done to every file of a folder."""

    recipe: Recipe
    handling: Handling = field(default_factory=Handling)
    writing: dict[str, Any] = field(default_factory=dict)  # keywords of Target
    format: str | None = None
    force: bool = False
    resume: bool = False
    threads: int = 1

    def do(self, job: Job) -> Result:
        """Filter one file; whatever goes wrong with it becomes a reason."""
        try:
            if self.resume and _finished(job):
                return Result(job, "skipped", "finished earlier")
            target = Target.of(job.output, self.format, threads=self.threads, **self.writing)
            job.output.parent.mkdir(parents=True, exist_ok=True)
            force = self.force or self.resume
            done = filter_file(
                job.source, job.output, self.recipe, target, self.handling, force=force, threads=self.threads
            )
            return Result(job, "done", outcome=done)
        except ConvcliError as error:
            return Result(job, "failed", str(error))
        except MemoryError:
            return Result(job, "failed", f"{shown(job.source)}: not enough memory for it")
        except OSError as error:
            return Result(job, "failed", f"{shown(error.filename or job.output)}: {error.strerror or error}")


def _finished(job: Job) -> bool:
    """Outputs appear whole or not at all, so one that is newer than its input is finished."""
    try:
        return job.output.stat().st_mtime_ns >= job.source.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def run(jobs: Sequence[Job], do: Callable[[Job], Result], workers: int, stop: bool = False) -> Iterator[Result]:
    """Do the jobs on threads and yield each result as it comes; with `stop`, nothing new is begun after a failure.

    An interrupt lets the files in hand finish.
    """
    waiting = iter(jobs)
    hands: set[Future[Result]] = set()
    with ThreadPoolExecutor(workers) as pool:
        while True:
            while len(hands) < 2 * workers and (job := next(waiting, None)):
                hands.add(pool.submit(do, job))
            if not hands:
                return
            try:
                done, hands = wait(hands, return_when=FIRST_COMPLETED)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            for future in done:
                result = future.result()
                if stop and result.status == "failed":
                    waiting = iter(())
                    hands = {h for h in hands if not h.cancel()}
                yield result
