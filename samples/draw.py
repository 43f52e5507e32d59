"""Draws the pictures of this folder: `python samples/draw.py [FOLDER]`. Seeded: the same pictures every time.

The scene is painted three times as large and reduced, so that edges at every angle are smooth as in a photograph.
Coordinates are pixels of the finished 640x480 picture, colours are 0..255.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT, FINE = 640, 480, 3
HORIZON, QUAY = 286, 402
Colour = Sequence[float]
Points = Sequence[tuple[float, float]]


class Scene:
    """A float canvas (H, W, 3) with a brush: shapes become masks, masks mix a colour or a picture in."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.pixels = np.zeros((HEIGHT * FINE, WIDTH * FINE, 3), np.float32)
        y, x = np.mgrid[: HEIGHT * FINE, : WIDTH * FINE].astype(np.float32) / FINE
        self.x, self.y = x, y

    def noise(self, cells_y: float, cells_x: float, octaves: int = 5) -> np.ndarray:
        """Fractal value noise over the whole canvas, mean 0, about -1..1."""
        total = np.zeros(self.x.shape, np.float32)
        for octave in range(octaves):
            size = (round(cells_y * 2**octave) + 2, round(cells_x * 2**octave) + 2)
            grid = Image.fromarray(self.rng.uniform(-1, 1, size).astype(np.float32))
            total += np.asarray(grid.resize(self.x.shape[::-1], Image.Resampling.BICUBIC)) * 0.55**octave
        return total / 1.4

    def mix(self, mask: np.ndarray, paint: Colour | np.ndarray) -> None:
        """Mix paint in where the mask (H, W), 0..1, says so."""
        self.pixels += mask[:, :, None] * (np.asarray(paint, np.float32) - self.pixels)

    def polygon(self, points: Points, paint: Colour | np.ndarray, opacity: float = 1) -> None:
        mask = Image.new("L", self.x.shape[::-1])
        ImageDraw.Draw(mask).polygon([(x * FINE, y * FINE) for x, y in points], fill=255)
        self._mix_in_box(mask, paint, opacity)

    def box(self, x0: float, y0: float, x1: float, y1: float, paint: Colour | np.ndarray, opacity: float = 1) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], paint, opacity)

    def lines(self, pairs: Sequence[Points], paint: Colour, width: float = 1, opacity: float = 1) -> None:
        mask = Image.new("L", self.x.shape[::-1])
        pen = ImageDraw.Draw(mask)
        for points in pairs:
            pen.line(
                [(x * FINE, y * FINE) for x, y in points], fill=255, width=max(1, round(width * FINE)), joint="curve"
            )
        self._mix_in_box(mask, paint, opacity)

    def ring(self, x: float, y: float, radius: float, paint: Colour, width: float) -> None:
        distance = np.hypot(self.x - x, self.y - y)
        self.mix(np.clip((width / 2 - np.abs(distance - radius)) * FINE + 0.5, 0, 1), paint)

    def glow(self, x: float, y: float, reach: float, paint: Colour, strength: float) -> None:
        """Add light that falls off around a point."""
        fall = strength * np.exp(-((self.x - x) ** 2 + (self.y - y) ** 2) / (2 * reach**2))
        self.pixels += fall[:, :, None] * np.asarray(paint, np.float32)

    def text(self, x: float, y: float, words: str, size: float, paint: Colour, anchor: str = "mm") -> None:
        mask = Image.new("L", self.x.shape[::-1])
        font = ImageFont.load_default(size * FINE)
        ImageDraw.Draw(mask).text((x * FINE, y * FINE), words, fill=255, font=font, anchor=anchor)
        self._mix_in_box(mask, paint, 1)

    def _mix_in_box(self, mask: Image.Image, paint: Colour | np.ndarray, opacity: float) -> None:
        box = mask.getbbox()
        if box is None:
            return
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        colour = np.asarray(paint, np.float32)
        colour = colour[part] if colour.ndim == 3 else colour
        share = np.asarray(mask, np.float32)[part][:, :, None] * (opacity / 255)
        self.pixels[part] += share * (colour - self.pixels[part])

    def finished(self) -> Image.Image:
        """Bloom, vignette and a little grain; reduced to the final size."""
        light = Image.fromarray(np.clip(self.pixels - 150, 0, 255).astype(np.uint8))
        bloom = np.asarray(light.filter(ImageFilter.GaussianBlur(9 * FINE)), np.float32)
        corner = ((self.x / WIDTH - 0.5) ** 2 + (self.y / HEIGHT - 0.5) ** 2)[:, :, None]
        lit = np.clip((self.pixels + 0.55 * bloom) * (1.06 - 0.6 * corner), 0, 255)
        small = Image.fromarray(lit.astype(np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        grain = self.rng.normal(0, 1.6, (HEIGHT, WIDTH, 1))
        return Image.fromarray(np.clip(np.rint(np.asarray(small) + grain), 0, 255).astype(np.uint8))


def between(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def sky(scene: Scene) -> None:
    """Night blue to a low sun, with lit clouds."""
    stops = [0, 0.3, 0.55, 0.78, 0.93, 1]
    colours = [(26, 42, 88), (64, 76, 136), (150, 104, 146), (232, 138, 110), (255, 186, 118), (255, 214, 150)]
    height = np.clip(scene.y / HORIZON, 0, 1)
    scene.pixels[:] = np.stack([np.interp(height, stops, channel) for channel in zip(*colours, strict=True)], 2)
    scene.glow(452, HORIZON - 10, 70, (120, 80, 30), 1)
    scene.glow(452, HORIZON - 10, 15, (190, 170, 120), 1)
    cloud = scene.noise(7, 2.4, 6) + 0.25 * scene.noise(20, 5, 4)
    cover = between(cloud - 0.5 * np.abs(height - 0.5), 0.02, 0.55) * (1 - between(height, 0.86, 1))
    under = between(cloud - np.roll(cloud, 9 * FINE, 0), -0.3, 0.5)[:, :, None]
    near = np.exp(-np.abs(scene.x - 452) / 260)[:, :, None]
    lit = np.float32([255, 168, 120]) * (0.62 + 0.38 * near)
    scene.mix(0.8 * cover, under * lit + (1 - under) * np.float32([86, 74, 120]))


def hills(scene: Scene) -> None:
    for rise, cells, colour in ((30, 5, (158, 106, 128)), (15, 9, (104, 80, 112))):
        ridge = HORIZON - rise + rise * 0.7 * scene.noise(1, cells, 6)[:1]
        scene.mix(between(scene.y, ridge - 0.3, ridge + 0.3), colour)


def house(scene: Scene, left: float, width: float, top: float, wall: Colour, gable: str) -> None:
    """A front with windows, its right side nearer to the sun."""
    rng, right, foot, middle = scene.rng, left + width, 322, left + width / 2
    shade = 0.7 + 0.38 * (scene.x - left) / width
    rows, bond = np.floor(scene.y / 2.6), np.floor((scene.x + 3 * (np.floor(scene.y / 2.6) % 2)) / 6)
    brick = 1 + 0.07 * np.sin(rows * 12.9 + bond * 78.2) - 0.14 * ((scene.y % 2.6) < 0.6)
    front = np.asarray(wall, np.float32) * (shade * brick)[:, :, None]
    roof = np.float32([92, 52, 48]) * (0.8 + 0.25 * np.sin(scene.x * 1.6) * np.sin(scene.y * 2.2))[:, :, None]
    rise = 0.62 * width
    if gable == "step":
        for step in range(5):
            inset = width / 2 * step / 5
            scene.box(left + inset, top - rise * (step + 1) / 5, right - inset, top + 1, front)
    elif gable == "point":
        scene.polygon([(left - 3, top + 1), (middle, top - rise), (right + 3, top + 1)], roof)
        scene.polygon([(left + 4, top + 1), (middle, top - rise + 7), (right - 4, top + 1)], front)
    else:
        scene.polygon([(left - 2, top), (left + 7, top - 24), (right - 7, top - 24), (right + 2, top)], roof)
        scene.polygon([(middle - 8, top - 4), (middle - 8, top - 16), (middle, top - 24), (middle + 8, top - 16),
                       (middle + 8, top - 4)], front)  # fmt: skip
    scene.box(right - 14, top - 34, right - 7, top - 8, np.float32([120, 74, 62]) * brick[:, :, None])
    scene.box(left, top, right, foot, front)
    scene.lines([[(left, top), (right, top)]], np.multiply(wall, 1.25), 1.6)
    columns = max(2, round(width / 19))
    gap = width / columns
    for y in np.arange(top + 9, foot - 36, 25):
        for column in range(columns):
            window(scene, left + gap * (column + 0.5), y, gap * 0.5, 16, rng.random() < 0.42)
    if gable != "hip":
        window(scene, middle, top - rise * 0.42, 7, 10, rng.random() < 0.5)


def window(scene: Scene, x: float, y: float, width: float, height: float, lit: bool) -> None:
    half = width / 2
    scene.box(x - half - 1.2, y - 1.2, x + half + 1.2, y + height + 1.8, (206, 192, 178))
    warm = scene.rng.uniform(0.75, 1)
    scene.box(x - half, y, x + half, y + height, (255 * warm, 202 * warm, 104 * warm) if lit else (44, 52, 82))
    if not lit:
        scene.polygon([(x - half, y), (x + half * 0.4, y), (x - half, y + height * 0.6)], (112, 104, 136), 0.7)
    bars = [[(x, y), (x, y + height)], [(x - half, y + height * 0.4), (x + half, y + height * 0.4)]]
    scene.lines(bars, (206, 192, 178), 0.8)
    if lit:
        scene.glow(x, y + height / 2, 9, (255, 170, 70), 0.16)


def town(scene: Scene) -> None:
    fronts = [
        (-8, 58, 196, (150, 92, 80), "step"), (50, 50, 226, (196, 170, 128), "hip"),
        (100, 62, 182, (122, 132, 150), "point"), (162, 54, 212, (188, 116, 84), "step"),
        (216, 66, 228, (206, 190, 166), "hip"), (282, 48, 206, (128, 82, 92), "point"),
        (330, 54, 240, (168, 150, 110), "point"),
    ]  # fmt: skip
    for left, width, top, wall, gable in fronts:
        house(scene, left, width, top, wall, gable)
    cafe(scene, 218, 62)
    for x, wide in ((66, 11), (124, 12), (182, 12), (300, 11), (352, 12)):
        scene.box(x, 298, x + wide, 322, (70, 42, 40))
        scene.box(x + 1.5, 300, x + wide - 1.5, 307, (250, 196, 110))
    scene.box(0, 320, 392, 330, (88, 76, 82))
    scene.box(0, 320, 392, 321.6, (170, 140, 126))


def cafe(scene: Scene, left: float, width: float) -> None:
    scene.box(left + 4, 300, left + width - 4, 321, (255, 206, 120))
    scene.lines([[(left + 4 + t * (width - 8) / 5, 300), (left + 4 + t * (width - 8) / 5, 321)] for t in range(6)],
                (70, 46, 40), 1.4)  # fmt: skip
    for stripe in range(9):
        a, b = left + width * stripe / 9, left + width * (stripe + 1) / 9
        middle = left + width / 2
        low = [(middle + (p - middle) * 1.12, 304) for p in (b, a)]
        scene.polygon([(a, 293), (b, 293), *low], (196, 62, 54) if stripe % 2 else (240, 226, 208))
    scene.box(left + 3, 279, left + width - 3, 291.5, (28, 54, 62))
    scene.text(left + width / 2, 285.4, "CAFE MARINA", 8.2, (250, 226, 170))
    scene.glow(left + width / 2, 306, 30, (255, 170, 80), 0.22)


def lighthouse(scene: Scene) -> None:
    scene.polygon([(500, 306), (545, 299), (640, 297), (640, 322), (500, 322)], (66, 56, 72))
    scene.lines([[(504 + 9 * t, 306 - 0.5 * t), (509 + 9 * t, 321)] for t in range(15)], (44, 38, 54), 1)
    shade = (1.12 - 0.6 * np.abs(scene.x - 588) / 14)[:, :, None]
    for band in range(6):
        y0, y1 = 300 - band * 20, 280 - band * 20
        w0, w1 = 14 - band * 0.95, 14 - (band + 1) * 0.95
        paint = np.float32((188, 66, 58) if band % 2 else (226, 206, 196)) * shade
        scene.polygon([(588 - w0, y0), (588 + w0, y0), (588 + w1, y1), (588 - w1, y1)], paint)
    scene.box(576, 176, 600, 180, (48, 42, 54))
    scene.box(581, 162, 595, 176, (255, 240, 190))
    scene.lines([[(581 + 3.5 * t, 162), (581 + 3.5 * t, 176)] for t in range(5)], (48, 42, 54), 0.9)
    scene.polygon([(578, 162), (588, 150), (598, 162)], (130, 44, 44))
    scene.glow(588, 169, 7, (255, 230, 170), 0.9)
    scene.glow(588, 169, 26, (255, 200, 130), 0.35)
    beam = np.clip(1 - np.abs(scene.y - 169 - (scene.x - 588) * 0.10) / (2 + (588 - scene.x) * 0.12), 0, 1)
    scene.mix(0.34 * beam * between(588 - scene.x, 0, 6) * np.exp(-(588 - scene.x).clip(0) / 130), (255, 226, 180))


def boat(scene: Scene, x: float, foot: float, size: float, hull: Colour, sails: bool) -> None:
    """A sailing boat of that length, seen from the side."""
    bow, stern, mast = x + size / 2, x - size / 2, foot - size * 1.35
    if sails:
        scene.polygon([(x + 2, mast + 4), (x + 2, foot - 8), (bow - 3, foot - 7)], (236, 204, 180))
        scene.polygon([(x - 1, mast + 8), (x - 1, foot - 9), (stern + 5, foot - 9)], (250, 222, 192))
        seams = [[(x - 1, foot - 9 - k * size * 0.22), (stern + 5 + k * size * 0.075, foot - 9 - k * size * 0.2)]
                 for k in range(1, 5)]  # fmt: skip
        scene.lines(seams, (190, 150, 140), 0.5)
    scene.lines([[(x, foot - 4), (x, mast)], [(x, foot - 9), (stern + 4, foot - 9)]], (70, 46, 44), 1.6)
    stays = [[(x, mast), (bow, foot - 6)], [(x, mast), (stern, foot - 6)], [(x, mast + 6), (x - 9, foot - 5)]]
    scene.lines(stays, (60, 44, 52), 0.5)
    scene.polygon([(stern, foot - 6), (bow + 5, foot - 7), (bow - 5, foot + 3), (stern + 5, foot + 3)], hull)
    scene.lines([[(stern, foot - 6), (bow + 5, foot - 7)]], (250, 220, 190), 1.2)
    scene.box(x - size * 0.22, foot - 11, x + size * 0.05, foot - 6, (190, 170, 160))


def water(scene: Scene) -> None:
    """The mirrored view, pulled about by ripples that grow towards the viewer."""
    line = 322
    depth = np.clip((scene.y - line) / (QUAY - line), 0, 1)
    ripple = scene.noise(90, 14, 3)
    sway = (2 + 9 * depth) * ripple + 1.5 * depth * np.sin(scene.y * 2.2 + scene.x * 0.05)
    rows = np.clip((2 * line - scene.y + sway * 1.4) * FINE, 0, line * FINE - 1).astype(int)
    columns = np.clip((scene.x + sway) * FINE, 0, WIDTH * FINE - 1).astype(int)
    mirror = scene.pixels[rows, columns] * (0.86 - 0.2 * depth)[:, :, None]
    body = 0.76 * mirror + 0.24 * np.float32([34, 54, 92])
    body += (between(ripple, 0.25, 0.7) * (0.3 + 0.5 * depth) * np.exp(-(((scene.x - 452) / 80) ** 2)))[:, :, None] * (
        np.float32([255, 190, 110])
    )
    scene.mix(between(scene.y, line - 0.4, line + 0.4), body)


def quay(scene: Scene) -> None:
    """Cobbles in perspective under a curb."""
    down = np.clip(scene.y - QUAY, 0, None)
    depth = np.log1p(down / 26) * 9
    row = np.floor(depth)
    across = (scene.x - 320) / (1 + down / 60) / 15 + 0.5 * (row % 2)
    joint = np.minimum(np.abs(across - np.rint(across)) * 6, np.abs(depth - np.rint(depth)) * 3.4)
    tint = np.sin(row * 127.1 + np.floor(across + 0.5) * 311.7) * 43758.5
    tint = tint - np.floor(tint)
    stone = (between(joint, 0.06, 0.75) * (0.62 + 0.5 * tint) + 0.12 * scene.noise(150, 200, 2))[:, :, None]
    warm = np.float32([96, 78, 84]) + np.exp(-(((scene.x - 430) / 170) ** 2))[:, :, None] * np.float32([66, 36, 14])
    scene.mix((scene.y >= QUAY).astype(np.float32), 12 + stone * warm)
    scene.box(0, QUAY - 7, WIDTH, QUAY + 3, (112, 96, 98))
    scene.lines([[(0, QUAY - 6.5), (WIDTH, QUAY - 6.5)]], (208, 164, 136), 1.4)
    scene.lines([[(x, QUAY - 6), (x - 3, QUAY + 3)] for x in range(20, WIDTH, 53)], (58, 48, 56), 1)


def bicycle(scene: Scene) -> None:
    ground, radius, back, front = 452, 41, 118, 232
    hub = ground - radius
    shadow = np.exp(-(((scene.x - 172) / 92) ** 2) - ((scene.y - ground - 3) / 5) ** 2)
    scene.mix(0.65 * shadow, (16, 12, 20))
    for x in (back, front):
        scene.ring(x, hub, radius - 1.5, (24, 22, 28), 4.2)
        scene.ring(x, hub, radius - 4.6, (196, 184, 180), 1.2)
        angles = np.arange(0, 2 * np.pi, np.pi / 14)
        inner, outer = angles + 1.2 * (-1) ** np.arange(28), radius - 5
        starts = zip(x + 3 * np.cos(inner), hub + 3 * np.sin(inner), strict=True)
        ends = zip(x + outer * np.cos(angles), hub + outer * np.sin(angles), strict=True)
        spokes = list(zip(starts, ends, strict=True))
        scene.lines(spokes, (214, 202, 196), 0.5)
        scene.ring(x, hub, 2, (60, 56, 62), 4)
    seat, crank, head = (152, hub - 34), (165, hub + 4), (214, hub - 40)
    frame = [[(back, hub), seat], [(back, hub), crank], [seat, crank], [crank, (216, hub - 32)], [seat, head]]
    scene.lines(frame, (44, 128, 122), 3.6)
    scene.lines([[(x0, y0 - 1), (x1, y1 - 1)] for (x0, y0), (x1, y1) in frame], (120, 200, 186), 0.9)
    scene.lines([[(212, hub - 48), (front, hub)]], (44, 128, 122), 3.2)
    scene.lines([[(152, hub - 34), (149, hub - 46)], [(212, hub - 48), (210, hub - 56)]], (188, 182, 180), 2.2)
    scene.lines([[(198, hub - 60), (210, hub - 57), (221, hub - 60), (224, hub - 54)]], (36, 30, 34), 2.6)
    scene.polygon([(137, hub - 49), (160, hub - 49), (164, hub - 46), (146, hub - 44)], (66, 40, 32))
    scene.ring(*crank, 8, (170, 160, 158), 1.8)
    scene.lines([[crank, (173, hub + 17)], [(168, hub + 17), (179, hub + 17)]], (40, 34, 38), 2)
    scene.lines([[(165, hub - 4), (back, hub - 4)], [(165, hub + 12), (back, hub + 4)]], (52, 46, 48), 0.8)
    scene.box(218, hub - 54, 246, hub - 36, (128, 84, 48))
    weave = [[(218 + 4 * k, hub - 54), (218 + 4 * k, hub - 36)] for k in range(8)]
    weave += [[(218, hub - 54 + 3 * k), (246, hub - 54 + 3 * k)] for k in range(7)]
    scene.lines(weave, (190, 140, 88), 0.8)


def lamp(scene: Scene) -> None:
    scene.lines([[(404, 458), (404, 214)]], (26, 24, 34), 4)
    scene.lines([[(404, 226), (404, 212), (398, 204), (386, 202), (378, 208)]], (26, 24, 34), 2.4)
    scene.polygon([(398, 462), (400, 430), (408, 430), (410, 462)], (26, 24, 34))
    scene.polygon([(369, 212), (378, 203), (387, 212)], (26, 24, 34))
    scene.polygon([(370, 212), (386, 212), (383, 228), (373, 228)], (255, 236, 180))
    scene.lines([[(378, 212), (378, 228)]], (90, 60, 40), 0.8)
    scene.glow(378, 220, 10, (255, 200, 110), 0.9)
    scene.glow(378, 220, 44, (255, 170, 90), 0.3)


def sign(scene: Scene) -> None:
    grain = (1 + 0.10 * scene.noise(120, 6, 3))[:, :, None]
    for x in (478, 596):
        scene.box(x, 372, x + 6, 468, np.float32([70, 48, 42]) * grain)
    scene.box(462, 356, 616, 430, np.float32([34, 62, 84]) * grain)
    scene.lines([[(465, 359), (613, 359), (613, 427), (465, 427), (465, 359)]], (226, 204, 170), 1.6)
    scene.text(539, 374, "FERRY  >  PIER 7", 13, (244, 228, 196))
    scene.lines([[(474, 385), (604, 385)]], (226, 204, 170), 0.8)
    for row, (place, time) in enumerate((("Northgate", "20:45"), ("Island", "21:10"), ("Old Fort", "21:30"))):
        scene.text(480, 395 + 11.5 * row, place, 9.5, (226, 214, 196), "lm")
        scene.text(600, 395 + 11.5 * row, time, 9.5, (255, 214, 130), "rm")


def foliage(scene: Scene) -> None:
    """Branches that hang into the picture from the left, leaf by leaf."""
    rng = scene.rng
    limbs = [[(-6, 20), (60, 40), (128, 52), (176, 84)], [(30, -6), (84, 30), (150, 34), (214, 22)],
             [(60, 40), (88, 84), (96, 126)], [(-6, 80), (30, 104), (44, 150)]]  # fmt: skip
    scene.lines(limbs, (36, 28, 32), 2.6)
    for limb in limbs:
        path = np.array(limb)
        for _ in range(130):
            t = rng.uniform(0, len(path) - 1.001)
            x, y = path[int(t)] + (path[int(t) + 1] - path[int(t)]) * (t % 1) + rng.normal(0, 12, 2)
            long, wide, turn = rng.uniform(4, 8), rng.uniform(1.6, 3), rng.uniform(0, 2 * np.pi)
            around = np.linspace(0, 2 * np.pi, 12)
            leaf = np.stack([long * np.cos(around), wide * np.sin(around)], 1)
            c, s = np.cos(turn), np.sin(turn)
            light = rng.uniform(0.5, 1.5)
            colour = np.multiply((44, 62, 42) if rng.random() < 0.75 else (150, 92, 44), light)
            scene.polygon([tuple(p) for p in leaf @ np.array([[c, s], [-s, c]]) + (x, y)], colour)


def draw_scene() -> Image.Image:
    """A harbour at dusk: edges at all angles, brick and cobbles, leaves, spokes, lettering, a smooth sky."""
    scene = Scene(seed=7)
    sky(scene)
    hills(scene)
    lighthouse(scene)
    town(scene)
    boat(scene, 446, 318, 34, (70, 50, 74), sails=True)
    boat(scene, 524, 319, 22, (120, 52, 54), sails=True)
    water(scene)
    boat(scene, 300, 372, 66, (168, 58, 50), sails=False)
    quay(scene)
    bicycle(scene)
    lamp(scene)
    sign(scene)
    foliage(scene)
    return scene.finished()


def draw_chart() -> Image.Image:
    """A test chart, 512x384, gray: what a kernel does can be read off it."""
    y, x = np.mgrid[:384, :512].astype(float)
    chart = np.full((384, 512), 128.0)
    angle, radius = np.arctan2(y - 132, x - 132), np.hypot(x - 132, y - 132)
    star = 127.5 + 127.5 * np.cos(36 * angle) * np.clip(radius / 26 - 0.6, 0, 1)
    chart = np.where(radius < 112, star, chart)
    chart = np.where(np.abs(radius - 115) < 2, 0, chart)
    rings = np.hypot(x - 384, y - 132)
    zone = 127.5 + 127.5 * np.cos(np.pi * rings**2 / (2 * 112))
    chart = np.where(rings < 112, zone, chart)
    chart = np.where(np.abs(rings - 115) < 2, 255, chart)
    for step in range(16):
        chart[262:290, 8 + step * 31 : 39 + step * 31] = step * 17
    chart[290:304, 8:504] = np.linspace(0, 255, 496)
    for band, width in enumerate((1, 2, 3, 4, 6, 8)):
        cell = (slice(314, 374), slice(8 + band * 33, 38 + band * 33))
        chart[cell] = np.where((x[cell] // width + (y[cell] // width if band % 2 else 0)) % 2, 255, 0)
    chart[314:374, 210:306] = 40
    for row, column in ((328, 226), (328, 258), (328, 290), (358, 226), (358, 258), (358, 290)):
        chart[row, column] = 255
    chart[342:344, 212:304] = 60
    chart[314:374, 312:372] = np.where((x - 342) * 0.2 > (y - 344), 230, 20)[314:374, 312:372]
    chart[314:374, 378:438] = np.where(np.hypot(x - 408, y - 344) < 24, 230, 60)[314:374, 378:438]
    picture = Image.fromarray(np.rint(chart).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((444, 314, 503, 373), fill=235)
    for line, (words, size) in enumerate((("convcli", 14), ("Aa Bb 01", 10), ("edges", 9), ("corners", 9))):
        pen.text((473.5, 323 + line * 14), words, fill=15, font=ImageFont.load_default(size), anchor="mm")
    pen.rectangle((0, 0, 511, 383), outline=255)
    return picture


def draw_cutout() -> Image.Image:
    """A maple-like leaf, 320x320 RGBA: soft edge, and a garish colour where it cannot be seen."""
    rng = np.random.default_rng(11)
    fine = 320 * FINE
    y, x = np.mgrid[:fine, :fine].astype(np.float32) / FINE
    angle, radius = np.arctan2(x - 160, 178 - y), np.hypot(x - 160, y - 178)
    lobes = 0.62 + 0.30 * np.cos(5 * angle) ** 2 * np.sign(np.cos(5 * angle)).clip(0) + 0.13 * np.cos(angle)
    lobes += 0.05 * np.abs(np.sin(23 * angle)) + 0.02 * np.sin(61 * angle)
    inside = between(146 * lobes - radius, -3.5, 3.5)
    stalk = (
        between(4.5 - np.abs(x - 160 - (y - 178) ** 2 / 900), -1.5, 1.5) * between(y, 170, 178) * between(306 - y, 0, 4)
    )
    vein = np.zeros_like(x)
    for centre in np.arange(-2, 3) * 2 * np.pi / 5:
        along, across = radius * np.cos(angle - centre), radius * np.sin(angle - centre)
        vein = np.maximum(vein, (along > 0) * between(2.2 - np.abs(across) - along / 110, 0, 1))
        ribs = np.abs((np.abs(across) * 1.0 - along) % 22 - 11)
        near = np.abs(np.arctan2(across, along)) < np.pi / 5.2
        vein = np.maximum(vein, 0.5 * near * (along > 8) * between(1.2 - ribs, 0, 1))
    spots = Image.fromarray(rng.uniform(0, 1, (40, 40)).astype(np.float32)).resize(
        (fine, fine), Image.Resampling.BICUBIC
    )
    ripe = np.clip(radius / 150 + 0.35 * (np.asarray(spots) - 0.5), 0, 1)[:, :, None]
    flesh = (1 - ripe) * np.float32([246, 196, 60]) + ripe * np.float32([198, 48, 34])
    flesh = flesh * (0.88 + 0.24 * between(np.sin(angle * 5 + 1), -1, 1))[:, :, None]
    flesh += vein[:, :, None] * (np.float32([255, 226, 150]) - flesh) * 0.75
    flesh = np.where((stalk > inside)[:, :, None], np.float32([130, 70, 40]), flesh)
    alpha = np.maximum(inside, stalk)
    colour = np.where((alpha > 0.004)[:, :, None], flesh, np.float32([0, 255, 0]))
    rgba = np.dstack([colour, alpha * 255]).clip(0, 255)
    small = rgba.reshape(320, FINE, 320, FINE, 4).mean((1, 3))
    weight = (np.where(alpha > 0.004, alpha, 0)).reshape(320, FINE, 320, FINE).sum((1, 3))
    seen = (colour * alpha[:, :, None]).reshape(320, FINE, 320, FINE, 3).sum((1, 3)) / np.maximum(weight, 1e-6)[
        :, :, None
    ]
    small[:, :, :3] = np.where((weight > 0.02)[:, :, None], seen, np.float32([0, 255, 0]))
    return Image.fromarray(np.rint(small).clip(0, 255).astype(np.uint8))


def main(folder: Path) -> None:
    """All pictures, into the folder."""
    scene = draw_scene()
    scene.save(folder / "scene.png", optimize=True)
    scene.resize((480, 360), Image.Resampling.LANCZOS).save(folder / "scene.jpg", quality=88)
    draw_chart().save(folder / "chart.png", optimize=True)
    draw_cutout().save(folder / "cutout.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
