"""How a batch tells of itself: each file, the progress, the summary, and being told to end."""

from __future__ import annotations

import contextlib
import heapq
import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.console import error_console
from convcli.system import interrupts

if TYPE_CHECKING:
    from convcli.batch.listing import FileJob
    from convcli.batch.work import Result

_EVERY = 10.0  # seconds between two lines of progress where there is no terminal
_SLOWEST = 3


class Tally:
    """The counts of a run, its speed and its slowest files."""

    def __init__(self, planned: int) -> None:
        self.planned, self.counts, self.notes = planned, Counter(done=0, failed=0, skipped=0), Counter[str]()
        self.begin, self.seconds, self.pixels = perf_counter(), 0.0, 0
        self._slowest: list[tuple[float, str]] = []

    def add(self, result: Result) -> None:
        """Count one file."""
        self.counts[result.status] += 1
        if done := result.outcome:
            self.notes.update("saturated" if "clipped" in note else note for note in done.notes)
            self.pixels += done.size[0] * done.size[1] * done.frames
            entry = (done.seconds, result.job.source)
            (heapq.heappushpop if len(self._slowest) == _SLOWEST else heapq.heappush)(self._slowest, entry)

    def finish(self) -> None:
        """Stop the clock."""
        self.seconds = perf_counter() - self.begin

    def figures(self) -> dict[str, Any]:
        """The summary as numbers."""
        done, failed, skipped = (self.counts[status] for status in ("done", "failed", "skipped"))
        seconds = max(self.seconds, 1e-9)
        return {
            "planned": self.planned,
            "done": done,
            "failed": failed,
            "skipped": skipped,
            "not_begun": max(self.planned - done - failed - skipped, 0),
            "seconds": round(self.seconds, 3),
            "files_per_second": round((done + failed) / seconds, 2),
            "megapixels_per_second": round(self.pixels / seconds / 1e6, 4),
            "slowest": [
                {"input": source, "seconds": round(took, 3)} for took, source in sorted(self._slowest, reverse=True)
            ],
        }

    def show(self) -> None:
        """The summary, in plain lines on standard error."""
        from convcli.files.names import printable_path
        from convcli.words import amount, counted, elapsed

        figures = self.figures()
        counts = [f"{figures['done']} done", f"{figures['failed']} failed"]
        counts += [f"{figures[name]} {name.replace('_', ' ')}" for name in ("skipped", "not_begun") if figures[name]]
        click.echo(
            f"{', '.join(counts)} in {elapsed(figures['seconds'])}: {amount(figures['files_per_second'])} files/s, "
            f"{amount(figures['megapixels_per_second'])} megapixels/s.", err=True,
        )  # fmt: skip
        if figures["done"] > _SLOWEST:
            slowest = ", ".join(
                f"{printable_path(file['input'])} {elapsed(file['seconds'])}" for file in figures["slowest"]
            )
            click.echo(f"Slowest: {slowest}.", err=True)
        for note, count in self.notes.items():
            if note == "saturated":
                note = "more than 1 % of the samples were clipped; see --range"
            click.echo(f"Note: in {count} of {counted(figures['done'], 'picture')} {note}.", err=True)

    def show_json(self, interrupted: bool) -> None:
        """The summary, an object on standard output."""
        click.echo(json.dumps(self.figures() | {"interrupted": interrupted}))


@contextlib.contextmanager
def progress(tally: Tally, quiet: bool, verbose: bool) -> Iterator[Callable[[Result], None]]:
    """What tells of a result: failures always; a bar with rate and time left on a terminal, else a line at times."""

    def line(result: Result) -> None:
        if verbose or result.status == "failed":
            click.echo(result_line(result), err=True)

    if quiet:
        yield line
    elif sys.stderr is not None and sys.stderr.isatty():
        with _bar(tally.planned) as advance:
            yield _both(line, advance)
    else:
        with _spoken(tally):
            yield line


def _both(line: Callable[[Result], None], advance: Callable[[], None]) -> Callable[[Result], None]:
    def tell(result: Result) -> None:
        line(result)
        advance()

    return tell


def job_line(job: FileJob) -> str:
    """From where to where."""
    from convcli.files.names import printable_path

    return f"{printable_path(job.source)} -> {printable_path(job.output)}"


def result_line(result: Result) -> str:
    """What became of a file."""
    from convcli.files.names import printable_path
    from convcli.words import elapsed

    if result.status == "failed":
        return f"Failed: {result.reason}"
    if result.status == "skipped":
        return f"Skipped: {printable_path(result.job.source)}: {result.reason}"
    took = f" ({elapsed(result.outcome.seconds)})" if result.outcome else ""
    return f"Done: {job_line(result.job)}{took}"


def _spoken(tally: Tally) -> contextlib.AbstractContextManager[None]:
    """A line of progress at times, also where no file finishes."""
    from convcli.words import amount, counted, duration

    begin = monotonic()

    def say() -> None:
        over = tally.counts.total()
        rate = over / (monotonic() - begin)
        left = f", {amount(rate)} files/s, {duration((tally.planned - over) / rate)} left" if over else ""
        click.echo(f"{over} of {counted(tally.planned, 'file')}{left}", err=True)

    return _at_times(say)


def waiting(what: str) -> contextlib.AbstractContextManager[None]:
    """A line at times while the block has nothing to show, above all while a store that is far away says nothing."""
    begin = monotonic()
    return _at_times(lambda: click.echo(f"{what}: {monotonic() - begin:.0f} s so far; Ctrl-C ends it", err=True))


@contextlib.contextmanager
def _at_times(say: Callable[[], None]) -> Iterator[None]:
    """Call it every few seconds, on a thread of its own, until the block ends."""
    over = threading.Event()

    def speak() -> None:
        while not over.wait(_EVERY):
            with contextlib.suppress(OSError):  # nobody listens any more, which the command meets itself
                say()

    thread = threading.Thread(target=speak, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread is to be had: the work matters more
        yield
        return
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(f"{task.speed or 0:.1f} files/s")

    columns = (TextColumn("Filtering"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=error_console(), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


class StopOnSignal:
    """Ctrl-C and SIGTERM, with which batch systems and containers end a run: the files in hand are finished.

    `with StopOnSignal() as halt:` and ask `halt.asked`; outside the main thread nothing is changed. A Ctrl-C after that
    drops the files in hand. Another SIGTERM does not, for `timeout` sends two at once.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether the run is to end."""
        return self.signal > 0

    @property
    def exit_code(self) -> int:
        """As shells tell a death by the signal: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signal

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._ask)
                for number in (signal.SIGINT, signal.SIGTERM)
                if signal.getsignal(number) is not signal.SIG_IGN  # as Ctrl-C is in the background of a script
            }
        return self

    def __exit__(self, *trouble: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _ask(self, number: int, frame: object) -> None:
        if not self.asked:
            self.signal = number
            how = ("Interrupted", "again") if number == signal.SIGINT else ("Terminated", "Ctrl-C")
            interrupts.tell("\n{}: finishing the files in hand; {} drops them.\n".format(*how))
        elif number == signal.SIGINT:
            import os

            os._exit(self.exit_code)  # a thread in the middle of a file can't be stopped; its output has no name yet
