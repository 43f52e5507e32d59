"""A picture is decoded, never run: no program is started, no other file opened, whatever the content."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import survey
from PIL import Image

from convcli.errors import ImageError
from convcli.images import Reading
from convcli.images.formats import OPENED, readable

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n(INJECTED) print flush showpage\n%%EOF\n"


def dos_eps():
    """The same with the binary header that Windows programs put before it."""
    return b"\xc5\xd0\xd3\xc6" + (30).to_bytes(4, "little") + len(EPS).to_bytes(4, "little") + bytes(18) + EPS


def iptc():
    """A newsphoto whose content Pillow gives to whichever plug-in takes it."""

    def field(record, number, value):
        return bytes([0x1C, record, number]) + len(value).to_bytes(2, "big") + value

    head = field(3, 60, b"\x01\x00") + field(3, 20, b"\x00\x20") + field(3, 30, b"\x00\x20") + field(3, 120, b"\x01")
    return head + field(8, 10, EPS)


HOSTILE = {"plain": EPS, "dos": dos_eps(), "iptc": iptc()}
COMMANDS = [
    ["apply", "-k", "box", "bad.png", "out.png"],
    ["apply", "-k", "bad.png", "good.png", "out.png"],
    ["apply", "-k", "box", "bad.tif", "out.tif", "--memory", "1M"],
    ["batch", "-k", "box", "in", "out"],
    ["batch", "-k", "box", "--gallery", "page.html", "in", "out"],
    ["compare", "-k", "box", "bad.png", "out.png"],
    ["explain", "-k", "box", "--at", "1,1", "bad.png"],
    ["plan", "-k", "box", "bad.png"],
    ["show", "bad.png"],
    ["kernels", "show", "bad.png"],
    ["kernels", "check", "bad.png"],
    ["layer", "-k", "box", "bad.png", "out.npy"],
]


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder in which every program that Pillow might start leaves a trace."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("gs", "gswin32c", "djpeg"):
        (tools / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/STARTED\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((32, 32), 90, np.uint8)).save("good.png")
    return tmp_path


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_postscript_is_refused_by_every_command(room, words, kind):
    (room / "in").mkdir()
    for name in ("bad.png", "bad.tif", "in/bad.png", "in/bad.jpg"):
        (room / name).write_bytes(HOSTILE[kind])
    done = subprocess.run(
        [sys.executable, "-m", "convcli", *words], capture_output=True, text=True, timeout=1200, check=False
    )
    assert not (room / "STARTED").exists()
    assert done.returncode in (1, 2) and "INJECTED" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "bad." in done.stderr
    if kind != "iptc":
        assert "never run" in done.stderr
    assert not any((room / name).exists() for name in ("out.png", "out.tif", "out.npy"))


def test_postscript_on_standard_input_is_refused(room):
    words = [sys.executable, "-m", "convcli", "apply", "-k", "box", "--format", "png", "-", "-"]
    done = subprocess.run(words, input=EPS, capture_output=True, timeout=1200, check=False)
    assert (done.returncode, done.stdout) == (1, b"") and b"never run" in done.stderr
    assert not (room / "STARTED").exists()


def test_no_other_plugin_is_asked(tmp_path, monkeypatch):
    """Each plug-in that is not on the list would take this file, were it asked."""
    Image.init()
    asked = []
    for name in set(Image.OPEN) - set(OPENED):
        monkeypatch.setitem(Image.OPEN, name, (lambda *_, name=name: asked.append(name), lambda prefix: True))
    (tmp_path / "a.png").write_bytes(b"nothing that anybody knows" * 9)
    with pytest.raises(ImageError, match="not a picture"):
        Reading(tmp_path / "a.png")
    assert not asked and {"EPS", "IPTC", "WMF", "GRIB", "BUFR", "HDF5"} <= set(Image.OPEN) - set(OPENED)
    assert not {".eps", ".ps", ".wmf", ".iim", ".mpg", ".h5"} & readable()


def saved(format_):
    """A picture in that format, from Pillow; None where Pillow can't write it."""
    stream = io.BytesIO()
    for mode in ("RGB", "L", "1"):
        try:
            survey.picture(mode).save(stream, format_)
        except (OSError, KeyError, ValueError):
            continue
        return stream.getvalue()
    return None


def by_hand():
    """A picture in each format that Pillow reads and can't write."""
    pcx, bmp = saved("PCX"), saved("BMP")
    cursor = bmp[14:22] + (2 * int.from_bytes(bmp[22:26], "little")).to_bytes(4, "little") + bmp[26:]
    size = bytes([bmp[18], bmp[22], 0, 0])
    card = lambda *words: b"".join(word.ljust(80).encode() for word in words)  # noqa: E731
    fits = card("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 4", "NAXIS2  = 3", "END").ljust(2880)
    frame = b"\x10\x00\x00\x00\xfa\xf1" + bytes(10)
    return {
        "CUR": b"\0\0\2\0\1\0" + size + bytes(4) + len(cursor).to_bytes(4, "little") + b"\x16\0\0\0" + cursor,
        "DCX": b"\xb1\x68\xde\x3a" + (12).to_bytes(4, "little") + bytes(4) + pcx,
        "FITS": fits + bytes(2880),
        "FLI": b"\x90\0\0\0\x11\xaf\1\0\x04\0\x03\0\x08\0".ljust(128, b"\0") + frame,
        "PSD": b"8BPS\0\1" + bytes(6) + b"\0\1\0\0\0\3\0\0\0\4\0\x08\0\1" + bytes(12) + b"\0\0" + bytes(12),
        "SUN": b"\x59\xa6\x6a\x95" + b"".join(n.to_bytes(4, "big") for n in (4, 3, 8, 12, 1, 0, 0)) + bytes(12),
        "XPM": b'/* XPM */\nstatic char * a[] = {\n"2 1 1 1",\n"x c #102030",\n"xx",\n};\n',
    }


AUDITED = """
import os, sys
from convcli.images import Reading
from PIL import Image
Image.init()
with Reading("warm.png") as reading:
    list(reading.frames())
seen = []
def heard(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        name = os.fsdecode(args[0])
        if not name.startswith((sys.prefix, sys.base_prefix)) and not name.endswith((".py", ".pyc", ".so")):
            seen.append(("open", name))
    elif event.split(".")[0] in ("subprocess", "socket", "urllib", "ftplib", "webbrowser") or event in (
        "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.startfile"):
        seen.append((event, str(args)[:80]))
sys.addaudithook(heard)
for name in sys.argv[1:]:
    seen.clear()
    with Reading(name) as reading:
        assert reading.origin.format == name.split(".")[0], reading.origin.format
        frame = next(reading.frames())
        assert frame.pixels.size
    assert {event for event in seen} <= {("open", name)}, (name, seen)
    print(name)
"""


def test_no_format_that_is_opened_starts_a_program_or_opens_another_file(tmp_path):
    made = {format_: saved(format_) or by_hand().get(format_) for format_ in OPENED}
    assert all(made.values()), [format_ for format_, content in made.items() if not content]
    for format_, content in made.items():
        (tmp_path / f"{format_}.png").write_bytes(content)
    survey.picture("RGB").save(tmp_path / "warm.png")
    names = [f"{format_}.png" for format_ in made if format_ != "DIB"]  # a BMP without its head
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, *names], cwd=tmp_path, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == names
