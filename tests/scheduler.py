"""A Dask scheduler of its own on loopback, for tests that want real workers."""

import contextlib
import json
import os
import subprocess
import sys
import time
from types import MappingProxyType


def start(module, *words, env):
    env = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"} | env
    command = [sys.executable, "-m", "distributed.cli." + module, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)


@contextlib.contextmanager
def scheduler(folder, name, env=MappingProxyType({})):
    """A scheduler, its address, and a way to start workers; all end with the block."""
    file, running = folder / name, []
    words = ("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", file)
    running.append(start("dask_scheduler", *words, env=env))

    def work(count=1):
        words = ("--scheduler-file", file, "--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", folder)
        fresh = [start("dask_worker", *words, env=env) for _ in range(count)]
        running.extend(fresh)
        return fresh

    try:
        wait_for(file.exists)
        time.sleep(0.2)
        yield running[0], json.loads(file.read_text())["address"], work
    finally:
        for process in running:
            process.kill()
            process.wait()


def wait_for(happens, seconds=1200):
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.01)
