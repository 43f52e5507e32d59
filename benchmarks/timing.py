"""How everything here is measured and shown: alternating blocks, medians, tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter, sleep
from typing import Any

PAUSE = 0.02  # seconds between blocks: the thread pools of OpenCV and PyTorch spin for a while after a call


@dataclass(frozen=True)
class Table:
    """A heading, its rows of text, and a sentence of what was done."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    note: str = ""

    def add(self, *cells: Any) -> None:
        self.rows.append(tuple(map(str, cells)))
        print(f"  {' | '.join(self.rows[-1])}", flush=True)

    def markdown(self) -> str:
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        note = f"\n{self.note}\n" if self.note else ""
        return f"### {self.title}\n{note}\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

    def data(self) -> dict[str, Any]:
        return asdict(self)


def begun(title: str, *head: str, note: str = "") -> Table:
    """An empty table, announced."""
    print(f"\n{title}\n  {' | '.join(head)}", flush=True)
    return Table(title, head, [], note)


Calls = Mapping[str, Callable[[], Any]]


def alternate(sides: Calls, rounds: int, calls: int = 5) -> dict[str, float]:
    """The median time of a call in seconds, by side: blocks of calls take turns.

    The first call of a block isn't counted: the other side's data are in the caches, its threads may still spin.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            sleep(PAUSE)
            call()
            times[name] += [timed(call) for _ in range(calls)]
    return {name: median(seconds) for name, seconds in times.items()}


def taking_turns(sides: Calls, rounds: int) -> dict[str, float]:
    """The same for whole processes, which share nothing: one call a turn, after a round that isn't counted."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, call in sides.items():
            seconds = timed(call)
            if turn or not rounds:
                times[name].append(seconds)
    return {name: median(seconds) for name, seconds in times.items()}


def timed(call: Callable[[], Any]) -> float:
    begin = perf_counter()
    call()
    return perf_counter() - begin


def ms(seconds: float) -> str:
    """Milliseconds with three digits that mean something."""
    value = 1000 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(theirs: float, ours: float) -> str:
    return f"{theirs / ours:.2f}"
