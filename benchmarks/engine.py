"""`filter_image` against OpenCV, PyTorch, SciPy, libvips and Pillow in one process, two threads each."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import THREADS, optional
from benchmarks.photographs import photograph
from benchmarks.timing import Table, alternate, begun, ms, ratio, timed
from convcli import filter_image
from convcli.kernel import Kernel

Pixels = NDArray[Any]
Call = Callable[[], Any]
_REFLECT = {"padding_mode": "reflect"}


@dataclass(frozen=True)
class Case:
    """A kernel, how many times sooner than filter2D and than the best call it should be, and what else computes it."""

    name: str
    kernel: Kernel
    aims: tuple[float, float]
    special: dict[str, Callable[[Any, Pixels], Pixels]] = field(default_factory=dict)
    dilation: int = 1


def noise(size: int, seed: int = 0) -> Kernel:
    """Weights without structure, of a sum of magnitudes that keeps responses within the picture's range."""
    w = np.random.default_rng(seed + size).normal(size=(size, size))
    return Kernel(w / np.abs(w).sum(), bias=0)


def gaussian(size: int, sigma: float) -> Kernel:
    g = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return Kernel(np.outer(g, g) / g.sum() ** 2)


def _sep(column: Any) -> Callable[[Any, Pixels], Pixels]:
    row = np.asarray(column, np.float32)
    row = row / row.sum()
    return lambda cv2, a: cv2.sepFilter2D(a, -1, row, row)


SOBEL = Kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
SHARPEN = Kernel([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
BINOMIAL3, BINOMIAL5 = (Kernel(np.outer(b, b), divisor=sum(b) ** 2) for b in ([1, 2, 1], [1, 4, 6, 4, 1]))
BOX9 = Kernel(np.ones((9, 9)), divisor=81)
GAUSSIAN31 = gaussian(31, 5)

CASES = (
    Case("sobel 3x3", SOBEL, (3.5, 2), {"Sobel": lambda cv2, a: cv2.Sobel(a, -1, 1, 0)}),
    Case("sharpen 3x3", SHARPEN, (3, 3)),
    Case("gaussian 3x3", BINOMIAL3, (4, 2),
         {"GaussianBlur": lambda cv2, a: cv2.GaussianBlur(a, (3, 3), 0), "sepFilter2D": _sep([1, 2, 1])}),
    Case("gaussian 5x5", BINOMIAL5, (5, 1.2),
         {"GaussianBlur": lambda cv2, a: cv2.GaussianBlur(a, (5, 5), 0), "sepFilter2D": _sep([1, 4, 6, 4, 1])}),
    Case("box 9x9", BOX9, (12, 2), {"blur": lambda cv2, a: cv2.blur(a, (9, 9))}),
    Case("float 3x3", noise(3), (2, 2)),
    Case("float 5x5", noise(5), (2, 2)),
    Case("random 7x7", noise(7), (3, 3)),
    Case("random 15x15", noise(15), (6, 6)),
    Case("random 31x31", noise(31), (5, 5)),
    Case("random 63x63", noise(63), (3.5, 3.5)),
    Case("gaussian sigma 5 (31x31)", GAUSSIAN31, (5, 1.3),
         {"GaussianBlur": lambda cv2, a: cv2.GaussianBlur(a, (31, 31), 5),
          "sepFilter2D": _sep(gaussian(31, 5).weights[15])}),
    Case("sobel dilated by 4", SOBEL, (3, 3), dilation=4),
)  # fmt: skip


def spread(kernel: Kernel, dilation: int) -> Pixels:
    """The kernel as OpenCV takes it: divided, float32, with zeros between the weights."""
    kh, kw = kernel.size
    w = np.zeros((dilation * (kh - 1) + 1, dilation * (kw - 1) + 1), np.float64)
    w[::dilation, ::dilation] = kernel.scaled
    return w


def ours(a: Pixels, kernel: Kernel, **how: Any) -> Call:
    return lambda: filter_image(a, kernel, **{**_REFLECT, **how})


def filter2d(a: Pixels, kernel: Kernel, dilation: int = 1) -> Call:
    cv2, w = optional("cv2"), spread(kernel, dilation).astype(np.float32)
    assert cv2 is not None
    return lambda: cv2.filter2D(a, -1, w)


def check(
    name: str, got: Pixels, a: Pixels, kernel: Kernel, dilation: int = 1, border: bool = True, off: int = 1
) -> None:
    """Raises SystemExit unless a corner of the result is what the sum in float64 says, within `off` levels."""
    w = spread(kernel, dilation)
    (ry, rx), (h, wd) = (n // 2 for n in w.shape), (min(n, 64) for n in a.shape[:2])
    pads = ((ry, ry), (rx, rx), *((0, 0),) * (a.ndim - 2))
    part = np.pad(a[: h + 2 * ry, : wd + 2 * rx].astype(np.float64), pads, mode="reflect")
    views = np.lib.stride_tricks.sliding_window_view(part, w.shape, (0, 1))[:h, :wd]
    want = np.einsum("...ij,ij->...", views, w)
    if a.dtype.kind == "u":
        want = np.rint(want).clip(0, np.iinfo(a.dtype).max)
    else:
        off = 1e-4
    edge = slice(None) if border else slice(max(ry, rx), None)
    worst = np.abs(got[:h, :wd].astype(np.float64) - want)[edge, edge].max()
    if worst > off:
        raise SystemExit(f"{name}: wrong by {worst:g}; not timed")


def run(quick: bool) -> list[Table]:
    """All tables of this subject."""
    os.environ["CONVCLI_THREADS"] = str(THREADS)
    if optional("cv2") is None:
        raise SystemExit("the engine's benchmark compares with OpenCV: pip install opencv-python-headless")
    effort = (2, 2) if quick else (5, 5)
    tables = [aims(effort)]
    if "out" in inspect.signature(filter_image).parameters:
        tables.append(aims(effort, given=True))
    tables += [peers(effort), kinds(effort), strides(effort), dilations(effort), curve(quick), sizes(quick)]
    return tables


def _effort(sides: dict[str, Call], effort: tuple[int, int]) -> tuple[int, int]:
    """Rounds and calls: fewer calls of what takes long."""
    seconds = sum(timed(call) for call in sides.values())
    return effort[0], max(1, min(effort[1], int(1.5 / seconds)))


def aims(effort: tuple[int, int], given: bool = False) -> Table:
    """The cases that have an aim, on 12 MP RGB; `given`: both sides write to a destination that exists already."""
    a = photograph(12)
    what = "the destination is given" if given else "each side allocates its result"
    table = begun(
        f"12 MP RGB, {what}", "case", "convcli ms", "filter2D ms", "ratio", "aim", "best other ms", "ratio", "aim",
        note="Milliseconds, two threads on each side. Ratios say how many times sooner convcli is.",
    )  # fmt: skip
    copied = np.empty_like(a)
    table.add("(copy)", ms(alternate({"copy": lambda: np.copyto(copied, a)}, *effort)["copy"]), *[""] * 6)
    for case in CASES:
        times = alternate(*_sides(case, a, given, effort))
        mine, plain = times.pop("convcli"), times["filter2D"]
        best = min(times, key=lambda name: times[name])
        table.add(
            case.name, ms(mine), ms(plain), ratio(plain, mine), case.aims[0],
            f"{ms(times[best])} ({best})", ratio(times[best], mine), case.aims[1],
        )  # fmt: skip
    return table


def _sides(case: Case, a: Pixels, given: bool, effort: tuple[int, int]) -> tuple[dict[str, Call], int, int]:
    cv2: Any = optional("cv2")
    sides = {
        "convcli": ours(a, case.kernel, dilation=case.dilation),
        "filter2D": filter2d(a, case.kernel, case.dilation),
    }
    for name, call in case.special.items():
        sides[name] = lambda call=call: call(cv2, a)
    for name, side in sides.items():
        check(f"{case.name}, {name}", side(), a, case.kernel, case.dilation, off=1 if name == "convcli" else 2)
    if given:
        mine, w = np.empty_like(a), spread(case.kernel, case.dilation).astype(np.float32)
        theirs = np.empty_like(a)
        sides = {
            "convcli": ours(a, case.kernel, dilation=case.dilation, out=mine),
            "filter2D": lambda: cv2.filter2D(a, -1, w, dst=theirs),
        }
        if "Sobel" in case.special:
            sides["Sobel"] = lambda: cv2.Sobel(a, -1, 1, 0, dst=theirs)
        if "blur" in case.special:
            sides["blur"] = lambda: cv2.blur(a, case.kernel.size, dst=theirs)
        if "GaussianBlur" in case.special:
            size, sigma = case.kernel.size, 5 if case.kernel.size[0] == 31 else 0
            row = case.kernel.scaled.sum(axis=0).astype(np.float32)
            sides["GaussianBlur"] = lambda: cv2.GaussianBlur(a, size, sigma, dst=theirs)
            sides["sepFilter2D"] = lambda: cv2.sepFilter2D(a, -1, row, row, dst=theirs)
    return sides, *_effort(sides, effort)


def peers(effort: tuple[int, int]) -> Table:
    """The other libraries, on a smaller picture: some of them take their time."""
    a = photograph(2)
    chosen = [c for c in CASES if c.name in ("sobel 3x3", "gaussian 5x5", "random 7x7", "random 15x15", "random 31x31")]
    makers = {"SciPy": _scipy, "PyTorch": _torch, "libvips": _vips, "Pillow": _pillow}
    table = begun(
        "2 MP RGB against other libraries", "case", "convcli ms", *(f"{name} ms (ratio)" for name in makers),
        note="SciPy is the better of ndimage.correlate (one thread) and signal.oaconvolve; PyTorch gets float32 "
        "planes; Pillow has kernels of 3x3 and 5x5 only.",
    )  # fmt: skip
    for case in chosen:
        sides = {"convcli": ours(a, case.kernel)}
        for name, maker in makers.items():
            for label, call, border in maker(a, case.kernel):
                check(f"{case.name}, {label}", np.asarray(call()), a, case.kernel, border=border)
                sides[f"{name}:{label}"] = call
        times = alternate(sides, *_effort(sides, effort))
        mine = times.pop("convcli")
        best = {n: min((t for side, t in times.items() if side.startswith(n + ":")), default=None) for n in makers}
        table.add(case.name, ms(mine), *(f"{ms(t)} ({ratio(t, mine)})" if t else "-" for t in best.values()))
    return table


Sides = list[tuple[str, Call, bool]]  # name, call, whether its border is the same as ours


def _levels(r: Pixels) -> Pixels:
    return np.rint(r).clip(0, 255).astype(np.uint8)


def _scipy(a: Pixels, kernel: Kernel) -> Sides:
    if optional("scipy") is None:
        return []
    from scipy import ndimage, signal

    w = kernel.scaled[:, :, None].astype(np.float32)
    wide = a.astype(np.float32)
    sides = [("oaconvolve", lambda: _levels(signal.oaconvolve(wide, w[::-1, ::-1], "same", (0, 1))), False)]
    if w.size <= 225:
        sides.append(("ndimage", lambda: _levels(ndimage.correlate(wide, w, mode="mirror")), True))
    return sides


def _torch(a: Pixels, kernel: Kernel) -> Sides:
    torch: Any = optional("torch")
    if torch is None:
        return []
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(a, 2, 0), np.float32))[:, None]
    w = torch.from_numpy(kernel.scaled.astype(np.float32))[None, None]

    def call() -> Pixels:
        r = torch.nn.functional.conv2d(x, w, padding="same")
        return np.moveaxis(r.round_().clamp_(0, 255).to(torch.uint8)[:, 0].numpy(), 0, 2)

    return [("conv2d", call, False)]


def _vips(a: Pixels, kernel: Kernel) -> Sides:
    pyvips: Any = optional("pyvips")
    if pyvips is None:
        return []
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(a), a.shape[1], a.shape[0], 3, "uchar")
    whole = bool((kernel.weights == np.rint(kernel.weights)).all())
    mask = pyvips.Image.new_from_array(kernel.weights.tolist(), scale=kernel.divisor)

    def call() -> Pixels:
        r = image.conv(mask, precision="integer") if whole else image.conv(mask, precision="float").rint().cast("uchar")
        return np.ndarray(a.shape, np.uint8, r.write_to_memory())

    return [("conv", call, False)]


def _pillow(a: Pixels, kernel: Kernel) -> Sides:
    if kernel.size not in ((3, 3), (5, 5)):
        return []
    from PIL import Image, ImageFilter

    image = Image.fromarray(a)
    filter_ = ImageFilter.Kernel(kernel.size, kernel.weights.ravel().tolist(), kernel.divisor)
    return [("Kernel", lambda: image.filter(filter_), False)]


def kinds(effort: tuple[int, int]) -> Table:
    """Other pictures than 8-bit RGB."""
    rgb = photograph(12)
    pictures = {
        "gray uint8": np.ascontiguousarray(rgb[:, :, 1]),
        "RGB uint16": rgb.astype(np.uint16) * 257,
        "RGB float32": rgb.astype(np.float32) / 255,
    }
    cases = [c for c in CASES if c.name in ("sobel 3x3", "gaussian 5x5", "random 7x7", "random 15x15")]
    table = begun("12 MP of other kinds", "picture", "case", "convcli ms", "filter2D ms", "ratio")
    for name, a in pictures.items():
        for case in cases:
            sides = {"convcli": ours(a, case.kernel), "filter2D": filter2d(a, case.kernel)}
            for label, side in sides.items():
                check(f"{name}, {case.name}, {label}", side(), a, case.kernel)
            times = alternate(sides, *_effort(sides, effort))
            table.add(
                name, case.name, ms(times["convcli"]), ms(times["filter2D"]), ratio(times["filter2D"], times["convcli"])
            )
    return table


def strides(effort: tuple[int, int]) -> Table:
    """What is not kept is not computed."""
    a = photograph(12)
    table = begun("Stride, 12 MP RGB", "case", "stride 1 ms", "stride 2 ms", "times less", "stride 3 ms", "times less")
    for case in CASES:
        if case.name not in ("sobel 3x3", "gaussian 5x5", "random 7x7", "random 15x15"):
            continue
        sides = {str(s): ours(a, case.kernel, stride=s, padding=case.kernel.size[0] // 2) for s in (1, 2, 3)}
        whole = sides["1"]()
        for s in (2, 3):
            if np.abs(sides[str(s)]().astype(int) - whole[::s, ::s]).max() > 1:
                raise SystemExit(f"{case.name}, stride {s}: not every {s}th position of stride 1; not timed")
        t = alternate(sides, *effort)
        table.add(case.name, ms(t["1"]), ms(t["2"]), ratio(t["1"], t["2"]), ms(t["3"]), ratio(t["1"], t["3"]))
    return table


def dilations(effort: tuple[int, int]) -> Table:
    """Weights further apart are only offsets; filter2D is given the kernel with the zeros written out."""
    a = photograph(12)
    table = begun("Dilation, 12 MP RGB", "case", "dilation", "convcli ms", "filter2D ms", "ratio")
    for case in CASES:
        if case.name not in ("sobel 3x3", "gaussian 5x5", "float 3x3"):
            continue
        for d in (1, 2, 4):
            sides = {"convcli": ours(a, case.kernel, dilation=d), "filter2D": filter2d(a, case.kernel, d)}
            check(f"{case.name}, dilation {d}", sides["convcli"](), a, case.kernel, d)
            t = alternate(sides, *_effort(sides, effort))
            table.add(case.name, d, ms(t["convcli"]), ms(t["filter2D"]), ratio(t["filter2D"], t["convcli"]))
    return table


def curve(quick: bool) -> Table:
    """Kernel sizes from 1 to 101: no cliff where routes meet."""
    a = photograph(2)
    every = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 19, 23, 26, 27, 31, 35, 41, 51, 63, 75, 81, 101)
    chosen = (1, 3, 5, 7, 9, 15, 27, 31, 63, 101) if quick else every
    table = begun(
        "Kernel size, 2 MP RGB", "size", "random ms", "filter2D ms", "ratio", "gaussian ms", "box ms",
        note="Random weights have no structure to use; a Gaussian (sigma a sixth of the size) is separable.",
    )  # fmt: skip
    for size in chosen:
        kernels = {
            "random": noise(size),
            "gaussian": gaussian(size, size / 6),
            "box": Kernel(np.ones((size, size)), size**2),
        }
        sides = {name: ours(a, kernel) for name, kernel in kernels.items()}
        for name, kernel in kernels.items():
            if size % 2 and size < 64:
                check(f"{name} {size}x{size}", sides[name](), a, kernel)
        sides["filter2D"] = filter2d(a, kernels["random"])
        t = alternate(sides, *((1, 1) if quick else (4, 3)))
        table.add(
            f"{size}x{size}", ms(t["random"]), ms(t["filter2D"]), ratio(t["filter2D"], t["random"]),
            ms(t["gaussian"]), ms(t["box"]),
        )  # fmt: skip
    return table


def sizes(quick: bool) -> Table:
    """The cost of a pixel over the size of the picture."""
    cases = [c for c in CASES if c.name in ("sobel 3x3", "gaussian 5x5", "random 15x15")]
    table = begun("Picture size, RGB", "megapixels", *(f"{c.name}, ns a pixel" for c in cases))
    for megapixels in (0.3, 2, 12) if quick else (0.3, 2, 12, 100):
        a = photograph(megapixels)
        t = {c.name: alternate({"": ours(a, c.kernel)}, 3, 3 if megapixels > 50 else 9)[""] for c in cases}
        table.add(megapixels, *(f"{1e9 * t[c.name] / (a.size / 3):.2f}" for c in cases))
    return table
