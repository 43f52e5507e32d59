"""Outputs appear whole or not at all."""

import os
import stat
import sys
from pathlib import Path

import pytest

from convcli.errors import ConvcliError
from convcli.files import check_output, open_output
from convcli.files.names import printable_path


def write(path, content=b"new", force=False):
    with open_output(path, force) as stream:
        stream.write(content)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_new_file(tmp_path):
    write(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"new" and names(tmp_path) == ["a.png"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    old = tmp_path / "a.png"
    old.write_bytes(b"old")
    with pytest.raises(RuntimeError), open_output(old, True) as stream:
        stream.write(b"half")
        stream.flush()
        assert old.read_bytes() == b"old"
        raise RuntimeError
    assert old.read_bytes() == b"old" and names(tmp_path) == ["a.png"]
    write(old, force=True)
    assert old.read_bytes() == b"new" and names(tmp_path) == ["a.png"]


def test_an_interrupt_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_output(tmp_path / "a.png", False) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    with pytest.raises(ConvcliError, match="--force"), open_output(tmp_path / "a.png", False) as stream:
        (tmp_path / "a.png").write_bytes(b"other")
        stream.write(b"new")
    assert (tmp_path / "a.png").read_bytes() == b"other" and names(tmp_path) == ["a.png"]


def test_what_a_killed_run_left_is_taken_over(tmp_path):
    (tmp_path / ".a.png.convcli-part").write_bytes(b"a long half of a picture")
    write(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"new" and names(tmp_path) == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="locks are POSIX's")
def test_two_writers_of_one_file(tmp_path):
    with open_output(tmp_path / "a.png", False) as first:
        first.write(b"first")
        with pytest.raises(ConvcliError, match="being written by another process"):
            write(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"first" and names(tmp_path) == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        write(tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    link.symlink_to(real)
    with pytest.raises(ConvcliError, match="--force"):
        check_output(link, False)
    check_output(link, True)
    write(link, force=True)
    assert link.is_symlink() and real.read_bytes() == b"new" and names(tmp_path / "there") == ["real.png"]


def test_a_link_to_nothing_is_refused(tmp_path):
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "nothing.png")
    with pytest.raises(ConvcliError, match="link to nothing"):
        check_output(link, True)
    assert not (tmp_path / "nothing.png").exists()


def test_a_device_is_written_to(tmp_path):
    check_output("/dev/null", False)
    write("/dev/null")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_long_name(tmp_path):
    name = "n" * 250 + ".png"
    write(tmp_path / name)
    assert names(tmp_path) == [name]


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(ConvcliError, match=r"can't be written: File name too long"):
        write(tmp_path / ("n" * 300 + ".png"))


def test_names_are_shown_on_one_line():
    assert printable_path("a\nb.png") == "a\\nb.png"
    assert printable_path(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"
    assert printable_path("café.png") == "café.png"
