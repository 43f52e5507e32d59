"""Animations as browsers show them: pixels against a plain transcription of the specifications of APNG and GIF."""

import io
import struct
import zlib

import numpy as np
import pytest
import survey
from PIL import Image

from convcli.images import Reading

WIDTH, HEIGHT = 7, 6


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def apng(frames, color=6, depth=8, default=None, extra=()):
    """frames: (samples (h, w, channels), x, y, dispose, blend). default: a picture that is no frame."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color, 0, 0, 0)
    out = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"acTL", struct.pack(">II", len(frames), 3)), *extra]
    number = 0

    def packed(samples):
        return zlib.compress(b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in samples))

    if default is not None:
        out.append(chunk(b"IDAT", packed(default)))
    for index, (samples, x, y, dispose, blend) in enumerate(frames):
        height, width = samples.shape[:2]
        what = struct.pack(">IIIIIHHBB", number, width, height, x, y, index + 1, 100, dispose, blend)
        out.append(chunk(b"fcTL", what))
        number += 1
        if index == 0 and default is None:
            out.append(chunk(b"IDAT", packed(samples)))
        else:
            data = packed(samples)
            for part in (data[:5], data[5:]):
                out.append(chunk(b"fdAT", struct.pack(">I", number) + part))
                number += 1
    return b"".join(out) + chunk(b"IEND", b"")


def transcribed(frames, full):
    """What is seen, RGBA as floats: dispose 0 none, 1 background, 2 previous; blend 0 source, 1 over."""
    canvas = np.zeros((HEIGHT, WIDTH, 4))
    for index, (samples, x, y, dispose, blend) in enumerate(frames):
        before = canvas.copy()
        for row in range(samples.shape[0]):
            for column in range(samples.shape[1]):
                if y + row >= HEIGHT or x + column >= WIDTH:
                    continue
                *color, alpha = samples[row, column] / full
                below = canvas[y + row, x + column]
                if blend == 0:
                    canvas[y + row, x + column] = *color, alpha
                    continue
                visible = alpha + (1 - alpha) * below[3]
                if visible == 0:
                    continue
                mixed = [
                    (c * alpha + b * below[3] * (1 - alpha)) / visible for c, b in zip(color, below[:3], strict=True)
                ]
                canvas[y + row, x + column] = *mixed, visible
        yield canvas.copy()
        place = slice(y, y + samples.shape[0]), slice(x, x + samples.shape[1])
        if dispose == 1 or (dispose == 2 and index == 0):
            canvas[place] = 0
        elif dispose == 2:
            canvas = before


def seen(data):
    """Every frame as RGBA floats."""
    with Reading(data) as reading:
        for frame in reading.frames():
            full = np.iinfo(frame.pixels.dtype).max
            pixels = frame.pixels if frame.pixels.ndim == 3 else np.repeat(frame.pixels[..., None], 3, axis=2)
            alpha = np.full(frame.size, full) if frame.alpha is None else frame.alpha
            yield np.dstack([pixels, alpha]) / full


def alike(got, want, full):
    """As far as samples that are rounded in every frame can be."""
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one[..., 3], other[..., 3], atol=1.6 / full)
        np.testing.assert_allclose(one * one[..., 3:], other * other[..., 3:], atol=4 / full)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("color", [0, 2, 4, 6])
@pytest.mark.parametrize("seed", range(12))
def test_apng(seed, color, depth):
    rng, full = np.random.default_rng(seed), (1 << depth) - 1
    frames, wanted = [], []
    for index in range(6):
        width, height = (WIDTH, HEIGHT) if index == 0 else rng.integers(1, (WIDTH + 1, HEIGHT + 1))
        x, y = rng.integers(0, (WIDTH - width + 1, HEIGHT - height + 1))
        rgba = rng.integers(0, full + 1, (height, width, 4))
        rgba[..., 3][rng.random((height, width)) < 0.3] = 0
        rgba[..., 3][rng.random((height, width)) < 0.3] = full
        if color in (0, 4):
            rgba[..., 1:3] = rgba[..., :1]
        if color in (0, 2):
            rgba[..., 3] = full
        how = (int(x), int(y), int(rng.integers(0, 3)), int(rng.integers(0, 2)))
        samples = {0: rgba[..., :1], 2: rgba[..., :3], 4: rgba[..., [0, 3]], 6: rgba}[color]
        frames.append((samples, *how))
        wanted.append((rgba, *how))
    data = apng(frames, color, depth)
    alike(list(seen(data)), list(transcribed(wanted, full)), full)
    with Reading(data) as reading:
        assert [f.duration for f in reading.frames()] == [10, 20, 30, 40, 50, 60]
        assert reading.origin.loop == 3
    with Reading(data, frame=4) as reading:  # asked for alone
        lone = next(reading.frames())
    with Reading(data) as reading:
        np.testing.assert_array_equal(lone.pixels, list(reading.frames())[4].pixels)


def test_a_picture_that_is_no_frame():
    default = np.full((HEIGHT, WIDTH, 4), 9)
    frames = [(np.full((2, 3, 4), 200), 1, 1, 0, 1), (np.full((1, 1, 4), 255), 0, 0, 0, 0)]
    data = apng(frames, default=default)
    alike(list(seen(data)), list(transcribed(frames, 255)), 255)
    with Reading(data, frame=0) as reading:
        assert (next(reading.frames()).pixels == 9).all()


def test_a_transparent_colour_of_an_animation():
    frames = [(np.full((HEIGHT, WIDTH, 3), 7), 0, 0, 0, 0), (np.tile([[[1, 2, 3], [4, 5, 6]]], (1, 1, 1)), 2, 2, 0, 1)]
    second = list(seen(apng(frames, color=2, extra=[chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))])))[1] * 255
    assert second[2, 2].tolist() == [7, 7, 7, 255] and second[2, 3].tolist() == [4, 5, 6, 255]


@pytest.mark.parametrize("damage", ["few", "beyond"])
def test_frames_that_are_not_there(damage):
    from convcli.errors import ImageError

    data = apng([(np.full((HEIGHT, WIDTH, 4), 9), 0, 0, 0, 0)] * 2)
    if damage == "few":
        data = data.replace(chunk(b"acTL", struct.pack(">II", 2, 3)), chunk(b"acTL", struct.pack(">II", 5, 3)))
    else:
        data = apng([(np.full((HEIGHT, WIDTH, 4), 9), 0, 0, 0, 0), (np.full((2, 2, 4), 9), WIDTH - 1, 0, 0, 0)])
    with pytest.raises(ImageError, match="frame"):
        list(seen(data))


def codes(indices):
    """LZW codes as Pillow makes them of a gray picture: code size first."""
    stream = io.BytesIO()
    Image.fromarray(indices.astype(np.uint8)).save(stream, "GIF", optimize=False, interlace=False)
    data = stream.getvalue()
    at = data.index(b"\x2c", 13 + 768)
    return data[at + 10 : -1] if not data[at + 9] & 0x80 else data[at + 10 + 768 : -1]


def gif(frames, palette, loop=None):
    """frames: (indices, x, y, disposal, transparent or None, local palette or None, hundredths)."""
    out = b"GIF89a" + struct.pack("<HHBBB", WIDTH, HEIGHT, 0xF7, 3, 0) + palette.tobytes()
    if loop is not None:
        out += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", loop, 0)
    for indices, x, y, disposal, transparent, local, hundredths in frames:
        flags = disposal << 2 | (transparent is not None)
        out += b"\x21\xf9\x04" + struct.pack("<BHBB", flags, hundredths, transparent or 0, 0)
        height, width = indices.shape
        out += b"\x2c" + struct.pack("<HHHHB", x, y, width, height, 0x87 if local is not None else 0)
        out += (local.tobytes() if local is not None else b"") + codes(indices)
    return out + b"\x3b"


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("seed", range(15))
def test_gif(seed, count):
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    frames, wanted = [], []
    for index in range(count):
        width, height = rng.integers(1, (WIDTH + 1, HEIGHT + 1))
        if index == 0 and seed % 3 == 0:
            width, height = WIDTH, HEIGHT
        x, y = (int(v) for v in rng.integers(0, (WIDTH - width + 1, HEIGHT - height + 1)))
        indices = rng.integers(0, 8, (height, width))
        disposal, transparent = int(rng.integers(0, 4)), int(rng.integers(0, 8)) if rng.random() < 0.6 else None
        local = rng.integers(0, 256, (256, 3)).astype(np.uint8) if rng.random() < 0.4 else None
        frames.append((indices, x, y, disposal, transparent, local, index + 2))
        alpha = np.where(indices == transparent, 0, 255) if transparent is not None else np.full(indices.shape, 255)
        rgba = np.dstack([(palette if local is None else local)[indices], alpha])
        wanted.append((rgba, x, y, {2: 1, 3: 2}.get(disposal, 0), 1))
    data = gif(frames, palette, loop=0)
    alike(list(seen(data)), list(transcribed(wanted, 255)), 255)
    with Reading(data) as reading:
        assert [f.duration for f in reading.frames()] == [10 * (i + 2) for i in range(count)]


def test_a_first_frame_larger_than_the_screen():
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    data = gif([(np.full((HEIGHT + 2, WIDTH + 3), 5), 0, 0, 0, None, None, 1)], palette)
    with Reading(data) as reading:
        frame = next(reading.frames())
    assert frame.pixels.shape == (HEIGHT + 2, WIDTH + 3) and (frame.pixels == 5).all() and frame.alpha is None


def apply(*words):
    result = survey.convcli("apply", *words)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("source", ["png", "webp"])
@pytest.mark.parametrize("count", [1, 3])
def test_black_that_is_opaque_stays_so_in_gif(tmp_path, source, count):
    """Beside places that are clear, and with as many colours as a palette has room for."""
    rng = np.random.default_rng(5)
    frames = []
    for _ in range(count):
        rgba = np.zeros((16, 20, 4), np.uint8)
        rgba[..., 3] = 255
        rgba[:2, :, :3] = rng.integers(0, 256, (2, 20, 3))
        rgba[5, 5:9] = 0
        frames.append(rgba)
    path = tmp_path / f"in.{source}"
    images = [Image.fromarray(f) for f in frames]
    options = {"lossless": True, "exact": True} if source == "webp" else {}
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, **options)
    apply("-k", "identity", path, tmp_path / "out.gif")
    with Image.open(tmp_path / "out.gif") as out:
        assert getattr(out, "n_frames", 1) == count
        for index, want in enumerate(frames):
            out.seek(index)
            got = np.asarray(out.convert("RGBA"))
            np.testing.assert_array_equal(got[..., 3], want[..., 3])
            np.testing.assert_array_equal(got[want[..., 3] > 0], want[want[..., 3] > 0])


@pytest.mark.parametrize(("milliseconds", "kept"), [(16, 20), (14, 10), (25, 20), (40, 40), (655350, 655350)])
def test_durations_of_gif_are_rounded(tmp_path, milliseconds, kept):
    frames = [Image.new("RGB", (4, 4), (i * 40, 0, 0)) for i in range(2)]
    frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:], duration=milliseconds, lossless=True)
    apply("-k", "identity", tmp_path / "in.webp", tmp_path / "out.gif")
    with Image.open(tmp_path / "out.gif") as out:
        assert out.info["duration"] == kept


def test_gif_colours_are_exact_up_to_256(tmp_path):
    colors = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
    Image.fromarray(colors.reshape(16, 16, 3)).save(tmp_path / "in.png")
    apply("-k", "identity", tmp_path / "in.png", tmp_path / "out.gif")
    np.testing.assert_array_equal(survey.pixels(tmp_path / "out.gif", "RGB"), colors.reshape(16, 16, 3))
