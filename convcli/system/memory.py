"""The memory that is free, and the limit of the address space."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def free_memory() -> int | None:
    """Return the bytes that can be allocated without swapping, within a container's limit; None where unknown."""
    free = []
    with suppress(OSError, StopIteration, ValueError), Path("/proc/meminfo").open() as lines:
        free.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024)
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        group = Path("/sys/fs/cgroup")
        words = (group / "memory.stat").read_text().split()
        free.append(int((group / "memory.max").read_text()) - int(words[words.index("anon") + 1]))
    return min(free, default=None)


def address_limit() -> int | None:
    """Return the limit of the process's address space in bytes (`ulimit -v`); None without one, or on other systems."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:
        return None
    limit = getrlimit(RLIMIT_AS)[0]
    return None if limit == RLIM_INFINITY else limit
