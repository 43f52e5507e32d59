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


RULED = {
    "1": "black and white as 0 and 255", "L": "the gray", "LA": "the gray", "La": "the gray, alpha divided out",
    "P": "the palette's colours; the gray of a gray palette; alpha where it has transparency",
    "PA": "the palette's colours", "RGB": "the colours; alpha where one colour is transparent", "RGBA": "the colours",
    "RGBa": "the colours, alpha divided out", "RGBX": "the colours; X is left out", "CMYK": "the four inks",
    "YCbCr": "the colours as RGB", "LAB": "the colours as sRGB", "HSV": "the colours as RGB: hue is a circle",
    "I": "whole numbers of 32 bits as float32, exact up to 2^24; rounded again; of PGM the 16 bits",
    "I;16": "the 16 bits", "I;16B": "the 16 bits", "I;16L": "the 16 bits", "I;16N": "the 16 bits",
    "F": "float32; never saturated",
}  # fmt: skip


def modes_seen(folder):
    """Rows of the table of modes: what is filtered, and what comes out as PNG, TIFF and JPEG."""
    from convcli.images.modes import frame_of, image_of

    for mode in MODES:
        frame = frame_of(picture(mode))
        source = folder / "mode.tif"
        image_of(frame).save(source)
        outputs = []
        for suffix in ("png", "tif", "jpg"):
            output = folder / f"mode-out.{suffix}"
            result = convcli("apply", "-k", "box", "-f", source, output)
            with_ = ""
            if result.exit_code:
                with_ = "--alpha drop" if "--alpha drop" in result.stderr else "--reduce-depth"
                if frame.colors == 4:
                    with_ = ""
                    outputs.append("refused")
                    continue
                result = convcli("apply", "-k", "box", "-f", with_.split()[0], *with_.split()[1:], source, output)
            assert result.exit_code == 0, result.output
            with Image.open(output) as image:
                outputs.append(f"{image.mode} with `{with_}`" if with_ else image.mode)
        yield f"`{mode}`", RULED[mode], frame.described, *outputs


def formats_seen(folder):
    """Rows of the table of formats: what the identity kernel keeps of each mode that Pillow writes to the format."""
    from convcli.images.formats import FRAMES, LOSSLESS, QUALITY

    rows = {}
    for format_, mode in cases():
        seen = kept(format_, mode, folder)
        if isinstance(seen, str):
            continue
        before, _, difference = seen
        rows.setdefault(format_, {})[before] = difference
    for format_, seen in rows.items():
        worst = max(seen.values())
        pixels = "equal" if worst == 0 else "equal up to 256 colours" if format_ == "GIF" else "close: lossy"
        names = " ".join(sorted(s for s, f in suffixes().items() if f == format_))
        options = ["`--quality`"] * (format_ in QUALITY) + ["`--lossless`"] * (format_ in LOSSLESS)
        options += ["`--compression`"] * (format_ in ("PNG", "TIFF"))
        frames = "all" if format_ in FRAMES else "one"
        yield format_, names, " ".join(sorted(seen)), pixels, frames, ", ".join(options) or "-"


def metadata_seen(folder):
    """Rows of the table of metadata: what is still there in each format, of a file that had it all."""
    from PIL import ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8825)[1] = "N"
    source = folder / "all.jpg"
    Image.fromarray(smooth(3)).save(
        source, exif=exif, icc_profile=icc, dpi=(300, 300), xmp=b"<x:xmpmeta/>", comment=b"a remark"
    )
    formats = ("PNG", "JPEG", "TIFF", "WEBP", "AVIF", "GIF", "JPEG2000", "BMP")
    found = {
        name: []
        for name in ("orientation, in the pixels", "ICC profile", "EXIF", "resolution", "XMP", "comment", "note")
    }
    for format_ in formats:
        output = folder / f"all-out{SUFFIX[format_]}"
        assert convcli("apply", "-k", "box", "-f", source, output).exit_code == 0
        with Image.open(output) as image:
            image.load()
            said, info = image.getexif(), {**image.info}
        data = output.read_bytes()
        found["orientation, in the pixels"].append(image.size == SIZE[::-1] and said.get(0x0112, 1) == 1)
        found["ICC profile"].append(info.get("icc_profile") == icc)
        found["EXIF"].append(said.get(0x010F) == "Maker")
        found["resolution"].append(round(info.get("dpi", (0, 0))[0]) == 300)
        found["XMP"].append(b"x:xmpmeta" in bytes(info.get("xmp", b"")))
        found["comment"].append(b"a remark" in data)
        found["note"].append(b"convcli 0" in data)
    yield "", *formats
    for name, row in found.items():
        yield name, *("kept" if there else "-" for there in row)
