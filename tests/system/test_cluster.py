"""convcli batch --cluster, with a real scheduler and real workers on loopback."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import store
from click.testing import CliRunner
from PIL import Image
from scheduler import scheduler, wait_for

from convcli.cli import main

RNG = np.random.default_rng(5)
COUNT = 120


def convcli(*words):
    return CliRunner().invoke(main, ["batch", "-k", "box", *map(str, words)])


@pytest.mark.parametrize("address", ["", "foo", "nonsense://host:1", "tcp://host", "tcp://host:port", "host:70000"])
def test_no_address(tmp_path, address):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    result = convcli("--cluster", address, tmp_path, tmp_path / "out")
    assert result.exit_code == 2 and f"'{address}' is no address of a cluster; write tcp://HOST:8786" in result.stderr


def test_the_extra_is_missing(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "convcli.system.cluster", raising=False)
    result = convcli("--cluster", "local", tmp_path, tmp_path / "out")
    assert result.exit_code == 1 and "pip install 'convcli[cluster]'" in result.stderr


def test_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("convcli.system.cluster._CONNECT", 0.3)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    result = convcli("--cluster", "tcp://127.0.0.1:9", tmp_path, tmp_path / "out")
    assert result.exit_code == 1 and "cluster tcp://127.0.0.1:9 can't be reached" in result.stderr
    assert "start one with `dask scheduler`" in result.stderr and result.stderr.count("\n") == 1


def test_no_workers_can_be_started(tmp_path, monkeypatch):
    def failing(*words, **options):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", failing)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    result = convcli("--cluster", "local", tmp_path, tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == "Error: no cluster can be started on this machine (Nanny failed to start)\n"


@pytest.mark.parametrize(("says", "why"), [
    (b"", "can't be reached (no answer in time); start one with `dask scheduler`"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Dask scheduler of this kind (another protocol); check host and port"),
])  # fmt: skip
def test_someone_else_answers(tmp_path, monkeypatch, says, why):
    """One who says nothing, and a web server, as a scheduler's dashboard is."""
    monkeypatch.setattr("convcli.system.cluster._CONNECT", 0.3)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answering, args=(server, says), daemon=True).start()
        result = convcli("--cluster", f"tcp://127.0.0.1:{server.getsockname()[1]}", tmp_path, tmp_path / "out")
    assert result.exit_code == 1 and why in result.stderr and result.stderr.count("\n") == 1


def answering(server, says):
    held = []
    with contextlib.suppress(OSError):
        while True:
            held.append(server.accept()[0])
            held[-1].sendall(says)


def reported(folder):
    return (folder / "r.jsonl").read_bytes().count(b"\n") if (folder / "r.jsonl").exists() else 0


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def launch(folder, address, *words, env=MappingProxyType({}), **options):
    how = ["batch", "-k", "gaussian:sigma=3", "--cluster", address, "--report", "r.jsonl", "--resume", "--json", "-q"]
    command = [Path(sys.executable).with_name("convcli"), *how, *(words or ("in", "out"))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=os.environ | env, **pipes, **options)


@pytest.mark.cluster
def test_a_worker_killed_one_late_the_scheduler_stopped_and_the_run_resumed(tmp_path):
    """Nothing lost, nothing twice, nothing partial: counted by digest, and byte for byte what one machine makes."""
    pictures(tmp_path / "in")
    with scheduler(tmp_path, "first.json") as (boss, address, work):
        workers = work(3)
        run = launch(tmp_path, address)
        wait_for(lambda: reported(tmp_path) >= 15)
        workers[0].send_signal(signal.SIGKILL)
        work()
        wait_for(lambda: reported(tmp_path) >= 45)
        boss.send_signal(signal.SIGKILL)
        _, stderr = run.communicate(timeout=1200)
        early = reported(tmp_path)
        assert run.returncode == 1 and "the cluster has gone" in stderr and "Traceback" not in stderr
        assert 45 <= early < COUNT
    with scheduler(tmp_path, "second.json") as (_, address, work):
        work(2)
        run = launch(tmp_path, address)
        stdout, stderr = run.communicate(timeout=1200)
        assert run.returncode == 0, stderr
        figures = json.loads(stdout)
        assert figures["skipped"] == early and figures["done"] == COUNT - early and figures["failed"] == 0
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert len(lines) == COUNT and {line["status"] for line in lines} == {"done"}
    found = digests(tmp_path / "out")
    assert {Path(line["output"]).name: line["output_digest"] for line in lines} == found and len(found) == COUNT
    assert convcli_local(tmp_path) == found


@pytest.mark.cluster
@pytest.mark.timeout(3600)
def test_the_same_over_a_store_that_fails_and_is_slow(tmp_path):
    """A fifth of the workers' requests meet an error, a lost or cut answer, or wait for up to two seconds."""
    pictures(tmp_path / "in")
    want = convcli_local(tmp_path)
    with store.started(tmp_path, seed=2, share=0.2, seconds=2) as s3:
        s3.client.mkdir("photos")
        s3.client.put(f"{tmp_path}/in", "photos/", recursive=True)
        given = len(s3.log())
        there = s3.env | {"AWS_ENDPOINT_URL": s3.faulty}  # the workers' clients do not try again by themselves
        here = there | {"AWS_MAX_ATTEMPTS": "8"}
        words = ("s3://photos/in", "s3://photos/out", "--retries", "6")
        with scheduler(tmp_path, "first.json", there) as (boss, address, work):
            workers = work(3)
            run = launch(tmp_path, address, *words, env=here)
            wait_for(lambda: reported(tmp_path) >= 15, 150)
            workers[0].send_signal(signal.SIGKILL)
            work()
            wait_for(lambda: reported(tmp_path) >= 45, 150)
            boss.send_signal(signal.SIGKILL)
            _, stderr = run.communicate(timeout=1200)
            assert run.returncode == 1 and "the cluster has gone" in stderr and "Traceback" not in stderr
            assert 45 <= reported(tmp_path) < COUNT
        with scheduler(tmp_path, "second.json", there) as (_, address, work):
            work(2)
            for _ in range(3):  # a file may have had bad luck seven times
                run = launch(tmp_path, address, *words, env=here)
                _, stderr = run.communicate(timeout=1200)
                assert "Traceback" not in stderr
                if run.returncode == 0:
                    break
            assert run.returncode == 0, stderr
        lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
        done = [line for line in lines if line["status"] == "done"]
        print(len(done), "done;", len(lines) - len(done), "failed before;", s3.faults())
        assert len(done) == COUNT and {Path(line["output"]).name: line["output_digest"] for line in done} == want
        kept = {Path(name).name: s3.client.cat_file(name) for name in s3.client.find("photos/out")}
        assert {name: hashlib.sha256(data).hexdigest() for name, data in kept.items()} == want
        put = s3.log()[given:]
        assert {(Path(name).name, digest) for name, digest in put} == set(want.items())  # never anything else


@pytest.mark.cluster
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_workers_of_this_machine_leave_the_last_word_to_the_command(tmp_path, how):
    """As a terminal or `timeout` does: every process gets the signal, and one of them speaks."""
    pictures(tmp_path / "in")
    want = convcli_local(tmp_path)
    running = launch(tmp_path, "local", start_new_session=True)
    wait_for(lambda: reported(tmp_path) >= 8 or running.poll() is not None)
    os.killpg(running.pid, how)
    stdout, stderr = running.communicate(timeout=1200)
    assert running.returncode == 128 + how and json.loads(stdout)["interrupted"] is True
    assert stderr.count("\n") == 2 and "finishing the files in hand" in stderr
    again = launch(tmp_path, "local")
    stdout, stderr = again.communicate(timeout=1200)
    assert (again.returncode, json.loads(stdout)["failed"], stderr) == (0, 0, "")
    assert digests(tmp_path / "out") == want and reported(tmp_path) == COUNT


def pictures(folder):
    folder.mkdir()
    for i in range(COUNT):
        Image.fromarray(RNG.integers(0, 256, (500, 600, 3), dtype=np.uint8)).save(folder / f"{i:03}.png")


def convcli_local(folder):
    result = CliRunner().invoke(main, ["batch", "-k", "gaussian:sigma=3", str(folder / "in"), str(folder / "alone")])
    assert result.exit_code == 0
    return digests(folder / "alone")


@pytest.mark.cluster
def test_nobody_there(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    with scheduler(tmp_path, "s.json") as (boss, address, _):
        result = convcli("--cluster", address, tmp_path, tmp_path / "out")
        assert result.exit_code == 1 and f"cluster {address} has no workers" in result.stderr
        boss.kill()
        boss.wait()
        result = convcli("--cluster", address, tmp_path, tmp_path / "out")
        assert result.exit_code == 1 and f"cluster {address} can't be reached" in result.stderr


def test_a_client_that_gave_up_is_not_waited_for():
    """What is handed to Dask's client while it tries to connect again may never come back."""
    from convcli.errors import AccessError
    from convcli.system.cluster import _hands

    class Client:
        status = "running"

        def nthreads(self, callback_timeout):
            raise TimeoutError

    client = Client()
    capacity = _hands(client)
    assert capacity() == 2
    client.status = "closed"
    with pytest.raises(AccessError, match="the cluster has gone"):
        capacity()
