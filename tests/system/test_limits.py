"""Too few threads and too little memory: a result with fewer threads, or one sentence; nobody has pressed Ctrl-C."""

import os
import resource
import shutil
import subprocess
import sys
import threading
from concurrent.futures import wait

import numpy as np
import pytest
from PIL import Image

from convcli.engine import threads
from convcli.system.pool import ThreadPool, no_thread

pytestmark = pytest.mark.slow

COMMANDS = {
    "png": "apply -k box photo.png out.png",
    "jpg": "apply -k gaussian:sigma=3 photo.jpg out.jpg",
    "large kernel": "apply -k gaussian:sigma=40 photo.png out.png",
    "pieces": "apply -k box photo.tif out.tif --memory 1M",
    "layer": "layer -k sobel-x photo.png out.npy",
    "batch": "batch -k box in out --gallery page.html",
    "explain": "explain -k box --at 3,3 photo.png",
    "list": "kernels list",
}

# In place of the system's limit, which root is free of: after so many threads none can be started.
LIMITED = """
import _thread, sys, threading
left = [int(sys.argv.pop(1))]
start = _thread.start_new_thread
def limited(*words):
    left[0] -= 1
    if left[0] < 0:
        raise RuntimeError("can't start new thread")
    return start(*words)
_thread.start_new_thread = threading._start_new_thread = limited
from convcli.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pictures, and every loop that the commands need compiled: with little memory that is another matter."""
    folder = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    for suffix in ("png", "jpg", "tif"):
        Image.fromarray(pixels).save(folder / f"photo.{suffix}")
    (folder / "in").mkdir()
    for number in range(5):
        Image.fromarray(pixels[:100, :150]).save(folder / "in" / f"{number}.jpg")
    warm = fresh(folder, tmp_path_factory.mktemp("warm") / "photos")
    for words in COMMANDS.values():
        run(words, warm)
    return folder


def run(words, folder, before=(sys.executable, "-m", "convcli"), **how):
    environment = {**os.environ, "CONVCLI_THREADS": "4"}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    return subprocess.run(
        [*before, *words.split()], cwd=folder, env=environment, capture_output=True, text=True, timeout=1200,
        check=False, **how,
    )  # fmt: skip


def outputs(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("out*")
        if path.is_file() and path.suffix != ".html"
    } | {path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / "out").glob("*")}


def fresh(photos, folder):
    shutil.copytree(photos, folder)
    return folder


@pytest.mark.parametrize("most", [0, 1, 2, 4])
@pytest.mark.parametrize("name", COMMANDS)
def test_fewer_threads_give_the_same(photos, tmp_path, name, most):
    if name == "pieces":
        pytest.importorskip("tifffile")
    free, few = fresh(photos, tmp_path / "free"), fresh(photos, tmp_path / "few")
    wanted = run(COMMANDS[name], free)
    done = run(COMMANDS[name], few, (sys.executable, "-c", LIMITED, str(most)))
    assert (done.returncode, wanted.returncode) == (0, 0), done.stderr
    assert "Traceback" not in done.stderr and "Interrupted" not in done.stderr
    assert outputs(few) == outputs(free)


def test_zarr_without_threads_ends_in_a_sentence(photos, tmp_path):
    pytest.importorskip("zarr")
    few = fresh(photos, tmp_path / "few")
    done = run("apply -k box photo.tif out.zarr", few, (sys.executable, "-c", LIMITED, "0"))
    assert done.returncode == 1 and done.stderr.startswith("Error: the system gives no more threads; raise its limit")
    assert len(done.stderr.splitlines()) == 1 and not (few / "out.zarr").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the threads of a process are counted in /proc")
def test_numpy_starts_no_thread_of_its_own(tmp_path):
    """Its BLAS takes a thread that can't be started for a Ctrl-C."""
    code = (
        "import sys; sys.argv = ['convcli', '--version']\nfrom convcli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "import numpy, os; print(len(os.listdir('/proc/self/task')))"
    )
    done = run("", tmp_path, (sys.executable, "-c", code))
    assert done.stdout.split()[-1] == "1", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.parametrize("kilobytes", [60_000, 100_000, 150_000, 200_000, 250_000, 675_840])
@pytest.mark.parametrize("name", ["png", "jpg", "batch", "layer", "list"])
def test_little_memory_ends_in_a_sentence(photos, tmp_path, name, kilobytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (kilobytes << 10, kilobytes << 10))

    folder = fresh(photos, tmp_path / "few")
    done = run(COMMANDS[name], folder, preexec_fn=limit)
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr and "Interrupted" not in done.stderr
    assert done.returncode == 0 or done.stderr.strip()
    if kilobytes <= 150_000:
        assert "the limit (ulimit -v) is" in done.stderr


class TestPool:
    @pytest.fixture(params=[0, 1, 3])
    def few(self, request, monkeypatch):
        """So many threads can be started."""
        left, start = [request.param], threading.Thread.start

        def limited(thread):
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)
        return request.param

    def test_every_call_is_made_once(self, few):
        made = []
        with ThreadPool(8) as pool:
            assert list(pool.map(lambda n: made.append(n) or n * n, range(200))) == [n * n for n in range(200)]
        assert sorted(made) == list(range(200))

    def test_errors_come_with_the_result(self, few):
        with ThreadPool(8) as pool:
            futures = [pool.submit(int, word) for word in ("7", "x", "9")]
            wait(futures)
        assert [future.exception() is None for future in futures] == [True, False, True]

    def test_an_ended_pool_takes_nothing(self, few):
        pool = ThreadPool(2)
        pool.shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            pool.submit(int)
        assert no_thread(RuntimeError("can't start new thread")) and not no_thread(RuntimeError("shutdown"))

    @pytest.mark.parametrize("quick", [True, False])
    def test_the_engine_does_the_rest_itself(self, few, quick, monkeypatch):
        monkeypatch.setattr(threads, "_idle", [])
        made = []
        threads.run_on_threads(made.append, [(n,) for n in range(8)], quick)
        assert sorted(made) == list(range(8))
