"""A batch on many machines: a Dask scheduler hands the files to its workers. The extra `cluster`.

Nothing here queues, balances or retries: Dask does. Workers read and write the files themselves, so they need the same
paths. An output appears whole, so a file whose worker died is simply done again by another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from multiprocessing.resource_tracker import ensure_running
from typing import Any

from convcli.errors import AccessError, ConvcliError, first_line

try:
    import distributed
    from distributed.comm.core import connect
    from distributed.diagnostics.plugin import WorkerPlugin
except ImportError:
    raise ConvcliError("--cluster needs the extra `cluster`: pip install 'convcli[cluster]'") from None

_CONNECT, _ASKED = 10, 2  # seconds: to connect, and for an answer that can be done without


@contextlib.contextmanager
def worker_pool(address: str, warm: Callable[[], None], workers: int) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """A pool that runs on the workers of a scheduler, and how many tasks to have in hand, which follows the workers.

    warm: what every worker does once before its first task; it can be pickled. workers: how many processes.
    address: of a Dask scheduler, as tcp://10.0.0.1:8786; "local" starts one on this machine.
    Raises AccessError where nothing answers or nobody works there.
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
            client.register_plugin(Warming(warm))
        except Exception as error:  # whatever a worker's import or set-up raises comes back here
            raise AccessError(
                f"the workers of cluster {address} can't run convcli ({first_line(error)}); "
                "install the same version there"
            ) from None
        yield client.get_executor(pure=False), _hands(client)


def _local(workers: int) -> Any:
    try:
        with _undisturbed():
            return distributed.LocalCluster(  # type: ignore[no-untyped-call]
                workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
            )
    except (RuntimeError, OSError) as error:
        raise AccessError(f"no cluster can be started on this machine ({first_line(error)})") from None


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """What begins here never hears of a Ctrl-C, which a terminal sends to every process: the command ends its workers.

    A mask and not a handler, for the thread that starts the workers keeps it, and passes it on to late ones.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    ensure_running()  # which takes the mask off the thread that first needs it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _client(place: Any, address: str) -> Any:
    try:
        if place == address:
            asyncio.run(asyncio.wait_for(_knock(address), 1.5 * _CONNECT))
        return distributed.Client(place, timeout=_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise AccessError(
            f"cluster {address} can't be reached ({first_line(error)}); start one with `dask scheduler`, or check "
            "host and port"
        ) from None
    except Exception as error:  # the words of a stranger, read as Dask's, can lead to anything
        why = "another protocol" if isinstance(error, MemoryError) else first_line(error)  # its words taken for a size
        raise AccessError(
            f"what answers at {address} is no Dask scheduler of this kind ({why}); check host and port, which "
            "`dask scheduler` tells when it starts"
        ) from None


async def _knock(address: str) -> None:
    """Connect and go: Dask's client would wait for ever for one who takes the call and says nothing."""
    words = distributed.Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    comm = await connect(address, timeout=_CONNECT, **words)  # type: ignore[no-untyped-call]
    await comm.close()


class Warming(WorkerPlugin):
    """What every worker does once before its first file, also one that comes late."""

    name = "convcli-warming"
    idempotent = False

    def __init__(self, warm: Callable[[], None]) -> None:
        self._warm = warm

    def setup(self, worker: Any) -> None:
        """Do it; what can't be done is left to the tasks to tell."""
        with contextlib.suppress(ConvcliError):
            self._warm()


def _hands(client: Any) -> Callable[[], int]:
    """Two tasks a thread, of the workers that are there; asked of the scheduler once a second, not waited for long.

    Raises AccessError once the client has given the scheduler up: what was handed over meanwhile would wait for ever.
    """
    known, asked = 2, 0.0

    def capacity() -> int:
        nonlocal known, asked
        if client.status in ("closing", "closed"):
            raise AccessError("the cluster has gone; start it again, and give the same command")
        if time.monotonic() - asked > 1:
            with contextlib.suppress(Exception):  # a scheduler that has gone is noticed by its futures
                known = max(2, 2 * sum(client.nthreads(callback_timeout=_ASKED).values()))
            asked = time.monotonic()
        return known

    return capacity
