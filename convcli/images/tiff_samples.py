"""The layout of a TIFF page's samples: bits and format, photometric interpretation, extra samples.

Used for pages read at once and for those read in rows. TIFF 6.0, sections 8 and 16 to 20.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ImageError
from convcli.images.picture import Frame
from convcli.ranges import full_scale

Array = NDArray[Any]

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 258, 259, 262, 277, 284
_COLORMAP, _INKS, _EXTRA, _FORMAT, _DEPTH = 320, 332, 338, 339, 32997
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _CIELAB = 0, 1, 2, 3, 5, 6, 8
_COLORS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_NAMES = {
    4: "transparency mask", 6: "YCbCr", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32803: "colour filter array",
    32844: "LogL", 32845: "LogLuv", 34892: "linear raw",
}  # fmt: skip
_PREMULTIPLIED, _ALPHA = 1, (1, 2, 999)  # extra samples that are alpha; Corel Draw wrote 999
_MOST_SAMPLES = 32  # per pixel: all are decoded, though only a few are used
_JPEG = (6, 7, 34892, 33007)
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}  # sample formats; 4 is "undefined", which is read as unsigned


@dataclass(frozen=True)
class Layout:
    """The layout of a page's samples, from its tags; `frame` converts samples to pixels.

    bits, kind: of a stored sample, which is unsigned (u), signed (i) or floating point (f).
    stored: colour samples per pixel in the file. colors: those of the result, which are three for a palette.
    alpha: the index of the alpha sample. veiled: whether colours are premultiplied with alpha.
    """

    bits: int
    kind: str
    stored: int
    colors: int
    inverted: bool
    palette: Array | None
    alpha: int | None
    veiled: bool

    @property
    def integer(self) -> bool:
        """Whether samples are integers that are signed or have more than 16 bits, which define no black and white."""
        return self.palette is None and (self.kind == "i" or (self.kind == "u" and self.bits > 16))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the pixels."""
        if self.kind == "f" or self.integer:
            return np.dtype(np.float32)
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @property
    def described(self) -> str:
        """The layout in words, as Frame.described."""
        none = np.empty((0, 0) if self.colors == 1 else (0, 0, self.colors), self.dtype)
        return Frame(none, None if self.alpha is None else none, integer=self.integer).described

    def frame(self, colors: Array, alpha: Array | None, name: str) -> Frame:
        """Convert stored samples to pixels: colors (H, W) or (H, W, stored), alpha (H, W) or None.."""
        if self.integer:
            if self.kind == "u" and colors.size and colors.max() > 0x7FFFFFFF:
                raise ImageError(
                    f"{name} holds samples of 2147483648 and more, which are not filtered; scale them to 16 bits first"
                )
            return Frame(colors.astype(np.float32), None, integer=True)
        veil = None if alpha is None else self._scaled(alpha)
        if self.palette is not None:
            colors = self.palette[colors.clip(0, len(self.palette) - 1)]
        elif self.veiled and alpha is not None:
            colors = self._unveiled(colors, alpha)
        else:
            colors = self._scaled(colors)
        if self.inverted:
            colors = colors.dtype.type(full_scale(colors.dtype)) - colors
        return Frame(colors, veil)

    def _scaled(self, samples: Array) -> Array:
        """Scale samples to the full range of the pixels' dtype: v * full / (2^bits - 1), rounded."""
        if self.kind == "f" or self.bits in (8, 16):
            return samples.astype(self.dtype, copy=False)
        full, most = int(full_scale(self.dtype)), (1 << self.bits) - 1
        scaled = (np.arange(most + 1, dtype=np.uint32) * full + most // 2) // most
        return scaled.astype(self.dtype)[samples.astype(np.uint16)]

    def _unveiled(self, colors: Array, alpha: Array) -> Array:
        """Divide premultiplied colours by alpha: c * full / a, rounded.

        Like Pillow, with 8 bits it rounds down, and leaves gray unchanged where alpha is 0.
        """
        veil = alpha if colors.ndim == 2 else alpha[:, :, None]
        hidden = veil == 0
        if self.kind == "f":
            return np.where(hidden, 0, colors / np.where(hidden, 1, veil)).astype(self.dtype)
        full = int(full_scale(self.dtype))
        half = 0 if self.bits == 8 else veil.astype(np.uint32) // 2
        plain = (colors.astype(np.uint32) * full + half) // np.maximum(veil, 1)
        kept = colors if self.bits == 8 and colors.ndim == 2 else 0
        return np.where(hidden, kept, np.minimum(plain, full)).astype(self.dtype)


Tags = Callable[[int], Any]


def layout_of(tags: Tags, name: str) -> Layout:
    """Return the sample layout that the tags describe. tags: returns the value of a tag, None if it is missing.

    Raises ImageError, whose message begins with `name`, if the layout is not supported.
    """
    samples, photometric = _one(tags, _SAMPLES, 1), _one(tags, _PHOTOMETRIC, 0)
    bits, formats = set(_all(tags, _BITS)[:samples] or (1,)), set(_all(tags, _FORMAT)[:samples] or (1,))
    kind, deep = _KINDS.get(min(formats)), max(bits)
    stored, jpeg = _COLORS.get(photometric, 0), _one(tags, _COMPRESSION, 1) in _JPEG
    extra = _extra(tags, samples - stored)
    why = None
    if not stored:
        why = f"holds {_NAMES.get(photometric, f'photometric {photometric}')} colours"
    elif samples < stored:
        why = f"has {samples} channels, too few for its colours"
    elif samples > _MOST_SAMPLES:
        why = f"has {samples} channels"
    elif len(bits) > 1:
        why = f"has channels of {' and '.join(map(str, _all(tags, _BITS)[:samples]))} bits"
    elif kind is None or len(formats) > 1:
        why = "holds complex numbers, or samples of several formats"
    elif (kind == "f" and deep not in (16, 24, 32, 64)) or (kind != "f" and not 0 < deep <= 32):
        why = f"holds samples of {deep} bits"
    elif photometric == _YCBCR and not (jpeg and not extra and deep == 8 and _one(tags, _PLANAR, 1) == 1):
        why = "holds YCbCr colours that are not JPEG"
    elif photometric == _CMYK and _one(tags, _INKS, 1) != 1:
        why = "holds inks that are not CMYK"
    elif photometric == _PALETTE and (kind != "u" or deep > 16):
        why = f"has a palette for samples of {deep} bits"
    elif _one(tags, _DEPTH, 1) > 1:
        why = "holds volumes"
    if why:
        raise _refusal(name, why)
    assert kind is not None
    alpha = next((i for i, use in enumerate(extra) if use in _ALPHA), None)
    layout = Layout(
        bits=deep, kind=kind, stored=stored, colors=3 if photometric == _PALETTE else stored,
        inverted=photometric == _WHITE_IS_ZERO,
        palette=_palette(tags, deep, name) if photometric == _PALETTE else None,
        alpha=None if alpha is None else stored + alpha,
        veiled=alpha is not None and extra[alpha] == _PREMULTIPLIED and photometric != _PALETTE,
    )  # fmt: skip
    if layout.integer and (layout.inverted or stored > 1 or alpha is not None):
        signed = "signed samples" if kind == "i" else "samples"
        raise _refusal(name, f"holds {signed} of {deep} bits in colour, with alpha or with white as 0")
    return layout


def _refusal(name: str, why: str) -> ImageError:
    return ImageError(f"{name} {why}, which are not filtered; convert it to gray, RGB or CMYK of 8 or 16 bits first")


def suits_pillow(tags: Tags, reduced: bool = False) -> bool:
    """Return whether Pillow reads these samples correctly. reduced: whether the upper 8 of 16 bits are enough.

    Pillow inverts, divides by alpha and converts colours only for samples of 8 bits; it returns others unchanged.
    """
    samples, photometric, extra = _one(tags, _SAMPLES, 1), _one(tags, _PHOTOMETRIC, 0), _all(tags, _EXTRA)
    bits, formats = set(_all(tags, _BITS)[:samples] or (1,)), set(_all(tags, _FORMAT)[:samples] or (1,))
    single = samples == 1 and len(bits) == 1
    if formats == {2}:
        return single and photometric == _BLACK_IS_ZERO and bits <= {16, 32}
    if formats == {3}:
        return single and photometric == _BLACK_IS_ZERO and bits == {32}
    if not formats <= {1, 4} or len(bits) > 1:
        return False
    if single and photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO):
        return bits <= {1, 2, 4, 8} or (bits == {16} and photometric == _BLACK_IS_ZERO)
    if single and photometric == _PALETTE:
        return bits <= {1, 2, 4, 8}
    if photometric in (_YCBCR, _CIELAB):
        return bits == {8} and samples == 3
    planar = _one(tags, _PLANAR, 1) == 2
    halved = reduced and bits == {16} and photometric in (_RGB, _CMYK) and not planar and extra[:1] != (_PREMULTIPLIED,)
    if bits != {8} and not halved:
        return False
    if photometric == _CMYK and _one(tags, _INKS, 1) != 1:
        return False
    stored = _COLORS.get(photometric, 0)
    if photometric == _WHITE_IS_ZERO or not stored or samples - stored != len(extra):
        return False
    if not extra:
        return True
    known = {_CMYK: (0,), _PALETTE: (0, 2)}.get(photometric, (0, 1, 2))
    return not planar and extra[0] in known and not any(extra[1:]) and (len(extra) == 1 or photometric == _RGB)


def unused_note(tags: Tags) -> str | None:
    """Return a note for the user on extra samples that are left out, or None."""
    stored = _COLORS.get(_one(tags, _PHOTOMETRIC, 0), 0)
    extra = _extra(tags, _one(tags, _SAMPLES, 1) - stored) if stored else ()
    unused = len(extra) - any(use in _ALPHA for use in extra)
    if unused == 1:
        return "an extra channel was left out, as the file does not call it alpha"
    return f"{unused} extra channels were left out, as the file does not call them alpha" if unused else None


def _palette(tags: Tags, bits: int, name: str) -> Array:
    """Return the palette's colours, (2^bits, 3): of 8 bits if indices have at most 8, else of 16."""
    values = np.array(_all(tags, _COLORMAP), np.uint16)
    if len(values) != 3 << bits:
        raise ImageError(f"{name} is damaged: its palette has {len(values)} samples, not {3 << bits}")
    colors = np.ascontiguousarray(values.reshape(3, -1).T)
    return (colors >> 8).astype(np.uint8) if bits <= 8 else colors


def _extra(tags: Tags, count: int) -> tuple[int, ...]:
    """Return the type of every sample after the colours; 0 if the file does not say."""
    said = _all(tags, _EXTRA)[: max(count, 0)]
    return said + (0,) * (count - len(said))


def _all(tags: Tags, tag: int) -> tuple[int, ...]:
    value = tags(tag)
    if value is None:
        return ()
    return tuple(int(v) for v in np.ravel(value))


def _one(tags: Tags, tag: int, otherwise: int) -> int:
    values = _all(tags, tag)
    return values[0] if values else otherwise
