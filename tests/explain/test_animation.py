"""The animation: every number that is drawn is the engine's, for every geometry; and the file is what was asked for."""

import io
from pathlib import Path

import naive
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convcli.cli import main
from convcli.errors import ConvcliError
from convcli.explain import animation
from convcli.explain.animation import MOST_FRAMES, draw_frame, draw_frames, figure_of, write_animation
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.geometry import Geometry, output_size
from convcli.images.luma import luma
from convcli.kernel import Kernel

SCENE = Path(__file__).parents[2] / "samples" / "scene.png"
MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def picture(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def convcli(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def drawn(figure, index, monkeypatch):
    """The words that really reach the picture, in order."""
    from PIL import ImageDraw

    words = []
    real = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda pen, at, text, **how: (words.append(text), real(pen, at, text, **how))
    )
    draw_frame(figure, index)
    monkeypatch.undo()
    return words


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.sampled_from(["same", "full", (4, 1, 3, 6)]),
    mode=st.sampled_from(MODES),
    range_=st.sampled_from(["clip", "abs", "offset", "normalize"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_cells_hold_the_numbers_of_the_engine(shape, size, stride, dilation, padding, mode, range_, seed):
    image = picture(shape, seed)
    weights = np.random.default_rng(seed).integers(-3, 4, size)
    geometry = Geometry.from_options(stride, padding, mode, 99, dilation)
    recipe = Recipe((Kernel(weights, divisor=2),), geometry, "each", range_)
    height, width = geometry.output(shape, size)
    pads_y, pads_x = geometry.pads(shape, size)
    if sum(pads_y) + shape[0] + sum(pads_x) + shape[1] + width > 24 or height * width > 60:
        return
    figure = figure_of(image, recipe, (0, 0, shape[1], shape[0]))
    assert figure.frames == height * width
    pixels = run_recipe(image, recipe).pixels.ravel()
    for index in {0, figure.frames // 2, figure.frames - 1}:
        cells = list(figure.cells(index))
        left = [c for c in cells if c.box[0] < figure._map_corner[0] and c.fill[0] >= 0]
        right = [c for c in cells if c.box[0] >= figure._map_corner[0]]
        right, alone = right[: height * width], right[height * width :]
        # The picture with its ring, in reading order.
        ring = [
            99 if mode == "constant" and None in (r, c) else 0 if None in (r, c) else int(image[r, c])
            for r in (naive.border(i, shape[0], mode) for i in range(-pads_y[0], shape[0] + pads_y[1]))
            for c in (naive.border(j, shape[1], mode) for j in range(-pads_x[0], shape[1] + pads_x[1]))
        ]
        assert [c.text for c in left] == [str(v) for v in ring]
        # The weights, on the pixels they multiply.
        taps = [c for c in left if c.frame[1] > 1]
        assert len(taps) == weights.size
        if figure.cell >= 34:
            assert [c.corner for c in taps] == [str(w) for w in weights.ravel()]
        total = sum(int(c.text) * int(w) for c, w in zip(taps, weights.ravel(), strict=True))
        assert figure.explanation(index).responses[0].total == total
        # The map, as far as it is filled.
        assert [c.text for c in right] == [str(p) for p in pixels[: index + 1]] + [""] * (figure.frames - index - 1)
        # The kernel by itself, below the map.
        assert [c.text for c in alone] == [str(w) for w in weights.ravel()]
        assert min(c.box[1] for c in alone) >= max(c.box[3] for c in right)
        assert figure.sentences(index)[0] == f"position {index + 1} of {figure.frames}"
        assert all(c.box[2] <= figure.width and c.box[3] <= figure.height for c in cells)
    for line, o in zip(figure.formulas, (width, height), strict=True):
        assert line.endswith(f" = {o}") and eval(line.split(" = ")[1], {"floor": int}) == o


def test_every_number_of_the_cells_is_drawn(monkeypatch):
    image = picture((5, 5))
    recipe = Recipe(
        (Kernel(SOBEL, name="sobel-x"),), Geometry.from_options(stride=2, dilation=2, padding=2), range="abs"
    )
    figure = figure_of(image, recipe, (0, 0, 5, 5))
    words = drawn(figure, 4, monkeypatch)
    for cell in figure.cells(4):
        assert not cell.text or cell.text in words
        assert not cell.corner or f"x{cell.corner}" in words
    assert words[0] == "sobel-x 3x3, stride 2, dilation 2, padding 2,2,2,2 (zeros), crop 0,0,5,5"
    assert set(figure.sentences(4) + figure.formulas) - {""} <= set(words)
    assert "width O = floor((5 - (2*(3 - 1) + 1) + 2 + 2) / 2) + 1 = 3" in words


def test_a_frame_is_the_same_drawn_alone_and_after_others():
    recipe = Recipe((Kernel(SOBEL),), Geometry.from_options(stride=2, dilation=2, padding=3), range="abs")
    figure = figure_of(picture((9, 8)), recipe, (0, 0, 8, 9))
    for index, frame in enumerate(draw_frames(figure, range(figure.frames))):
        np.testing.assert_array_equal(np.asarray(frame), np.asarray(draw_frame(figure, index)))


def test_depth_shows_every_channel():
    weights = np.random.default_rng(1).integers(-2, 3, (3, 3, 3))
    image = picture((5, 6, 3))
    figure = figure_of(image, Recipe((Kernel(weights),)), (1, 0, 4, 4))
    shares = [int((image[0:3, 1:4, c].astype(int) * weights[c]).sum()) for c in range(3)]
    assert [words for _, _, words in figure.labels(5)] == [
        f"picture, red: sum {shares[0]}",
        f"picture, green: sum {shares[1]}",
        f"picture, blue: sum {shares[2]}",
        "feature map",
        "kernel, red",
        "kernel, green",
        "kernel, blue",
    ]
    want = naive.convolve(image[0:4, 1:5], weights, depth=True)
    assert figure.stage.pixels[:, :, 0].tolist() == want.tolist()
    corners = [int(c.corner) for c in figure.cells(5) if c.corner]
    assert not corners or corners == weights.ravel().tolist()


def test_colour_is_shown_by_its_luma():
    image = picture((9, 9, 3))
    figure = figure_of(image, Recipe((Kernel(SOBEL),)), (2, 3, 5, 4))
    assert figure.stage.planes[:, :, 0].tolist() == luma(image)[3:7, 2:7].tolist()
    assert [words for _, _, words in figure.labels(0)] == ["picture, luma", "feature map", "kernel"]


def test_a_chain_and_the_kernels_divisor_and_bias_are_named():
    kernels = (Kernel([[1, 1]], divisor=2, name="mean"), Kernel([[-2, 1]], divisor=4, bias=-3, name="own"))
    figure = figure_of(picture((9, 9)), Recipe(kernels), (1, 1, 5, 5))
    labels = [words for _, _, words in figure.labels(0)]
    assert labels == ["picture after mean, gray", "feature map", "kernel, sum / 4 - 3"]


def test_numbers_of_16_bits_stay_in_their_cells(monkeypatch):
    from PIL import ImageDraw

    image = np.random.default_rng(0).integers(10000, 65536, (7, 7), np.uint16)
    figure = figure_of(image, Recipe((Kernel(SOBEL),)), (0, 0, 7, 7))
    wide = []
    real = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw,
        "text",
        lambda pen, at, text, **how: (
            wide.append((text, pen.textlength(text, how["font"]))),
            real(pen, at, text, **how),
        ),
    )
    draw_frame(figure, 20)
    inside = [width for text, width in wide if text.isdigit() and len(text) == 5]
    assert len(inside) >= 49 and max(inside) < figure.cell - 2


def test_the_crop_lies_where_there_is_something_to_see():
    """A blur answers white ground most strongly, where every number is the same."""
    image = np.full((60, 60), 255, np.uint8)
    image[40:, 30:] = 0
    figure = figure_of(image, Recipe((Kernel(np.ones((3, 3)), divisor=9),)))
    assert len(np.unique(figure.stage.planes)) == 2
    around = figure_of(image, Recipe((Kernel(np.ones((3, 3)), divisor=9),)), at=(10, 12))
    assert around.title.endswith("crop 7,9,7,7")


def test_the_default_crop_holds_the_strongest_response():
    image = np.full((60, 80), 90, np.uint8)
    image[40:, 50:] = 250
    figure = figure_of(image, Recipe((Kernel(SOBEL, range="abs"),)))
    x, y, width, height = map(int, figure.title.split("crop ")[1].split(","))
    assert (width, height) == (7, 7) and x <= 49 < x + width and y <= 41 < y + height


@pytest.mark.parametrize(("suffix", "format_"), [(".gif", "GIF"), (".webp", "WEBP"), (".apng", "PNG")])
def test_files_are_animations_of_all_positions(suffix, format_, tmp_path):
    out = tmp_path / f"out{suffix}"
    done = convcli("explain", "-k", "sobel-x", "--crop", "300,200,4,3", "--speed", "4", "--animate", out, SCENE)
    assert done.exit_code == 0 and done.stdout == ""
    assert done.stderr.startswith(f"{out}: 12 frames, 800x")
    with Image.open(out) as file:
        assert (file.format, file.n_frames, file.width) == (format_, 12, 800)
        durations, seen = [], set()
        for index in range(12):
            file.seek(index)
            seen.add(file.convert("RGB").tobytes())
            durations.append(file.info["duration"])
        assert len(seen) == 12
    assert durations[:11] == [250] * 11 and durations[11] == 2500
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_the_default_animation_stays_below_three_megabytes(tmp_path):
    for kernel in ("sobel-x", "gaussian:sigma=1.5"):
        assert convcli("explain", "-k", kernel, "--animate", tmp_path / "out.gif", "-f", SCENE).exit_code == 0
        assert 20_000 < (tmp_path / "out.gif").stat().st_size < 3_000_000


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_frames_of_the_file_are_the_frames_drawn(suffix):
    """But for shades that share one of the 256 colours."""
    figure = figure_of(picture((4, 4)), Recipe((Kernel(SOBEL),)), (0, 0, 4, 4))
    buffer = io.BytesIO()
    write_animation(buffer, figure, suffix)
    with Image.open(buffer) as file:
        for index in (0, 7, 15):
            file.seek(index)
            off = np.abs(np.asarray(file.convert("RGB")).astype(int) - np.asarray(draw_frame(figure, index)))
            assert off.mean() < 0.3 and np.median(off) == 0 and off.max() < 80


def test_a_still_frame(tmp_path):
    out = tmp_path / "still.png"
    done = convcli("explain", "-k", "sobel-x", "--crop", "300,200,4,3", "--animate", out, "--frame", "5", SCENE)
    assert done.exit_code == 0 and "frame 5 of 12" in done.stderr
    image = np.asarray(Image.open(SCENE))
    figure = figure_of(image, Recipe((Kernel(SOBEL, name="sobel-x", range="abs"),)), (300, 200, 4, 3))
    np.testing.assert_array_equal(np.asarray(Image.open(out)), np.asarray(draw_frame(figure, 4)))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--animate", "out.png"], 2, ".png can't animate; use .gif, .webp, .apng, or --frame N for a still"),
        (["--animate", "out"], 2, "a name without a suffix can't animate"),
        (["--animate", "out.jpg", "--frame", "1"], 2, ".jpg is no still picture"),
        (["--animate", "out.gif", "--frame", "50"], 2, "frame 50 does not exist: the animation has the frames 1 to 49"),
        (["--animate", "out.gif", "--crop", "600,0,50,5"], 2, "crop 600,0,50,5 is not inside the picture of 640x480"),
        (["--animate", "out.gif", "--crop", "0,0,0,5"], 2, "crop 0,0,0,5 is not inside"),
        (["--animate", "out.gif", "--crop", "0,0,2,2", "--padding", "valid"], 2, "or take a larger --crop"),
        (["--animate", "out.gif", "--crop", "0,0,40,40"], 2, "would have 1600 frames"),
        (["--animate", "out.gif", "--crop", "1,2,3"], 2, "has 3 numbers, expected X,Y,W,H"),
        (["--animate", "none/out.gif"], 1, "does not exist"),
        (["--crop", "0,0,5,5"], 2, "--crop is for --animate FILE and --html FILE"),
        (["--frame", "5"], 2, "--frame is for --animate FILE"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(words, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = convcli("explain", "-k", "sobel-x", *words, SCENE)
    assert done.exit_code == code and message in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_kept(tmp_path):
    (tmp_path / "out.gif").write_text("mine")
    done = convcli("explain", "-k", "sobel-x", "--animate", tmp_path / "out.gif", SCENE)
    assert done.exit_code == 1 and "--force overwrites it" in done.stderr
    assert (tmp_path / "out.gif").read_text() == "mine"


def test_the_most_frames_are_still_drawn():
    assert output_size(20, 3, padding="same") ** 2 == animation.MOST_FRAMES


def test_four_channels_have_no_luma():
    with pytest.raises(ConvcliError, match="this picture has 4 channels"):
        figure_of(picture((9, 9, 4)), Recipe((Kernel(SOBEL),)))
    assert figure_of(picture((9, 9, 4)), Recipe((Kernel(SOBEL),), channels="sum")).stage.names[3] == "black"


@pytest.mark.parametrize("suffix", [".webp", ".apng"])
def test_other_formats_are_below_three_megabytes_too(suffix, tmp_path):
    words = ["-k", "depth-luma", "--animate", tmp_path / f"a{suffix}", SCENE]  # three planes: the largest frames
    assert convcli("explain", *words).exit_code == 0
    assert 10_000 < (tmp_path / f"a{suffix}").stat().st_size < 3_000_000


def test_a_large_kernel_gets_a_crop_of_few_positions():
    for words in ({}, {"padding": "valid"}, {"padding": "full"}, {"stride": 3}):
        recipe = Recipe((Kernel(np.ones((15, 15))),), Geometry.from_options(**words))
        figure = figure_of(np.asarray(Image.open(SCENE)), recipe)
        assert 4 <= figure.frames <= MOST_FRAMES
