"""Kernel files of every kind, good and bad; the user's folders."""

import errno
import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli import filter_image, load_kernel
from convcli.cli import main
from convcli.errors import ConvcliError, KernelError
from convcli.kernels.catalogue import catalogue, hides_built_in, user_kernels
from convcli.kernels.load import load_kernel_or_own
from convcli.kernels.readers import by_suffix


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        if isinstance(text, bytes):
            (tmp_path / name).write_bytes(text)
        else:
            (tmp_path / name).write_text(text)
        return name

    return write


@pytest.mark.parametrize(
    ("name", "text", "weights", "divisor", "bias"),
    [
        ("k.json", '{"weights": [[1, 2], [3, 4]], "divisor": 2}', [[1, 2], [3, 4]], 2, 0),
        ("k.json", '{\n\t"name": "x",\n\t"weights": [[1e-3, -2.5]], "bias": 7}', [[0.001, -2.5]], 1, 7),
        ("k.json", '[[1, "1/9"]]', [[9, 1]], 9, 0),
        ("k.json", '{"weights": [[1]], "size": [1, 1], "origin": "x", "sum": 1, "description": ""}', [[1]], 1, 0),
        ("k.json", '{"kernels": [{"name": "a", "weights": [[5]]}]}', [[5]], 1, 0),
        ("k.csv", "1,2,1\r\n2, 4 ,2\r\n", [[1, 2, 1], [2, 4, 2]], 1, 0),
        ("k.csv", "0.5,0.25\n", [[2, 1]], 4, 0),
        ("k.tsv", "1\t2\n3\t4", [[1, 2], [3, 4]], 1, 0),
        ("k.txt", "# mine\n1 2 1   # first\n\n2 4 2\n", [[1, 2, 1], [2, 4, 2]], 1, 0),
        ("k.txt", "3x1: 1,2,3", [[1, 2, 3]], 1, 0),
        ("k.mat", "3 2 16 128\n1 2 1\n2 4 2\n", [[1, 2, 1], [2, 4, 2]], 16, 128),
        ("k.mat", "2 1\n-1 1\n", [[-1, 1]], 1, 0),
    ],
)
def test_good_files(write, name, text, weights, divisor, bias):
    kernel = load_kernel(write(name, text))
    assert kernel.weights.tolist() == weights
    assert (kernel.divisor, kernel.bias) == (divisor, bias)
    assert kernel.name in ("k", "x", "a")
    assert kernel.origin == name


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("k.json", "{", "k.json:1:2: not valid JSON: "),
        ("k.json", "", "k.json:1:1: not valid JSON: "),
        ("k.json", '{"weights": [[1, NaN]]}', "k.json:1:18: weights: row 1, value 2: 'NaN' is not a finite number"),
        ("k.json", '{"weights": [[1], [1, 2]]}', "k.json:1:19: weights: row 2 has 2 values, expected 1"),
        ("k.json", '{"weights": [[true]]}', "k.json:1:15: weights: row 1, value 1: 'true' is not a number"),
        ("k.json", '{"weights": [[1]], "weights": [[2]]}', "k.json:1:20: weights: the key is there twice"),
        ("k.json", '{"wights": [[1]]}', "k.json:1:2: wights: unknown key; did you mean 'weights'?"),
        ("k.json", "[" * 10000 + "]" * 10000, "k.json: nested too deeply"),
        ("k.csv", "1,2\n3\n", "k.csv:2:1: the row has 1 values, expected 2 as in line 1"),
        ("k.csv", "1,2\n3,x\n", "k.csv:2:3: 'x' is not a number"),
        ("k.csv", "1,2,\n", "k.csv:1:5: a number is missing"),
        ("k.csv", "1,,2\n", "k.csv:1:3: a number is missing"),
        ("k.csv", "a,b\n1,2\n", "k.csv:1:1: 'a' is not a number"),
        ("k.csv", "", "k.csv: empty"),
        ("k.txt", "# nothing\n", "k.txt: empty"),
        ("k.txt", b"\xff\x00", "k.txt: not a text file in UTF-8"),
        ("k.csv", "1;2\n3;4\n", "k.csv:1:1: '1;2' is not a number; commas or blanks stand between numbers"),
        ("k.txt", "1 nan", "k.txt:1:3: 'nan' is not a finite number"),
        ("k.txt", "# mine\n2x2: 1,2\n x,3\n", "k.txt:3:2: 'x' is not a number"),
        ("k.txt", "3x1: 1,2", "k.txt:1:9: 3x1 needs 3 values, but 2 are there"),
        ("k.mat", "1 2 1\n2 4 2\n1 2 1", "k.mat:1:1: 2 rows are announced, but 2"),
        ("k.mat", "3 3\n1 2 1\n", "k.mat:1:1: 3 rows are announced, but 1 are there"),
        ("k.mat", "3 1\n1 2\n", "k.mat:2:1: 2 values, expected 3 as the first line says"),
        ("k.mat", "3 1 0\n1 2 3\n", "k.mat:1:1: SCALE must not be zero"),
        ("k.mat", "0.5 1\n1\n", "k.mat:1:1: WIDTH HEIGHT [SCALE [OFFSET]] is expected"),
        ("k.mat", "\n", "k.mat: empty"),
        ("k.mat", b"MATLAB 5.0 MAT-file\xff\xfe", "k.mat: not text; a libvips matrix is expected"),
        ("k.npy", b"", "k.npy: not a NumPy array"),
        ("k.npy", b"\x93NUMPY\x01\x00garbage", "k.npy: not a NumPy array"),
        ("k.npy", pickle.dumps([1]), "k.npy: not a NumPy array"),
    ],
)
def test_bad_files_name_the_place(write, name, text, message):
    if message.endswith("but 2"):
        message = "k.mat:2:1: 3 values, expected 1 as the first line says"
    with pytest.raises(KernelError) as error:
        load_kernel(write(name, text))
    assert str(error.value).startswith(message)
    assert error.value.exit_code == 2


def test_numpy_files(write, tmp_path):
    np.save(tmp_path / "k.npy", np.array([[1, -2]], np.int8))
    assert load_kernel("k.npy").weights.tolist() == [[1, -2]]
    np.save(tmp_path / "deep.npy", np.ones((3, 2, 2), np.float32))
    assert load_kernel("deep.npy").depth == 3
    for bad, message in [
        (np.array([1.0]), "an array \\(KH, KW\\)"),
        (np.ones((1, 4096)), "at most 2048 a side"),
        (np.array([[1j]]), "whole or floating-point numbers"),
        (np.array([["a"]]), "whole or floating-point numbers"),
        (np.array([[1, 2], [3, np.nan]]), "bad.npy: row 2, value 2: nan is not a finite number"),
        (np.full((3, 2, 2), -np.inf, np.float16), "bad.npy: grid 1, row 1, value 1: -inf is not a finite number"),
        (np.ones((0, 3)), "empty"),
        (np.ones((4, 2, 2)), "shape"),
    ]:
        np.save(tmp_path / "bad.npy", bad)
        with pytest.raises(KernelError, match=message):
            load_kernel("bad.npy")


class Mischief:
    def __reduce__(self):
        return (open, ("PWNED", "w"))


def test_a_numpy_file_with_objects_is_refused_and_runs_nothing(write, tmp_path):
    np.save(tmp_path / "k.npy", np.array([[Mischief()]], dtype=object), allow_pickle=True)
    with pytest.raises(KernelError, match="not a NumPy array of numbers"):
        load_kernel("k.npy")
    assert not (tmp_path / "PWNED").exists()


def test_a_picture_is_a_kernel_that_sums_to_one(write, tmp_path):
    Image.fromarray(np.array([[0, 10], [20, 30]], np.uint8)).save(tmp_path / "psf.png")
    kernel = load_kernel("psf.png")
    assert kernel.weights.tolist() == [[0, 10], [20, 30]]
    assert kernel.divisor == 60
    Image.fromarray(np.array([[0, 1000]], np.uint16)).save(tmp_path / "wide.tif")
    assert load_kernel("wide.tif").weights.tolist() == [[0, 1000]]
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((1, 2, 3), (1000, 300, 40000), np.uint16))
    deep = load_kernel("deep.png").weights
    np.testing.assert_allclose(deep, [[0.299 * 40000 + 0.587 * 300 + 0.114 * 1000] * 2], atol=1)
    with Image.open(tmp_path / "psf.png") as picture:
        exif = picture.getexif()
        exif[0x0112] = 6
        picture.save(tmp_path / "turned.png", exif=exif)
    assert load_kernel("turned.png").weights.tolist() == [[20, 0], [30, 10]]
    Image.new("L", (3, 3)).save(tmp_path / "black.png")
    with pytest.raises(KernelError, match=r"black.png: the picture is black"):
        load_kernel("black.png")
    write("fake.png", "no picture")
    with pytest.raises(ConvcliError, match=r"fake.png is not a picture") as error:
        load_kernel("fake.png")
    assert error.value.exit_code == 1


@pytest.mark.parametrize(
    ("text", "weights", "divisor"),
    [
        ("3x3: 1,2,1 2,4,2 1,2,1", [[1, 2, 1], [2, 4, 2], [1, 2, 1]], 1),
        ("3x1: nan,0.5,-", [[0, 1, 0]], 2),
        ("2x1:1,2", [[1, 2]], 1),
        ("3x1+0+0: 1,2,3", [[0, 0, 1, 2, 3]], 1),
        ("3x1+2+0: 1,2,3", [[1, 2, 3, 0, 0]], 1),
        ("2x1+1+0: 1,2", [[1, 2, 0]], 1),
        ("1x2+0+1: 1,2", [[1], [2], [0]], 1),
    ],
)
def test_imagemagick_strings(text, weights, divisor):
    kernel = load_kernel(text)
    assert kernel.weights.tolist() == weights
    assert kernel.divisor == divisor


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3x3: 1,2", "3x3 needs 9 values, but 2 are there"),
        ("3x1: 1,x,2", "column 8: 'x' is not a number"),
        ("0x3: 1", "1 to 2048 weights a side, not 0x3"),
        ("9999x9999: 1", "1 to 2048 weights a side"),
        ("3x1+3+0: 1,2,3", "the origin +3+0 lies outside of 3x1"),
        ("3x1>: 1,2,3", "'>' makes a list of turned kernels"),
    ],
)
def test_bad_imagemagick_strings(text, message):
    with pytest.raises(KernelError) as error:
        load_kernel(text)
    assert message in str(error.value)


def test_a_file_with_signs_in_its_name_is_still_a_file(write):
    write("a@2x + b.yaml", "weights: [[3]]")
    assert load_kernel("a@2x + b.yaml").weights.tolist() == [[3]]
    write("3x3.yaml", "weights: [[4]]")
    assert load_kernel("3x3.yaml").weights.tolist() == [[4]]
    assert load_kernel("2 * 3x3.yaml@transpose").weights.tolist() == [[8]]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A project with kernels/, a folder in CONVCLI_KERNELS, and one in the configuration."""
    for name in ("project/kernels", "shared", "config/convcli/kernels"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("CONVCLI_KERNELS", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def found(spec):
    """The kernel that the command line finds."""
    return load_kernel_or_own(spec, lambda sentence: None)


def test_a_users_kernels_are_found_by_name_the_nearest_first(own):
    (own / "config/convcli/kernels/mine.yaml").write_text("weights: [[1]]")
    (own / "config/convcli/kernels/far.csv").write_text("1,2")
    assert found("mine").weights.tolist() == [[1]]
    assert found("far").weights.tolist() == [[1, 2]]
    (own / "shared/mine.yaml").write_text("weights: [[2]]")
    assert found("mine").weights.tolist() == [[2]]
    (own / "project/kernels/set.yaml").write_text("kernels: [{name: mine, weights: [[3]]}, {name: b, weights: [[4]]}]")
    assert found("mine").weights.tolist() == [[3]]
    assert found("mine@90 + b").weights.tolist() == [[7]]
    assert found("mine").origin == "kernels/set.yaml"
    assert {"mine", "b", "far"} <= {kernel.name for kernel in catalogue()}


def test_a_users_kernel_that_hides_a_built_in_is_known(own):
    (own / "shared/sobel-x.yaml").write_text("weights: [[9]]")
    (own / "shared/gaussian.yaml").write_text("weights: [[8]]")
    assert found("sobel-x").weights.tolist() == [[9]]
    assert hides_built_in(found("sobel-x"))
    assert hides_built_in(found("gaussian"))
    assert found("gaussian:sigma=1").size == (7, 7)
    assert not hides_built_in(found("gaussian:sigma=1"))
    assert not hides_built_in(found("sobel-y"))
    assert sum(kernel.name == "sobel-x" for kernel in catalogue()) == 1


def test_a_faulty_file_in_a_folder_stops_nothing_but_its_own_name(own):
    (own / "shared/broken.yaml").write_text("weights: [[x]]")
    (own / "shared/notes.md").write_text("not a kernel")
    assert found("sobel-x").size == (3, 3)
    assert [path.name for path in user_kernels().faults] == ["broken.yaml"]
    with pytest.raises(KernelError, match=r"broken.yaml:1:12: weights: row 1, value 1: 'x' is not a number"):
        found("broken")


def test_only_files_in_which_a_name_is_written_are_read_for_it(own, monkeypatch):
    (own / "shared/one.yaml").write_text("kernels: [{name: first, weights: [[1]]}]")
    (own / "shared/two.yaml").write_text('kernels: [{name: "sec\\x6fnd", weights: [[2]]}]')
    (own / "shared/three.json").write_text('{"name": "third", "weights": [[3]]}')
    read = []
    monkeypatch.setattr(
        "convcli.kernels.readers.by_suffix.load_file",
        lambda path, load=by_suffix.load_file: read.append(path.name) or load(path),
    )
    assert [found(name).weights.tolist() for name in ("first", "second", "third")] == [[[1]], [[2]], [[3]]]
    assert sorted(set(read[:2])) == ["one.yaml", "two.yaml"]
    read.clear()
    found("box")
    assert read == ["two.yaml"]


def test_a_users_grid_takes_no_parameters(own):
    (own / "shared/mine-x.yaml").write_text("weights: [[1]]")
    with pytest.raises(KernelError, match="mine-x is a fixed grid and takes no parameters, but 'size=3' was given"):
        found("mine-x:size=3")


def test_a_misspelt_kernel_of_the_user_is_suggested(own):
    (own / "shared/my-special.yaml").write_text("weights: [[1]]")
    with pytest.raises(KernelError, match="did you mean my-special"):
        found("my-specail")


@pytest.mark.parametrize("spec", ["\0x.yaml", "a\0.npy", "\ud800.csv", "b\0.png * box", "c\0.mat#d"])
def test_what_no_file_can_be_called_is_told(spec):
    with pytest.raises(ConvcliError, match="is no name that a file can have"):
        load_kernel(spec)


@pytest.mark.parametrize("name", ["sobel-x", "sharpen"])
def test_a_copy_of_a_built_in_kernel_hides_nothing(name, tmp_path, monkeypatch):
    """As in a checkout of this project, whose kernels/ is what is built in."""
    shutil.copytree(Path(__file__).parents[2] / "kernels", tmp_path / "kernels")
    monkeypatch.chdir(tmp_path)
    assert found(name).origin == "built-in" and not user_kernels().kernels
    assert not hides_built_in(load_kernel(f"kernels/{name}.yaml"))
    edited = tmp_path / "kernels" / f"{name}.yaml"
    edited.write_text(edited.read_text().replace("1", "2"))
    assert found(name).origin == f"kernels/{name}.yaml" and hides_built_in(found(name))


SPECS = ["sobel-x", "sobel-x@90", "2 * sobel-x", "sobel-x - sobel-y", "gaussian", "gaussian:sigma=2", "mean"]


@pytest.mark.parametrize("spec", SPECS)
def test_python_takes_the_built_in_kernels_whatever_stands_in_the_folders(own, spec, monkeypatch):
    monkeypatch.chdir(own)
    wanted, picture = load_kernel(spec), np.arange(48, dtype=np.uint8).reshape(6, 8)
    there = filter_image(picture, spec)
    for folder in ("project/kernels", "shared", "config/convcli/kernels"):
        for name in ("sobel-x", "sobel-y", "gaussian", "mean", "box"):
            (own / folder / f"{name}.yaml").write_text("weights: [[9]]")
    monkeypatch.chdir(own / "project")
    assert load_kernel(spec) == wanted and load_kernel(spec).origin == wanted.origin
    assert np.array_equal(filter_image(picture, spec), there)
    assert load_kernel("kernels/sobel-x.yaml").weights.tolist() == [[9]]


def test_python_knows_no_name_of_a_folder(own):
    (own / "project/kernels/mine.yaml").write_text("weights: [[9]]")
    with pytest.raises(KernelError, match="unknown kernel 'mine'"):
        load_kernel("mine")


@pytest.mark.parametrize("words", [
    ("apply", "-k", "sobel-x", "in.png", "out.png"), ("apply", "-k", "box + sobel-x@90", "in.png", "out.png"),
    ("size", "9x9", "-k", "sobel-x"), ("kernels", "show", "sobel-x"), ("layer", "-k", "sobel-x", "in.png", "out.npy"),
    ("layer", "--layers", "stack.yaml", "in.png", "out.npy"), ("compare", "-k", "sobel-x", "in.png", "out.png"),
    ("explain", "-k", "sobel-x", "--at", "1,1", "in.png"), ("plan", "-k", "sobel-x", "in.png"),
    ("batch", "-k", "sobel-x", "pictures", "out"),
], ids=" ".join)  # fmt: skip
def test_every_command_says_once_which_kernel_hides_a_built_in_one(own, words):
    (own / "project/kernels/sobel-x.yaml").write_text("weights: [[9]]")
    Path("stack.yaml").write_text("layers: [{conv2d: {filters: [{kernel: sobel-x}, {kernel: sobel-x}]}}]")
    Path("pictures").mkdir()
    for name in ("in.png", "pictures/in.png"):
        Image.fromarray(np.full((9, 9), 7, np.uint8)).save(name)
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, done.stderr
    note = "Note: sobel-x is your own kernel in kernels/sobel-x.yaml; it hides the built-in one.\n"
    assert done.stderr.count(note) == 1


class TestWhatCanNotBeRead:
    """A sentence, and on: nobody has asked for it."""

    def test_a_pipe(self, own):
        os.mkfifo("kernels/sobel-x.yaml")
        os.mkfifo("kernels/other.csv")
        said = []
        assert load_kernel_or_own("sobel-x", said.append).origin == "built-in"
        assert said == ["left out: kernels/sobel-x.yaml can't be read: it is a pipe, not a file"]
        with pytest.raises(ConvcliError, match=r"other\.csv can't be read: it is a pipe"):
            found("other")

    def test_a_folder_that_can_not_be_listed(self, own, monkeypatch):
        def listed(folder, listdir=os.listdir):
            if str(folder) == "kernels":
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return listdir(folder)

        (own / "shared/mine.yaml").write_text("weights: [[3]]")
        monkeypatch.setattr(os, "listdir", listed)
        said = []
        assert load_kernel_or_own("mine", said.append).weights.tolist() == [[3]]
        assert said == ["left out: kernels can't be listed: Permission denied"]
        assert load_kernel("sobel-x").origin == "built-in" and "sobel-x" in {kernel.name for kernel in catalogue()}

    def test_a_command_notes_it_once(self, own):
        os.mkfifo("kernels/x.yaml")
        (own / "shared/loop.yaml").symlink_to("loop.yaml")
        done = CliRunner().invoke(main, ["size", "9x9", "-k", "sobel-x", "-k", "sobel-y"])
        assert done.exit_code == 0
        assert done.stderr.count("Note: left out: kernels/x.yaml can't be read: it is a pipe, not a file.\n") == 1
        assert done.stderr.count("loop.yaml can't be read: Too many levels of symbolic links.\n") == 1
