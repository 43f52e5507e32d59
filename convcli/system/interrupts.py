"""Ctrl-C, whenever it comes: a word and exit code 130, never Python's own traceback.

While the command works a Ctrl-C raises KeyboardInterrupt, so that what was begun is cleaned up. Before that, while
modules are imported, there is nothing to clean up and it ends the process; once the work is done it is too late.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as in convcli/__init__.py: the sooner the better

if TYPE_CHECKING:
    from types import FrameType


def take_over() -> None:
    """Take Ctrl-C over, at the beginning of a process.

    One that was started to ignore it, as everything in the background of a script is, goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    sys.unraisablehook = _unraisable


class Raised:
    """Inside, a Ctrl-C raises KeyboardInterrupt. Changes nothing in a process that has not called `take_over`."""

    def __enter__(self) -> None:
        self.ours = signal.getsignal(signal.SIGINT) is _leave
        if self.ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, kind: type[BaseException] | None, *trouble: object) -> None:
        if self.ours:
            signal.signal(signal.SIGINT, _leave if kind else signal.SIG_IGN)


def tell(words: str) -> None:
    """Say it on standard error from a signal's handler, which may have cut into a write to the very same stream.

    So it takes no lock and no buffer, and says nothing where it would have to wait for somebody to read.
    """
    if sys.stderr is None:  # what is open under that number then is another file
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
    tell("\nInterrupted.\n")
    os._exit(130)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """An interrupt that fell where nothing can be raised, in a finalizer say, comes again a little later."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    from _thread import interrupt_main
    from threading import Timer

    Timer(0.02, interrupt_main).start()
