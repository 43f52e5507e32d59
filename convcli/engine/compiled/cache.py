"""Cache machine code on disk between processes, and decide when a cached file can be trusted.

The object files lie in a folder of the user's. Anyone who can write there can run code as the user, so a folder or a
file that others can write to is not used. A file contains its own digest, and its name contains the digest of
everything that determines it: our source, the versions, the processor. A file that does not match is never run; its
loop is compiled again.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from functools import cache
from pathlib import Path

from convcli.engine.compiled import loader, processor

try:
    from _blake2 import blake2b  # the function that hashlib exports; hashlib itself loads OpenSSL
except ImportError:
    from hashlib import blake2b


def folder() -> Path:
    """Return the cache folder for machine code: CONVCLI_CACHE_DIR, else convcli in the user's cache folder (XDG)."""
    given = os.environ.get("CONVCLI_CACHE_DIR")
    if given:
        return Path(given)
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home; no cache then, as no file can be made below a device
        base = os.devnull
    return Path(base) / "convcli"


def find(name: str, codes: str) -> tuple[str, bytes] | None:
    """Return the symbol and the object file of a loop, or None where none is cached or it can't be trusted.

    name, codes: the loop and the types of its arguments, as `compiler` writes them.
    """
    path = _path(name, codes)
    try:
        if not (_ours(path.parent) and _ours(path) and stat.S_ISREG(path.stat(follow_symlinks=False).st_mode)):
            return None
        content = path.read_bytes()
    except OSError:
        return None
    digest, length = content[:32], int.from_bytes(content[32:34], "little")
    if _digest(content[32:]) != digest:
        return None
    symbol, binary = content[34 : 34 + length].decode(), content[34 + length :]
    return (symbol, binary) if loader.sound(binary) else None


def store(name: str, codes: str, symbol: str, binary: bytes) -> bool:
    """Write the machine code to the cache, if it can be written; returns whether it was.

    It is written to a temporary file, then renamed, so that a reader finds all of it or nothing.
    """
    import tempfile

    path = _path(name, codes)
    body = len(symbol).to_bytes(2, "little") + symbol.encode() + binary
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(path.parent):
            raise PermissionError
        for leftover in path.parent.glob(".making-*"):  # left by a killed process: a live one takes only seconds
            if leftover.stat().st_mtime < time.time() - 3600:
                leftover.unlink(missing_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_digest(body) + body)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
    return True


def _path(name: str, codes: str) -> Path:
    digest = _digest(b"\0".join((name.encode(), codes.encode(), _maker()))).hex()[:32]
    return folder() / f"{name.replace(':', '-')}-{digest}.o"


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=32).digest()


@cache
def _maker() -> bytes:
    """Return what determines the machine code besides the loop's name and types: source, versions, processor."""
    here = Path(__file__)
    source = [*sorted(here.parents[1].joinpath("loops").glob("*.py")), here.with_name("compiler.py")]
    words = (sys.version, _version("numba"), _version("llvmlite"), processor.identity())
    return b"\0".join((*(path.read_bytes() for path in source), *(word.encode() for word in words)))


def _version(package: str) -> str:
    """Return the package's version from its own file, which is faster than importing it or reading its metadata."""
    from importlib.util import find_spec

    spec = find_spec(package)
    try:
        return Path(spec.origin if spec and spec.origin else "").with_name("_version.py").read_text()
    except (OSError, ValueError):
        from importlib.metadata import version

        return version(package)


def _ours(path: Path) -> bool:
    """Return whether the file or folder is the user's and nobody else can write to it."""
    info = path.stat(follow_symlinks=False)
    if not hasattr(os, "getuid"):  # Windows protects a user's folders by other means
        return True
    return info.st_uid == os.getuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
