"""convcli batch: a folder, and what goes wrong in one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli import filter_image
from convcli.cli import main

RNG = np.random.default_rng(6)


def run(*words):
    return CliRunner().invoke(main, ["batch", *map(str, words)])


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    a = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
    Image.fromarray(a).save(path)
    return a


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "in"
    for name in ("a.png", "b.bmp", "deep/c.png", "deep/er/d.tif"):
        save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    return folder


def test_a_folder(album, tmp_path):
    result = run("-k", "sharpen", album, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert tree(tmp_path / "out") == ["a.png", "b.bmp"]
    for name in ("a.png", "b.bmp"):
        want = filter_image(np.asarray(Image.open(album / name)), "sharpen")
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / name)), want)
    assert "2 done, 0 failed in " in result.stderr and result.stdout == ""


def test_recursive_mirrors_the_tree(album, tmp_path):
    assert run("-k", "identity", "-r", album, tmp_path / "out").exit_code == 0
    assert tree(tmp_path / "out") == ["a.png", "b.bmp", "deep/c.png", "deep/er/d.tif"]


def test_patterns(album, tmp_path):
    assert (
        run("-k", "identity", "-r", "--pattern", "*.bmp", "--pattern", "deep/c*", album, tmp_path / "o").exit_code == 0
    )
    assert tree(tmp_path / "o") == ["b.bmp", "deep/c.png"]


def test_format(album, tmp_path):
    assert run("-k", "identity", "--format", "webp", album, tmp_path / "out").exit_code == 0
    assert tree(tmp_path / "out") == ["a.webp", "b.webp"]
    with Image.open(tmp_path / "out" / "b.webp") as image:
        assert image.format == "WEBP"


def test_dry_run_writes_nothing(album, tmp_path):
    result = run("-k", "identity", "-r", "--dry-run", "--format", "jpg", album, tmp_path / "out")
    assert result.exit_code == 0 and not (tmp_path / "out").exists()
    lines = result.stdout.splitlines()
    assert len(lines) == 4 and lines[0].endswith("out/a.jpg") and "a.png -> " in lines[0]


def test_one_job_is_many_jobs(album, tmp_path):
    for jobs in ("1", "4"):
        assert run("-k", "box", "-r", "-j", jobs, album, tmp_path / jobs).exit_code == 0
    assert tree(tmp_path / "1") == tree(tmp_path / "4")
    assert all((tmp_path / "1" / n).read_bytes() == (tmp_path / "4" / n).read_bytes() for n in tree(tmp_path / "1"))


def test_a_bad_file_is_named_and_the_rest_done(album, tmp_path):
    (album / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    (album / "empty.jpg").touch()
    result = run("-k", "identity", album, tmp_path / "out")
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert "broken.png is" in result.stderr and "empty.jpg is empty" in result.stderr
    assert tree(tmp_path / "out") == ["a.png", "b.bmp"]


def test_a_kernel_that_fits_only_some(album, tmp_path):
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(album / "small.png")
    result = run("-k", "box:size=9", "--padding", "valid", album, tmp_path / "out")
    assert result.exit_code == 1 and "small.png: the kernel does not fit" in result.stderr
    assert tree(tmp_path / "out") == ["a.png", "b.bmp"]


def test_stop_on_error(album, tmp_path):
    (album / "0.png").touch()
    for i in range(20):
        save(album / f"x{i}.png")
    result = run("-k", "identity", "--on-error", "stop", "-j", "1", album, tmp_path / "out")
    assert result.exit_code == 1 and len(tree(tmp_path / "out")) < 5


@pytest.mark.parametrize("names", [("a.png", "a.bmp"), ("A.jpg", "a.jpg")])
def test_two_inputs_for_one_output(tmp_path, names):
    for name in names:
        save(tmp_path / "in" / name)
    result = run("-k", "identity", "--format", "png", tmp_path / "in", tmp_path / "out")
    assert result.exit_code == 1 and not (tmp_path / "out").exists()
    for part in (*names, "would both write", "--pattern"):
        assert part in result.stderr


def test_an_output_folder_inside_is_not_eaten(album):
    for _ in range(2):
        assert run("-k", "identity", "-r", "-f", album, album / "deep" / "out").exit_code == 0
    assert tree(album / "deep" / "out") == ["a.png", "b.bmp", "deep/c.png", "deep/er/d.tif"]


def test_the_same_folder_needs_force(album):
    before = (album / "a.png").read_bytes()
    result = run("-k", "box", album, album)
    assert result.exit_code == 1 and "exists; --force" in result.stderr and (album / "a.png").read_bytes() == before
    want = filter_image(np.asarray(Image.open(album / "a.png")), "box")
    assert run("-k", "box", "-f", album, album).exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(album / "a.png")), want)


def test_resume_skips_what_is_done(album, tmp_path):
    out = tmp_path / "out"
    assert run("-k", "identity", "--resume", album, out).exit_code == 0
    (out / "b.bmp").unlink()
    stamp = (out / "a.png").stat().st_mtime_ns
    result = run("-k", "identity", "--resume", "--report", tmp_path / "r.jsonl", album, out)
    assert result.exit_code == 0 and tree(out) == ["a.png", "b.bmp"]
    assert (out / "a.png").stat().st_mtime_ns == stamp
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert {Path(line["input"]).name: line["status"] for line in lines} == {"a.png": "skipped", "b.bmp": "done"}


def test_report(album, tmp_path):
    (album / "empty.png").touch()
    run("-k", "identity", "--report", tmp_path / "r.jsonl", album, tmp_path / "out")
    lines = {Path(x["input"]).name: x for x in map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())}
    assert lines["a.png"]["status"] == "done" and lines["a.png"]["size"] == [12, 17]
    assert lines["empty.png"]["status"] == "failed" and "empty" in lines["empty.png"]["reason"]


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (["missing", "out"], 1, ["missing does not exist"]),
        (["file.png", "out"], 1, ["file.png is not a folder", "convcli apply"]),
        (["bare", "out"], 1, ["bare holds no picture", "--recursive"]),
        (["bare", "out", "--pattern", "*.gif"], 1, ["bare holds no picture that matches *.gif"]),
        (["in", "file.png"], 1, ["file.png is not a folder"]),
        (["in", "file.png/out"], 1, ["file.png is not a folder"]),
        (["in", "out", "--format", "xyz"], 2, [".xyz"]),
        (["in", "out", "--jobs", "0"], 2, ["--jobs"]),
    ],
)
def test_bad_input(album, tmp_path, monkeypatch, words, code, parts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare").mkdir()
    (tmp_path / "file.png").touch()
    result = run("-k", "identity", *words)
    assert result.exit_code == code and not (tmp_path / "out").exists()
    for part in parts:
        assert part in result.stderr


def test_a_folder_that_cannot_be_made_is_told_once(album, tmp_path, monkeypatch):
    monkeypatch.setattr("convcli.batch.listing.os.access", lambda path, mode: False)
    result = run("-k", "identity", album, tmp_path / "closed" / "out")
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "can't be made" in result.stderr and f"{tmp_path} is read-only" in result.stderr


def test_the_installed_command(album, tmp_path):
    command = [Path(sys.executable).with_name("convcli"), "batch", "-k", "box", album, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0 and tree(tmp_path / "out") == ["a.png", "b.bmp"]
    assert done.stdout == "" and "\x1b" not in done.stderr
