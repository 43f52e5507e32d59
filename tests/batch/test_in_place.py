"""convcli batch in the same folder: whatever happens, no picture is filtered twice. The kernel adds 10: pixels tell."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import kills
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.batch import work as batch_module
from convcli.batch.listing import FileJob
from convcli.batch.report import Report
from convcli.batch.work import Work
from convcli.cli import main
from convcli.errors import AccessError
from convcli.files import stamp
from convcli.filtering.recipe import Recipe
from convcli.kernel import Kernel

COUNT = 6


def convcli(*words):
    return CliRunner().invoke(main, ["batch", "-k", "plus10.yaml", *map(str, words)])


RESUME = ("in", "in", "-f", "--report", "r.jsonl", "--resume", "--json")


@pytest.fixture
def album(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plus10.yaml").write_text("weights: [[1]]\nbias: 10\n")
    (tmp_path / "in").mkdir()
    for i in range(COUNT):
        save(tmp_path / "in" / f"{i}.png", i)
    return tmp_path


def save(path, value):
    Image.fromarray(np.full((9, 12), value, np.uint8)).save(path)


def added(folder, count=COUNT):
    """What was added to the pixels of each picture, which was i in the picture i."""
    found = []
    for i in range(count):
        with Image.open(folder / f"{i}.png") as image:
            low, high = image.getextrema()
        assert low == high
        found.append(low - i)
    return found


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_killed_run_that_is_resumed_filters_once():
    counts = kills.run_in_place(20)
    assert counts.pop("runs that were killed") > 5 and not counts.pop("resumed runs that failed")
    assert counts == {"filtered 1 times": 600}


def test_the_line_of_intent_is_on_the_disk_before_the_picture_is_replaced(album, monkeypatch):
    seen, synced = [], []
    real, sync = os.replace, os.fsync

    def replace(part, target, **words):
        if str(target).endswith(".png"):
            intent = lines(album / "r.jsonl")[-1]
            seen.append((intent["status"], intent["input_digest"], intent["output_digest"]))
            assert synced[-1] == (album / "r.jsonl").stat().st_ino
        return real(part, target, **words)

    monkeypatch.setattr("os.fsync", lambda fd: synced.append(os.fstat(fd).st_ino) or sync(fd))
    monkeypatch.setattr("os.replace", replace)
    assert convcli(*RESUME, "-j", "1").exit_code == 0
    done = [line for line in lines(album / "r.jsonl") if line["status"] == "done"]
    assert seen == [("writing", line["input_digest"], line["output_digest"]) for line in done] and len(seen) == COUNT


def test_a_report_that_can_take_no_more(album, monkeypatch):
    """The disk is full between the intent and the line that says done; then before the intent."""
    real = Report.add
    monkeypatch.setattr(Report, "add", lambda self, record: (_ for _ in ()).throw(AccessError("the disk is full")))
    assert convcli(*RESUME).exit_code == 1 and 10 in added(album / "in")
    monkeypatch.setattr(Report, "add", real)
    assert convcli(*RESUME).exit_code == 0 and added(album / "in") == [10] * COUNT
    assert {line["input"] for line in lines(album / "r.jsonl") if line["status"] == "done"} == {
        f"in/{i}.png" for i in range(COUNT)
    }
    again = convcli(*RESUME)
    assert json.loads(again.stdout)["skipped"] == COUNT and added(album / "in") == [10] * COUNT


@pytest.mark.parametrize("limit", range(100, 3000, 290))
def test_a_full_disk_under_the_report(album, limit):
    def full():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [Path(sys.executable).with_name("convcli"), "batch", "-k", "plus10.yaml", *RESUME]
    stopped = subprocess.run(command, capture_output=True, text=True, preexec_fn=full, timeout=1200)
    assert stopped.returncode == 1 and "report r.jsonl can't be written: No space left on device" in stopped.stderr
    assert set(added(album / "in")) <= {0, 10}
    assert convcli(*RESUME).exit_code == 0 and added(album / "in") == [10] * COUNT


@pytest.mark.parametrize("report", [(), ("--report", "r.jsonl")])
def test_a_retry_after_a_replacement_that_was_said_to_have_failed(album, monkeypatch, report):
    """As network file systems do: it is carried out, and the answer is lost."""
    real = os.replace

    def replace(part, target, **words):
        real(part, target, **words)
        if str(target).endswith(".png"):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.replace", replace)
    monkeypatch.setattr(batch_module, "_PAUSE", 0.001)
    result = convcli("in", "in", "-f", "--retries", "2", "--json", *report)
    assert result.exit_code == 0 and json.loads(result.stdout)["done"] == COUNT
    assert added(album / "in") == [10] * COUNT


def test_another_worker_does_the_file_of_one_that_was_lost(album):
    """The first has replaced the picture, and nobody has heard of it."""
    recipe = Recipe((Kernel([[1]], bias=10),))
    job = FileJob("in/0.png", "in/0.png", seen=stamp("in/0.png"))
    with Report("r.jsonl") as report:
        for _ in range(3):
            work = Work(recipe, force=True, prove=True, intents=report.intents(), base=str(album))
            assert work.do(job).status == "done"
    assert added(album / "in", 1) == [10] and len(lines(album / "r.jsonl")) == 1
    lost = Work(recipe, force=True, base=str(album)).do(job)  # without a report nobody knows
    assert lost.status == "failed" and "in/0.png is no longer the picture that was listed" in lost.reason
    assert added(album / "in", 1) == [10]


@pytest.mark.parametrize("torn", [b"", b'{"input": "in/5.png", "ou', b'{"input": "0"}'])
def test_a_worker_that_outlives_its_run(album, monkeypatch, torn):
    """It replaces a picture while the next run, which has read the report already, looks at the folder."""
    works, real, do = [], Report.__init__, Work.do

    def init(self, path, append=False):
        real(self, path, append)
        for i in (1, 3):  # after the report was read, before the pictures are looked at
            job = FileJob(f"in/{i}.png", f"in/{i}.png", seen=stamp(f"in/{i}.png"))
            assert works[0].do(job).status == "done"

    with monkeypatch.context() as patch:
        patch.setattr(Work, "do", lambda self, job: works.append(self) or do(self, job))
        assert convcli(*RESUME, "--pattern", "0.png").exit_code == 0
    with (album / "r.jsonl").open("ab") as stream:
        stream.write(torn)
    with monkeypatch.context() as patch:
        patch.setattr(Report, "__init__", init)
        told = json.loads(convcli(*RESUME).stdout)
    assert added(album / "in") == [10] * COUNT and told["done"] == COUNT - 3 and told["skipped"] == 3


def test_a_picture_that_changes_while_it_is_filtered_is_left_alone(album, monkeypatch):
    real = batch_module.filter_file

    def slow(source, *others, when_complete, **words):
        def late(stream):
            save(source, 77)
            when_complete(stream)

        return real(source, *others, when_complete=late, **words)

    monkeypatch.setattr(batch_module, "filter_file", slow)
    result = convcli("in", "in", "-f", "--report", "r.jsonl", "--pattern", "0.png")
    assert result.exit_code == 1 and "in/0.png has changed while it was filtered; nothing was written" in result.stderr
    assert added(album / "in", 1) == [77]


def test_resume_does_not_guess(album):
    """A picture that is neither what was read nor what was made; and one that was put back."""
    kept = (album / "in/1.png").read_bytes()
    assert convcli(*RESUME).exit_code == 0
    save(album / "in/0.png", 200)
    (album / "in/1.png").write_bytes(kept)
    result = convcli(*RESUME)
    assert (
        result.exit_code == 1 and "in/0.png is neither the picture that an earlier run read nor what" in result.stderr
    )
    assert added(album / "in") == [200, *[10] * (COUNT - 1)]
    other = convcli(*RESUME, "--bias", "20")  # another recipe is another piece of work
    assert other.exit_code == 0 and added(album / "in") == [220, *[30] * (COUNT - 1)]


def test_the_same_folder_by_other_names(album):
    (album / "link").symlink_to("in")
    for name in ("link", f"file://{album}/in"):
        refused = convcli("in", name, "-f", "--resume")
        assert refused.exit_code == 2 and "--resume in the same folder needs --report" in refused.stderr
    for i, name in enumerate(("in", "link", f"file://{album}/in")):
        words = (name, f"file://{album}/in", "-f", "--report", f"{i}.jsonl")
        assert convcli(*words).exit_code == 0
        intents = lines(album / f"{i}.jsonl")[0]
        assert intents["status"] == "writing" and convcli(*words, "--resume").exit_code == 0
        assert added(album / "in") == [10 * (i + 1)] * COUNT


def test_outputs_that_are_links_to_the_pictures(album):
    (album / "out").mkdir()
    for i in range(COUNT):
        (album / "out" / f"{i}.png").symlink_to(f"../in/{i}.png")
    words = ("in", "out", "-f", "--report", "r.jsonl", "--resume")
    for _ in range(2):
        assert convcli(*words).exit_code == 0 and added(album / "in") == [10] * COUNT


def test_two_names_of_one_picture(album):
    """Links inside the folder, and two links to a picture outside."""
    save(album / "far.png", 0)
    for name, target in (("x.png", "0.png"), ("y.png", "../far.png"), ("z.png", "../far.png")):
        (album / "in" / name).symlink_to(target)
    result = convcli("in", "in", "-f")
    assert result.exit_code == 1 and result.stderr.count("Failed: ") == 2
    assert "in/x.png is another name of in/0.png; in the same folder it would be filtered twice" in result.stderr
    assert "in/z.png is another name of in/y.png" in result.stderr
    assert added(album / "in") == [10] * COUNT
    with Image.open(album / "far.png") as far:
        assert far.getextrema() == (10, 10)


def test_what_can_not_be_made_sure_is_refused(album):
    result = convcli("in", "in", "-f", "--cluster", "local")
    assert result.exit_code == 2 and "--cluster in the same folder needs --report" in result.stderr
    os.mkfifo(album / "pipe")
    threading.Thread(target=(album / "pipe").read_bytes, daemon=True).start()
    for report in ("pipe", "/dev/null"):
        result = convcli("in", "in", "-f", "--report", report)
        assert (
            result.exit_code == 2 and f"{report} is no file; in the same folder --report must be one" in result.stderr
        )
    assert added(album / "in") == [0] * COUNT


@pytest.mark.cluster
@pytest.mark.parametrize("turn", range(6))
def test_workers_that_are_killed(album, turn):
    """The command goes on with the others; nothing is done twice, and what nobody could do is said to have failed."""
    count, rng = 60, np.random.default_rng(turn)
    for i in range(count):
        save(album / "in" / f"{i}.png", i)
    command = [Path(sys.executable).with_name("convcli"), "batch", "-k", "plus10.yaml", *RESUME, "--cluster", "local"]
    running = subprocess.Popen(command, stdout=-1, stderr=-1, text=True)
    while running.poll() is None and not ((album / "r.jsonl").exists() and len(lines(album / "r.jsonl")) > 4):
        time.sleep(0.01)
    for _ in range(2):
        time.sleep(rng.uniform(0, 0.3))
        for worker in workers_of(running.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
    _, stderr = running.communicate(timeout=1200)
    assert "Traceback" not in stderr and set(added(album / "in", count)) <= {0, 10}
    again = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert again.returncode == 0, again.stderr
    assert added(album / "in", count) == [10] * count


def workers_of(pid):
    """The processes that a command with --cluster local has started to filter."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(words["PPid"]) == pid and b"spawn_main" in command:
            found.append(int(status.parent.name))
    return sorted(found)
