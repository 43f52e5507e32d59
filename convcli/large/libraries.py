"""Importing the libraries of the extra `large`, which is done only here."""

from __future__ import annotations

from threading import Thread
from typing import Any

from convcli.errors import ImageError

_INSTALL = "pip install 'convcli[large]'"


def tifffile() -> Any:
    """Import tifffile; raise ImageError that says how to install it if it is missing."""
    try:
        import tifffile as found
    except ImportError:
        raise ImageError(f"pictures larger than memory need the extra `large`: {_INSTALL}") from None
    return found


def imagecodecs() -> Any:
    """Import imagecodecs; raise ImageError that says how to install it if it is missing."""
    try:
        import imagecodecs as found
    except ImportError:
        raise ImageError(f"pictures larger than memory need the extra `large`: {_INSTALL}") from None
    return found


def zarr() -> Any:
    """Import zarr; raise ImageError that says how to install it if it is missing. Raises RuntimeError if no thread can
    be started: zarr needs threads, and without them prints tracebacks when the process ends."""
    Thread(target=int).start()
    try:
        import zarr as found
    except ImportError:
        raise ImageError(f"Zarr needs the extra `large`: {_INSTALL}") from None
    return found
