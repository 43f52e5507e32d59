"""Decoding that begins before the rest of the program is there: the same pictures, and the same sentences."""

import os
import threading

import numpy as np
import pytest
import survey
from PIL import Image

from convcli.images import Reading, early


@pytest.fixture
def photo(tmp_path):
    y, x = np.mgrid[:90, :70]
    pixels = np.stack([127 + 120 * np.sin(x / (3 + c) + y / (5 - c)) for c in range(3)], 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", exif=exif, dpi=(100, 100), comment=b"words")
    return tmp_path / "photo.jpg"


def read(path, begun):
    with Reading(str(path), ahead=early.start_decoding(str(path)) if begun else None) as reading:
        (frame,) = reading.frames()
        return frame.pixels, reading.metadata, reading.origin, reading.size


def test_what_is_read_is_the_same(photo):
    now, before = read(photo, True), read(photo, False)
    assert (now[0] == before[0]).all() and now[1:] == before[1:]


def test_what_is_damaged_is_told_in_the_same_words(photo):
    data = bytearray(photo.read_bytes())
    scan = data.index(b"\xff\xda")
    for name, broken in {"cut": data[:-300], "head": data[: scan - 40], "scan": data[:scan] + b"\xff\xda" * 99}.items():
        (photo.parent / f"{name}.jpg").write_bytes(broken)
        said = []
        for begun in (True, False):
            try:
                said.append(read(photo.parent / f"{name}.jpg", begun)[0].tobytes())
            except ValueError as error:
                said.append(str(error))
        assert said[0] == said[1]


def test_other_files_are_left_alone(photo, monkeypatch):
    folder = photo.parent
    Image.open(photo).save(folder / "other.png")
    os.mkfifo(folder / "pipe")
    (folder / "lie.jpg").write_bytes(b"\xff\xd8\xff" + bytes(99))
    for name in ("other.png", "pipe", "lie.jpg", "nothing.jpg", ".", "-", "https://example.org/a.jpg", "a\0b"):
        assert early.start_decoding(str(folder / name) if name[0] not in "-ha" else name) is None
    monkeypatch.setattr(early, "_MOST", 90 * 70 - 1)
    assert early.start_decoding(str(photo)) is None


def test_a_recipe_that_is_wrong_does_not_leave_a_thread_behind(photo):
    others = set(threading.enumerate())  # of tests before this one
    done = survey.convcli("apply", "-k", "box:size=999", "--padding", "valid", photo, photo.parent / "out.png")
    assert done.exit_code == 2 and "999" in done.stderr and not (photo.parent / "out.png").exists()
    for thread in set(threading.enumerate()) - others:
        if not thread.daemon:
            thread.join(10)
            assert not thread.is_alive()


def test_more_pixels_than_allowed_are_refused_all_the_same(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # which a limit of ours sets; put back afterwards
    done = survey.convcli("apply", "-k", "box", "--max-pixels", 6299, photo, photo.parent / "out.png")
    assert done.exit_code == 1 and "more than the limit of 6,299" in done.stderr
