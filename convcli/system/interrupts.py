"""Handle Ctrl-C: end with a short message and exit code 130, never with a traceback.

While the command works, Ctrl-C raises KeyboardInterrupt, so that unfinished output is cleaned up. Before that, while
modules are imported, there is nothing to clean up and it ends the process at once; after the work it has no effect.
While Python itself starts, its own handling applies.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in convcli/__init__.py, to save importing typing

if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # `signal` imports enum and more, during which Ctrl-C would print a traceback


def take_over() -> None:
    """Install our handlers of Ctrl-C, at the start of a process.

    A process that was started with Ctrl-C ignored, as a script's background jobs are, continues to ignore it.
    """
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    sys.unraisablehook = _unraisable


class Raised:
    """A context manager in which Ctrl-C raises KeyboardInterrupt, if the process has called `take_over`."""

    def __enter__(self) -> None:
        self.ours = signal.getsignal(signal.SIGINT) is _leave
        if self.ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, kind: type[BaseException] | None, *trouble: object) -> None:
        if self.ours:
            signal.signal(signal.SIGINT, _leave if kind else signal.SIG_IGN)


def tell(words: str) -> None:
    """Write a message to standard error from a signal handler, which may have interrupted a write to the same stream.

    So it uses no lock and no buffer, and writes nothing where the write would block.
    """
    if sys.stderr is None:  # its file descriptor may then belong to another file
        return
    try:
        if os.name == "posix":
            from select import select

            if not select([], [2], [], 0)[1]:
                return
        os.write(2, words.encode())
    except OSError:
        pass


def _leave(number: int, frame: FrameType | None) -> None:
    try:
        tell("\nInterrupted.\n")
    finally:  # even where standard error is closed or full
        os._exit(130)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Send an interrupt again a little later if it was raised where exceptions are lost, as in a finalizer."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    from _thread import interrupt_main
    from threading import Timer

    Timer(0.02, interrupt_main).start()
