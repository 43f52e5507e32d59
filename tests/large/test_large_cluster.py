"""convcli apply --cluster: one picture, its pieces on many workers, byte for byte what one machine makes."""

import contextlib
import filecmp
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from scheduler import scheduler, wait_for

import convcli.system.cluster
from convcli.cli import main
from convcli.large import steps, tiff_out, workers, zarr_out

RNG = np.random.default_rng(13)


def convcli_apply(*words):
    return CliRunner().invoke(main, ["apply", *map(str, words)])


class Mail(Executor):
    """Does each task at once, on what is left of it after it was sent; forgets at times all that it had open."""

    def __init__(self):
        self.tasks = 0

    def submit(self, call, /, *words):
        self.tasks += 1
        if self.tasks % 5 == 0:
            workers._opened = workers._Opened()
        future = Future()
        try:
            future.set_result(pickle.loads(pickle.dumps(call(*pickle.loads(pickle.dumps(words))))))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def mail(monkeypatch):
    """Instead of a cluster; tiles and bands as small as they get."""
    mail = Mail()
    monkeypatch.setattr(convcli.system.cluster, "worker_pool", lambda *words: contextlib.nullcontext((mail, lambda: 3)))
    monkeypatch.setattr(tiff_out, "TILE", 32)
    monkeypatch.setattr(zarr_out, "CHUNK", 32)
    monkeypatch.setattr(steps, "ROWS", 32)
    return mail


def same(one, other):
    """Whether two files, or two folders of files, hold the same bytes."""
    if one.is_file():
        return filecmp.cmp(one, other, shallow=False)
    names = [sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) for root in (one, other)]
    return names[0] == names[1] and filecmp.cmpfiles(one, other, names[0], shallow=False)[1:] == ([], [])


@pytest.mark.parametrize("suffix", ["tif", "zarr"])
@pytest.mark.parametrize("words", [
    ("-k", "gaussian:sigma=3", "--padding-mode", "reflect", "--stride", "2"), ("-k", "sobel-x", "--range", "normalize"),
    ("-k", "box:size=5", "--padding-mode", "circular", "--dilation", "3", "-k", "sharpen", "--pyramid"),
    ("-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", "--range", "normalize", "--channels", "gray"),
    ("-k", "disk:radius=12", "--linear", "--range", "normalize", "-k", "emboss", "--alpha", "filter", "--pyramid"),
])  # fmt: skip
@pytest.mark.parametrize(("shape", "dtype"), [((150, 90, 4), "uint8"), ((2, 130, 70), "float32")])
def test_the_same_bytes(tmp_path, mail, suffix, words, shape, dtype):
    a = RNG.random(shape)
    a = (a * 255).astype(dtype) if dtype == "uint8" else a.astype(dtype)
    a[-1, -1, -1] = np.nan if dtype == "float32" else 0
    extra = {"photometric": "rgb", "extrasamples": ["unassalpha"]} if shape[2] == 4 else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", a, tile=(32, 32), ome=True, **extra)
    here, there = tmp_path / f"here.{suffix}", tmp_path / f"there.{suffix}"
    with np.errstate(all="ignore"):
        first = convcli_apply(*words, tmp_path / "a.ome.tif", here)
        assert first.exit_code == 0 and mail.tasks == 0, first.output
        result = convcli_apply(*words, "--cluster", "tcp://x:1", tmp_path / "a.ome.tif", there)
    assert result.exit_code == 0 and mail.tasks > 2, result.output
    assert same(here, there)
    assert [line for line in result.stderr.splitlines() if line.startswith("Note")] == [
        line for line in first.stderr.splitlines() if line.startswith("Note")
    ]  # the same samples saturated


def test_faults_on_a_worker_are_told_as_here(tmp_path, mail):
    tifffile.imwrite(tmp_path / "a.tif", RNG.integers(0, 9, (200, 90), np.uint8), tile=(32, 32))
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) * 2 // 3])
    result = convcli_apply("-k", "box", "--cluster", "tcp://x:1", tmp_path / "a.tif", tmp_path / "b.tif")
    assert result.exit_code == 1 and "a.tif is damaged or incomplete" in result.stderr
    assert "Traceback" not in result.output and [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_no_address_and_no_large_picture(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9), np.uint8))
    result = convcli_apply("-k", "box", "--cluster", "nowhere", tmp_path / "a.tif", tmp_path / "b.tif")
    assert result.exit_code == 2 and "'nowhere' is no address of a cluster" in result.stderr
    result = convcli_apply("-k", "box", "--cluster", "local", tmp_path / "a.tif", tmp_path / "b.png")
    assert result.exit_code == 2 and "--cluster is for a TIFF or Zarr" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.cluster
@pytest.mark.parametrize("suffix", ["tif", "zarr"])
def test_a_worker_killed_in_the_middle_and_the_scheduler_gone(tmp_path, suffix):
    row = RNG.integers(0, 256, (256, 4096, 3), np.uint8)
    tiles = (row[:, x : x + 256] for _ in range(40) for x in range(0, 4096, 256))
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=(40 * 256, 4096, 3), dtype=np.uint8, tile=(256, 256),
                     photometric="rgb", bigtiff=True)  # fmt: skip
    words = [Path(sys.executable).with_name("convcli"), "apply", "-k", "gaussian:sigma=4", "--memory", "20M", "a.tif"]
    subprocess.run([*words, f"here.{suffix}"], cwd=tmp_path, check=True, timeout=1200)
    with scheduler(tmp_path, "s.json") as (boss, address, work):
        workers = work(2)

        def launch(name):
            command = [*words, f"{name}.{suffix}", "--cluster", address]
            run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=os.environ)
            wait_for(lambda: written(tmp_path / f".{name}.{suffix}.convcli-part") > 5_000_000)
            return run

        run = launch("there")
        workers[0].send_signal(signal.SIGKILL)
        _, stderr = run.communicate(timeout=1200)
        assert run.returncode == 0, stderr
        assert same(tmp_path / f"here.{suffix}", tmp_path / f"there.{suffix}")
        run = launch("gone")
        boss.send_signal(signal.SIGKILL)
        _, stderr = run.communicate(timeout=1200)
        assert run.returncode == 1 and "the cluster has gone" in stderr and "Traceback" not in stderr, stderr
    assert not list(tmp_path.glob("*gone*")) + list(tmp_path.glob(".gone*"))


def written(path):
    files = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
    with contextlib.suppress(OSError):
        return sum(file.stat().st_size for file in files if file.is_file())
    return 0
