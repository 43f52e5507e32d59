"""A batch on many machines: a Dask scheduler hands the files to its workers. The extra `cluster`.

Nothing here queues, balances or retries: Dask does. Workers read and write the files themselves, so they need the same
paths. An output appears whole, so a file whose worker died is simply done again by another.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import numpy as np

from convcli.errors import AccessError, ConvcliError, RecipeError, first_line
from convcli.recipe import Recipe, run

try:
    import distributed
    from distributed.diagnostics.plugin import WorkerPlugin
except ImportError:
    raise ConvcliError("--cluster needs the extra `cluster`: pip install 'convcli[cluster]'") from None

_CONNECT = "10s"
_ADDRESS = re.compile(r"((tcp|tls|ws|wss)://)?([^/:\s]+|\[[0-9a-fA-F:]+\]):\d{1,5}")


@contextlib.contextmanager
def cluster(address: str, recipe: Recipe, workers: int) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """A pool that runs on the workers of a scheduler, and how many tasks to have in hand, which follows the workers.

    address: of a Dask scheduler, as tcp://10.0.0.1:8786; "local" starts one with `workers` processes on this machine.
    Raises RecipeError for no address, AccessError where nothing answers or nobody works there.
    """
    with contextlib.ExitStack() as stack:
        logging.disable(logging.CRITICAL)  # what goes wrong there is told as reasons, without tracebacks
        stack.callback(logging.disable, logging.NOTSET)
        place: Any = address
        if address == "local":
            place = stack.enter_context(_local(workers))
        client = stack.enter_context(_client(place, address))
        try:
            client.wait_for_workers(1, timeout=_CONNECT)
        except TimeoutError:
            raise AccessError(f"cluster {address} has no workers; start some with `dask worker {address}`") from None
        try:
            client.register_plugin(Warming(recipe))
        except Exception as error:
            raise AccessError(
                f"the workers of cluster {address} can't run convcli ({first_line(error)}); "
                "install the same version there"
            ) from None
        yield client.get_executor(pure=False), _hands(client)


def _local(workers: int) -> Any:
    try:
        return distributed.LocalCluster(  # type: ignore[no-untyped-call]
            workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        )
    except (OSError, RuntimeError) as error:
        raise AccessError(f"no cluster can be started on this machine ({first_line(error)})") from None


def _client(place: Any, address: str) -> Any:
    if address != "local" and not _ADDRESS.fullmatch(address):
        raise RecipeError(f"{address!r} is no address of a cluster; write tcp://HOST:8786, or local")
    try:
        return distributed.Client(place, timeout=_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise AccessError(
            f"cluster {address} can't be reached ({first_line(error)}); start one with `dask scheduler`, or check "
            "host and port"
        ) from None
    except MemoryError:  # words of another protocol, taken for the length of a message
        raise AccessError(f"what answers at {address} is no Dask scheduler; check the port, usually 8786") from None


class Warming(WorkerPlugin):
    """What every worker does once before its first file, also one that comes late."""

    name = "convcli-warming"
    idempotent = False

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def setup(self, worker: Any) -> None:
        """Compile or load what the recipe needs, on a small picture; one that does not fit it is left to the files."""
        with contextlib.suppress(ConvcliError):
            run(np.zeros((64, 64, 3), np.uint8), self._recipe, threads=1)


def _hands(client: Any) -> Callable[[], int]:
    """Two tasks a thread, of the workers that are there; asked of the scheduler once a second."""
    known, asked = 2, 0.0

    def hands() -> int:
        nonlocal known, asked
        if time.monotonic() - asked > 1:
            with contextlib.suppress(Exception):  # a scheduler that has gone is noticed by its futures
                known = max(2, 2 * sum(client.nthreads().values()))
            asked = time.monotonic()
        return known

    return hands
