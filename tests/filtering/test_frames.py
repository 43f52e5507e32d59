"""Animations and pages: every frame filtered, shown as long and as often as before."""

import io
import struct

import numpy as np
import pytest
import scipy.ndimage
import survey
from PIL import Image, ImageSequence

DURATIONS = [100, 250, 40]


def drawings(clear=False):
    frames = []
    for i in range(3):
        a = np.full((30, 40, 4), (40, 90, 200, 0 if clear else 255), np.uint8)
        a[5 + 3 * i : 15 + 3 * i, 6 * i : 6 * i + 12] = (250, 200, 30, 255)
        frames.append(Image.fromarray(a) if clear else Image.fromarray(a[..., :3]))
    return frames


def save(path, clear=False, loop=3):
    first, *others = drawings(clear)
    options = {"lossless": True, "exact": True} if path.suffix == ".webp" else {}
    if path.suffix == ".gif" and clear:
        options["disposal"] = 2
    if path.suffix != ".tif":
        options |= {"duration": DURATIONS, "loop": loop}
    first.save(path, save_all=True, append_images=others, **options)


def frames(path):
    with Image.open(path) as image:
        return [np.asarray(f.convert("RGBA")).astype(int) for f in ImageSequence.Iterator(image)]


def durations(path):
    with Image.open(path) as image:
        return [round(f.info["duration"]) for f in ImageSequence.Iterator(image) if f.load() or True]


def apply(*words):
    result = survey.convcli("apply", *words)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("source", ["gif", "webp", "png"])
@pytest.mark.parametrize("target", ["gif", "webp", "png"])
def test_an_animation_stays_one(tmp_path, source, target, clear):
    a, b = tmp_path / f"in.{source}", tmp_path / f"out.{target}"
    save(a, clear)
    apply("-k", "identity", "--alpha", "keep", a, b)
    before, after = frames(a), frames(b)
    assert len(before) == len(after) == 3
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[..., 3], two[..., 3])
        seen = one[..., 3] > 0
        np.testing.assert_array_equal(one[seen], two[seen])
    assert durations(b) == DURATIONS
    with Image.open(a) as i, Image.open(b) as o:
        assert i.info["loop"] == o.info["loop"] == 3


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_every_frame_is_filtered(tmp_path, suffix):
    save(tmp_path / f"in.{suffix}")
    apply("-k", "box", "--padding-mode", "replicate", tmp_path / f"in.{suffix}", tmp_path / "out.png")
    for one, two in zip(frames(tmp_path / f"in.{suffix}"), frames(tmp_path / "out.png"), strict=True):
        want = np.stack(
            [scipy.ndimage.uniform_filter(one[..., c].astype(float), 3, mode="nearest") for c in range(3)], 2
        )
        assert np.abs(two[..., :3] - want).max() <= 0.51


def test_avif_frames(tmp_path):
    first, *others = drawings()
    first.save(tmp_path / "in.avif", save_all=True, append_images=others, duration=DURATIONS, quality=95)
    apply("-k", "identity", tmp_path / "in.avif", tmp_path / "out.avif")
    for one, two in zip(frames(tmp_path / "in.avif"), frames(tmp_path / "out.avif"), strict=True):
        assert np.abs(one - two).mean() < 4
    assert durations(tmp_path / "out.avif") == DURATIONS


@pytest.mark.parametrize("loop", [0, 1, 7])
def test_gif_loops(tmp_path, loop):
    first, *others = drawings()
    options = {} if loop == 1 else {"loop": loop}
    first.save(tmp_path / "in.gif", save_all=True, append_images=others, duration=50, **options)
    apply("-k", "identity", tmp_path / "in.gif", tmp_path / "out.gif")
    with Image.open(tmp_path / "in.gif") as one, Image.open(tmp_path / "out.gif") as two:
        assert one.info.get("loop") == two.info.get("loop")


def test_pages(tmp_path):
    save(tmp_path / "in.tif")
    apply("-k", "box", tmp_path / "in.tif", tmp_path / "out.tif")
    assert len(frames(tmp_path / "out.tif")) == 3
    assert np.abs(frames(tmp_path / "out.tif")[2] - frames(tmp_path / "in.tif")[2]).max() > 5


def test_pages_of_different_kinds(tmp_path):
    pages = [survey.picture("RGB"), survey.picture("L").resize((9, 9)), survey.picture("I;16")]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    apply("-k", "identity", tmp_path / "in.tif", tmp_path / "out.tif")
    with Image.open(tmp_path / "out.tif") as out:
        kinds = [(f.mode, f.size) for f in ImageSequence.Iterator(out)]
    assert kinds == [("RGB", (40, 24)), ("L", (9, 9)), ("I;16", (40, 24))]


@pytest.mark.parametrize("index", [0, 2, -1])
def test_one_frame(tmp_path, index):
    save(tmp_path / "in.gif")
    apply("-k", "identity", "--frame", index, tmp_path / "in.gif", tmp_path / "out.png")
    np.testing.assert_array_equal(frames(tmp_path / "out.png")[0], frames(tmp_path / "in.gif")[index])


@pytest.mark.parametrize(
    ("source", "words", "parts"),
    [
        ("in.gif", ["out.jpg"], ["in.gif has 3 frames and JPEG holds one", "--frame"]),
        ("in.gif", ["out.npy"], ["3 frames", "--frame"]),
        ("in.tif", ["out.png"], ["in.tif has 3 pages", "--frame"]),
        ("in.gif", ["--frame", "3", "out.png"], ["no frame 3", "it has 3"]),
    ],
)
def test_what_cannot_be(tmp_path, source, words, parts):
    save(tmp_path / source)
    result = survey.convcli("apply", "-k", "box", *words[:-1], tmp_path / source, tmp_path / words[-1])
    assert result.exit_code == 1 and not (tmp_path / words[-1]).exists()
    for part in parts:
        assert part in result.stderr


def test_a_second_frame_that_is_broken(tmp_path):
    save(tmp_path / "in.gif")
    data = (tmp_path / "in.gif").read_bytes()
    (tmp_path / "in.gif").write_bytes(data[: len(data) * 2 // 3])
    result = survey.convcli("apply", "-k", "box", tmp_path / "in.gif", tmp_path / "out.gif")
    assert "Traceback" not in result.output and sorted(p.name for p in tmp_path.iterdir()) in (
        ["in.gif"],
        ["in.gif", "out.gif"],
    )
    assert result.exit_code == (0 if (tmp_path / "out.gif").exists() else 1)


def reaching(size):
    """A GIF of 40x30 whose second frame is of another size."""
    parts = []
    for shape in ((30, 40), size[::-1]):
        stream = io.BytesIO()
        Image.fromarray(np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)).save(stream, "GIF")
        parts.append(stream.getvalue())
    return parts[0][:-1] + parts[1][13 + 3 * 256 :]


def test_a_later_frame_beyond_all_measure_is_refused_before_it_takes_memory(tmp_path):
    data = reaching((60, 45))
    place = data.rindex(struct.pack("<2H", 60, 45))
    (tmp_path / "in.gif").write_bytes(data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :])
    result = survey.convcli("apply", "-k", "box", tmp_path / "in.gif", tmp_path / "out.gif")
    assert result.exit_code == 1 and not (tmp_path / "out.gif").exists()
    assert "in.gif has 4,294,836,225 pixels, more than the limit of 178,956,970" in result.stderr
    assert "--max-pixels 4294836225" in result.stderr


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_a_frame_that_reaches_over_the_screen_is_cut_at_it(tmp_path, suffix):
    (tmp_path / "in.gif").write_bytes(reaching((60, 45)))
    before = frames(tmp_path / "in.gif")
    assert [f.shape for f in before] == [(30, 40, 4), (45, 60, 4)]
    apply("-k", "identity", tmp_path / "in.gif", tmp_path / f"out.{suffix}")
    after = frames(tmp_path / f"out.{suffix}")
    assert len(after) == 2
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one[:30, :40], two)


def test_the_picture_before_an_animation_is_no_frame_of_it(tmp_path):
    first, *others = drawings()
    first.save(tmp_path / "in.png", save_all=True, append_images=others, duration=[100, 40], default_image=True)
    apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.png")
    assert len(frames(tmp_path / "in.png")) == 3 and durations(tmp_path / "out.png") == [100, 40]
    for one, two in zip(others, frames(tmp_path / "out.png"), strict=True):
        np.testing.assert_array_equal(np.asarray(one), two[..., :3])
    apply("-k", "identity", "--frame", 0, tmp_path / "in.png", tmp_path / "first.png")
    np.testing.assert_array_equal(frames(tmp_path / "first.png")[0][..., :3], np.asarray(first))
