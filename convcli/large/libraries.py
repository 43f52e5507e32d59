"""The libraries of the extra `large`, met only here."""

from __future__ import annotations

from threading import Thread
from typing import Any

from convcli.errors import ImageError

_INSTALL = "pip install 'convcli[large]'"


def tifffile() -> Any:
    """tifffile, or ImageError with the way to it."""
    try:
        import tifffile as found
    except ImportError:
        raise ImageError(f"pictures larger than memory need the extra `large`: {_INSTALL}") from None
    return found


def imagecodecs() -> Any:
    """imagecodecs, or ImageError with the way to it."""
    try:
        import imagecodecs as found
    except ImportError:
        raise ImageError(f"pictures larger than memory need the extra `large`: {_INSTALL}") from None
    return found


def zarr() -> Any:
    """zarr, or ImageError with the way to it. Raises RuntimeError where no thread can be started, which zarr needs, and
    without which it prints tracebacks when the process ends."""
    Thread(target=int).start()
    try:
        import zarr as found
    except ImportError:
        raise ImageError(f"Zarr needs the extra `large`: {_INSTALL}") from None
    return found
