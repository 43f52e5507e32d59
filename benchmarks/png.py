"""PNG writing against Pillow's default: time and bytes for photographs, their edges and their blurs.

python benchmarks/png.py [PHOTOGRAPH...]
"""

import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from convcli import filter_image
from convcli.images.png import write_png

SAMPLE = Path(__file__).parent.parent / "samples" / "scene.png"


def best(function, runs=5):
    """The least of several times, in milliseconds, and the result."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        result = function()
        times.append(1000 * (time.perf_counter() - begin))
    return min(times), result


def by_pillow(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.tell()


def by_convcli(pixels, threads):
    stream = io.BytesIO()
    write_png(stream, pixels, threads=threads)
    return stream.tell()


def pictures(paths):
    """Every photograph as it is, through Sobel, and through a Gaussian of sigma 3."""
    for path in paths:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        yield path.stem, pixels
        yield f"{path.stem}, sobel-x", filter_image(pixels, "sobel-x", range="abs")
        yield f"{path.stem}, gaussian", filter_image(pixels, "gaussian:sigma=3")


def main(paths):
    print("| Picture | Megapixels | Pillow, ms | convcli, ms | one thread, ms | Times as fast | Bytes to Pillow's |")
    print("|---|---|---|---|---|---|---|")
    for name, pixels in pictures(paths):
        theirs, size = best(lambda pixels=pixels: by_pillow(pixels), 2)
        one, _ = best(lambda pixels=pixels: by_convcli(pixels, 1))
        ours, bytes_ = best(lambda pixels=pixels: by_convcli(pixels, 2))
        cells = (name, f"{pixels.size / 3e6:.2f}", f"{theirs:.0f}", f"{ours:.0f}", f"{one:.0f}")
        print("| " + " | ".join([*cells, f"{theirs / ours:.1f}", f"{bytes_ / size:.3f}"]) + " |")


if __name__ == "__main__":
    main([Path(p) for p in sys.argv[1:]] or [SAMPLE])
