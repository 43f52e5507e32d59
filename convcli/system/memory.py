"""How much memory is free."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def free_memory() -> int | None:
    """Bytes that can be had without pushing others out, where the system says so; within the limit of a container."""
    free = []
    with suppress(OSError, StopIteration, ValueError), Path("/proc/meminfo").open() as lines:
        free.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024)
    with suppress(OSError, ValueError):  # "max" is no number: no limit
        group = Path("/sys/fs/cgroup")
        words = (group / "memory.stat").read_text().split()
        free.append(int((group / "memory.max").read_text()) - int(words[words.index("anon") + 1]))
    return min(free, default=None)


def address_limit() -> int | None:
    """The bytes of address space that the process may have (`ulimit -v`); None without a limit, or on other systems."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:
        return None
    limit = getrlimit(RLIMIT_AS)[0]
    return None if limit == RLIM_INFINITY else limit
