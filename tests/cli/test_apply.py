"""convcli apply: from file to file, through pipes, and every bad input."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli import filter_image, load_kernel
from convcli.cli import main

RNG = np.random.default_rng(5)
COLOR = RNG.integers(0, 256, (23, 31, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(COLOR).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def run(*words, **options):
    return CliRunner().invoke(main, ["apply", *map(str, words)], **options)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def fails(result, code, *parts):
    assert result.exit_code == code, result.output
    for part in parts:
        assert part in result.stderr
    assert "Traceback" not in result.output and result.stdout == ""


def test_a_picture_is_filtered(photo, tmp_path):
    out = tmp_path / "out.png"
    result = run("-k", "sharpen", photo, out)
    assert result.exit_code == 0 and result.stdout == ""
    np.testing.assert_array_equal(pixels(out), filter_image(COLOR, "sharpen"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.png", "photo.png"]


def test_one_line_is_told(photo, tmp_path):
    line = run("-k", "identity", "--stride", 2, photo, tmp_path / "out.png").stderr
    assert len(line.splitlines()) == 1
    for part in ("photo.png", "PNG RGB 31x23", "identity", "out.png", "16x12", " s"):
        assert part in line


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["--stride", "2,3"], {"stride": (2, 3)}),
        (["--padding", "valid"], {"padding": "valid"}),
        (["--padding", "full"], {"padding": "full"}),
        (["--padding", "2"], {"padding": 2}),
        (["--padding", "1,2"], {"padding": (1, 2)}),
        (["--padding", "0,1,2,3"], {"padding": (0, 1, 2, 3)}),
        (["--padding-mode", "reflect"], {"padding_mode": "reflect"}),
        (["--padding-mode", "edge"], {"padding_mode": "replicate"}),
        (["--padding-value", "90"], {"padding_mode": "constant", "padding_value": 90}),
        (["--dilation", "2"], {"dilation": 2}),
        (["--flip"], {"flip": True}),
        (["--channels", "sum"], {"channels": "sum"}),
        (["--channels", "gray"], {"channels": "gray"}),
        (["--range", "abs"], {"range": "abs"}),
        (["--range", "normalize"], {"range": "normalize"}),
        (["--range", "offset"], {"range": "offset"}),
    ],
)
def test_recipe_options(photo, tmp_path, words, settings):
    rows = "0 -1 0; -1 5 -1; 0 -1 1"
    result = run("-k", rows, *words, photo, tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), filter_image(COLOR, rows, **settings))


@pytest.mark.parametrize("mode", ["zeros", "zero", "edge"])
def test_a_padding_value_is_for_a_constant_border(photo, tmp_path, mode):
    words = ["-k", "1 2 3", "--padding-mode", mode, "--padding-value", 90]
    result = run(*words, photo, tmp_path / "out.png")
    assert result.exit_code == 0 and "--padding-value is of no use" in result.stderr
    np.testing.assert_array_equal(pixels(tmp_path / "out.png"), filter_image(COLOR, "1 2 3", padding_mode=mode))


def test_divisor_and_bias(photo, tmp_path):
    assert run("-k", "1 1", "--divisor", 3, "--bias", 9, photo, tmp_path / "out.png").exit_code == 0
    by_hand = filter_image(COLOR, "1 1 / 3", range="raw") + np.float32(9)
    np.testing.assert_allclose(pixels(tmp_path / "out.png"), by_hand, atol=0.51)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("1 -2.5 3", ""),
        ("1 -2.5 3 / 7", ""),
        ("1 -5/2 3 / 0.1", ""),
        ("k.yaml", "weights: [[1, -2.5, 3]]\ndivisor: 7\n"),
        ("k.yaml", "weights: [[1, -2.5, 3]]\ndivisor: sum\n"),
        ("k.txt", "1 -2.5 3\n"),
        ("3x1: 1,-2.5,3", ""),
        ("0.5 * k.txt", "2 -5 6\n"),
    ],
)
def test_the_divisor_is_put_in_the_place_of_the_one_that_was_written(spec, text, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if text:
        (tmp_path / spec.split()[-1]).write_text(text)
    result = run("-k", spec, "--divisor", 4, photo, tmp_path / "out.npy")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(
        np.load(tmp_path / "out.npy"), filter_image(COLOR, [[0.25, -0.625, 0.75]], range="raw")
    )


def test_two_kernels_are_two_runs(photo, tmp_path):
    a, b, both = (tmp_path / f"{n}.png" for n in ("a", "b", "both"))
    run("-k", "sharpen", photo, a)
    run("-k", "box", "--stride", 2, a, b)
    run("-k", "sharpen", photo, tmp_path / "c.png")
    assert run("-k", "sharpen", "-k", "box", photo, both).exit_code == 0
    np.testing.assert_array_equal(pixels(both), filter_image(pixels(a), "box"))
    np.testing.assert_array_equal(pixels(b), filter_image(pixels(a), "box", stride=2))


@pytest.mark.parametrize(("channels", "shape"), [("each", (23, 31, 3)), ("sum", (23, 31))])
def test_npy_holds_the_responses(photo, tmp_path, channels, shape):
    out = tmp_path / "out.npy"
    assert run("-k", "sobel-x", "--channels", channels, photo, out).exit_code == 0
    responses = np.load(out)
    assert responses.dtype == np.float32 and responses.shape == shape and responses.min() < 0
    np.testing.assert_array_equal(responses, filter_image(COLOR, "sobel-x", channels=channels, range="raw"))


def test_npy_of_a_chain_holds_the_last_responses(photo, tmp_path):
    assert run("-k", "sharpen", "-k", "laplacian", photo, tmp_path / "out.npy").exit_code == 0
    first = filter_image(COLOR, "sharpen", range=load_kernel("sharpen").range)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), filter_image(first, "laplacian", range="raw"))


class TestSaturation:
    STEP = np.repeat(np.array([[0, 255, 0, 255]], np.uint8), 40, axis=1).repeat(40, axis=0)

    @pytest.fixture
    def step(self, tmp_path):
        Image.fromarray(self.STEP).save(tmp_path / "step.png")
        return tmp_path / "step.png"

    def share(self, rows):
        r = filter_image(self.STEP, rows, range="raw")
        return f"{100 * (r < 0).mean():.1f} %", f"{100 * (r > 255).mean():.1f} %"

    def test_clip(self, step, tmp_path):
        rows = "-2 0 2"
        below, above = self.share(rows)
        told = run("-k", rows, "--range", "clip", step, tmp_path / "o.png").stderr
        assert f"{below} of the samples fell below black" in told
        assert f"{above} of the samples rose above white" in told
        assert "--range abs" in told and "--range offset" in told

    def test_clip_above_only(self, step, tmp_path):
        told = run("-k", "1 1 1", step, tmp_path / "o.png").stderr
        assert "above white" in told and "below" not in told and "--range abs" not in told and "--divisor" in told

    @pytest.mark.parametrize("range_", ["abs", "offset"])
    def test_abs_and_offset(self, step, tmp_path, range_):
        told = run("-k", "-2 0 2", "--range", range_, step, tmp_path / "o.png").stderr
        assert "above white" in told and "--range normalize" in told

    @pytest.mark.parametrize("words", [["-k", "identity"], ["-k", "-2 0 2", "--range", "normalize"]])
    def test_nothing_to_tell(self, step, tmp_path, words):
        assert "Note" not in run(*words, step, tmp_path / "o.png").stderr


class TestPipes:
    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="wants named pipes")
    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_a_named_pipe_is_written(self, photo, tmp_path, suffix):
        os.mkfifo(tmp_path / "pipe")
        with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
            result = run("-k", "identity", photo, tmp_path / "pipe", "--format", suffix)
            data, _ = reader.communicate()
        assert result.exit_code == 0 and "Note" not in result.stderr, result.stderr
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(np.asarray(image), COLOR)

    @pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="wants a file that fails when it is read")
    def test_a_file_that_fails_is_named(self, tmp_path):
        fails(run("-k", "box", "/proc/self/mem", tmp_path / "o.png"), 1, "/proc/self/mem can't be read")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="wants named pipes")
    @pytest.mark.parametrize("output", ["out.png", "out.tif"])
    def test_a_named_pipe_is_read(self, photo, tmp_path, output):
        """As the shell makes one for <(command)."""
        os.mkfifo(tmp_path / "pipe")
        with subprocess.Popen(["sh", "-c", 'cat "$1" > "$2"', "sh", photo, tmp_path / "pipe"]):
            result = run("-k", "identity", tmp_path / "pipe", tmp_path / output)
        assert result.exit_code == 0, result.stderr
        np.testing.assert_array_equal(pixels(tmp_path / output), COLOR)

    def test_in_and_out(self, photo):
        result = run("-k", "identity", "-", "-", "--format", "png", input=Path(photo).read_bytes())
        assert result.exit_code == 0
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(result.stdout_bytes))), COLOR)

    def test_npy_to_standard_output(self, photo):
        result = run("-k", "identity", photo, "-", "--format", "npy")
        np.testing.assert_array_equal(np.load(io.BytesIO(result.stdout_bytes)), COLOR.astype(np.float32))

    def test_a_format_is_needed(self, photo):
        fails(run("-k", "identity", photo, "-"), 2, "standard output", "--format png")

    def test_empty_standard_input(self):
        fails(run("-k", "identity", "-", "-", "--format", "png", input=b""), 1, "standard input is empty")

    def test_the_installed_command(self, photo):
        command = [str(Path(sys.executable).with_name("convcli")), "apply", "-k", "box", "-", "-", "--format", "png"]
        done = subprocess.run(command, input=Path(photo).read_bytes(), capture_output=True, timeout=1200)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), filter_image(COLOR, "box"))

    def test_a_reader_that_leaves_is_no_error(self, tmp_path):
        Image.fromarray(RNG.integers(0, 256, (800, 800, 3), dtype=np.uint8)).save(tmp_path / "big.png")
        command = f"{sys.executable} -m convcli apply -k identity {tmp_path}/big.png - --format bmp | head -c 10"
        done = subprocess.run(command, shell=True, capture_output=True, timeout=1200)
        assert len(done.stdout) == 10 and b"Traceback" not in done.stderr and b"rror" not in done.stderr


class TestOverwriting:
    def test_refused_without_force(self, photo, tmp_path):
        out = tmp_path / "out.png"
        out.write_bytes(b"mine")
        fails(run("-k", "identity", photo, out), 1, "out.png exists", "--force")
        assert out.read_bytes() == b"mine"
        assert run("-k", "identity", "--force", photo, out).exit_code == 0
        np.testing.assert_array_equal(pixels(out), COLOR)

    def test_input_and_output_may_be_one(self, photo):
        assert run("-k", "sharpen", "-f", photo, photo).exit_code == 0
        np.testing.assert_array_equal(pixels(photo), filter_image(COLOR, "sharpen"))

    def test_the_original_survives_a_failure(self, tmp_path):
        path = tmp_path / "a.png"
        Image.fromarray(COLOR).save(path)
        half = path.read_bytes()[:900]
        path.write_bytes(half)
        fails(run("-k", "box", "-f", path, path), 1, "damaged or incomplete")
        assert path.read_bytes() == half and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (["-k", "identity", "missing.png", "out.png"], 1, ["missing.png does not exist"]),
        (["-k", "identity", "folder", "out.png"], 1, ["folder is a folder", "convcli batch"]),
        (["-k", "identity", "text.png", "out.png"], 1, ["text.png is not a picture"]),
        (["-k", "identity", "empty.png", "out.png"], 1, ["empty.png is empty"]),
        (["-k", "identity", "half.png", "out.png"], 1, ["half.png is damaged or incomplete"]),
        (["-k", "identity", "half.jpg", "out.png"], 1, ["half.jpg is damaged or incomplete"]),
        (["-k", "identity", "zero.png", "out.png"], 1, ["zero.png"]),
        (["-k", "identity", "photo.png", "no/out.png"], 1, ["output folder no does not exist"]),
        (["-k", "identity", "photo.png", "text.png/out.png"], 1, ["text.png is not a folder"]),
        (["-k", "identity", "photo.png", "folder"], 2, ["no suffix", "--format"]),
        (["-k", "identity", "photo.png", "out.xyz"], 2, [".xyz", ".png"]),
        (["-k", "identity", "photo.png", "out"], 2, ["no suffix", "--format"]),
        (["-k", "identity", "photo.png", "out.png", "--format", "psd"], 2, [".psd"]),
        (["-k", "sobell-x", "photo.png", "out.png"], 2, ["sobell-x", "sobel-x"]),
        (["-k", "1 2; 3", "photo.png", "out.png"], 2, ["row"]),
        (["-k", "1 a", "photo.png", "out.png"], 2, ["a"]),
        (["-k", "1 nan", "photo.png", "out.png"], 2, ["nan"]),
        (["-k", "1 1 / 0", "photo.png", "out.png"], 2, ["zero"]),
        (["-k", "identity", "--divisor", "0", "photo.png", "out.png"], 2, ["divisor", "zero"]),
        (["-k", "identity", "--bias", "nan", "photo.png", "out.png"], 2, ["bias", "nan"]),
        (["-k", "identity", "--stride", "0", "photo.png", "out.png"], 2, ["--stride", "0"]),
        (["-k", "identity", "--stride", "-1", "photo.png", "out.png"], 2, ["--stride", "-1"]),
        (["-k", "identity", "--padding", "wide", "photo.png", "out.png"], 2, ["--padding", "wide"]),
        (["-k", "box:size=41", "--padding", "valid", "photo.png", "out.png"], 2, ["photo.png", "does not fit", "41"]),
        (["-k", "box", "--dilation", "999999", "--padding", "0", "photo.png", "out.png"], 2, ["does not fit"]),
        (["-k", "box", "--padding", "9" * 20, "photo.png", "out.png"], 2, [f"border of {'9' * 20} pixels", "4194304"]),
        (["-k", "box", "--stride", "9" * 20, "photo.png", "out.png"], 2, ["stride must be at most 4194304", "9" * 20]),
        (["photo.png", "out.png"], 2, ["--kernel"]),
    ],
)
def test_bad_input(photo, tmp_path, monkeypatch, words, code, parts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "half.png").write_bytes(Path(photo).read_bytes()[:1200])
    Image.fromarray(COLOR).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    data = bytearray(Path(photo).read_bytes())
    data[16:24] = bytes(8)
    (tmp_path / "zero.png").write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    fails(run(*words), code, *parts)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(photo, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    fails(run("-k", "identity", photo, tmp_path / "closed" / "out.png"), 1, "read-only")


def test_an_unexpected_interrupt_leaves_nothing(photo, tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("convcli.images.write.write_png", interrupted)
    result = run("-k", "identity", photo, tmp_path / "out.png")
    assert result.exit_code == 130 and sorted(p.name for p in tmp_path.iterdir()) == ["photo.png"]


@pytest.mark.skipif(os.name != "posix", reason="terminals are POSIX's")
def test_no_picture_is_written_to_a_terminal(photo):
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "convcli", "apply", "-k", "identity", photo, "-", "--format", "png"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, timeout=1200)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2 and b"not written to a terminal" in done.stderr


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_verbose_names_the_route_and_threads_change_nothing(tmp_path, threads):
    picture = tmp_path / "in.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (400, 300, 3), np.uint8)).save(picture)
    command = [sys.executable, "-m", "convcli", "apply", "-k", "sobel-x", str(picture)]
    told = subprocess.run(
        [*command, str(tmp_path / "a.png"), "-v", "--threads", threads], capture_output=True, text=True, check=True
    ).stderr
    assert "sobel-x: taps (6 integer taps, sums fit 16 bits), sums in int16" in told
    quiet = subprocess.run([*command, str(tmp_path / "b.png")], capture_output=True, text=True, check=True).stderr
    assert "int16" not in quiet
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
