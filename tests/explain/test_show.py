"""`convcli show` and `apply --show`: the colours of the picture reach the terminal, or characters by its light."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from convcli.cli import main
from convcli.errors import ConvcliError
from convcli.explain.terminal import show, style_of
from convcli.images.eight_bit import picture_of

SCENE = Path(__file__).parents[2] / "samples" / "scene.png"


def convcli(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def screen(width=80, **how):
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor", _environ={}, **how)


def cells(text):
    """The (upper, lower) colours of every half block, line by line."""
    pattern = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")
    lines = [[tuple(map(int, m)) for m in pattern.findall(line)] for line in text.splitlines()]
    return [line for line in lines if line]


def test_half_blocks_have_the_colours_of_the_picture():
    a = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)
    console = screen(width=4)
    show(console, [("a", a)], "blocks")
    drawn = np.array(cells(console.file.getvalue()))
    assert drawn.shape == (3, 4, 6)
    np.testing.assert_array_equal(drawn[:, :, :3], a[0::2])
    np.testing.assert_array_equal(drawn[:, :, 3:], a[1::2])


@pytest.mark.parametrize("width", [20, 80, 120, 200])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pictures_stand_side_by_side_and_fit(width, count):
    wide, high = np.zeros((30, 90, 3), np.uint8), np.full((90, 30, 3), 255, np.uint8)
    console = screen(width=width, height=25)
    show(console, [("wide", wide), ("high", high), ("again", wide)][:count], "blocks")
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in console.file.getvalue().splitlines()]
    assert len(lines) <= 24 and max(map(len, lines)) <= width
    assert lines[-1].split()[0] == "wide"
    if count > 1 and width > 20:
        assert {(0,) * 6, (255,) * 6} == {cell for line in cells(console.file.getvalue()) for cell in line}


def test_characters_by_light():
    a = np.repeat(np.linspace(0, 255, 10, dtype=np.uint8)[None, :, None], 2, axis=0).repeat(3, axis=2)
    console = Console(file=io.StringIO(), width=10)
    show(console, [("ramp", a)], "text")
    assert console.file.getvalue() == " .:-=+*#%@\nramp\n"


def test_no_color_and_dumb_terminals_and_pipes_get_plain_text():
    words = [sys.executable, "-m", "convcli", "show", str(SCENE)]
    for extra, coloured in (({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
                            ({"TERM": "dumb"}, False)):  # fmt: skip
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")}
        env = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | env | extra
        done = subprocess.run(words, capture_output=True, env=env, timeout=1200, check=True)
        assert (b"\x1b[" in done.stdout) == coloured, extra
        assert ("▀" in done.stdout.decode()) == coloured, extra


def test_before_and_after_of_apply(tmp_path):
    done = convcli("apply", "-k", "sobel-x", "--show", SCENE, tmp_path / "out.png")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[-1].startswith(str(SCENE)[:20]) and len(lines) > 10
    assert (tmp_path / "out.png").exists()


def test_any_picture_becomes_rgb_over_gray(tmp_path):
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:, :, 1] = 255
    for name, image, want in (
        ("clear.png", Image.fromarray(clear), [128, 128, 128]),
        ("gray.png", Image.fromarray(np.full((4, 4), 77, np.uint8)), [77, 77, 77]),
        ("deep.png", Image.fromarray(np.full((4, 4), 65535, np.uint16)), [255, 255, 255]),
        ("ink.tif", Image.new("CMYK", (4, 4)), [255, 255, 255]),
    ):
        image.save(tmp_path / name)
        assert picture_of(tmp_path / name)[0, 0].tolist() == want, name


def test_graphics_only_where_the_terminal_has_them():
    assert style_of(screen(), "auto") == "blocks"
    assert style_of(screen(no_color=True), "auto") == "text"
    with pytest.raises(ConvcliError, match=r"no kitty or sixel graphics.*half blocks are drawn"):
        style_of(screen(), "graphics")


def test_a_dumb_terminal_is_asked_nothing_and_gets_characters(monkeypatch):
    monkeypatch.setattr("convcli.explain.terminal._library", lambda: pytest.fail("the terminal was asked"))
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert style_of(dumb, "auto") == "text"


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1", "TERM": "xterm-256color"}, {"TERM": "dumb"}])
def test_terminals_without_colour_get_no_escape_sequence(setting):
    """In a process of its own on a terminal of its own; bold and dim are sequences too."""
    import pty

    ours, theirs = pty.openpty()
    environment = {
        key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")
    }
    for words in (["explain", "-k", "sobel-x", str(SCENE)], ["show", str(SCENE)]):
        subprocess.run([sys.executable, "-m", "convcli", *words], stdin=theirs, stdout=theirs, check=True, timeout=1200,
                       env={**environment, **setting, "COLUMNS": "60", "LINES": "20"})  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other end is closed
        pass
    assert b"sobel-x" in said and b"scene.png" in said and b"\x1b" not in said


def test_graphics_are_the_librarys(monkeypatch):
    """Sixel as a terminal would get it, through the extra's renderable."""
    sixel = pytest.importorskip("textual_image.renderable.sixel", reason="the extra `show` is not installed")
    from convcli.explain import terminal

    monkeypatch.setattr(terminal, "_library", lambda: sixel.Image)
    a = np.full((20, 30, 3), 200, np.uint8)
    console = screen(width=40)
    show(console, [("before", a), ("after", a)], "auto")
    assert "\x1bP" in console.file.getvalue() and "before" in console.file.getvalue()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["show", "none.png"], 1, "none.png does not exist"),
        (["show", __file__], 1, "is not a picture"),
        (["show"], 2, "Missing argument"),
        (["show", "--style", "graphics", SCENE], 1, "no kitty or sixel graphics"),
        (["apply", "-k", "sobel-x", "--show", SCENE, "-", "--format", "png"], 2, "--show draws two picture files"),
        (["apply", "-k", "sobel-x", "--show", SCENE, "out.npy"], 2, "--show draws two picture files"),
    ],
)
def test_bad_input_is_named(words, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = convcli(*words)
    assert done.exit_code == code and message in " ".join(done.stderr.split()) and not list(tmp_path.iterdir())
