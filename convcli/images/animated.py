"""Animations of PNG and GIF files, whose stored frames are composed here and not by Pillow."""

from __future__ import annotations

from convcli.images.animation import CLEARED, STAYS, UNDONE, Animation, Part
from convcli.images.gif import GifFile
from convcli.images.high_depth import png_frame
from convcli.images.png_in import PngFile

_DISPOSALS = {0: STAYS, 1: CLEARED, 2: UNDONE}  # PNG's numbers
_OVER = 1


def animation_of_png(png: PngFile) -> Animation:
    """Return the animation of an APNG, whose frames are composed into whole pictures."""

    def part(index: int) -> Part:
        frame = png.frames[index]
        disposal = _DISPOSALS.get(frame.dispose, STAYS)
        return Part(png_frame(png.frame(index)), frame.place, frame.duration, disposal, frame.blend == _OVER)

    first, size = png.frames[0], (png.height, png.width)
    gone = any(_DISPOSALS.get(f.dispose) == CLEARED for f in png.frames[:-1]) or _DISPOSALS.get(first.dispose) == UNDONE
    return Animation(size, len(png.frames), png.clear or gone or first.size != size[::-1], part)


def animation_of_gif(gif: GifFile) -> Animation:
    """Return the animation of a GIF, whose frames are composed into whole pictures."""
    return Animation(gif.size, len(gif.frames), gif.clear, gif.part)
