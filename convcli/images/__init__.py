"""Reading and writing pictures: the only package in which Pillow opens and saves files.

The names below are imported when they are first used, so that decoding a JPEG can begin before NumPy is imported.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in convcli/__init__.py
if TYPE_CHECKING:
    from typing import Any

    from convcli.images.picture import Frame, Metadata, Origin
    from convcli.images.read import MAX_PIXELS, Reading
    from convcli.images.write import Target

_HOME = {
    "MAX_PIXELS": "read", "Reading": "read", "Target": "write",
    "Frame": "picture", "Metadata": "picture", "Origin": "picture",
}  # fmt: skip

__all__ = ["MAX_PIXELS", "Frame", "Metadata", "Origin", "Reading", "Target"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convcli.images' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"convcli.images.{_HOME[name]}"), name)
    globals()[name] = value
    return value
