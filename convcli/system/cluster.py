"""Run a batch on many machines: a Dask scheduler distributes the files to its workers. Needs the extra `cluster`.

Dask does the queueing, balancing and retrying. Workers read and write the files themselves, so they need the same
paths. Outputs are written atomically, so a file whose worker died is simply processed again by another.
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

_CONNECT, _ASKED = 10, 2  # timeouts in seconds: to connect, and for an optional answer


@contextlib.contextmanager
def worker_pool(address: str, warm: Callable[[], None], workers: int) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """Yield a pool that runs on a scheduler's workers, and a function that returns how many tasks to keep submitted.

    warm: a picklable function that every worker calls once before its first task.
    workers: how many processes, where they are started on this machine.
    address: of a Dask scheduler, as tcp://10.0.0.1:8786; "local" starts one on this machine.
    Raises AccessError where no scheduler answers or it has no workers.
    """
    with contextlib.ExitStack() as stack:
        logging.disable(logging.CRITICAL)  # errors there are reported as messages, not as tracebacks
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
        except Exception as error:  # any error of a worker's import or set-up is raised here
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
    """Block Ctrl-C in the processes started inside: the terminal sends it to all, but the command ends its workers.

    This is a signal mask, not a handler: the thread that starts the workers keeps the mask and passes it to later ones.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    ensure_running()  # it would unblock Ctrl-C in the thread that first needs it
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
    except Exception as error:  # another protocol's bytes, read as Dask's, can raise anything
        why = "another protocol" if isinstance(error, MemoryError) else first_line(error)  # bytes read as a size
        raise AccessError(
            f"what answers at {address} is no Dask scheduler of this kind ({why}); check host and port, which "
            "`dask scheduler` tells when it starts"
        ) from None


async def _knock(address: str) -> None:
    """Connect to the address and disconnect: Dask's client would wait forever for a server that never answers."""
    words = distributed.Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    comm = await connect(address, timeout=_CONNECT, **words)  # type: ignore[no-untyped-call]
    await comm.close()


class Warming(WorkerPlugin):
    """A Dask plugin that every worker, also one that joins late, runs once before its first file."""

    name = "convcli-warming"
    idempotent = False

    def __init__(self, warm: Callable[[], None]) -> None:
        self._warm = warm

    def setup(self, worker: Any) -> None:
        """Call the function and ignore its errors: the tasks will report them."""
        with contextlib.suppress(ConvcliError):
            self._warm()


def _hands(client: Any) -> Callable[[], int]:
    """Return a function that returns how many tasks to keep submitted: two for each thread of the current workers.

    It asks the scheduler once a second, with a short timeout. It raises AccessError once the client has lost the
    scheduler, since tasks submitted after that would wait forever.
    """
    known, asked = 2, 0.0

    def capacity() -> int:
        nonlocal known, asked
        if client.status in ("closing", "closed"):
            raise AccessError("the cluster has gone; start it again, and give the same command")
        if time.monotonic() - asked > 1:
            with contextlib.suppress(Exception):  # a lost scheduler shows in the futures
                known = max(2, 2 * sum(client.nthreads(callback_timeout=_ASKED).values()))
            asked = time.monotonic()
        return known

    return capacity
