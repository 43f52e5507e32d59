"""Pillow's modes: which samples of a picture are filtered, and which mode holds the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.errors import ImageError
from convcli.files.names import printable_path
from convcli.images.picture import Frame

_STRIP = 1 << 19  # bytes copied from Pillow at a time


@dataclass(frozen=True)
class Rule:
    """How a mode becomes arrays: converted to mode `work`, whose first `colors` samples are filtered; then alpha."""

    work: str
    colors: int
    alpha: bool = False
    dtype: str = "uint8"


RULES = {
    "1": Rule("L", 1),
    "L": Rule("L", 1),
    "LA": Rule("LA", 1, alpha=True),
    "La": Rule("LA", 1, alpha=True),
    "P": Rule("RGB", 3),
    "PA": Rule("RGBA", 3, alpha=True),
    "RGB": Rule("RGB", 3),
    "RGBX": Rule("RGB", 3),
    "RGBA": Rule("RGBA", 3, alpha=True),
    "RGBa": Rule("RGBA", 3, alpha=True),
    "CMYK": Rule("CMYK", 4),
    "YCbCr": Rule("RGB", 3),
    "HSV": Rule("RGB", 3),
    "LAB": Rule("RGB", 3),
    "I;16": Rule("I;16", 1, dtype="uint16"),
    "I;16B": Rule("I;16B", 1, dtype="uint16"),
    "I;16L": Rule("I;16L", 1, dtype="uint16"),
    "I;16N": Rule("I;16N", 1, dtype="uint16"),
    "I": Rule("I", 1, dtype="float32"),
    "F": Rule("F", 1, dtype="float32"),
}


def rule_of(image: Image.Image) -> Rule:
    """Return the rule for a picture: that of its mode, unless its palette or a transparent colour requires another."""
    rule = RULES.get(image.mode)
    if rule is None:
        raise ImageError(
            f"pictures of mode {printable_path(image.mode)} can't be filtered; convert it to RGB or gray first"
        )
    clear = "transparency" in image.info
    if image.mode == "P" and image.palette is not None and _gray(image):
        return Rule("LA", 1, alpha=True) if clear else Rule("L", 1)
    if clear and image.mode in ("P", "RGB"):
        return Rule("RGBA", 3, alpha=True)
    if clear and image.mode in ("1", "L"):
        return Rule("LA", 1, alpha=True)
    if image.mode == "I" and image.format == "PPM":
        return Rule("I", 1, dtype="uint16")
    return rule


def frame_of(image: Image.Image) -> Frame:
    """Return the picture's samples, copied strip by strip so that Pillow makes no second copy of the whole."""
    rule = rule_of(image)
    clear = image.info.get("transparency")
    width, height = image.size
    pixels = np.empty((height, width) if rule.colors == 1 else (height, width, rule.colors), rule.dtype)
    alpha = np.empty((height, width), rule.dtype) if rule.alpha else None
    step = max(1, _STRIP // (4 * width))
    if image.mode == rule.work in ("RGB", "CMYK"):
        _unpack(image, pixels.reshape(-1), step * pixels[0].nbytes)
        return Frame(pixels)
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(top + step, height)))
        samples = np.asarray(_converted(strip, rule.work))
        if alpha is None:
            pixels[top : top + step] = samples
        else:
            pixels[top : top + step] = samples[..., 0] if rule.colors == 1 else samples[..., :3]
            alpha[top : top + step] = samples[..., -1]
    if rule.dtype == "uint16" and isinstance(clear, int):
        alpha = np.where(pixels == clear, 0, 65535).astype(np.uint16)
    return Frame(pixels, alpha, integer=rule.work == "I" and rule.dtype == "float32")


def _unpack(image: Image.Image, samples: NDArray[np.uint8], step: int) -> None:
    """Copy the picture's samples into `samples`, `step` bytes at a time: Pillow's tobytes without joining the parts."""
    encoder = Image._getencoder(image.mode, "raw", (image.mode,))
    encoder.setimage(image.im, (0, 0, *image.size))
    at, ended = 0, 0
    while not ended:
        _, ended, part = encoder.encode(step)
        samples[at : at + len(part)] = np.frombuffer(part, np.uint8)
        at += len(part)
    if ended < 0 or at != samples.size:
        raise RuntimeError(f"Pillow gave {at} of {samples.size} samples")


def image_bytes(image: Image.Image) -> int:
    """Return the bytes that a decoded picture takes, in Pillow's memory and as our samples together."""
    rule = rule_of(image)
    stored = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode.startswith("I;16") else 4)
    samples = (rule.colors + rule.alpha) * np.dtype(rule.dtype).itemsize
    return image.width * image.height * (stored + samples)


def image_of(frame: Frame) -> Image.Image:
    """Convert a frame to a Pillow image of mode L, LA, RGB, RGBA, CMYK, I;16, I or F."""
    height, width = frame.size
    pixels, mode = frame.pixels, {1: "L", 3: "RGB", 4: "CMYK"}[frame.colors]
    if frame.integer:
        mode = "I"
        bounds = np.iinfo(np.int32)
        pixels = np.rint(pixels.astype(np.float64)).clip(bounds.min, bounds.max).astype(np.int32)
    elif pixels.dtype.kind == "f":
        mode = "F"
    elif pixels.dtype.itemsize == 2:
        mode = "I;16"
    if frame.alpha is not None:
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
        pixels = np.dstack([pixels, frame.alpha])
    pixels = np.ascontiguousarray(pixels)
    if mode not in ("LA", "RGB"):
        return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)
    image = Image.new(mode, (width, height), None)  # Pillow's own layout: None avoids filling it twice
    image.frombytes(pixels.data, "raw", mode, 0, 1)
    return image


def _converted(strip: Image.Image, mode: str) -> Image.Image:
    if strip.mode == mode:
        return strip
    if strip.mode == "LAB":
        return _from_lab(strip)
    if strip.mode in ("La", "RGBa"):
        return strip.convert({"La": "LA", "RGBa": "RGBA"}[strip.mode])
    if strip.mode == "P" and mode in ("L", "LA"):
        strip = strip.convert("RGBA" if mode == "LA" else "RGB")
    return strip.convert(mode)


def _from_lab(strip: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(strip, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def _gray(image: Image.Image) -> bool:
    """Return whether all colours of the palette are gray, without decoding the pixels, as image.getpalette would."""
    bare = Image.new("P", (1, 1))
    if image.palette is not None:
        bare.putpalette(image.palette)
    colors = np.array(bare.getpalette("RGB") or [], np.uint8)
    triples = colors[: len(colors) // 3 * 3].reshape(-1, 3)
    return bool((triples == triples[:, :1]).all())
