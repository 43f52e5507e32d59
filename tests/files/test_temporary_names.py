"""The temporary name beside an output, which others on the machine can guess: what stands there is not taken over."""

import os
import stat
import subprocess
import sys

import pytest

from convcli.errors import AccessError
from convcli.files import open_output
from convcli.files.zarr_folder import whole_store

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534


def write(path, content=b"new", force=False):
    with open_output(path, force) as stream:
        stream.write(content)


@pytest.fixture
def part(tmp_path):
    """The temporary name of out.png."""
    return tmp_path / ".out.png.convcli-part"


@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "precious.txt"
    path.write_bytes(b"precious")
    return path


def test_a_hard_link_there_keeps_its_target(tmp_path, part, precious):
    part.hardlink_to(precious)
    write(tmp_path / "out.png")
    assert precious.read_bytes() == b"precious" and (tmp_path / "out.png").read_bytes() == b"new"
    assert not part.exists() and not (tmp_path / "out.png").samefile(precious)


def test_a_link_there_keeps_its_target(tmp_path, part, precious):
    part.symlink_to(precious)
    write(tmp_path / "out.png")
    assert precious.read_bytes() == b"precious" and (tmp_path / "out.png").read_bytes() == b"new"
    assert not (tmp_path / "out.png").is_symlink() and not part.is_symlink()


def test_a_pipe_there_is_not_waited_for(tmp_path, part):
    os.mkfifo(part)
    write(tmp_path / "out.png")
    assert stat.S_ISREG((tmp_path / "out.png").stat().st_mode)


def test_a_folder_there_is_told(tmp_path, part):
    part.mkdir()
    with pytest.raises(AccessError, match=r"out\.png can't be written: .*convcli-part is in the way"):
        write(tmp_path / "out.png")
    assert part.is_dir() and not (tmp_path / "out.png").exists()


def test_the_mode_is_ours_whatever_was_there(tmp_path, part):
    part.write_bytes(b"left")
    part.chmod(0o666)
    before = os.umask(0o077)
    try:
        write(tmp_path / "out.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o600


@pytest.mark.skipif(not ROOT, reason="only root can give a file to another user")
class TestAnothersFile:
    def test_is_not_the_output(self, tmp_path, part):
        part.write_bytes(b"theirs")
        os.chown(part, NOBODY, -1)
        part.chmod(0o666)
        write(tmp_path / "out.png")
        info = (tmp_path / "out.png").stat()
        assert info.st_uid == os.geteuid() and not info.st_mode & 0o022

    def test_that_can_not_be_removed_is_told(self, tmp_path):
        """In a folder for all, as /tmp is, where the sticky bit keeps everybody's files."""
        folder = tmp_path / "all"
        folder.mkdir()
        (folder / ".out.png.convcli-part").write_bytes(b"theirs")
        (folder / ".out.png.convcli-part").chmod(0o666)
        for place in folder.parents:
            if place.stat().st_mode & 0o7777 != 0o700:
                break
            place.chmod(0o755)  # pytest keeps its folders from others
        folder.chmod(0o1777)
        script = (
            "from convcli.files import open_output\n"
            "try:\n    with open_output('out.png', True) as stream: stream.write(b'new')\n"
            "except Exception as error: print(type(error).__name__, error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", f"import convcli.files.local, os\nos.setuid({NOBODY})\n{script}"],
            cwd=folder, capture_output=True, text=True, timeout=1200, check=False,
        )  # fmt: skip
        assert done.stdout.startswith("AccessError ") and ".out.png.convcli-part is in the way" in done.stdout
        assert (folder / ".out.png.convcli-part").read_bytes() == b"theirs" and not (folder / "out.png").exists()

    def test_folder_is_not_the_zarr(self, tmp_path):
        part = tmp_path / ".out.zarr.convcli-part"
        part.mkdir(mode=0o777)
        (part / "0").write_bytes(b"theirs")
        os.chown(part, NOBODY, -1)
        with whole_store(tmp_path / "out.zarr", False) as store:
            (store / "zarr.json").write_bytes(b"{}")
        info = (tmp_path / "out.zarr").stat()
        assert info.st_uid == os.geteuid() and [path.name for path in (tmp_path / "out.zarr").iterdir()] == [
            "zarr.json"
        ]


def test_a_link_in_the_place_of_the_zarrs_folder_keeps_its_target(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_bytes(b"precious")
    (tmp_path / ".out.zarr.convcli-part").symlink_to("precious")
    with whole_store(tmp_path / "out.zarr", False) as store:
        (store / "zarr.json").write_bytes(b"{}")
    assert (tmp_path / "precious" / "file").read_bytes() == b"precious"
    assert not (tmp_path / "out.zarr").is_symlink() and (tmp_path / "out.zarr" / "zarr.json").exists()


def test_who_loses_the_temporary_name_renames_nothing(tmp_path, part):
    with pytest.raises(AccessError, match="taken by another process"), open_output(tmp_path / "out.png", False) as out:
        out.write(b"new")
        part.unlink()
        part.write_bytes(b"another's half")
    assert part.exists() and not (tmp_path / "out.png").exists()
