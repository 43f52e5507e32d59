"""Names of files: what is a URL, how a name below a folder is put together, how a message shows it. Reads nothing.

A URL is `PROTOCOL://PLACE`, or a chain as fsspec has it: `zip://photos::s3://bucket/archive.zip` is a folder of an
archive in a bucket.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeGuard

PART = ".convcli-part"  # what the name of an unfinished output ends in

Stamp = tuple[int, int] | tuple[int, int, str]  # size in bytes, time of change in ns (-1: unknown), a store's version

_URL = re.compile(r"([a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]+://", re.I)
_PASSWORD = re.compile(r"://([^/@:]*):[^/@]*@")

# Protocols that look into or stand before another place, which follows after `::`. Elsewhere `::` is part of a name.
WRAPPERS = ("zip", "tar", "libarchive", "simplecache", "filecache", "blockcache", "cached", "dir", "reference")

_CACHES = ("simplecache", "filecache", "blockcache", "cached")  # before a place, whose names they leave alone
_SYNONYMS = {"s3a": "s3", "gcs": "gs"}


def is_url(name: str | Path | Any) -> TypeGuard[str]:
    """Whether the name is a URL; a path of this machine that looks like one is written `./s3://...`."""
    return isinstance(name, str) and "://" in name and _URL.match(name) is not None


def protocol(url: str) -> str:
    """The URL's (first) protocol, in small letters."""
    return re.split("::|://", url, maxsplit=1)[0].lower()


def joined(folder: str, below: str) -> str:
    """The name of what lies at the path `below` the folder; of a URL in one spelling."""
    if not is_url(folder):
        return os.path.join(folder, below)  # noqa: PTH118 - plain strings, for there may be a million of them
    before, place, after = _parted(folder)
    return f"{before}{'/'.join(part for part in (place.rstrip('/'), below) if part)}{after}"


def local_path(name: str) -> str | None:
    """The path of a name that is one of this machine, written as a path or as `file://PATH`; None of other URLs."""
    if not is_url(name):
        return name
    return name.partition("://")[2] if protocol(name) in ("file", "local") and "::" not in name else None


def folder_key(folder: str) -> str:
    """What all names of one folder have in common: its path without links, or its URL in one spelling."""
    path = local_path(folder)
    if path is not None:
        return os.path.realpath(path)
    while protocol(folder) in _CACHES and "::" in folder:
        folder = folder.partition("::")[2]
    scheme, _, place = joined(folder, "").partition("://")
    return f"{_SYNONYMS.get(scheme, scheme)}://{place}"


def folder_of(url: str) -> tuple[str, str]:
    """The folder that the file lies in, and its name there."""
    before, place, after = _parted(url)
    folder, _, name = place.rpartition("/")
    return f"{before}{folder}{after}", name


def _parted(url: str) -> tuple[str, str, str]:
    """What stands before the place that names are added to, the place, and what stands after it."""
    parts = url.split("::") if protocol(url) in WRAPPERS else [url]
    at = next(i for i, part in enumerate(parts) if "://" in part)
    begin, _, place = parts[at].partition("://")
    return "::".join([*parts[:at], begin]) + "://", place, "".join("::" + part for part in parts[at + 1 :])


def public(name: str) -> str:
    """The name as it may be told: a URL without its password."""
    return _PASSWORD.sub(r"://\1:***@", name) if is_url(name) else name


def printable_path(path: str | Path) -> str:
    """A path as a message shows it: printable, on one line."""
    text = os.fsencode(public(path) if isinstance(path, str) else path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
