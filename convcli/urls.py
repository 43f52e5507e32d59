"""Names of files elsewhere: what is a URL, and how a name below it is put together. Imports nothing that reads one.

`PROTOCOL://PLACE`, and fsspec's chains: `zip://photos::s3://bucket/archive.zip` is a folder of an archive in a bucket.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeGuard

_URL = re.compile(r"([a-z][a-z0-9+.-]*::)*[a-z][a-z0-9+.-]+://", re.I)
_PASSWORD = re.compile(r"://([^/@:]*):[^/@]*@")

# Protocols that look into or stand before another place, which follows after `::`. Elsewhere `::` is part of a name.
WRAPPERS = ("zip", "tar", "libarchive", "simplecache", "filecache", "blockcache", "cached", "dir", "reference")


def is_url(name: str | Path | Any) -> TypeGuard[str]:
    """Whether the name is a URL; a path of this machine that looks like one is written `./s3://...`."""
    return isinstance(name, str) and "://" in name and _URL.match(name) is not None


def protocol(url: str) -> str:
    """The URL's (first) protocol, in small letters."""
    return re.split("::|://", url, maxsplit=1)[0].lower()


def joined(url: str, below: str) -> str:
    """The URL of what lies at the path `below` the folder `url`; without a path the folder's own, in one spelling."""
    before, place, after = _parted(url)
    return f"{before}{'/'.join(part for part in (place.rstrip('/'), below) if part)}{after}"


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


def public(url: str) -> str:
    """The URL without a password."""
    return _PASSWORD.sub(r"://\1:***@", url)
