"""Every command with each standard stream closed, full, unbuffered, slow, or unable to show a name."""

import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convcli import filter_image
from convcli.cli import _COMMANDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/dev/full, and pipes set not to block"),
]
CONVCLI = [sys.executable, "-m", "convcli"]
NOISE = np.random.default_rng(3).integers(0, 256, (250, 250, 3), dtype=np.uint8)

# Every command, twice where it can be silent on standard output and not; and what Click does before any of them.
ROWS = {
    "apply": "apply -k sharpen in.png - --format png",
    "apply to a file": "apply -f -k sharpen in.png out.png",
    "apply --dry-run": "apply -n -k sharpen in.png out.tif",
    "batch": "batch -f -k box folder results --json",
    "batch --dry-run": "batch -n -k box folder nowhere",
    "compare": "compare -f in.png -k sobel-x -k box sheet.png",
    "kernels": "kernels list",
    "kernels --json": "kernels list --json",
    "kernels show": "kernels show sobel-x",
    "kernels check": "kernels check mine.yaml",
    "layer": "layer -k sobel-x in.png - --format npy",
    "layer --summary": "layer -k sobel-x in.png --summary",
    "size": "size 640x480 -k 3",
    "explain": "explain -k sobel-x in.png",
    "explain --json": "explain -k sobel-x --json in.png",
    "plan": "plan -k sobel-x in.png",
    "show": "show in.png",
    "warmup": "warmup --help",
    "--help": "--help",
    "--version": "--version",
    "completion": "",
}
TIMES = re.compile(rb'"(seconds|\w+_per_second)": [\d.]+|[\d.]+ m?s\b|\d+ free')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    (folder / "folder").mkdir()
    for name in ("in.png", "folder/a.png"):
        Image.fromarray(NOISE).save(folder / name)
    (folder / "mine.yaml").write_text("name: mine\nweights: [[1, 2, 1]]\n")
    return folder


def run(folder, row, redirection="", unbuffered=False, words=None, **how):
    """The command as bash runs it with that redirection."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else "", "COLUMNS": "100"}
    if row == "completion":
        environment |= {"_CONVCLI_COMPLETE": "bash_complete", "COMP_WORDS": "convcli ", "COMP_CWORD": "1"}
    command = "import sys; sys.argv[0] = 'convcli'; from convcli.__main__ import main; main()"
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", sys.executable, "-c", command, *(words or ROWS[row].split())],
        cwd=folder, env=environment, timeout=1200, **{"capture_output": True} | how,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain(folder):
    """What a row prints where nothing is wrong, as a function."""
    known = {}

    def outcome(row):
        if row not in known:
            known[row] = run(folder, row)
            assert known[row].returncode == 0, known[row].stderr
        return TIMES.sub(b"", known[row].stdout)

    return outcome


def test_the_table_has_every_command():
    assert set(_COMMANDS) <= set(ROWS)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("unbuffered", [False, True], ids=["", "unbuffered"])
@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_standard_output_that_takes_nothing(folder, plain, row, redirection, unbuffered):
    done = run(folder, row, redirection, unbuffered)
    if not plain(row):
        assert done.returncode == 0
        return
    assert done.returncode == 1
    why = "it is closed" if redirection == ">&-" else "No space left on device"
    assert done.stderr.decode().endswith(f"Error: standard output can't be written: {why}\n")
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_standard_error_that_takes_nothing(folder, plain, row, redirection):
    done = run(folder, row, redirection, unbuffered=True)
    assert done.returncode == 0 and TIMES.sub(b"", done.stdout) == plain(row)


@pytest.mark.parametrize("words", ["size 5x5 -k no-such-kernel", "apply -k box nothing.png -", "nonsense"])
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_an_exit_code_does_not_need_standard_error(folder, words, redirection):
    want = run(folder, "size", words=words.split())
    assert want.returncode and run(folder, "size", redirection, words=words.split()).returncode == want.returncode


@pytest.mark.parametrize("row", ["apply", "layer", "kernels --json", "explain --json"])
@pytest.mark.parametrize("unbuffered", [False, True], ids=["", "unbuffered"])
def test_standard_output_that_takes_a_part(folder, plain, row, unbuffered):
    """As a disk that fills up: the first bytes are taken, and the write says how many."""
    most = len(plain(row)) // 2

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    with (folder / "part").open("wb") as part:
        done = run(folder, row, unbuffered=unbuffered, capture_output=False, stdout=part, stderr=subprocess.PIPE,
                   preexec_fn=limit)  # fmt: skip
    assert done.returncode == 1 and b"standard output can't be written: File too large" in done.stderr
    assert (folder / "part").stat().st_size <= most


@pytest.mark.parametrize("row", ["apply", "kernels --json", "kernels", "layer"])
@pytest.mark.parametrize("unbuffered", [False, True], ids=["", "unbuffered"])
def test_a_reader_that_has_seen_enough(folder, plain, row, unbuffered):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = run(folder, row, unbuffered=unbuffered, capture_output=False, stdout=pipe, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("row", ["apply", "kernels --json", "kernels", "layer", "explain --json", "batch --dry-run"])
@pytest.mark.parametrize("unbuffered", [False, True], ids=["", "unbuffered"])
def test_a_slow_reader_of_a_pipe_that_does_not_block(folder, plain, row, unbuffered):
    read, write = os.pipe()
    os.set_blocking(write, False)
    pieces = []

    def reader():
        with os.fdopen(read, "rb", buffering=0) as pipe:
            while piece := pipe.read(1000):
                pieces.append(piece)

    thread = threading.Thread(target=reader)
    with os.fdopen(write, "wb") as pipe:
        thread.start()
        done = run(folder, row, unbuffered=unbuffered, capture_output=False, stdout=pipe, stderr=subprocess.PIPE)
    thread.join()
    assert done.returncode == 0 and TIMES.sub(b"", b"".join(pieces)) == plain(row)


READERS = (
    "apply -f -k sharpen - o.png", "compare -f - -k box -k sobel-x o.png", "layer -f -k box - o.npy",
    "explain -k box -", "plan -k box -", "show -",
)  # fmt: skip


@pytest.mark.parametrize("words", READERS)
@pytest.mark.parametrize(("redirection", "why"), [("<&-", "is closed"), ("0>/dev/null", "can't be read: Bad file")])
def test_standard_input_that_gives_nothing(folder, words, redirection, why):
    done = run(folder, "", redirection, words=words.split())
    assert done.returncode == 1 and done.stderr.decode().startswith(f"Error: standard input {why}")
    assert done.stderr.count(b"\n") == 1 and not done.stdout


@pytest.mark.parametrize("words", READERS)
def test_standard_input_that_comes_slowly_and_does_not_block(folder, words):
    read, write = os.pipe()
    os.set_blocking(read, False)
    data = (folder / "in.png").read_bytes()

    def writer():
        with os.fdopen(write, "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
            for start in range(0, len(data), 30_000):
                pipe.write(data[start : start + 30_000])

    thread = threading.Thread(target=writer)
    with os.fdopen(read, "rb") as pipe:
        thread.start()
        done = run(folder, "", words=words.split(), stdin=pipe)
    thread.join()
    assert done.returncode == 0, done.stderr


def test_nothing_else_gets_the_number_of_a_closed_stream(folder):
    """What a library writes to file descriptor 2 must not end in a picture that was opened under that number."""
    code = (
        "import os, convcli.files.local as local\nbegin = local._part_of\n"
        "def began(target):\n"
        "    made = begin(target)\n    os.write(1, b'said')\n    os.write(2, b'said')\n    return made\n"
        "local._part_of = began\n"
        "from convcli.__main__ import main\nmain()"
    )
    words = ["apply", "-f", "-k", "sharpen", "in.png", "closed.png"]
    done = subprocess.run(
        ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", sys.executable, "-c", code, *words], cwd=folder, timeout=1200
    )
    assert done.returncode == 0
    with Image.open(folder / "closed.png") as image:
        np.testing.assert_array_equal(np.asarray(image), filter_image(NOISE, "sharpen"))


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
def test_a_name_for_standard_output_as_output(folder, name, suffix):
    done = run(folder, "", words=["apply", "-k", "sharpen", "in.png", name, "--format", suffix])
    assert done.returncode == 0, done.stderr
    stream = io.BytesIO(done.stdout)
    found = np.load(stream) if suffix == "npy" else np.asarray(Image.open(stream))
    np.testing.assert_array_equal(np.clip(found, 0, 255), filter_image(NOISE, "sharpen"))


NAME = "\u00fcn\u4e2d\U0001f600"  # in cp1252, not in it, and beyond what JSON's short escapes hold


@pytest.fixture(scope="module")
def odd(folder):
    """A folder in which kernel and picture have a name that few encodings hold."""
    odd = folder / "odd"
    (odd / "kernels").mkdir(parents=True)
    (odd / "in").mkdir()
    text = f"name: odd\ndescription: {NAME}\nweights: [[1]]\n"
    (odd / "kernels" / "odd.yaml").write_text(text, encoding="utf-8")
    Image.fromarray(NOISE[:9, :9]).save(odd / "in" / f"{NAME}.png")
    return odd


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-1", "ascii", "utf-8", "iso8859-1:replace"])
@pytest.mark.parametrize(
    "words",
    ["kernels list", "kernels list --json", "kernels show odd", "kernels show odd --json", "kernels show odd --yaml",
     "plan -k odd {}", "plan -k odd {} --json", "batch -n -k odd in out", "show {}", "explain -k odd {} --json",
     "apply -n -k odd {} o.png", "kernels check kernels/odd.yaml", "apply -f -k odd {} o.png"],
)  # fmt: skip
def test_a_name_that_the_encoding_has_not(odd, words, encoding):
    words = [word.format(f"in/{NAME}.png") for word in words.split()]
    done = subprocess.run(
        [*CONVCLI, *words], cwd=odd, capture_output=True, timeout=1200,
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    told = done.stdout.decode("utf-8" if encoding == "ascii" else encoding.partition(":")[0])
    if "--json" in words and "kernels" in words:
        entry = json.loads(told)
        entry = next(e for e in entry if e["name"] == "odd") if isinstance(entry, list) else entry
        assert entry["description"] == NAME
    elif "--json" in words:
        assert json.loads(told)
    if encoding == "utf-8" and words[:2] in (["kernels", "list"], ["kernels", "show"], ["plan", "-k"]):
        assert NAME in told or "--json" in words


def test_the_source_of_this_table_is_the_command_line():
    """A row that is not a command any more would test nothing."""
    assert all(words.split()[0] in _COMMANDS for words in ROWS.values() if words and not words.startswith("-"))
    assert all(words.split()[0] in _COMMANDS for words in READERS)
    assert Path("/dev/full").exists()
