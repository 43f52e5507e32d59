"""Keeping decoders from writing to the terminal: we report what matters ourselves."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import warnings


def hush() -> None:
    """Turn off Pillow's warnings and log messages, which are about files."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


@functools.cache
def hush_libtiff() -> None:
    """Turn off the messages that libtiff writes directly to file descriptor 2; Pillow still raises its errors.

    The symbol is looked up in Pillow's extension module and the libraries it is linked with, so it is that of Pillow's
    libtiff, and one pointer is set for all threads. If libtiff's symbols are hidden (Windows), messages remain.
    """
    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)
