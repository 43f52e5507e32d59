"""Names of files: recognise URLs, join paths, format names for messages. Nothing here reads a file.

A URL is `PROTOCOL://PLACE`, or a chain as in fsspec: `zip://photos::s3://bucket/archive.zip` is a folder in an archive
in a bucket.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeGuard

from convcli.printable import printable

PART = ".convcli-part"  # suffix of the names of unfinished outputs

Stamp = tuple[int, int] | tuple[int, int, str]  # size in bytes, time of change in ns (-1: unknown), a store's version

_LONGEST = 1000  # characters of a path in a message

_URL = re.compile(r"([a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]+://", re.I)
_PASSWORD = re.compile(r"://([^/@:]*):[^/@]*@")

# Protocols that wrap another place, which follows after `::`. With other protocols `::` is part of a name.
WRAPPERS = ("zip", "tar", "libarchive", "simplecache", "filecache", "blockcache", "cached", "dir", "reference")

_CACHES = ("simplecache", "filecache", "blockcache", "cached")  # wrappers that keep the names of the place they wrap
_SYNONYMS = {"s3a": "s3", "gcs": "gs"}


def is_url(name: str | Path | Any) -> TypeGuard[str]:
    """Whether the name is a URL; a local path that looks like one is written `./s3://...`."""
    return isinstance(name, str) and "://" in name and _URL.match(name) is not None


def protocol(url: str) -> str:
    """Return the URL's (first) protocol in lower case."""
    return re.split("::|://", url, maxsplit=1)[0].lower()


def joined(folder: str, below: str) -> str:
    """Join a folder and a path below it; slashes between the parts of a URL are normalised."""
    if not is_url(folder):
        return os.path.join(folder, below)  # noqa: PTH118 - plain strings, for there may be a million of them
    before, place, after = _parted(folder)
    return f"{before}{'/'.join(part for part in (place.rstrip('/'), below) if part)}{after}"


def local_path(name: str) -> str | None:
    """Return the local path for a path or `file://PATH`; None for other URLs."""
    if not is_url(name):
        return name
    return name.partition("://")[2] if protocol(name) in ("file", "local") and "::" not in name else None


def folder_key(folder: str) -> str:
    """Return the canonical name of a folder: its path with links resolved, or its normalised URL."""
    path = local_path(folder)
    if path is not None:
        return os.path.realpath(path)
    while protocol(folder) in _CACHES and "::" in folder:
        folder = folder.partition("::")[2]
    scheme, _, place = joined(folder, "").partition("://")
    return f"{_SYNONYMS.get(scheme, scheme)}://{place}"


def folder_of(url: str) -> tuple[str, str]:
    """Split a URL into its folder and the file's name."""
    before, place, after = _parted(url)
    folder, _, name = place.rpartition("/")
    return f"{before}{folder}{after}", name


def _parted(url: str) -> tuple[str, str, str]:
    """Split a URL into prefix, place and suffix; the place is the part that names are appended to."""
    parts = url.split("::") if protocol(url) in WRAPPERS else [url]
    at = next(i for i, part in enumerate(parts) if "://" in part)
    begin, _, place = parts[at].partition("://")
    return "::".join([*parts[:at], begin]) + "://", place, "".join("::" + part for part in parts[at + 1 :])


def public(name: str) -> str:
    """Return the name with a URL's password masked."""
    return _PASSWORD.sub(r"://\1:***@", name) if is_url(name) else name


def printable_path(path: str | Path) -> str:
    """Format a path or URL for a message: without a password, printable, on one line."""
    return printable(public(path) if isinstance(path, str) else str(path), _LONGEST)
