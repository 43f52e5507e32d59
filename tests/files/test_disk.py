"""Disks that are full, closed or oddly named, and processes that are killed while they write."""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import numpy as np
import pytest
import survey
from PIL import Image

from convcli.files import local

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the ways to make a disk fail are Linux's")
RNG = np.random.default_rng(9)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(RNG.integers(0, 256, (200, 300, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_kill_leaves_the_old_file_or_the_new_one():
    counts = kills.run(12)
    assert counts["whole"] == 12 and "broken" not in counts
    assert counts["left something else"] == counts["last run failed"] == counts["stray after the next run"] == 0


def test_an_interrupt_leaves_no_file(tmp_path):
    Image.fromarray(RNG.integers(0, 256, (3000, 3000, 3), dtype=np.uint8)).save(tmp_path / "big.png", compress_level=0)
    command = [sys.executable, "-m", "convcli", "apply", "-k", "identity", "--compression", "max", "big.png", "out.png"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    part = tmp_path / ".out.png.convcli-part"
    deadline = time.monotonic() + 1200
    while not part.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=1200)[1]
    assert process.returncode == 130 and "Interrupted" in error and "Traceback" not in error
    assert names(tmp_path) == ["big.png"]


def interrupted(path, event):
    """Write a file, and press Ctrl-C at that event (a call, a line, a return) of the code that does it."""
    count = 0

    def trace(frame, kind, _):
        nonlocal count
        if frame.f_code.co_filename not in (local.__file__, contextlib.__file__):
            return None
        count += 1
        if count == event:
            signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        with local.open_output(path, force=True) as stream:
            stream.write(b"new")
    finally:
        sys.settrace(None)
    return count


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed file:ResourceWarning")
def test_an_interrupt_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    events = interrupted(path, 0)
    assert events > 50 and path.read_bytes() == b"new"
    for event in range(1, events + 1):
        path.write_bytes(b"old")
        with contextlib.suppress(KeyboardInterrupt):
            interrupted(path, event)
            pytest.fail(f"no interrupt at event {event}")
        gc.collect()
        local._sweep()  # as at the end of the process
        assert names(tmp_path) == ["out"] and path.read_bytes() in (b"old", b"new"), event


def test_an_interrupt_inside_of_exec_ends_with_130_too(tmp_path):
    (tmp_path / "stopped.py").write_text(
        "import convcli.files.local\n"
        "convcli.files.check_output = lambda *_: exec('raise KeyboardInterrupt')\n"
        "from convcli.cli import main\nmain()\n"
    )
    command = [sys.executable, "-m", "stopped", "apply", "-k", "identity", "in.png", "out.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert (done.returncode, done.stderr) == (130, "\nInterrupted.\n")


def limited(words, size):
    """convcli with a limit on the size of files it may write: writing fails as on a full disk."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); from convcli.cli import main; main(sys.argv[1:])"
    )
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, timeout=1200)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "gif", "bmp", "npy"])
@pytest.mark.parametrize("size", [0, 4096, 20000])
def test_a_disk_that_fills_up(photo, tmp_path, suffix, size):
    out = tmp_path / f"out.{suffix}"
    done = limited(["apply", "-k", "sharpen", photo, out], size)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "can't be written" in done.stderr
    assert names(tmp_path) == ["photo.png"]


@pytest.mark.parametrize("before", [None, {}, {"other.txt": b"1"}, {"0-0.png": b"old", "other.txt": b"1"}])
@pytest.mark.parametrize("size", [0, 4096, 50_000])
def test_a_folder_of_maps_on_a_disk_that_fills_up(photo, tmp_path, before, size):
    """The first maps are flat and small, the last one is noise: the disk is full in the middle of the folder."""
    maps = tmp_path / "maps"
    if before is not None:
        maps.mkdir()
        for name, content in before.items():
            (maps / name).write_bytes(content)
    words = ["layer", "-f", "-k", "0", "-k", "0", "-k", "1", "--scale-maps", "each", photo, maps]
    done = limited(words, size)
    assert done.returncode == 1 and done.stderr.startswith(f"Error: {maps} can't be written: ")
    assert done.stderr.count("\n") == 1 and names(tmp_path) == ["maps", "photo.png"][before is None :]
    assert before is None or {path.name: path.read_bytes() for path in maps.iterdir()} == before
    assert limited(words, 1 << 30).returncode == 0
    assert len(names(maps)) == 3 + ("other.txt" in (before or ())) + ("0-0.png" in (before or ()))


@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_that_is_interrupted_leaves_nothing(tmp_path, inside):
    from convcli.files.whole_folder import whole_folder

    if inside:
        (tmp_path / "maps").mkdir()
    for trouble in (KeyboardInterrupt, ValueError, None):
        with contextlib.suppress(KeyboardInterrupt, ValueError), whole_folder(tmp_path / "maps", False) as folder:
            (folder / "a").write_bytes(b"a")
            assert not (tmp_path / "maps" / "a").exists()
            if trouble:
                raise trouble
        if trouble:
            assert names(tmp_path) == ["maps"] * inside and not (inside and names(tmp_path / "maps"))
    assert names(tmp_path) == ["maps"] and names(tmp_path / "maps") == ["a"]


def test_standard_output_that_is_full(photo):
    command = [sys.executable, "-m", "convcli", "apply", "-k", "sharpen", photo, "-", "--format", "png"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=1200)
    assert done.returncode == 1
    assert done.stderr == "Error: standard output can't be written: No space left on device\n"


def test_a_full_disk_keeps_the_old_file(photo, tmp_path):
    before = photo.read_bytes()
    done = limited(["apply", "-k", "sharpen", "-f", photo, photo], 5000)
    assert done.returncode == 1 and photo.read_bytes() == before and names(tmp_path) == ["photo.png"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_small_tmpfs(photo, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        result = survey.convcli("apply", "-k", "sharpen", photo, disk / "out.png")
        assert result.exit_code == 1 and "No space left on device" in result.stderr and names(disk) == []
        result = survey.convcli("batch", "-k", "sharpen", tmp_path, disk, "--pattern", "photo.png")
        assert result.exit_code == 1 and "No space left" in result.stderr and names(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_disk(photo, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        result = survey.convcli("apply", "-k", "sharpen", photo, disk / "out.png")
        assert result.exit_code == 1 and "read-only" in result.stderr.lower()
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    "name", [b"caf\xe9.png", b"new\nline.png", b"-dash.png", " ünïcode 日本.png".encode(), b"a" * 251 + b".png"]
)
def test_odd_names(photo, tmp_path, name):
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/in/" + name))
    source.parent.mkdir()
    photo.rename(source)
    output = tmp_path / os.fsdecode(name)
    result = survey.convcli("apply", "-k", "identity", source, output)
    assert result.exit_code == 0 and output.exists() and len(result.stderr.splitlines()) == 1
    result = survey.convcli("batch", "-k", "identity", source.parent, tmp_path / "out")
    assert result.exit_code == 0 and names(tmp_path / "out") == [os.fsdecode(name)]
    source.write_bytes(b"no picture")
    result = survey.convcli("batch", "-k", "identity", "-f", source.parent, tmp_path / "out")
    assert result.exit_code == 1 and "is not a picture" in result.stderr


def test_a_very_long_path(photo, tmp_path, monkeypatch):
    deep = tmp_path
    monkeypatch.chdir(tmp_path)
    for _ in range(30):  # beyond PATH_MAX, one step at a time
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
        deep = deep / ("d" * 200)
    result = survey.convcli("apply", "-k", "sharpen", photo, deep / "out.png")
    assert result.exit_code == 1 and result.stderr.endswith("/out.png can't be written: File name too long\n")
    os.chdir(tmp_path)


def test_a_file_that_may_not_be_read(photo, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    photo.chmod(0)
    result = survey.convcli("apply", "-k", "sharpen", photo, tmp_path / "out.png")
    assert result.exit_code == 1 and "permission denied" in result.stderr


class TestSize:
    def test_the_limit_is_told_and_can_be_raised(self, photo, tmp_path):
        words = ["apply", "-k", "identity", photo, tmp_path / "out.png"]
        result = survey.convcli(*words, "--max-pixels", "59999")
        assert result.exit_code == 1 and "60,000 pixels" in result.stderr and "--max-pixels 60000" in result.stderr
        assert survey.convcli(*words, "--max-pixels", "60000").exit_code == 0

    def test_memory_is_counted_before_it_is_taken(self, photo, tmp_path, monkeypatch):
        monkeypatch.setattr("convcli.filtering.file.free_memory", lambda: 100_000)
        result = survey.convcli("apply", "-k", "identity", photo, tmp_path / "out.png")
        assert result.exit_code == 1 and "memory" in result.stderr and "free" in result.stderr
        assert names(tmp_path) == ["photo.png"]

    def test_a_gigantic_border_is_counted_too(self, photo, tmp_path):
        result = survey.convcli("apply", "-k", "identity", "--padding", "400000", photo, tmp_path / "out.png")
        assert result.exit_code == 1 and "memory" in result.stderr and names(tmp_path) == ["photo.png"]

    def test_frames_are_counted(self, tmp_path, monkeypatch):
        frames = [Image.new("RGB", (100, 100), (i, 0, 0)) for i in range(50)]
        frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:], lossless=True)
        monkeypatch.setattr("convcli.filtering.file.free_memory", lambda: 500_000)
        words = ["apply", "-k", "identity", tmp_path / "in.webp", tmp_path / "out.webp"]
        assert "needs about" in survey.convcli(*words).stderr
        assert survey.convcli(*words, "--frame", "3").exit_code == 0

    def test_no_memory_at_all(self, photo, tmp_path, monkeypatch):
        def exhausted(*args, **options):
            raise MemoryError

        monkeypatch.setattr("convcli.engine.convolve", exhausted)
        result = survey.convcli("apply", "-k", "identity", photo, tmp_path / "out.png")
        assert result.exit_code == 1 and "not enough memory" in result.stderr and names(tmp_path) == ["photo.png"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize(("first", "trouble", "cured", "said"), [
    ("size=700k", None, "size=9m", "No space left on device"),
    ("size=9m", "ro", "rw", "is read-only"),
])  # fmt: skip
def test_a_disk_that_turns_bad_half_way(tmp_path, first, trouble, cured, said):
    """It fills up, or turns read-only: what is there is whole, and --resume finishes the job once the cause is gone."""
    (tmp_path / "in").mkdir()
    for i in range(16):
        pixels = RNG.integers(0, 256, (150, 200, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{i:02}.png")
    words = ["batch", "-k", "identity", tmp_path / "in"]
    assert survey.convcli(*words, tmp_path / "want").exit_code == 0
    want = {path.name: path.read_bytes() for path in (tmp_path / "want").iterdir()}
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", first, "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no mount here")
    words = [*words, disk / "out", "-j", "2", "--report", tmp_path / "r.jsonl", "--resume"]

    def remount(how):
        subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)

    try:
        if trouble:
            done = survey.convcli(*words, "--pattern", "0?.png")
            assert done.exit_code == 0
            remount(trouble)
        result = survey.convcli(*words)
        assert result.exit_code == 1 and said in result.stderr and "Traceback" not in result.stderr
        there = {path.name: path.read_bytes() for path in (disk / "out").iterdir()}
        assert 0 < len(there) < 16 and there.items() <= want.items()  # whole, and nothing beside them
        assert result.stderr.count("Failed: ") == 16 - len(there)
        remount(cured)
        result = survey.convcli(*words, "--json")
        assert result.exit_code == 0 and json.loads(result.stdout)["done"] == 16 - len(there)
        assert {path.name: path.read_bytes() for path in (disk / "out").iterdir()} == want
    finally:
        subprocess.run(["umount", disk], check=True)
