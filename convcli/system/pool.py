"""A pool of threads that does with fewer where the system gives no more: at `ulimit -u`, in a container's limit of
processes, without memory for another stack."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPool(ThreadPoolExecutor):
    """What no thread can be started for, the thread that submits it does itself."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ThreadPoolExecutor's; returns when the call has been made where there is no thread for it."""
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
    """A call that is made by whoever comes first: it waits in the pool's queue too, for the threads that are there."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call, self._taken = call, Lock()

    def __call__(self, *args: Any, **words: Any) -> Any:
        if self._taken.acquire(blocking=False):
            return self._call(*args, **words)
        return None


def no_thread(error: BaseException) -> bool:
    """Whether it says that the system gives no more threads."""
    return isinstance(error, RuntimeError) and "start new thread" in str(error)
