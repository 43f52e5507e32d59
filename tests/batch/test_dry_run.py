"""convcli batch --dry-run: the plan of the run, told instead of done. Each is held against the run itself."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.cli import main


def convcli(*words):
    return CliRunner().invoke(main, ["batch", "-k", "box", *map(str, words)])


def tree():
    return {path: (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in Path().rglob("*")}


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Done under this recipe: 0 and 1, of which 1 was changed; there already: 2; new: 3, 4."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for i in range(5):
        Image.fromarray(np.full((5, 6), i, np.uint8)).save(f"in/{i}.png")
    assert convcli("in", "out", "--report", "r.jsonl", "--pattern", "[01].png").exit_code == 0
    Image.fromarray(np.full((5, 7), 9, np.uint8)).save("in/1.png")
    shutil.copy("in/2.png", "out/2.png")


def told(result):
    """Each picture with what is said of it, of a dry run or of a verbose one."""
    found = {}
    for line in (result.stdout + result.stderr).splitlines():
        kind, _, rest = line.partition(": ")
        if kind in ("Done", "Skipped", "Failed"):
            name = next(part for part in rest.replace(":", " ").split() if part.endswith(".png"))
            found[Path(name).name] = rest if kind == "Failed" else kind
        elif " -> " in line and ".png" in line:
            found[Path(line.partition(" -> ")[0]).name] = "Done"
    return found


CHOICES = [
    ((), ("--resume",)),
    ((), ("--report", "r.jsonl"), ("--report", "new.jsonl")),
    ((), ("--force",), ("--if-exists", "skip"), ("--if-exists", "overwrite"), ("--if-exists", "fail")),
    ((), ("--on-error", "stop"), ("--bias", "3")),
    ("out", "in"),
]


@pytest.mark.parametrize("words", list(itertools.product(*CHOICES)))
def test_a_dry_run_tells_what_the_run_does(album, words):
    *options, output = words
    words = ("in", output, "-j", "1", *itertools.chain(*options))
    before = tree()
    plan = convcli(*words, "--dry-run")
    assert tree() == before
    run = convcli(*words, "--verbose")
    assert plan.exit_code == run.exit_code, (plan.output, run.output)
    assert told(plan) == told(run)
    if run.exit_code == 2:
        assert plan.stderr == run.stderr


def test_what_is_said_of_each(album):
    plan = convcli("in", "out", "--resume", "--if-exists", "fail", "--report", "r.jsonl", "-n")
    assert plan.stdout.splitlines() == [
        "Skipped: in/0.png: finished earlier", "Failed: out/1.png exists; --force overwrites it",
        "Failed: out/2.png exists; --force overwrites it", "in/3.png -> out/3.png", "in/4.png -> out/4.png",
    ]  # fmt: skip
    assert plan.stderr == "5 pictures: 2 to do, 1 skipped, 2 failed; nothing was written.\n" and plan.exit_code == 1
    assert convcli("in", "new", "-n").stderr == "5 pictures; nothing was written.\n"


def test_what_can_not_be_listed_fails_in_both(album):
    Path("in/loop.png").symlink_to("0.png")
    for more in ((), ("-n",)):
        result = convcli("in", "in", "-f", *more)
        assert result.exit_code == 1 and "Failed: in/loop.png is another name of in/0.png" in result.output
