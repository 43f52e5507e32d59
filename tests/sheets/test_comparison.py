"""`convcli compare`: one picture under several kernels, padding modes or strides."""

import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli import filter_image, load_kernel
from convcli.cli import main
from convcli.filtering.recipe import Recipe
from convcli.geometry import Geometry
from convcli.images.eight_bit import as_rgb
from convcli.sheets.comparison import Candidate, padding_modes, padding_sheet, sheet

PICTURE = np.random.default_rng(8).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def holds(sheet, tile):
    """Whether the sheet shows the tile somewhere, pixel for pixel."""
    pixels = np.asarray(sheet)
    height, width = tile.shape[:2]
    first = (pixels[: -height + 1, : -width + 1] == tile[0, 0]).all(axis=2)
    return any(np.array_equal(pixels[y : y + height, x : x + width], tile) for y, x in np.argwhere(first))


def candidates(*specs, **options):
    return [Candidate(spec, Recipe((load_kernel(spec),), **options)) for spec in specs]


def test_every_kernel_has_a_tile_with_its_own_pixels():
    specs = ["sobel-x", "emboss", "sharpen", "gaussian-5"]
    done = sheet(PICTURE, candidates(*specs), None, 80)
    assert holds(done, PICTURE)
    for spec in specs:
        assert holds(done, filter_image(PICTURE, spec, range=None)), spec
    assert not holds(done, filter_image(PICTURE, "laplacian", range=None))


def test_strides_are_shown_in_their_own_size():
    geometries = [Geometry.from_options(stride=stride) for stride in (1, 2)]
    found = [Candidate(str(g.stride), Recipe((load_kernel("box"),), g)) for g in geometries]
    done = sheet(PICTURE, found, 3, 160)
    small = filter_image(PICTURE, "box", stride=2)
    assert small.shape == (30, 40, 3)
    assert holds(done, small.repeat(4, 0).repeat(4, 1))


def test_padding_modes_mark_what_differs_from_the_first():
    found = padding_modes(Recipe((load_kernel("box"),)))
    assert [candidate.label for candidate in found] == [
        "zeros", "constant 0", "replicate", "reflect", "symmetric", "circular",
    ]  # fmt: skip
    done = padding_sheet(PICTURE, found, None, 96)
    zeros = filter_image(PICTURE, "box")
    assert holds(done, zeros[:24, :24].repeat(4, 0).repeat(4, 1))
    replicate = filter_image(PICTURE, "box", padding_mode="replicate")
    marked = replicate.copy()
    differs = (replicate != zeros).any(axis=2)
    assert differs[1:-1, 1:-1].sum() == 0
    assert differs[0].sum() > 70
    marked[differs] = (replicate[differs].astype(int) + np.array([255, 0, 160])) // 2
    assert holds(done, marked[:24, :24].repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0, 255]], np.uint8), [[[0] * 3, [255] * 3]]),
        (np.array([[0, 65535, 257]], np.uint16), [[[0] * 3, [255] * 3, [1] * 3]]),
        (np.array([[-1.0, 0.5, 2.0]], np.float32), [[[0] * 3, [128] * 3, [255] * 3]]),
        (np.array([[[1, 2, 3]]], np.uint8), [[[1, 2, 3]]]),
    ],
)
def test_pixels_of_any_depth_are_shown(pixels, expected):
    assert as_rgb(pixels).tolist() == expected


@pytest.fixture
def folder(tmp_path, monkeypatch):
    Image.fromarray(PICTURE).save(tmp_path / "in.png")
    Image.fromarray(np.dstack([PICTURE, PICTURE[..., :1]])).save(tmp_path / "rgba.png")
    Image.fromarray(PICTURE[..., 0]).save(tmp_path / "gray.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(text):
    return CliRunner().invoke(main, ["compare", *shlex.split(text)])


@pytest.mark.parametrize(
    "text",
    [
        "in.png -k sobel-x -k emboss -k 'gaussian:sigma=2 * laplacian' out.png",
        "in.png -k box --padding-mode all out.png",
        "in.png -k box --padding-mode all --padding-value 128 out.jpg",
        "in.png -k laplacian --stride 1 --stride 2,3 --columns 1 out.png",
        "rgba.png -k box --range normalize --padding full --dilation 2 out.png --tile 64",
        "gray.png -k sobel-x -k sobel-y --flip --bias 10 --divisor 2 out.png",
        "in.png -k depth-luma -k 'sobel-x' out.webp",
    ],
)
def test_on_the_command_line(folder, text):
    done = run(text)
    assert done.exit_code == 0, done.output
    out = next(folder.glob("out.*"))
    with Image.open(out) as picture:
        assert picture.mode == "RGB"
        assert min(picture.size) > 60
        assert done.stderr == f"{out.name}: {picture.width}x{picture.height}\n" and not done.stdout


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("in.png -k a -k box out.png", 2, "unknown kernel 'a'"),
        ("in.png -k box -k sobel-x --padding-mode all out.png", 2, "one of them at a time"),
        ("in.png -k box --padding-mode all --stride 1 --stride 2 out.png", 2, "one of them at a time"),
        ("in.png -k box --padding-mode some out.png", 2, "'some'"),
        ("in.png -k box out.npy", 2, "a sheet is a picture: name one, as in out.png"),
        ("in.png -k box out", 2, "a sheet is a picture: name one, as in out.png"),
        ("in.png -k box out.xyz", 2, "xyz"),
        ("gone.png -k box out.png", 1, "gone.png"),
        ("in.png -k box in.png", 1, "exists; --force overwrites it"),
        ("in.png -k box:size=99 --padding valid out.png", 2, "the kernel does not fit"),
        ("gray.png -k depth-luma out.png", 2, "depth 3"),
        ("in.png out.png", 2, "Missing option '-k'"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(folder, text, code, message):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    done = run(text)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
