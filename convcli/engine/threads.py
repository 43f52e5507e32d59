"""Threads for the compiled loops. Idle threads wait for work, since starting one takes longer than a small picture."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any


class _Task:
    """A call that a helper thread makes; the lock `done` is released when it has been made."""

    def __init__(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.call, self.args = call, args
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self) -> None:
        try:
            self.call(*self.args)
        except BaseException as error:
            self.error = error

    def result(self) -> None:
        """Wait for the end of the call, and raise what it raised."""
        self.done.acquire()
        if self.error:
            raise self.error


class _Helper:
    """A daemon thread that runs one task after another, and waits in the list of idle helpers in between."""

    def __init__(self) -> None:
        self._task: _Task | None = None
        self._given = threading.Lock()
        self._given.acquire()
        threading.Thread(target=self._work, name="convcli", daemon=True).start()

    def give(self, task: _Task) -> None:
        self._task = task
        self._given.release()

    def _work(self) -> None:
        while True:
            self._given.acquire()
            task, self._task = self._task, None
            assert task is not None
            task.run()
            _idle.append(self)
            task.done.release()
            del task  # drops the references to the arrays


_idle: list[_Helper] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a forked child has only the thread that forked


def lock_over_forks() -> threading.RLock:
    """Return a lock that os.fork waits for.

    The child thus finds it free and what it guards consistent: a thread that held it would not exist in the child.
    """
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


def run_on_threads(call: Callable[..., None], work: Sequence[tuple[Any, ...]], quick: bool = True) -> None:
    """Call `call` with each tuple of arguments, each on a thread of its own, and wait for the end of all.

    The first call runs on this thread, unless this is the main thread and the work is not quick: Ctrl-C can't interrupt
    machine code, only a thread that waits.
    """
    here = quick or threading.current_thread() is not threading.main_thread()
    tasks = [_Task(call, args) for args in work[1 if here else 0 :]]
    for task in tasks:
        try:
            helper = _idle.pop()
        except IndexError:
            try:
                helper = _Helper()
            except RuntimeError:  # the system gives no more threads
                task.run()
                task.done.release()
                continue
        helper.give(task)
    if here:
        call(*work[0])
    for task in tasks:
        task.result()
