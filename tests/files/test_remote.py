"""Pictures that lie elsewhere: URLs through apply and batch, a store over HTTP, and what goes wrong with it."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import fsspec
import numpy as np
import pytest
import s3fs
import store
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convcli.batch import work as batch_module
from convcli.cli import main
from convcli.files import remote
from convcli.files.names import folder_of, is_url, joined, public

RNG = np.random.default_rng(3)


def convcli(*words):
    return CliRunner().invoke(main, list(map(str, words)))


def png(size=(20, 30)):
    stream = BytesIO()
    Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def local(folder, files):
    """What a run on this machine makes of the same files: digests by name."""
    for name, data in files.items():
        (folder / "local" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "local" / name).write_bytes(data)
    assert convcli("batch", "-k", "box", "-r", folder / "local", folder / "want").exit_code == 0
    return {name: hashlib.sha256((folder / "want" / name).read_bytes()).hexdigest() for name in files}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestNames:
    @pytest.mark.parametrize(("name", "url"), [
        ("s3://bucket/a.png", True), ("zip://a.png::b.zip", True), ("simplecache::s3://b/c", True), ("-", False),
        ("./s3://bucket", False), ("a.png", False), ("/a/b:c//d", False), ("C://a", False), (Path("s3://b/c"), False),
    ])  # fmt: skip
    def test_what_is_a_url(self, name, url):
        assert is_url(name) == url

    @pytest.mark.parametrize(("folder", "below", "want"), [
        ("s3://b/in", "x.png", "s3://b/in/x.png"), ("s3://b/in/", "d/x.png", "s3://b/in/d/x.png"),
        ("s3://b/a::b", "x", "s3://b/a::b/x"), ("memory://", "x", "memory://x"), ("s3://b/in//", "", "s3://b/in"),
        ("zip://::s3://b/a.zip", "x", "zip://x::s3://b/a.zip"), ("zip://d::a.zip", "x", "zip://d/x::a.zip"),
        ("simplecache::s3://b/in", "x", "simplecache::s3://b/in/x"),
    ])  # fmt: skip
    def test_joined(self, folder, below, want):
        assert joined(folder, below) == want

    @settings(max_examples=40)
    @given(st.sampled_from(["s3://b", "s3://b/c", "zip://d::s3://b/a.zip"]), st.text(min_size=1))
    def test_a_name_comes_back(self, folder, name):
        name = name.replace("/", "_").replace(":", "_" if folder.startswith("zip") else ":")
        assert folder_of(joined(folder, name)) == (folder, name)

    def test_a_password_is_not_shown(self):
        assert public("sftp://me:secret@host/a") == "sftp://me:***@host/a"
        error = convcli("apply", "-k", "box", "nope://me:secret@host/a.png", "b.png")
        assert error.exit_code == 2 and "nope://me:***@host/a.png: nope:// is no protocol" in error.stderr


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


class TestAnyStore:
    def test_a_folder_elsewhere_gives_the_same_bytes(self, memory, tmp_path):
        files = {"a.png": png(), "b.png": png(), "sub/c.png": png(), "no picture.txt": b"words"}
        for name, data in files.items():
            memory.pipe_file(f"/in/{name}", data)
        del files["no picture.txt"]
        words = ("batch", "-k", "box", "-r", "memory://in", "memory://in/out", "--report", tmp_path / "r.jsonl")
        assert convcli(*words).exit_code == 0
        made = {name: hashlib.sha256(memory.cat_file(f"/in/out/{name}")).hexdigest() for name in files}
        assert made == local(tmp_path, files)
        told = {line["input"]: line["output_digest"] for line in lines(tmp_path / "r.jsonl")}
        assert told == {f"memory://in/{name}": value for name, value in made.items()}
        again = convcli(*words, "--resume", "--json")  # what lies in the output folder is not eaten
        assert json.loads(again.stdout)["skipped"] == 3
        memory.pipe_file("/in/a.png", png())
        assert json.loads(convcli(*words, "--resume", "--json").stdout)["done"] == 1

    def test_there_and_back(self, memory, tmp_path):
        (tmp_path / "a.png").write_bytes(png())
        for source, output in ((tmp_path / "a.png", "memory://x/a.png"), ("memory://x/a.png", tmp_path / "b.tif")):
            result = convcli("apply", "-k", "identity", source, output)
            assert result.exit_code == 0, result.stderr
        with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.tif") as b:
            assert (np.asarray(a) == np.asarray(b)).all()
        result = convcli("apply", "-k", "identity", tmp_path / "a.png", "memory://x/a.png")
        assert result.exit_code == 1 and "memory://x/a.png exists; --force overwrites it" in result.stderr
        assert convcli("apply", "-f", "-k", "identity", tmp_path / "a.png", "memory://x/a.png").exit_code == 0

    def test_resume_without_a_report_goes_by_the_time(self, memory):
        memory.pipe_file("/in/a.png", png())
        for done in (1, 0):
            result = convcli("batch", "-k", "box", "memory://in", "memory://out", "--resume", "--json")
            assert json.loads(result.stdout)["done"] == done
        memory.pipe_file("/in/a.png", png())
        result = convcli("batch", "-k", "box", "memory://in", "memory://out", "--resume", "--json")
        assert json.loads(result.stdout)["done"] == 1

    def test_an_archive(self, tmp_path):
        data = png()
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in ("b.png", "sub/c.png", "../evil.png"):
                archive.writestr(name, data)
        result = convcli("batch", "-k", "box", "-r", f"zip://::{tmp_path / 'a.zip'}", tmp_path / "d" / "out")
        assert result.exit_code == 1 and "holds something named '..': no name of a file" in result.stderr
        made = [path.relative_to(tmp_path).as_posix() for path in sorted((tmp_path / "d").rglob("*.png"))]
        assert made == ["d/out/b.png", "d/out/sub/c.png"] and not (tmp_path / "d" / "evil.png").exists()
        result = convcli("apply", "-k", "box", tmp_path / "d/out/b.png", f"zip://x.png::{tmp_path / 'a.zip'}")
        assert result.exit_code == 2 and "zip:// is for reading only" in result.stderr

    def test_a_page_of_links(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.png").write_bytes(png())

        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, *words):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}/in"
            words = (
                "batch",
                "-k",
                "box",
                url,
                tmp_path / "out",
                "--report",
                tmp_path / "r.jsonl",
                "--resume",
                "--json",
            )
            for done in (1, 0):
                result = convcli(*words)
                assert result.exit_code == 0 and json.loads(result.stdout)["done"] == done, result.stderr
            result = convcli("apply", "-k", "box", f"{url}/nothing.png", tmp_path / "x.png")
            assert result.exit_code == 1 and "/in/nothing.png does not exist" in result.stderr
            server.shutdown()

    def test_a_move_takes_the_name_in_one_step(self, tmp_path, monkeypatch):
        """Where bytes could be seen as they come, they come under a name that is no picture's."""
        url = f"file://{tmp_path}/out/a.png"
        kind = fsspec.get_filesystem_class("file")
        (tmp_path / "out").mkdir()
        (tmp_path / "a.png").write_bytes(png())
        seen = []
        real = kind.pipe_file
        monkeypatch.setattr(kind, "pipe_file", lambda fs, path, data: seen.append(path) or real(fs, path, data))
        assert convcli("apply", "-k", "box", tmp_path / "a.png", url).exit_code == 0
        assert Path(seen[0]).name.startswith(".a.png.") and seen[0].endswith(".convcli-part")
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]

        def full(fs, path, data):
            real(fs, path, data[:10])
            raise OSError(28, os.strerror(28))

        before = (tmp_path / "out" / "a.png").read_bytes()
        monkeypatch.setattr(kind, "pipe_file", full)
        result = convcli("apply", "-f", "-k", "emboss", tmp_path / "a.png", url)
        assert result.exit_code == 1 and "can't be written: No space left on device" in result.stderr
        assert (tmp_path / "out" / "a.png").read_bytes() == before and len(list((tmp_path / "out").iterdir())) == 1


@pytest.fixture(scope="module")
def loopback(tmp_path_factory):
    with store.started(tmp_path_factory.mktemp("store"), seed=1, share=0.35) as running:
        client = running.client
        client.mkdir("photos")
        client.mkdir("locked")
        yield running


@pytest.fixture
def s3(loopback, monkeypatch):
    for name, value in loopback.env.items():
        monkeypatch.setenv(name, value)
    return loopback


@pytest.fixture
def changed(monkeypatch):
    """Sets a variable that the next client is to see."""

    def change(name, value):
        monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()

    yield change
    s3fs.S3FileSystem.clear_instance_cache()


class TestS3:
    def test_a_batch_over_a_store_that_fails(self, s3, tmp_path, monkeypatch, changed):
        """Errors, lost and cut answers: nothing is lost, twice or partial, counted by digest."""
        files = {f"{'sub/' * (i % 2)}{i:02}.png": png() for i in range(24)}
        client = s3.client
        for name, data in files.items():
            client.pipe_file(f"photos/in/{name}", data)
        want, before = local(tmp_path, files), len(s3.log())
        changed("AWS_ENDPOINT_URL", s3.faulty)
        monkeypatch.setattr(s3fs.S3FileSystem, "retries", 2)
        monkeypatch.setattr(batch_module, "_PAUSE", 0.01)
        report = tmp_path / "r.jsonl"
        words = ("batch", "-k", "box", "-r", "s3://photos/in", "s3://photos/out", "--report", report, "--resume", "-j8")
        for _ in range(20):  # a listing that failed is not tried again by itself
            result = convcli(*words, "--retries", "5")
            assert result.exit_code in (0, 1) and "Traceback" not in result.stderr
            if result.exit_code == 0:
                break
        assert result.exit_code == 0
        assert {"SlowDown", "InternalError", "lost", "cut"} <= s3.faults().keys()
        found = [line for line in lines(report) if line["status"] == "done"]
        assert {line["output"].removeprefix("s3://photos/out/"): line["output_digest"] for line in found} == want
        assert len(found) == len(want) and any(line.get("tries", 1) > 1 for line in found)
        kept = {path.removeprefix("photos/out/"): client.cat_file(path) for path in client.find("photos/out")}
        assert {name: hashlib.sha256(data).hexdigest() for name, data in kept.items()} == want
        put = {(path.removeprefix("/photos/out/"), digest) for path, digest in s3.log()[before:]}
        assert put == set(want.items())  # at no time was there anything else
        changed("AWS_ENDPOINT_URL", s3.well)
        assert json.loads(convcli(*words, "--json").stdout)["skipped"] == len(want)

    def test_a_folder_is_listed_a_page_at_a_time(self, s3, monkeypatch):
        client = s3.client
        for i in range(5):
            client.pipe_file(f"photos/pages/{i}.png", b"x")
            client.pipe_file(f"photos/pages/{i}/x.png", b"x")
        client.touch("photos/pages/")
        asked, real = [], s3fs.S3FileSystem.call_s3

        def few(fs, method, **words):
            asked.append(method)
            return real(fs, method, MaxKeys=3, **words)

        monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", few)
        listed = remote.stamped_entries("s3://photos/pages")
        next(listed)
        assert len(asked) == 1
        names = [(entry.name, entry.folder) for entry in remote.stamped_entries("s3://photos/pages/")]
        assert sorted(names) == sorted([(f"{i}.png", False) for i in range(5)] + [(str(i), True) for i in range(5)])

    def test_odd_names(self, s3, tmp_path):
        odd = ["with space & %20.png", "a::b.png", "ü日.png", "100%.png", "#?+.png"]
        for name in odd:
            s3.client.pipe_file(f"photos/odd/{name}", png())
        result = convcli("apply", "-k", "box", "s3://photos/odd/a::b.png", "s3://photos/made/a::b.png")
        assert result.exit_code == 0, result.stderr
        result = convcli("batch", "-k", "box", "s3://photos/odd", tmp_path)
        assert result.exit_code == 0 and {path.name for path in tmp_path.iterdir()} == set(odd)

    @pytest.mark.parametrize(("source", "output", "said"), [
        ("s3://nobody/in", "out", "s3://nobody/in does not exist: The specified bucket does not exist"),
        ("s3://photos/nothing", "out", "s3://photos/nothing holds no picture"),
        ("s3://photos/a.png", "out", "s3://photos/a.png is not a folder; convcli apply filters one picture"),
        ("in", "s3://nobody/out", "s3://nobody/out does not exist: The specified bucket"),
        ("in", "s3://locked/out", "s3://locked/out/a.png can't be written: Access Denied; check the credentials"),
    ])  # fmt: skip
    def test_what_is_wrong_is_said(self, s3, tmp_path, monkeypatch, source, output, said):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.png").write_bytes(png())
        s3.client.pipe_file("photos/a.png", png())
        result = convcli("batch", "-k", "box", source, output)
        assert result.exit_code == 1 and said in result.stderr and not (tmp_path / "out").exists()

    @pytest.mark.parametrize(("name", "value", "said"), [
        ("AWS_ACCESS_KEY_ID", "wrong", "The AWS Access Key Id you provided does not exist in our records; check the"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "Could not connect to the endpoint URL"),
    ])  # fmt: skip
    def test_who_and_where(self, s3, tmp_path, changed, name, value, said):
        changed(name, value)
        for words in (
            ("s3://photos/in", tmp_path / "out"),
            (Path(__file__).parents[2] / "samples", "s3://photos/o"),
        ):
            result = convcli("batch", "-k", "box", *words)
            assert result.exit_code == 1 and said in result.stderr and result.stderr.count("\n") == 1
        result = convcli("apply", "-k", "box", "s3://photos/a.png", tmp_path / "a.png")
        assert result.exit_code == 1 and "can't be read" in result.stderr and "; check the " in result.stderr


@pytest.mark.parametrize("words", [("batch", "s3://b/in", "out"), ("apply", "s3://b/a.png", "a.png")])
def test_a_store_that_says_nothing_is_waited_for_with_a_word(tmp_path, monkeypatch, changed, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("convcli.cli.batch_progress._EVERY", 0.01)
    for name, value in {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(s3fs.S3FileSystem, "read_timeout", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        changed("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        result = convcli(words[0], "-k", "box", *words[1:])
    assert result.exit_code == 1 and "check the address and the network" in result.stderr.splitlines()[-1]
    assert "so far; Ctrl-C ends it" in result.stderr and words[1] in result.stderr.splitlines()[0]


@pytest.mark.parametrize(("url", "said"), [
    ("gs://b/a.png", "gs:// needs a package that is not installed: pip install 'gcsfs'"),
    ("az://b/a.png", "az:// needs a package that is not installed: pip install 'adlfs'"),
    ("zip://a.zip", "zip://a.zip needs the archive behind ::, as zip://photos::archive.zip"),
])  # fmt: skip
def test_what_is_missing_is_said(tmp_path, monkeypatch, url, said):
    for package in ("gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, package, None)
    result = convcli("apply", "-k", "box", url, tmp_path / "a.png")
    assert said in result.stderr and result.exit_code == (2 if url.startswith("zip") else 1)


def test_the_extra_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.delitem(sys.modules, "convcli.files.remote")
    result = convcli("apply", "-k", "box", "s3://b/a.png", tmp_path / "a.png")
    assert result.exit_code == 1 and "pip install 'convcli[remote]'" in result.stderr


def test_a_report_lies_here(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    result = convcli("batch", "-k", "box", tmp_path, tmp_path / "out", "--report", "s3://b/r.jsonl")
    assert result.exit_code == 2 and "--report is a file of this machine" in result.stderr


def test_paths_of_this_machine_need_no_fsspec(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    code = (
        "import sys; from convcli.cli import main\n"
        "main(['batch', '-k', 'box', '.', 'out', '-q'], standalone_mode=False)\n"
        "print([m for m in ('fsspec', 's3fs', 'convcli.files.remote') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "[]\n", done.stderr
