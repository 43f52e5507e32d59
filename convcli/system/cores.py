"""The number of threads to use."""

from __future__ import annotations

import os

from convcli.errors import RecipeError


def thread_count(threads: int | None = None) -> int:
    """Return how many threads to use: `threads`, else CONVCLI_THREADS, else the processors this process may use."""
    if threads is None:
        given = os.environ.get("CONVCLI_THREADS", "").strip()
        if not given:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if not (given.isascii() and given.isdigit() and len(given) < 10 and int(given)):
            raise RecipeError(f"CONVCLI_THREADS must be a whole number from 1 to 999999999, not {given[:80]!r}")
        threads = int(given)
    if threads < 1:
        raise RecipeError(f"threads must be at least 1, not {threads}")
    return threads
