"""Which pictures of a folder are found: hidden ones, odd entries, patterns, deep trees."""

import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.batch.listing import Listing
from convcli.cli import main


def convcli(*words):
    return CliRunner().invoke(main, ["batch", "-k", "identity", *map(str, words)])


def png():
    stream = BytesIO()
    Image.fromarray(np.full((4, 5), 9, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path


def put(*names):
    for name in names:
        Path("in", name).parent.mkdir(parents=True, exist_ok=True)
        Path("in", name).write_bytes(png())


def listed(folder="in", *, at="", recursive=True, patterns=()):
    return [job.source.removeprefix(f"{folder}/") for job in Listing(folder, f"{at}out", recursive, patterns)]


@pytest.mark.parametrize("folder", ["in", "file://{}/in"])
def test_one_odd_entry_ends_no_listing(place, folder):
    """Links to themselves, to each other, to nothing, to folders; a pipe, a socket; and twenty pictures around them."""
    names = [f"{i:02}.png" for i in range(20)]
    put(*names, *(f"sub/{name}" for name in names))
    for where in ("in", "in/sub"):
        for link, target in (
            ("05-loop.png", "05-loop.png"), ("06-a.png", "06-b.png"), ("06-b.png", "06-a.png"),
            ("07-nothing.png", "nothing"), ("08-folder.png", ".."), ("09-loop", "09-loop"),
        ):  # fmt: skip
            Path(where, link).symlink_to(target)
        os.mkfifo(f"{where}/10-pipe.png")
    result = convcli("-r", folder.format(place), "out", "--report", "r.jsonl")
    assert result.exit_code == 1 and "Traceback" not in result.output and "40 done, " in result.stderr
    for link in ("05-loop.png", "06-a.png", "06-b.png", "07-nothing.png"):
        assert f"{link} can't be" in result.stderr or f"{link} does not exist" in result.stderr
    assert sorted(path.name for path in Path("out").rglob("*.png")) == sorted(names * 2)


def test_an_entry_that_can_not_be_looked_at(place, monkeypatch):
    """As on a network's disk that has lost a file."""
    put("a.png", "b.png", "c.png")
    real = os.scandir

    class Lost:
        def __init__(self, entry):
            self.name = entry.name
            self.is_symlink, self._entry = entry.is_symlink, entry

        def is_dir(self, **words):
            if self.name == "b.png":
                raise OSError(116, "Stale file handle")
            return self._entry.is_dir(**words)

        is_file = is_dir

    class Scan:
        def __init__(self, path):
            self._found = real(path)

        def __enter__(self):
            return (entry if entry.name != "b.png" else Lost(entry) for entry in self._found)

        def __exit__(self, *trouble):
            self._found.close()

    monkeypatch.setattr("convcli.files.local.os.scandir", Scan)
    assert listed() == ["a.png", "b.png", "c.png"]


def test_hidden_files_and_folders_are_left_out(place):
    put("a.png", ".thumb.png", "._photo.png", ".git/b.png", ".thumbnails/c.png", "d/.e/f.png", "d/g.png")
    seen = ["a.png", "d/g.png"]
    for patterns in ((), ("*.png",), ("*",), ("*g", "?.png", "d/*"), ("[!x]*",)):
        assert listed(patterns=patterns) == seen
        assert listed(f"file://{place}/in", patterns=patterns) == seen
    assert listed(patterns=(".*",)) == ["._photo.png", ".thumb.png"]  # who asks for them gets them
    assert listed(patterns=("._*.png", "d/*")) == ["._photo.png", "d/g.png"]
    assert listed("in/.git") == ["b.png"]


@pytest.mark.parametrize("pattern", ["*.png", "*.PNG", "*.Png", "?.png", "[A-Z].png", "[a-z].png", "SUB/*", "sub/*"])
def test_patterns_are_without_case(place, pattern):
    put("C.PNG", "d.png", "Sub/e.PNG", "f.bmp", "Sub/g.bmp")
    want = {"/": ["Sub/e.PNG", "Sub/g.bmp"], ".": ["C.PNG", "d.png", "Sub/e.PNG"]}
    assert listed(patterns=(pattern,)) == want["/" if "/" in pattern else "."]


def test_folders_deeper_than_calls_may_be(place):
    """Deeper than a path may be long, too: what can't be reached is told, the rest is done."""
    put("a.png", "zz/b.png")
    at = os.open("in", os.O_RDONLY)
    for level in range(2100):
        if level == 1200:
            os.link("in/a.png", "c.png", dst_dir_fd=at)
        os.mkdir("d", dir_fd=at)
        at = moved(at, "d")
    result = convcli("-r", "in", "out")
    done = [path for path in ("a.png", "zz/b.png", "d/" * 1200 + "c.png") if Path("out", path).is_file()]
    for level in reversed(range(2100)):  # what removes the test's folder calls itself for each
        at = moved(at, "..")
        os.rmdir("d", dir_fd=at)
        if level == 1200:
            os.unlink("c.png", dir_fd=at)
    os.close(at)
    subprocess.run(["rm", "-r", "out"], check=True)
    assert len(done) == 3 and "3 done, 1 failed" in result.stderr
    assert "d/d can't be listed: File name too long" in result.stderr


def moved(at, name):
    there = os.open(name, os.O_RDONLY, dir_fd=at)
    os.close(at)
    return there


PAGE = """<a href="../">up</a> <a href="ok.png">1</a> <a href="./ok.png">2</a> <a href="../ok.png">3</a>
<a href="/ok.png">4</a> <a href="/in/ok.png">5</a> <a href="sub/../ok.png">6</a> <a href="../in/ok.png">7</a>
<a href="//elsewhere/ok.png">8</a> <a href="HTTP://127.0.0.1/ok.png">9</a> <a href="ftp://elsewhere/ok.png">10</a>
<a href="sub/ok.png">11</a> <a href="%2e%2e/ok.png">12</a> <a href="a%20b.png">13</a> <a href="a b.png">14</a>
<a href="..">15</a> <a href=".">16</a> <a href="">17</a> <a href="sub/">18</a> <a href="o%6b.png">19</a>"""


def test_a_page_that_links_elsewhere(place):
    """Each picture of the folder once, nothing of other folders."""

    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            page = self.path.rstrip("/") == "/in"
            data = PAGE.encode() if page else png()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if page else "image/png")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data if self.command == "GET" else b"")

        do_HEAD = do_GET

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for end in ("", "/"):
            url = f"http://127.0.0.1:{server.server_port}/in{end}"
            names = [job.output for job in Listing(url, "out")]
            assert len(names) == 2 and names[1] in ("out/ok.png", "out/o%6b.png") and names[0].startswith("out/a")
            result = convcli(url, f"out{len(end)}")
            assert result.exit_code == 0 and "2 done, 0 failed" in result.stderr
        assert not [path for path in asked if ".." in path or not path.startswith("/in")]
        server.shutdown()
