"""OME-TIFF, Zarr and OME-Zarr in pieces, in and out, with pyramids."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner

from convcli import filter_image, load_kernel
from convcli.cli import main
from convcli.filtering.recipe import Recipe
from convcli.filtering.run import run_recipe
from convcli.large import steps, tiff_out, zarr_out
from convcli.large.pages import Facts, MapShape

RNG = np.random.default_rng(12)
FULL = {"uint8": 255, "uint16": 65535, "float32": 1}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Tiles and bands as small as they get."""
    monkeypatch.setattr(tiff_out, "TILE", 32)
    monkeypatch.setattr(zarr_out, "CHUNK", 32)
    monkeypatch.setattr(steps, "ROWS", 32)


def noise(*shape, dtype="uint8"):
    return (RNG.random(shape) * FULL[dtype]).astype(dtype)


def convcli(*words):
    return CliRunner().invoke(main, ["apply", *map(str, words)])


def done(*words):
    result = convcli(*words)
    assert result.exit_code == 0, result.output
    return result.stderr


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def halves(a):
    """The means of 2x2 pixels, rounded half to even; the last row and column of an odd side count twice."""
    a = np.pad(a, [(0, a.shape[0] % 2), (0, a.shape[1] % 2), *[(0, 0)] * (a.ndim - 2)], mode="edge").astype(np.float64)
    return (a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]) / 4


PLANES = {
    "axes": "TCYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm",
    "TimeIncrement": 3.0, "TimeIncrementUnit": "s", "Name": "cells",
    "Channel": {"Name": ["DAPI", "GFP & <RFP>", "x"], "Color": [65535, -16776961, 16711935]},
}  # fmt: skip


@pytest.fixture
def planes(tmp_path):
    """Two times of three channels, as tifffile writes them; more columns of tiles than rows."""
    a = noise(2, 3, 70, 130, dtype="uint16")
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        a,
        ome=True,
        tile=(32, 32),
        compression="zlib",
        photometric="minisblack",
        metadata=PLANES,
    )
    return a


def filtered(a, spec, **words):
    return np.stack([filter_image(plane, spec, **words) for plane in a.reshape(-1, *a.shape[-2:])])


def test_ome_tiff(tmp_path, planes):
    line = done("-k", "gaussian:sigma=2", "--stride", "1,2", tmp_path / "a.ome.tif", tmp_path / "b.ome.tif")
    assert "OME-TIFF uint16 gray 130x70" in line
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tiff:
        assert tiff.is_ome and tiff.series[0].axes == "TCYX" and len(tiff.series) == 1
        got = tiff.asarray()
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        assert tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Name"] == "cells"
    want = filtered(planes, "gaussian:sigma=2", stride=(1, 2))
    np.testing.assert_array_equal(got.reshape(want.shape), want)
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeY"], pixels["TimeIncrement"]) == (1.0, 0.25, 3.0)
    assert [channel["Name"] for channel in pixels["Channel"]] == PLANES["Channel"]["Name"]
    assert [channel["Color"] for channel in pixels["Channel"]] == PLANES["Channel"]["Color"]


def test_one_plane_and_several_images(tmp_path, planes):
    done("-k", "identity", "--frame", "4", tmp_path / "a.ome.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), planes[1, 1])
    parts = noise(40, 50), noise(2, 33, 34, dtype="uint16")
    with tifffile.TiffWriter(tmp_path / "c.ome.tif", ome=True) as tiff:
        for part in parts:
            tiff.write(part, photometric="minisblack", metadata={"axes": "CYX"[-part.ndim :]})
    done("-k", "box", tmp_path / "c.ome.tif", tmp_path / "d.tif")
    with tifffile.TiffFile(tmp_path / "d.tif") as tiff:
        assert [series.axes for series in tiff.series] == ["YX", "CYX"]
        for series, part in zip(tiff.series, parts, strict=True):
            want = filtered(part, "box")
            np.testing.assert_array_equal(series.asarray().reshape(want.shape), want)


@pytest.mark.parametrize("dtype", list(FULL))
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", ["tif", "zarr"])
def test_pyramids(tmp_path, dtype, channels, suffix):
    """Every level is the means of the one before, until one fits a tile; an old pyramid's levels are made anew."""
    a = noise(*(131, 70, channels)[: 3 if channels > 1 else 2], dtype=dtype)
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=True) as tiff:
        photometric = "rgb" if channels > 1 else "minisblack"
        tiff.write(a, photometric=photometric, tile=(32, 32), subifds=1, **extra)
        tiff.write(a[::2, ::2], photometric=photometric, tile=(32, 32), subfiletype=1, **extra)
        tiff.write(a[::2, ::2], photometric=photometric, tile=(32, 32), subfiletype=1, **extra)  # as libvips has them
    done("-k", "sobel-x", "--alpha", "keep", "--pyramid", tmp_path / "a.tif", tmp_path / f"b.{suffix}")
    want = filter_image(a[..., :3] if channels == 4 else a, "sobel-x", range="abs")
    if channels == 4:
        want = np.dstack([want, a[..., 3]])
    if suffix == "tif":
        with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
            assert len(tiff.pages) == 1
            levels = [level.asarray() for level in tiff.series[0].levels]
            assert all(page.is_tiled and page.is_reduced for page in tiff.pages[0].pages)
    else:
        group = zarr.open_group(tmp_path / "b.zarr", mode="r")
        levels = [group[data["path"]][...] for data in group.attrs["ome"]["multiscales"][0]["datasets"]]
        levels = [level if level.ndim == 2 else np.moveaxis(level, 0, 2) for level in levels]
    assert [level.shape[:2] for level in levels] == [(131, 70), (66, 35), (33, 18), (17, 9)]
    for level in levels:
        assert level.dtype == dtype
        np.testing.assert_allclose(level, want, rtol=1e-6, atol=1e-7 if dtype == "float32" else 0)
        want = halves(level) if dtype == "float32" else np.rint(halves(level))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("shape", "chunks", "names"), [
    ((70, 131), (32, 32), None), ((70, 131, 3), (20, 131, 1), None), ((70, 33, 2), (1, 33, 2), None),
    ((3, 70, 131), (3, 70, 7), ["channel", "y", "x"]), ((4, 70, 131), (1, 9, 40), None),
    ((2, 3, 40, 50), (1, 1, 8, 8), ["t", "z", "y", "x"]), ((5, 40, 50), (5, 40, 50), ["wavelength", "y", "x"]),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_zarr(tmp_path, version, shape, chunks, names, dtype):
    a = noise(*shape, dtype=dtype)
    words = (
        {"dimension_names": names} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": names} if names else {}}
    )
    zarr.create_array(tmp_path / "a.zarr", data=a, chunks=chunks, zarr_format=version, **words)
    done("-k", "gaussian:sigma=2", tmp_path / "a.zarr", tmp_path / "b.zarr")
    made = zarr.open_array(tmp_path / "b.zarr", mode="r")
    assert made.metadata.zarr_format == version and made.dtype == dtype and made.shape == a.shape
    assert made.chunks[-2 if a.shape[-1] > 4 else 0] == 32 and len(made.metadata.to_dict()) > 3
    want = filter_image(a, "gaussian:sigma=2") if a.shape[-1] <= 4 else filtered(a, "gaussian:sigma=2")
    np.testing.assert_array_equal(made[...], want.reshape(a.shape))


def test_zarr_of_many_channels_summed(tmp_path):
    a = noise(3, 40, 50)
    zarr.create_array(tmp_path / "a.zarr", data=a, dimension_names=["c", "y", "x"])
    done("-k", "sobel-x", "--channels", "sum", tmp_path / "a.zarr", tmp_path / "b.zarr")
    want = run_recipe(np.moveaxis(a, 0, 2), Recipe((load_kernel("sobel-x"),), channels="sum")).pixels
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "b.zarr")[...], want)


def test_from_one_to_the_other_and_back(tmp_path, planes):
    """What OME-TIFF says of a picture survives OME-Zarr of either version."""
    for version, key in ((2, "multiscales"), (3, "ome")):
        words = ("-k", "identity", "-f", "--pyramid", "--zarr-format", version)
        done(*words, tmp_path / "a.ome.tif", tmp_path / "b.zarr")
        group = zarr.open_group(tmp_path / "b.zarr", mode="r")
        assert key in group.attrs and group.metadata.zarr_format == version
        said = group.attrs[key]["multiscales"][0] if version == 3 else group.attrs[key][0]
        assert [axis["name"] for axis in said["axes"]] == ["t", "c", "y", "x"]
        assert said["axes"][3] == {"name": "x", "type": "space", "unit": "micrometer"}
        changes = said["datasets"][1]["coordinateTransformations"]
        assert changes[0]["scale"] == [3.0, 1.0, 0.5, 1.0] and changes[1]["translation"] == [0.0, 0.0, 0.125, 0.25]
        np.testing.assert_array_equal(group["0"][...], planes)
        done("-k", "identity", "-f", tmp_path / "b.zarr", tmp_path / "c.tif")
        with tifffile.TiffFile(tmp_path / "c.tif") as tiff:
            np.testing.assert_array_equal(tiff.asarray(), planes)
            image = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
        assert image["Name"] == "cells" and image["Pixels"]["PhysicalSizeX"] == 0.5
        assert image["Pixels"]["PhysicalSizeXUnit"] == "µm" and image["Pixels"]["TimeIncrement"] == 3.0
        assert [c["Name"] for c in image["Pixels"]["Channel"]] == PLANES["Channel"]["Name"]
        assert [c["Color"] for c in image["Pixels"]["Channel"]] == PLANES["Channel"]["Color"]


def test_colour_stays_colour(tmp_path):
    a = noise(70, 50, 3)
    tifffile.imwrite(tmp_path / "a.tif", a, photometric="rgb")
    done("-k", "box", tmp_path / "a.tif", tmp_path / "b.ome.zarr")
    assert zarr.open_group(tmp_path / "b.ome.zarr")["0"].shape == (3, 70, 50)
    done("-k", "box", tmp_path / "b.ome.zarr", tmp_path / "c.tif")
    want = filter_image(filter_image(a, "box"), "box")
    with tifffile.TiffFile(tmp_path / "c.tif") as tiff:
        assert tiff.pages[0].photometric.name == "RGB"
        np.testing.assert_array_equal(tiff.asarray(), want)
    done("-k", "box", tmp_path / "a.tif", tmp_path / "d.zarr")
    assert list(zarr.open_array(tmp_path / "d.zarr").metadata.dimension_names) == ["y", "x", "c"]
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "d.zarr")[...], filter_image(a, "box"))


@pytest.mark.parametrize(("shape", "names", "part"), [
    ((9,), None, "no names of axes"), ((9, 9, 9), None, "no names of axes"), ((2, 2, 9, 9), None, "no names of axes"),
    ((9, 9), ["x", "y"], "y and x are needed, in this order"), ((9, 9), ["a", "b"], "y and x are needed"),
    ((9, 9, 9), ["y", "z", "x"], "after y comes x"), ((9, 9, 2), ["y", "x", "t"], "after x only c"),
])  # fmt: skip
def test_axes_that_are_refused(tmp_path, shape, names, part):
    zarr.create_array(tmp_path / "a.zarr", data=noise(*shape), dimension_names=names)
    result = convcli("-k", "box", tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert result.exit_code == 1 and part in result.stderr and names_in(tmp_path) == ["a.zarr"]


def test_what_is_refused(tmp_path, planes):
    zarr.create_array(tmp_path / "wide.zarr", data=np.zeros((9, 9), np.int64))
    group = zarr.create_group(tmp_path / "two.zarr")
    for name in ("one", "other"):
        group.create_array(name, data=noise(9, 9))
    (tmp_path / "no.zarr").mkdir()
    (tmp_path / "full.zarr").mkdir()
    (tmp_path / "full.zarr" / "letter.txt").write_text("dear")
    tifffile.imwrite(tmp_path / "a.tif", noise(40, 50))
    before = names_in(tmp_path)
    for source, output, words, code, part in (
        ("wide.zarr", "b.zarr", (), 1, "holds int64 samples"),
        ("two.zarr", "b.zarr", (), 1, "is a group with one, other in it; name one array"),
        ("no.zarr", "b.zarr", (), 1, "is no Zarr array or group that can be read"),
        ("missing.zarr", "b.zarr", (), 1, "missing.zarr does not exist"),
        ("a.tif", "full.zarr", ("-f",), 1, "is a folder that holds something else"),
        ("a.tif", "wide.zarr", (), 1, "wide.zarr exists; --force overwrites it"),
        ("a.tif", "nowhere/b.zarr", (), 1, "nowhere does not exist"),
        ("wide.zarr", "b.png", (), 2, "name an output that ends in .tif or .zarr"),
        ("a.tif", "b.zarr", ("--quality", "3"), 2, "Zarr has no --quality"),
        ("a.tif", "b.tif", ("--zarr-format", "2"), 2, "--zarr-format"),
        ("a.tif", "b.png", ("--pyramid",), 2, "--pyramid is for a TIFF or Zarr"),
        ("missing.tif", "b.tif", ("--pyramid",), 1, "missing.tif does not exist"),
        ("a.tif", "b.zarr", ("--frame", "3"), 1, "a.tif has no frame 3"),
        ("a.tif", "b.zarr", ("--padding", "valid", "-k", "box:size=99"), 2, "a.tif: the kernel does"),
    ):  # fmt: skip
        result = convcli("-k", "box", *words, tmp_path / source, tmp_path / output)
        assert result.exit_code == code and part in result.stderr, result.output
        assert "Traceback" not in result.output and names_in(tmp_path) == before
    done("-k", "box", tmp_path / "two.zarr" / "one", tmp_path / "b.zarr")


def test_damaged_zarr_leaves_nothing(tmp_path):
    """A chunk in the middle is cut short: the output that stood there stays, and nothing else does."""
    zarr.create_array(tmp_path / "a.zarr", data=noise(200, 90), chunks=(32, 90))
    done("-k", "box", tmp_path / "a.zarr", tmp_path / "b.zarr")
    old = zarr.open_array(tmp_path / "b.zarr")[...]
    chunk = tmp_path / "a.zarr" / "c" / "4" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    result = convcli("-f", "-k", "sharpen", tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert result.exit_code == 1 and "a.zarr is damaged or incomplete" in result.stderr
    assert names_in(tmp_path) == ["a.zarr", "b.zarr"]
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "b.zarr")[...], old)
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "array"}))
    result = convcli("-k", "box", tmp_path / "a.zarr", tmp_path / "c.zarr")
    assert result.exit_code == 1 and "Traceback" not in result.output and not (tmp_path / "c.zarr").exists()


def test_the_result_takes_the_place_of_the_input(tmp_path):
    a = noise(70, 90)
    zarr.create_array(tmp_path / "a.zarr", data=a, chunks=(32, 32))
    done("-f", "-k", "box", tmp_path / "a.zarr", tmp_path / "a.zarr")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr")[...], filter_image(a, "box"))
    assert names_in(tmp_path) == ["a.zarr"]


def test_without_the_extra(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "a.zarr", data=noise(9, 9))
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    result = convcli("-k", "box", tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert result.exit_code == 1 and "Zarr needs the extra `large`: pip install 'convcli[large]'" in result.stderr


def test_a_dry_run_reads_no_pixels_and_writes_nothing(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(200_000, 300_000, 3), dtype="uint16", chunks=(512, 512, 3))
    assert array.nchunks_initialized == 0
    result = convcli("-n", "-k", "box", tmp_path / "a.zarr", tmp_path / "b.zarr")
    assert result.exit_code == 0 and "300000x200000, 3 channels of uint16" in result.stdout
    assert names_in(tmp_path) == ["a.zarr"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_bar_on_a_terminal_alone(tmp_path):
    """Rich, which draws it, is imported for a terminal only."""
    import pty

    tifffile.imwrite(tmp_path / "a.ome.tif", noise(900, 90), ome=True)
    code = (
        "import sys; from convcli.cli import main\n"
        "main(['apply', '-f', '-k', 'box', 'a.ome.tif', 'b.tif'], standalone_mode=False); print('rich' in sys.modules)"
    )
    piped = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert piped.stdout == "False\n" and len(piped.stderr.splitlines()) == 1, piped.stderr
    ours, theirs = pty.openpty()
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=-1, stderr=theirs, text=True, timeout=1200
    )
    os.close(theirs)
    drawn = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert shown.stdout == "True\n" and "Filtering" in drawn and "a.ome.tif: OME-TIFF" in drawn


def test_what_a_killed_worker_left_is_not_part_of_the_result(tmp_path):
    sink = zarr_out.ZarrOut(tmp_path / "a.zarr", "fast", None, False, False, 3, 1)
    place = sink.begin(MapShape((64, 64), np.dtype("uint8")), Facts())
    place(0, 0, noise(64, 64))
    kept = sorted(tmp_path.rglob("*"))
    (tmp_path / "a.zarr" / "c" / "0" / "0.0123456789abcdef.partial").write_bytes(b"half")
    sink.take(iter([]))
    assert sorted(tmp_path.rglob("*")) == kept


@pytest.mark.parametrize("ome", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_a_worker_that_comes_too_late_leaves_nothing(tmp_path, ome, version):
    """The command has gone and taken the store away; what a worker still had in hand makes no new one."""
    sink = zarr_out.ZarrOut(tmp_path / "a.zarr", "fast", None, ome, False, version, 1)
    place = sink.begin(MapShape((64, 64), np.dtype("uint8")), Facts())
    place(0, 0, noise(32, 64))
    assert any(tmp_path.iterdir())
    shutil.rmtree(tmp_path / "a.zarr")
    place(0, 32, noise(32, 64))
    assert not any(tmp_path.iterdir())


def test_an_old_store_that_a_killed_run_moved_aside_is_in_nobodys_way(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(40, 40))
    for _ in range(2):
        (tmp_path / ".b.zarr.convcli-old" / "c").mkdir(parents=True)
        done("-f", "-k", "box", tmp_path / "a.tif", tmp_path / "b.zarr")
        assert names_in(tmp_path) == ["a.tif", "b.zarr"]


def test_no_file_is_opened_that_an_ome_tiff_names(tmp_path, monkeypatch):
    """A pipe stands under the name: to open it would be to wait for ever."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("other.tif")
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYCZT" Type="uint8" SizeX="64" SizeY="64" SizeC="1" SizeZ="1" SizeT="2">'
        '<TiffData IFD="0" FirstT="0" PlaneCount="1"/><TiffData IFD="0" FirstT="1" PlaneCount="1">'
        '<UUID FileName="other.tif">urn:uuid:2</UUID></TiffData></Pixels></Image></OME>'
    )
    tifffile.imwrite("a.tif", np.ones((64, 64), np.uint8), description=xml, metadata=None)
    done = subprocess.run(
        [sys.executable, "-m", "convcli", "apply", "-k", "box", "a.tif", "out.zarr"],
        capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "keeps pages in other files" in done.stderr
    assert not (tmp_path / "out.zarr").exists()
