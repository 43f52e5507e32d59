"""`convcli batch`: the pictures of a folder."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import (
    combine_opt,
    force_opt,
    format_opt,
    handling_from,
    parted,
    picture_options,
    recipe_from,
    recipe_options,
    writing_from,
)

if TYPE_CHECKING:
    from convcli.batch import Job, Result


@click.command()
@recipe_options
@combine_opt
@picture_options
@click.option("-r", "--recursive", is_flag=True, help="Look into folders of the folder too.")
@click.option(
    "--pattern", "patterns", multiple=True, metavar="GLOB",
    help="Only files of such names (*.jpg, holiday/*); repeatable. [default: every picture]",
)  # fmt: skip
@format_opt
@click.option("-j", "--jobs", type=click.IntRange(1), metavar="N", help="Files at a time. [default: one per core]")
@click.option(
    "--on-error", type=click.Choice(("continue", "stop")), default="continue", show_default=True,
    help="What to do after a file that failed.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Skip files whose output is there already and newer than they are.")
@click.option("--dry-run", is_flag=True, help="Only list what would be read and written.")
@click.option("--report", metavar="FILE.jsonl", help="Write one line of JSON per file.")
@force_opt
@click.argument("source", metavar="INPUT_DIR")
@click.argument("output", metavar="OUTPUT_DIR")
def batch(
    source: str,
    output: str,
    recursive: bool,
    patterns: tuple[str, ...],
    format_: str | None,
    jobs: int | None,
    on_error: str,
    resume: bool,
    dry_run: bool,
    report: str | None,
    force: bool,
    **words: Any,
) -> None:
    """Filter every picture of INPUT_DIR into OUTPUT_DIR, under the same names.

    A file that fails is named with its reason, the others are done, and the exit code is 1.

    \b
    Example:
      convcli batch --kernel sobel-x samples edges
    """
    recipe_words, picture_words = parted(words)
    recipe = recipe_from(**recipe_words)
    from convcli.batch import Work, plan, run
    from convcli.filtering import cores
    from convcli.images import Target

    writing, handling = writing_from(**picture_words), handling_from(**picture_words)
    if format_:
        Target.of(output, format_, **writing)
    todo = plan(Path(source), Path(output), recursive=recursive, patterns=patterns, format_=format_)
    if dry_run:
        _list(todo)
        return
    workers = min(jobs or cores(), len(todo))
    work = Work(recipe, handling, writing, format_, force, resume, threads=max(1, cores() // workers))
    tally = _Tally(len(todo))
    with _reporting(report, resume) as record, _progress(len(todo)) as advance:
        try:
            for result in run(todo, work.do, workers, stop=on_error == "stop"):
                tally.add(result)
                record(result)
                advance(result)
        finally:
            tally.finish()
    tally.show()
    if tally.counts["failed"]:
        click.get_current_context().exit(1)


def _list(todo: list[Job]) -> None:
    """What would be done, one line a file, on standard output."""
    from convcli.files import shown

    for job in todo:
        click.echo(f"{shown(job.source)} -> {shown(job.output)}")
    click.echo(f"{len(todo)} pictures; nothing was written.", err=True)


class _Tally:
    """The counts of a run."""

    def __init__(self, planned: int) -> None:
        self.planned, self.counts, self.notes = planned, Counter[str](), Counter[str]()
        self.begin, self.seconds = perf_counter(), 0.0

    def add(self, result: Result) -> None:
        self.counts[result.status] += 1
        if result.outcome:
            self.notes.update("saturated" if "clipped" in note else note for note in result.outcome.notes)

    def finish(self) -> None:
        self.seconds = perf_counter() - self.begin

    def show(self) -> None:
        """The summary, a table on standard error."""
        from rich.console import Console
        from rich.table import Table

        table = Table("Done", "Failed", "Skipped", "Not begun", "Seconds", "Files/s")
        done, failed, skipped = (self.counts[status] for status in ("done", "failed", "skipped"))
        table.add_row(
            *map(str, (done, failed, skipped, self.planned - done - failed - skipped)),
            f"{self.seconds:.1f}", f"{(done + failed) / max(self.seconds, 1e-9):.1f}",
        )  # fmt: skip
        Console(stderr=True).print(table)
        for note, count in self.notes.items():
            if note == "saturated":
                note = "more than 1 % of the samples were clipped; see --range"
            click.echo(f"Note: in {count} of {done} pictures {note}.", err=True)


@contextlib.contextmanager
def _reporting(path: str | None, resume: bool) -> Iterator[Callable[[Result], None]]:
    """What writes a result's line to the report."""
    if path is None:
        yield lambda result: None
        return
    with Path(path).open("a" if resume else "w", encoding="utf-8") as stream:

        def record(result: Result) -> None:
            stream.write(json.dumps(result.record()) + "\n")
            stream.flush()

        yield record


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[Result], None]]:
    """What tells of a result: failures always, a bar on a terminal."""

    def failure(result: Result) -> None:
        if result.status == "failed":
            click.echo(f"Failed: {result.reason}", err=True)

    if not sys.stderr.isatty():
        yield failure
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Filtering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def advance(result: Result) -> None:
            failure(result)
            bar.advance(task)

        yield advance
