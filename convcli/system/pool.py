"""A thread pool that works with fewer threads where the system refuses more.

The reason may be `ulimit -u`, a container's limit of processes, or no memory for another stack.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPool(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose submitting thread makes a call itself when no thread can be started for it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a call, as ThreadPoolExecutor does; where no thread can be started, returns after making the call."""
        once = _Once(fn)
        try:
            return super().submit(once, *args, **kwargs)
        except RuntimeError as error:
            if not no_thread(error):
                raise
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()
        try:
            done.set_result(once(*args, **kwargs))
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            done.set_exception(error)
        return done


class _Once:
    """A call that only the first of several threads makes: it is in the pool's queue as well as with the submitter."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call, self._taken = call, Lock()

    def __call__(self, *args: Any, **words: Any) -> Any:
        if self._taken.acquire(blocking=False):
            return self._call(*args, **words)
        return None


def no_thread(error: BaseException) -> bool:
    """Return whether the error means that the system refuses more threads."""
    return isinstance(error, RuntimeError) and "start new thread" in str(error)
