"""A TIFF in bands is, to the bit, the TIFF as a whole."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from convcli import large, load_kernel
from convcli.cli import main
from convcli.engine import convolve
from convcli.engine.job import EngineJob
from convcli.engine.routes import choose
from convcli.engine.window import RowWindow, row_unit
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.geometry import Geometry
from convcli.large import steps, tiff_out, zarr_out
from convcli.ranges import range_map

RNG = np.random.default_rng(11)
FULL = {"uint8": 255, "uint16": 65535, "float32": 1}


def picture(size, channels=3, dtype="uint8"):
    noise = RNG.random((*size, channels) if channels > 1 else size)
    return (noise * FULL[dtype]).astype(dtype)


def convcli(*words):
    return CliRunner().invoke(main, ["apply", *map(str, words)])


def save(path, a, **words):
    words = {"tile": (64, 64), "compression": "zlib", **words}
    tifffile.imwrite(path, a, photometric="rgb" if a.ndim == 3 else "minisblack", **words)


@pytest.fixture
def banded(monkeypatch):
    """Every TIFF is streamed, in bands as small as they get."""
    monkeypatch.setattr(tiff_out, "TILE", 32)
    monkeypatch.setattr(zarr_out, "CHUNK", 32)
    monkeypatch.setattr(steps, "ROWS", 32)
    monkeypatch.setattr(large, "streams", lambda *words: True)


KERNELS = ("sobel-x", "gaussian:sigma=5", "box:size=9", "kirsch", "disk:radius=12", "identity")


@pytest.mark.parametrize("spec", KERNELS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_windows_of_every_route(spec, dtype):
    """Whichever rows are made together, they are those of the whole map."""
    a, kernel = picture((301, 67), dtype=dtype), load_kernel(spec)
    for stride, mode, dilation in ((1, "zeros", 1), (2, "reflect", 1), (1, "circular", 2), (3, "symmetric", 1)):
        geometry = Geometry.from_options(stride, "same", mode, dilation=dilation)
        mapping = range_map("clip", a.dtype)
        want = convolve(a, kernel, geometry, mapping=mapping).pixels
        job = EngineJob.for_picture(kernel, geometry, a.dtype, a.shape, False, mapping)
        unit = row_unit(choose(job), job)
        for first in range(0, len(want), step := unit * max(1, 50 // unit)):
            last = min(first + step, len(want))
            window = RowWindow.needed(a.shape[:2], [kernel.size], geometry, first, last)
            got = convolve(a[window.rows], kernel, geometry, mapping=mapping, window=window).pixels
            np.testing.assert_array_equal(got, want[first:last])


@pytest.mark.parametrize("words", [
    ("-k", "sobel-x"), ("-k", "gaussian:sigma=5", "--padding-mode", "circular"), ("-k", "sharpen", "--stride", "3,2"),
    ("-k", "box:size=5", "--padding", "full", "--dilation", "3"), ("-k", "emboss", "--padding", "valid", "--flip"),
    ("-k", "sobel-x", "--range", "normalize"), ("-k", "laplacian", "--channels", "sum", "--range", "normalize"),
    ("-k", "gaussian:sigma=2", "-k", "sobel-y", "-k", "box", "--channels", "gray"),
    ("-k", "box:size=25", "--padding", "40", "--padding-mode", "reflect"), ("-k", "identity", "--padding-value", "99"),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_bands_are_the_whole(tmp_path, banded, words, dtype):
    a = picture((150, 131), dtype=dtype)
    save(tmp_path / "a.tif", a)
    result = convcli(*words, tmp_path / "a.tif", tmp_path / "b.tif")
    assert result.exit_code == 0, result.output
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert tiff.is_bigtiff and tiff.pages[0].is_tiled and tiff.pages[0].compression == 8
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "streams", lambda *words: False)
        assert convcli(*words, tmp_path / "a.tif", tmp_path / "c.tif").exit_code == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), tifffile.imread(tmp_path / "c.tif"))


@pytest.mark.parametrize("layout", [
    {}, {"tile": (16, 32)}, {"tile": None, "rowsperstrip": 7}, {"compression": None}, {"compression": "lzw"},
    {"predictor": True}, {"planarconfig": "separate"}, {"tile": None, "planarconfig": "separate", "rowsperstrip": 10},
    {"bigtiff": True, "byteorder": ">"}, {"compression": "zstd"},
])  # fmt: skip
def test_layouts(tmp_path, banded, layout):
    a = picture((100, 83), dtype="uint16")
    stored = np.moveaxis(a, 2, 0) if layout.get("planarconfig") == "separate" else a
    save(tmp_path / "a.tif", stored, **layout)
    assert convcli("-k", "sharpen", tmp_path / "a.tif", tmp_path / "b.tif").exit_code == 0
    want = run_recipe(a, Recipe((load_kernel("sharpen"),))).pixels
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), want)


def test_float_gray_and_pages(tmp_path, banded):
    pages = [picture((70, 140), 1, "float32") for _ in range(3)]  # more columns of tiles than rows
    pages[2][3, 4] = np.nan
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page in pages:
            tiff.write(page, tile=(32, 32), photometric="minisblack", metadata=None)
    recipe = Recipe((load_kernel("disk:radius=12"),))
    assert convcli("-k", "disk:radius=12", tmp_path / "a.tif", tmp_path / "b.tif").exit_code == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        for got, page in zip(tiff.pages, pages, strict=True):
            np.testing.assert_array_equal(got.asarray(), run_recipe(page, recipe).pixels)
    assert convcli("-k", "identity", "--frame", "1", tmp_path / "a.tif", tmp_path / "c.tif").exit_code == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.tif"), pages[1])


def test_a_sparse_file_and_a_profile(tmp_path, banded):
    a = np.zeros((128, 128, 3), np.uint8)
    a[:64, :64] = 200
    tiles = iter([a[:64, :64], None, None, None])
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=a.shape, dtype=a.dtype, tile=(64, 64), photometric="rgb",
                     iccprofile=b"RGB profile", resolution=(300, 300), resolutionunit="INCH")  # fmt: skip
    assert convcli("-k", "box", tmp_path / "a.tif", tmp_path / "b.tif").exit_code == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        page = tiff.pages[0]
        np.testing.assert_array_equal(page.asarray(), run_recipe(a, Recipe((load_kernel("box"),))).pixels)
        assert page.iccprofile == b"RGB profile" and page.get_resolution() == (300, 300)
        assert "box 3x3" in page.tags["Software"].value


@pytest.mark.parametrize(("words", "code", "part"), [
    (("-k", "box", "--reduce-depth"), 2, "--reduce-depth needs the whole picture"),
    (("-k", "box:size=999", "--padding", "valid"), 2, "a.tif: the kernel does not fit"),
    (("-k", "box", "--frame", "4"), 1, "a.tif has no frame 4: it has 1"),
])  # fmt: skip
def test_what_is_refused(tmp_path, banded, words, code, part):
    save(tmp_path / "a.tif", picture((80, 80)))
    result = convcli(*words, tmp_path / "a.tif", tmp_path / "b.tif")
    assert result.exit_code == code and part in result.stderr and not list(tmp_path.glob("*b.tif*"))


def test_kinds_that_are_refused(tmp_path, banded):
    tifffile.imwrite(tmp_path / "wide.tif", np.zeros((64, 64), np.int64))
    tifffile.imwrite(tmp_path / "signed.tif", np.zeros((64, 64), np.int16))
    for name, why in (("wide.tif", "holds samples of 64 bits"), ("signed.tif", "raise --memory")):
        result = convcli("-k", "box", tmp_path / name, tmp_path / "b.tif")
        assert result.exit_code == 1 and why in result.stderr and not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize("words", [(), ("--alpha", "drop")])
def test_extra_channels_without_a_meaning_are_left_out(tmp_path, banded, words):
    a = picture((64, 64), 5)
    tifffile.imwrite(tmp_path / "a.tif", a, photometric="rgb", extrasamples=[0, 0])
    result = convcli("-k", "identity", *words, tmp_path / "a.tif", tmp_path / "b.tif")
    assert result.exit_code == 0 and "2 extra channels were left out" in result.stderr
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), a[..., :3])


@pytest.mark.parametrize("alpha", [None, "keep", "weight", "filter", "drop"])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", 0])
@pytest.mark.parametrize(("channels", "dtype"), [(4, "uint8"), (4, "uint16"), (2, "uint8"), (2, "float32")])
def test_transparency(tmp_path, banded, alpha, kind, channels, dtype):
    """As where Pillow, or for more than 8 bits tifffile, reads the whole picture."""
    a = picture((101, 83), channels, dtype)
    words = {"photometric": "rgb" if channels > 2 else "minisblack", "extrasamples": [kind], "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", a, tile=(32, 32), **words)
    words = ("-k", "gaussian:sigma=2", *(("--alpha", alpha) if alpha else ()))
    assert convcli(*words, tmp_path / "a.tif", tmp_path / "b.tif").exit_code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "streams", lambda *words: False)
        assert convcli(*words, tmp_path / "a.tif", tmp_path / "c.tif").exit_code == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), tifffile.imread(tmp_path / "c.tif"))


def test_damage(tmp_path, banded):
    save(tmp_path / "a.tif", picture((300, 300)))
    content = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offset, count = tiff.pages[0].dataoffsets[7], tiff.pages[0].databytecounts[7]
    (tmp_path / "a.tif").write_bytes(content[:offset] + bytes(count) + content[offset + count :])
    result = convcli("-k", "box", tmp_path / "a.tif", tmp_path / "b.tif")
    assert result.exit_code == 1 and "a.tif is damaged or incomplete" in result.stderr
    (tmp_path / "a.tif").write_bytes(content[: len(content) * 2 // 3])
    result = convcli("-k", "box", tmp_path / "a.tif", tmp_path / "b.tif")
    assert result.exit_code == 1 and "Traceback" not in result.output and not list(tmp_path.glob("*b.tif*"))


def test_when_it_streams(tmp_path):
    save(tmp_path / "a.tif", picture((600, 600)))
    path = str(tmp_path / "a.tif")
    little, much = large.StreamOptions(memory=2 << 20), large.StreamOptions(memory=8 << 20)
    assert large.streams(path, "b.tif", None, little, None)
    assert not large.streams(path, "b.tif", None, much, None)
    assert not large.streams(path, "b.png", None, little, None)
    assert not large.streams(path, "b.tif", None, little, 1000)  # refused, as was asked for
    assert not large.streams(path, "-", None, little, None) and not large.streams(
        "missing.tif", "b.tif", None, little, None
    )
    assert large.streams(path, "b.ome.tif", None, much, None) and large.streams(path, "b.zarr", None, much, None)
    assert large.streams(path, "b.tif", None, large.StreamOptions(memory=8 << 20, pyramid=True), None)
    result = convcli("-k", "box", "--memory", "much", path, tmp_path / "b.tif")
    assert result.exit_code == 2 and "'much' is not an amount of memory" in result.stderr


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_memory_stays_bounded(tmp_path):
    """100 megapixels, 300 MB of samples, in far less."""
    row = picture((256, 8192))
    tiles = (row[:, x : x + 256] for _ in range(48) for x in range(0, 8192, 256))
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=(48 * 256, 8192, 3), dtype=np.uint8, tile=(256, 256),
                     photometric="rgb", bigtiff=True)  # fmt: skip
    run_recipe(row, Recipe((load_kernel("sobel-x"),)))  # compiled by now, which takes memory of its own
    words = ["apply", "-k", "sobel-x", "--compression", "none", "--memory", "60M", "a.tif", "b.tif"]
    code = (
        f"import sys; sys.argv[1:] = {words!r}; from convcli.cli import main; main(standalone_mode=False); "
        "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 250 and Path(tmp_path / "b.tif").exists()
