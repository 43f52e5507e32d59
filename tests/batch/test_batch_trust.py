"""convcli batch: reports, resuming, retries, Ctrl-C, and disks that misbehave."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.batch import work as batch_module
from convcli.batch.listing import FileJob, Listing
from convcli.batch.report import EarlierReport
from convcli.batch.run import run_jobs
from convcli.batch.work import Result
from convcli.cli import main
from convcli.cli.batch_progress import StopOnSignal
from convcli.errors import AccessError

RNG = np.random.default_rng(7)
AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def convcli(*words):
    return CliRunner().invoke(main, ["batch", "-k", "box", *map(str, words)])


def save(path, size=(9, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def album(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(6):
        save(tmp_path / "in" / f"{i}.png")
    return tmp_path


def test_a_line_says_all_that_is_needed(album):
    assert convcli("in", "out", "--report", "r.jsonl").exit_code == 0
    found = {line["input"]: line for line in lines(album / "r.jsonl")}
    assert sorted(found) == [f"in/{i}.png" for i in range(6)]
    line = found["in/3.png"]
    assert line["output"] == "out/3.png" and line["status"] == "done" and line["size"] == [9, 12]
    assert line["recipe"].startswith("box 3x3") and len(line["kernel_digest"]) == len(line["recipe_digest"]) == 64
    assert line["output_digest"] == digests(album / "out")["3.png"]
    assert line["input_stamp"] == [(album / "in/3.png").stat().st_size, (album / "in/3.png").stat().st_mtime_ns]


def test_resume_redoes_exactly_what_is_not_proven(album):
    assert convcli("in", "out", "--report", "r.jsonl", "--resume").exit_code == 0
    want = digests(album / "out")
    (album / "out/0.png").unlink()  # lost
    (album / "out/1.png").write_bytes(b"spoilt")  # changed
    save(album / "in/2.png")  # another input
    os.utime(album / "out/3.png")  # touched, but the same content
    report = (album / "r.jsonl").read_bytes().splitlines(keepends=True)
    report = [line for line in report if b'"in/4.png"' not in line] + [b'{"input": "in/4.png", "out']  # cut off
    (album / "r.jsonl").write_bytes(b"".join(report))
    result = convcli("in", "out", "--report", "r.jsonl", "--resume", "--json")
    figures = json.loads(result.stdout)
    assert result.exit_code == 0 and (figures["done"], figures["skipped"]) == (4, 2)
    now = digests(album / "out")
    assert {name for name in want if now[name] != want[name]} == {"2.png"}
    again = json.loads(convcli("in", "out", "--report", "r.jsonl", "--resume", "--json").stdout)
    assert (again["done"], again["skipped"]) == (0, 6)


def test_resume_with_another_recipe_redoes_everything(album):
    convcli("in", "out", "--report", "r.jsonl")
    for words in (("--divisor", "18"), ("--divisor", "18", "--padding-mode", "reflect")):
        result = convcli("in", "out", "--report", "r.jsonl", "--resume", "--json", *words)
        assert json.loads(result.stdout)["done"] == 6
    assert json.loads(result.stdout)["skipped"] == 0


def test_resume_does_not_repeat_lines(album):
    for _ in range(3):
        convcli("in", "out", "--report", "r.jsonl", "--resume")
    assert len(lines(album / "r.jsonl")) == 6


def test_resume_in_place_filters_once(album):
    assert convcli("in", "in", "-f", "--report", "r.jsonl", "--resume").exit_code == 0
    once = digests(album / "in")
    assert json.loads(convcli("in", "in", "-f", "--report", "r.jsonl", "--resume", "--json").stdout)["done"] == 0
    assert digests(album / "in") == once
    result = convcli("in", "in", "-f", "--resume")
    assert result.exit_code == 2 and "--resume in the same folder needs --report" in result.stderr


@pytest.mark.parametrize(("words", "code", "changed"), [
    ((), 1, False), (("--if-exists", "fail"), 1, False), (("--if-exists", "skip"), 0, False),
    (("--if-exists", "overwrite"), 0, True), (("--force",), 0, True),
])  # fmt: skip
def test_if_exists(album, words, code, changed):
    (album / "out").mkdir()
    (album / "out/2.png").write_bytes(b"old")
    result = convcli("in", "out", *words)
    assert result.exit_code == code and len(digests(album / "out")) == 6
    assert ((album / "out/2.png").read_bytes() != b"old") == changed
    assert ("out/2.png exists; --force" in result.stderr) == (code == 1)


def test_contradictions(album):
    for words in (("-f", "--if-exists", "skip"), ("--quiet", "--verbose")):
        result = convcli("in", "out", *words)
        assert result.exit_code == 2 and "contradict each other" in result.stderr


def test_retries_are_for_input_and_output(album, monkeypatch):
    tries = []

    def flaky(source, *others, **words):
        tries.append(source)
        if source.endswith("1.png") and tries.count(source) < 3:
            raise AccessError("in/1.png can't be read: the line is down")
        return real(source, *others, **words)

    real = batch_module.filter_file
    monkeypatch.setattr(batch_module, "filter_file", flaky)
    monkeypatch.setattr(batch_module, "_PAUSE", 0.001)
    (album / "in/0.png").write_bytes(b"no picture")
    result = convcli("in", "out", "--retries", "2", "--report", "r.jsonl")
    assert result.exit_code == 1 and tries.count("in/1.png") == 3 and tries.count("in/0.png") == 1
    assert {line["input"]: line.get("tries") for line in lines(album / "r.jsonl")}["in/1.png"] == 3
    assert "line is down" in convcli("in", "new", "--pattern", "1.png").stderr or tries.count("in/1.png") == 4


def test_what_is_said(album):
    (album / "in/5.png").write_bytes(b"")
    quiet = convcli("in", "a", "--quiet")
    assert quiet.stdout == "" and quiet.stderr == "Failed: in/5.png is empty\n"
    verbose = convcli("in", "b", "--verbose")
    assert "Done: in/0.png -> b/0.png" in verbose.stderr and "Slowest: in/" in verbose.stderr
    figures = json.loads(convcli("in", "c", "--json").stdout)
    assert (figures["planned"], figures["done"], figures["failed"], figures["not_begun"]) == (6, 5, 1, 0)
    assert len(figures["slowest"]) == 3 and figures["interrupted"] is False


def test_progress_is_told_while_no_file_finishes(album, monkeypatch):
    monkeypatch.setattr("convcli.cli.batch_progress._EVERY", 0.01)
    real = batch_module.filter_file
    monkeypatch.setattr(batch_module, "filter_file", lambda *words, **more: time.sleep(0.2) or real(*words, **more))
    assert "0 of 6 files\n" in convcli("in", "out").stderr and "of 6 files" not in convcli("in", "b", "--quiet").stderr


def test_without_standard_error(album):
    closed = subprocess.run(command("in", "out", "--json"), stdout=-1, preexec_fn=lambda: os.close(2), timeout=1200)
    assert closed.returncode == 0 and json.loads(closed.stdout)["done"] == 6


def test_an_odd_name_stays_one_line(album):
    (album / "in/5.png").rename(album / "in" / "two\nlines.png")
    (album / "in" / os.fsdecode(b"latin-\xe9.png")).write_bytes((album / "in/0.png").read_bytes())
    for done in (7, 0):
        result = convcli("in", "out", "--report", "r.jsonl", "--resume", "--verbose", "--json")
        assert result.exit_code == 0 and json.loads(result.stdout)["done"] == done
    assert r"two\nlines.png" in result.stderr and len(lines(album / "r.jsonl")) == 7


def test_a_file_that_vanishes(album, monkeypatch):
    listed = list(Listing("in", "out"))
    monkeypatch.setattr(Listing, "__iter__", lambda self: iter(listed))
    (album / "in/3.png").unlink()
    result = convcli("in", "out")
    assert result.exit_code == 1 and "in/3.png does not exist" in result.stderr
    assert len(digests(album / "out")) == 5


def test_folders_that_differ_in_case_clash(album):
    save(album / "in/Sub/a.png")
    save(album / "in/sub/A.png")
    result = convcli("-r", "in", "out")
    assert result.exit_code == 1 and "would both write" in result.stderr and not (album / "out").exists()


def test_a_full_disk(album, monkeypatch):
    """Half way, nothing can be written any more; later it can."""
    real, room = os.open, [3]

    def full(path, flags, *others, **words):
        if str(path).endswith(".convcli-part"):
            room[0] -= 1
            if room[0] < 0:
                raise OSError(28, os.strerror(28), path)
        return real(path, flags, *others, **words)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        result = convcli("in", "out", "-j", "1", "--report", "r.jsonl")
    assert result.exit_code == 1 and result.stderr.count("No space left on device") == 3
    assert len(list((album / "out").iterdir())) == 3
    assert convcli("in", "out", "--report", "r.jsonl", "--resume").exit_code == 0
    assert convcli("in", "fresh").exit_code == 0 and digests(album / "fresh") == digests(album / "out")


def test_a_report_that_can_not_be_written(album):
    for report, why in (("/dev/full", "No space left on device"), ("missing/r.jsonl", "No such file or directory")):
        result = convcli("in", "out", "--report", report)
        assert result.exit_code == 1 and f"report {report} can't be written: {why}" in result.stderr


def test_a_report_on_a_full_disk_is_whole_lines(album):
    """The disk is full in the middle of a line; the line is gone, and every file gets one once there is room."""
    limit = 2500

    def full():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = command("in", "out", "-j", "1", "--report", "r.jsonl", "--resume", "--json")
    stopped = subprocess.run(words, capture_output=True, text=True, preexec_fn=full, timeout=1200)
    assert stopped.returncode == 1 and stopped.stderr.endswith(
        "report r.jsonl can't be written: No space left on device\n"
    )
    early = len(lines(album / "r.jsonl"))
    assert 0 < early < 6 and (album / "r.jsonl").read_bytes().endswith(b"}\n")
    again = subprocess.run(words, capture_output=True, text=True, timeout=1200)
    assert again.returncode == 0 and json.loads(again.stdout)["done"] == 6 - early
    found = {Path(line["output"]).name: line["output_digest"] for line in lines(album / "r.jsonl")}
    assert found == digests(album / "out") and len(lines(album / "r.jsonl")) == 6


@pytest.mark.parametrize(("end", "kept"), [
    (b'{"input": "in/', []), (b'{"input": "x"}', [b'{"input": "x"}']), (b"a note", [b"a note"]), (b"", []),
])  # fmt: skip
def test_a_report_that_was_cut_off_is_mended(album, end, kept):
    """No reader of the lines has to know of it; what is no half line stays."""
    (album / "r.jsonl").write_bytes(b'{"input": "0"}\n' + end)
    assert convcli("in", "out", "--report", "r.jsonl", "--resume").exit_code == 0
    found = (album / "r.jsonl").read_bytes().splitlines()
    assert found[:-6] == [b'{"input": "0"}', *kept]
    assert {json.loads(line)["status"] for line in found[-6:]} == {"done"}


def test_an_empty_report_proves_nothing(album):
    """The disk was full before the first line, say."""
    assert convcli("in", "out").exit_code == 0
    (album / "r.jsonl").touch()
    assert json.loads(convcli("in", "out", "--report", "r.jsonl", "--resume", "--json").stdout)["done"] == 6


@AS_ROOT
def test_a_read_only_folder(album):
    (album / "out").mkdir(mode=0o500)
    result = convcli("in", "out")
    assert result.exit_code == 1 and result.stderr.count("is read-only") == 6


def test_the_listing_is_lazy_and_stable(album):
    for name in ("b/x.png", "a/y.png", "a/c/z.png", "b/.z.png.convcli-part", "b/notes.txt"):
        save(album / "in" / name) if name.endswith("png") else (album / "in" / name).touch()
    names = [job.source for job in Listing("in", "out", recursive=True)]
    assert names == [*(f"in/{i}.png" for i in range(6)), "in/a/y.png", "in/a/c/z.png", "in/b/x.png"]
    first = next(iter(Listing("in", "out", recursive=True)))
    assert first == FileJob("in/0.png", "out/0.png")


def test_few_jobs_are_in_hand():
    asked, given = [], []

    def jobs():
        for i in range(200):
            asked.append(i)
            yield FileJob(str(i), "")

    with ThreadPoolExecutor(2) as pool:
        for result in run_jobs(jobs(), lambda job: Result(job, "done"), pool, capacity=lambda: 4):
            given.append(int(result.job.source))
            assert len(asked) - len(given) <= 4
    assert sorted(given) == list(range(200))


def test_many_empty_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for i in range(3000):
        (tmp_path / "in" / f"{i}.png").touch()
    result = convcli("in", "out", "--report", "r.jsonl", "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["failed"] == 3000
    assert len({line["input"] for line in lines(tmp_path / "r.jsonl")}) == 3000 == len(lines(tmp_path / "r.jsonl"))


def test_a_past_of_many_lines(tmp_path):
    report = tmp_path / "r.jsonl"
    with report.open("w") as stream:
        for status in ("failed", "done"):
            for i in range(500):
                stream.write(json.dumps({"input": f"i{i}", "output": f"o{i}", "status": status}) + "\n")
        stream.write(json.dumps({"input": "i7", "output": "o7", "status": "failed"}) + "\nrubbish\n[1]\n")
    past = EarlierReport(report)
    assert [line.status for line in past.lines("i3", "o3")] == ["done", "failed"]
    assert [line.status for line in past.lines("i7", "o7")] == ["failed", "done", "failed"]
    assert not list(past.lines("i3", "o4")) and not list(past.lines("none", ""))


@pytest.mark.parametrize("line", [
    b"[" * 100_000, b'{"a":' * 100_000, b"{" * 100_000, b"9" * 10_000, b"\xff\0", b"null", b'{"input": 1}',
])  # fmt: skip
def test_a_line_that_is_none_of_ours_is_passed_over(album, line):
    for torn in (b"", b"\n"):
        (album / "r.jsonl").write_bytes(line + torn)
        shutil.rmtree(album / "out", ignore_errors=True)
        result = convcli("in", "out", "--report", "r.jsonl", "--resume", "--json")
        assert result.exit_code == 0 and json.loads(result.stdout)["done"] == 6
        again = convcli("in", "out", "--report", "r.jsonl", "--resume", "--json")
        assert again.exit_code == 0 and json.loads(again.stdout)["skipped"] == 6


ODD = [None, [], {}, "", "ab", 5, [1], ["a", "b"], [[], []], [None, None], {"0": 1}, [1, 2, 3], 1e400, [10**400, 1]]


@pytest.mark.parametrize("key", [
    "input", "output", "status", "recipe_digest", "input_stamp", "output_stamp", "output_digest", "input_digest",
])  # fmt: skip
def test_a_line_with_an_odd_value_proves_nothing(album, key):
    """And ends nothing: its file is done again, the others stay. A digest proves also where a stamp doesn't."""
    assert convcli("in", "out", "--report", "r.jsonl").exit_code == 0
    whole = lines(album / "r.jsonl")
    for value in ODD:
        spoilt = [line | {key: value} if line["input"] == "in/3.png" else line for line in whole]
        (album / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in spoilt))
        result = convcli("in", "out", "--report", "r.jsonl", "--resume", "--json")
        figures = json.loads(result.stdout)
        harmless = {"output_stamp", "input_digest"}
        assert result.exit_code == 0 and figures["done"] <= 1 and (figures["done"] == 1 or key in harmless), value


def test_a_stamp_is_that_of_what_was_written(album, monkeypatch):
    """Another run puts its file in the output's place just after: the line tells of ours, and proves nothing of it."""
    real = os.replace

    def replace(part, target, **words):
        real(part, target, **words)
        if str(target).endswith("3.png"):
            Path(target).write_bytes(b"of another run")

    monkeypatch.setattr("os.replace", replace)
    convcli("in", "out", "--report", "r.jsonl")
    monkeypatch.undo()
    monkeypatch.chdir(album)
    assert (album / "out/3.png").read_bytes() == b"of another run"
    line = {line["input"]: line for line in lines(album / "r.jsonl")}["in/3.png"]
    assert line["output_stamp"] != [14, (album / "out/3.png").stat().st_mtime_ns]
    assert json.loads(convcli("in", "out", "--report", "r.jsonl", "--resume", "--json").stdout)["done"] == 1
    assert digests(album / "out")["3.png"] == line["output_digest"]


def command(*words):
    return [Path(sys.executable).with_name("convcli"), "batch", "-k", "box:size=3", *map(str, words)]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_goes_on(tmp_path, monkeypatch, how):
    """Ctrl-C, or worse, in the middle; then the same command with --resume: nothing lost, twice or partial."""
    monkeypatch.chdir(tmp_path)
    for i in range(40):
        save(tmp_path / "in" / f"{i:02}.png", (300, 400))
    words = ("in", "out", "-j", "2", "--report", "r.jsonl", "--json", "--resume")
    running = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 1200
    while not ((tmp_path / "r.jsonl").exists() and (tmp_path / "r.jsonl").read_bytes().count(b"\n") >= 5):
        assert time.monotonic() < until and running.poll() is None
        time.sleep(0.005)
    running.send_signal(how)
    if how == signal.SIGTERM:  # as `timeout` does
        running.send_signal(how)
    stdout, stderr = running.communicate(timeout=1200)
    early = len(lines(tmp_path / "r.jsonl"))
    assert 5 <= early < 40 and "Traceback" not in stderr
    if how != signal.SIGKILL:
        figures = json.loads(stdout)
        assert running.returncode == 128 + how and figures["done"] == early and figures["interrupted"] is True
        assert "--resume goes on" in stderr and figures["not_begun"] == 40 - early
        assert not list((tmp_path / "out").glob(".*"))
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0 and json.loads(done.stdout)["skipped"] in (early, early - 1)
    assert not list((tmp_path / "out").glob(".*"))
    found = {line["output"]: line["output_digest"] for line in lines(tmp_path / "r.jsonl")}
    assert len(found) == 40 == len(lines(tmp_path / "r.jsonl"))
    assert {Path(name).name: value for name, value in found.items()} == digests(tmp_path / "out")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_line(monkeypatch, how):
    """It comes while standard error is being written to, whose buffer belongs to that write."""

    class Slow(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            if not came:
                came.append(how)
                signal.raise_signal(how)
            return len(data)

    came = []
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(Slow())))
    with StopOnSignal() as halt:
        click.echo("Done: in/a.png -> out/a.png", err=True)
        assert halt.asked and halt.exit_code == 128 + how


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes have one size")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_nobody_reads(album, how):
    """Standard error is a full pipe; it is read once the signal was sent, and the run ends as it does elsewhere."""
    for i in range(6, 150):
        shutil.copy(album / "in/0.png", album / "in" / f"{i}.png")
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    running = subprocess.Popen(command("in", "out", "-v", "-j", "1", "--report", "r.jsonl"), stderr=write, env=buffered)
    os.close(write)
    until = time.monotonic() + 1200
    while waiting_in(read) < 4000:
        assert time.monotonic() < until and running.poll() is None
        time.sleep(0.01)
    time.sleep(0.1)
    running.send_signal(how)
    with os.fdopen(read, "rb") as stream:
        told = stream.read().decode()
    assert running.wait(1200) == 128 + how and "Traceback" not in told
    assert "Interrupted; the same command with --resume goes on" in told and "150 done" not in told


def waiting_in(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
