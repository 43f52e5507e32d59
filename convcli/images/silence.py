"""Keeping decoders from talking past us to the terminal: what matters of their words, we say ourselves."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import warnings


def hush() -> None:
    """No warnings and no log of Pillow's: they are about files."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


@functools.cache
def hush_libtiff() -> None:
    """No messages of libtiff, which it writes to file descriptor 2 itself; Pillow raises what is wrong all the same.

    The symbol is looked up in Pillow's own module and what that is linked with, so it is the libtiff that Pillow uses,
    and one pointer is set for all threads. Where libtiff is linked without its symbols (Windows), it goes on talking.
    """
    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
