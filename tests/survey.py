"""Pictures of every mode in every format, sent through convcli: what the tests assert and the tables in docs show."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from convcli.cli import main
from convcli.images.formats import HOLDS, suffixes

SIZE = (40, 24)  # width, height
LOSSY = {"JPEG": 8, "AVIF": 20}  # and how far a pixel may be off after another round
QUANTIZED = {("GIF", "RGB"): 30}  # more than 256 colours
SUFFIX = {name: suffix for suffix, name in reversed(list(suffixes().items()))} | {"JPEG": ".jpg", "TIFF": ".tif"}
MODES = (
    "1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV",
    "I", "I;16", "I;16B", "I;16L", "I;16N", "F",
)  # fmt: skip


def smooth(channels, seed=0):
    """A gentle picture (H, W, channels), which lossy formats keep closely."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    phases = np.random.default_rng(seed).uniform(0, 6, channels)
    return np.rint(127 + 90 * np.sin(x[..., None] / 9 + y[..., None] / 7 + phases)).astype(np.uint8)


def picture(mode):
    """A picture of that mode, all its values used."""
    if mode in ("1", "P"):
        return Image.fromarray(smooth(3)).convert("L" if mode == "1" else "RGB").convert(mode)
    if mode.startswith("I;16"):
        order = ">u2" if mode == "I;16B" else "<u2"
        return Image.frombytes(mode, SIZE, (smooth(1)[..., 0].astype(np.uint16) * 257 + 3).astype(order).tobytes())
    if mode == "I":
        return Image.fromarray(smooth(1)[..., 0].astype(np.int32) * 1000 - 70000)
    if mode == "F":
        return Image.fromarray(smooth(1)[..., 0].astype(np.float32) / 100 - 1)
    bands = len(Image.new(mode, (1, 1)).getbands())
    samples = smooth(bands)
    if mode in ("La", "RGBa"):  # premultiplied colour is never more than alpha
        samples[..., :-1] = np.minimum(samples[..., :-1], samples[..., -1:])
    return Image.frombytes(mode, SIZE, samples.tobytes())


def convcli(*words, **options):
    return CliRunner().invoke(main, list(map(str, words)), **options)


def pixels(path, mode=None):
    with Image.open(path) as image:
        return np.asarray(image.convert(mode) if mode and image.mode != mode else image)


def kept(format_, mode, folder: Path):
    """A picture of `mode` in `format_`, written by Pillow, through convcli with the identity kernel into that format.

    Returns the mode that Pillow reads before and after, and the largest difference between pixels; or the sentence that
    refused it.
    """
    source = folder / f"{mode.replace(';', '')}{SUFFIX[format_]}"
    image = picture(mode)
    options = {"quality": 95, "subsampling": 0} if format_ == "JPEG" else {"quality": 95} if format_ == "AVIF" else {}
    if format_ == "WEBP":
        options = {"lossless": True, "exact": True}
    image.save(source, format_, **options)
    output = source.with_name("out-" + source.name)
    result = convcli("apply", "-k", "identity", source, output, "--alpha", "weight")
    if result.exit_code:
        return result.stderr.strip()
    with Image.open(source) as before, Image.open(output) as after:
        common = "RGBA" if after.mode in ("P", "1") else after.mode
        raw = after.mode.startswith(("I", "F"))
        one, two = (np.asarray(i if raw else i.convert(common)).astype(float) for i in (before, after))
        return before.mode, after.mode, float(np.abs(one - two).max()) if one.shape == two.shape else "shape"


def cases():
    """Every format that can be read again, with every mode that Pillow writes to it."""
    for format_ in sorted(HOLDS):
        if format_ in ("PDF", "EPS"):
            continue
        for mode in MODES:
            if writes(format_, mode):
                yield format_, mode


def writes(format_, mode):
    from io import BytesIO

    stream = BytesIO()
    stream.name = "x" + SUFFIX[format_]
    try:
        picture(mode).save(stream, format_)
        stream.seek(0)
        Image.open(stream).load()
    except Exception:
        return False
    return True
