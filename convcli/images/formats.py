"""File formats: which one a suffix names, and what each can hold."""

from __future__ import annotations

from pathlib import Path

from convcli.errors import RecipeError
from convcli.files.names import folder_of, is_url, printable_path

# Pillow's modes that each format preserves, or that it holds in quantized or thresholded form.
HOLDS: dict[str, tuple[str, ...]] = {
    "AVIF": ("L", "RGB", "RGBA"),
    "BMP": ("L", "RGB"),
    "DDS": ("L", "LA", "RGB", "RGBA"),
    "DIB": ("L", "RGB"),
    "EPS": ("L", "RGB", "CMYK"),
    "GIF": ("L", "RGB", "RGBA"),
    "ICO": ("L", "LA", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "CMYK", "I;16"),
    "MSP": ("1",),
    "PCX": ("L", "RGB"),
    "PDF": ("L", "LA", "RGB", "RGBA", "CMYK"),
    "PNG": ("L", "LA", "RGB", "RGBA", "I;16"),
    "PPM": ("L", "RGB", "I;16", "F"),
    "QOI": ("RGB", "RGBA"),
    "SGI": ("L", "RGB", "RGBA"),
    "TGA": ("L", "LA", "RGB", "RGBA"),
    "TIFF": ("L", "LA", "RGB", "RGBA", "CMYK", "I;16", "F", "I"),
    "WEBP": ("RGB", "RGBA"),
    "XBM": ("1",),
}
# The most pixels per side that the format can store, or that its usual decoder reads.
SIDES = {
    "AVIF": 32768, "GIF": 65535, "ICO": 256, "JPEG": 65500, "MSP": 65535, "PCX": 65534, "PDF": 65500, "SGI": 65535,
    "TGA": 65535, "WEBP": 16383,
}  # fmt: skip

# The formats that are read, whatever the suffix, in the order they are tried: plug-ins of Pillow that start no program,
# read no other file and do the decoding themselves. EPS passes its content to Ghostscript, IPTC to any plug-in, and
# WMF, BUFR, GRIB and HDF5 to any registered handler.
OPENED = (
    "PNG", "JPEG", "GIF", "BMP", "PPM", "DIB", "AVIF", "CUR", "PCX", "DCX", "DDS", "FITS", "FLI", "JPEG2000", "ICNS",
    "ICO", "TIFF", "MSP", "PSD", "QOI", "SGI", "SUN", "TGA", "WEBP", "XBM", "XPM",
)  # fmt: skip
POSTSCRIPT = (b"%!PS", b"\xc5\xd0\xd3\xc6")  # how EPS begins; a program, not a picture

FRAMES = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")  # more than one picture in a file
QUALITY = ("JPEG", "WEBP", "AVIF", "JPEG2000")
LOSSLESS = ("WEBP", "JPEG2000")  # lossy or lossless, by option
NPY = "NPY"  # the responses themselves, as a NumPy array

# Common suffixes, which are known without importing Pillow's forty plug-ins.
_COMMON = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".bmp": "BMP",
    ".gif": "GIF", ".ppm": "PPM", ".pgm": "PPM", ".npy": NPY,
}  # fmt: skip


def format_of(path: str | Path, word: str | None = None) -> str:
    """Return the format to write: the one that `word` names (png, .png), else the one of the path's suffix."""
    file = folder_of(path)[1] if is_url(path) else path
    suffix = "." + word.lower().lstrip(".") if word else Path(file).suffix.lower()
    if not suffix:
        name = "standard output" if str(path) == "-" else printable_path(path)
        raise RecipeError(f"{name} has no suffix that names a format; add one, or say --format png")
    if suffix in _COMMON:
        return _COMMON[suffix]
    known = suffixes()
    if suffix in known:
        return known[suffix]
    raise RecipeError(
        f"{printable_path(suffix)} names no format that can be written; choose from {' '.join(sorted(known))}"
    )


def suffixes() -> dict[str, str]:
    """Return the format of every suffix that can be written."""
    from PIL import Image

    Image.init()
    known = {suffix: name for suffix, name in Image.registered_extensions().items() if name in HOLDS}
    return {**known, ".npy": NPY}


def readable() -> frozenset[str]:
    """Return the suffixes of all formats that can be read."""
    from PIL import Image

    Image.init()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in OPENED)
