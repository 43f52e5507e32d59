"""Makes the pictures of the documentation with convcli itself: `python docs/make_pictures.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parent.parent
SCENE = ROOT / "samples" / "scene.png"
SIX = (
    ("sobel-x",),
    ("laplacian-8",),
    ("emboss",),
    ("sharpen-8",),
    ("gaussian:sigma=4",),
    ("box:size=9", "--stride", "8", "--padding", "valid"),
)
TWELVE = (
    "sobel-x", "kirsch:direction=nw", "laplacian-8", "contour", "emboss", "6 * log:sigma=2", "unsharp:amount=3",
    "gaussian:sigma=4", "motion:length=25,angle=30", "disk:radius=6", "2 * laws:pair=E5S5", "4 * gabor:theta=45",
)  # fmt: skip
GAP, CAPTION = 8, 22


def convcli(*words: object) -> None:
    """Run the command, as a user would."""
    subprocess.run([sys.executable, "-m", "convcli", *map(str, words)], check=True, cwd=ROOT)


def captioned(sheet: Image.Image, picture: Image.Image, at: tuple[int, int], words: str) -> None:
    """The picture with its caption below it."""
    sheet.paste(picture, at)
    pen = ImageDraw.Draw(sheet)
    foot = (at[0] + picture.width / 2, at[1] + picture.height + CAPTION / 2 - 1)
    pen.text(foot, words, fill=(70, 74, 82), font=ImageFont.load_default(14), anchor="mm")


def six_kernels(folder: Path) -> Image.Image:
    """The scene on the left, and what six kernels make of it on the right."""
    small = (224, 168)
    large = (2 * (small[0] + 12) - 12, 2 * small[1] + CAPTION + GAP)
    sheet = Image.new("RGB", (large[0] + 3 * (small[0] + GAP) + 2 * GAP, large[1] + CAPTION + 2 * GAP), "white")
    scene = Image.open(SCENE)
    width = round(scene.height * large[0] / large[1])
    left = (scene.width - width) // 2
    crop = scene.crop((left, 0, left + width, scene.height))
    captioned(sheet, crop.resize(large, Image.Resampling.LANCZOS), (GAP, GAP), "the picture")
    for index, (kernel, *options) in enumerate(SIX):
        made = folder / f"{index}.png"
        convcli("apply", "-k", kernel, *options, SCENE, made)
        tile = Image.open(made).convert("RGB")
        how = Image.Resampling.NEAREST if options else Image.Resampling.LANCZOS
        column, row = index % 3, index // 3
        at = (2 * GAP + large[0] + column * (small[0] + GAP), GAP + row * (small[1] + CAPTION + GAP))
        captioned(sheet, tile.resize(small, how), at, " ".join((kernel, *options[:2])))
    return sheet


def main() -> None:
    """All pictures, into docs/pictures."""
    folder = Path(__file__).parent / "pictures"
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as scratch:
        six_kernels(Path(scratch)).save(folder / "six-kernels.png", optimize=True)
    kernels = [word for spec in TWELVE for word in ("-k", spec)]
    convcli("compare", SCENE, *kernels, "--tile", 216, "--columns", 7, "--force", folder / "twelve-kernels.jpg")
    maps = ("--then", "abs", "--colormap", "magma", "--scale-maps", "each", "--columns", 4, "--force")
    convcli("layer", "--layers", ROOT / "samples" / "filters.yaml", *maps, SCENE, folder / "feature-maps.png")
    convcli("explain", "-k", "sobel-x", "--crop", "520,299,6,6", "--animate", folder / "sobel.gif", "--force", SCENE)


if __name__ == "__main__":
    main()
