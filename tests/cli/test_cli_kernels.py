"""`convcli kernels list` and `show`."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli import load_kernel
from convcli.cli import main
from convcli.kernels import folders
from convcli.kernels.catalogue import catalogue
from convcli.kernels.readers.yaml_tree import parse_yaml


def run(*args):
    return CliRunner().invoke(main, ["kernels", *args])


def test_list_names_every_kernel_with_what_it_does():
    done = run("list")
    assert done.exit_code == 0
    words = " ".join(done.stdout.split())
    for kernel in catalogue():
        assert f"{kernel.name} {kernel.size[1]}x{kernel.size[0]} {kernel.range}" in words
    assert "\x1b" not in done.stdout


def test_list_shows_no_group_larger_than_a_screen_of_80_by_40(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    lines = re.sub(r"\x1b\[[0-9;]*m", "", run("list").stdout).splitlines()
    groups = [number for number, line in enumerate(lines) if re.fullmatch(r"[a-z]+ *", line)]
    assert len(groups) > 10 and max(map(len, lines)) <= 80
    assert max(end - start for start, end in pairwise([*groups, len(lines)])) <= 40


def test_list_json_is_a_list_of_objects():
    entries = json.loads(run("list", "--json").stdout)
    assert [entry["name"] for entry in entries] == [kernel.name for kernel in catalogue()]
    for entry in entries:
        assert {"name", "description", "range", "source", "tags", "origin"} <= entry.keys()
        assert entry["origin"] == "built-in"
    gaussian = next(entry for entry in entries if entry["name"] == "gaussian")
    assert gaussian["parameters"] == {"sigma": 1.0, "size": None}


def test_show_draws_the_weights_and_tells_the_facts():
    done = run("show", "sobel-x")
    assert done.exit_code == 0
    assert "\n -1   0   1 \n -2   0   2 \n -1   0   1 \n" in done.stdout
    for line in (
        "sum        0", "divisor    1", "separable  yes: a column times a row", "range      abs",
        "--flip     changes the sign of the response", "response   -1020 to 1020 on pixels of 0..255",
    ):  # fmt: skip
        assert f"\n{line}\n" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("spec", "given", "told"),
    [
        ("gaussian:sigma=2", {"sigma": 2.0, "size": None}, "sigma=2.0, size=(from the others)"),
        ("gaussian:size=7,sigma=3/2", {"sigma": 1.5, "size": 7}, "sigma=1.5, size=7"),
        ("tent:size=9", {"size": 9}, "size=9"),
        ("laplacian:type=1", {"type": 1}, "type=1"),
    ],
)
def test_show_tells_the_parameters_that_are_given(spec, given, told):
    assert json.loads(run("show", spec, "--json").stdout)["parameters"] == given
    assert f"parameters {told}\n" in run("show", spec).stdout


@pytest.mark.parametrize("spec", ["-sobel-x", "-emboss", "0 * [1 2]", "[0 1] / -2", "-[0 0 0]"])
@pytest.mark.parametrize("how", [[], ["--json"], ["--yaml"], ["--emit", "numpy"], ["--emit", "imagemagick"]])
def test_show_writes_no_negative_zero(spec, how):
    done = run("show", *how, "--", spec)
    assert done.exit_code == 0
    words = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert not re.search(r"(?<![\w.])-0(\.0*)?(?![\w.])", words)


def test_show_tells_a_familys_parameters_and_spares_the_terminal_a_huge_grid():
    assert "parameters sigma=1.0, size=(from the others) unless given" in run("show", "gaussian").stdout
    assert "63 rows of 63 weights are too many to draw" in run("show", "box:size=63").stdout


@pytest.mark.parametrize("spec", ["sobel-x", "box:size=15", "gaussian:sigma=5", "random:size=21", "depth-luma"])
def test_show_tells_the_engines_route(spec):
    lines = [line for line in run("show", spec).stdout.splitlines() if line.startswith("route")]
    assert len(lines) == 1
    assert lines[0].endswith(" on 8-bit photographs")
    assert re.match(r"route      \w+ \(.+\) on", lines[0])


def test_show_draws_each_grid_of_a_deep_kernel(tmp_path):
    file = tmp_path / "deep.yaml"
    file.write_text("weights: [[[1, 2]], [[3, 4]], [[5, 6]]]")
    done = run("show", str(file))
    assert "\n 1  2 \n\n 3  4 \n\n 5  6 \n" in done.stdout
    assert "size       1 row of 2, depth 3" in done.stdout


@pytest.mark.parametrize("spec", ["sobel-x", "1/9 2", "gaussian:sigma=0.7", "box"])
def test_show_json_is_the_kernel(spec):
    kernel = load_kernel(spec)
    entry = json.loads(run("show", spec, "--json").stdout)
    assert entry["name"] == kernel.name
    assert entry["weights"] == kernel.weights.tolist()
    assert (entry["divisor"], entry["bias"], entry["range"]) == (kernel.divisor, kernel.bias, kernel.range or "clip")
    assert entry["size"] == list(kernel.size)
    assert entry["response"] == list(kernel.limits)


@pytest.mark.parametrize("spec", [*(kernel.name for kernel in catalogue()), "gaussian:sigma=0.7,size=4", "1/9 2"])
def test_show_yaml_is_a_file_that_gives_the_same_kernel(spec):
    assert parse_yaml(run("show", spec, "--yaml").stdout, "out.yaml") == [load_kernel(spec)]


def test_an_unknown_kernel_suggests_the_nearest():
    done = run("show", "sobelx")
    assert done.exit_code == 2
    assert "unknown kernel 'sobelx'; did you mean sobel-x" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("args", [["--help"], ["list", "--help"], ["show", "--help"], ["check", "--help"]])
def test_help_has_an_example_that_runs(args, tmp_path, monkeypatch):
    (tmp_path / "kernels").symlink_to(folders.built_in())
    monkeypatch.chdir(tmp_path)
    done = run(*args)
    assert done.exit_code == 0
    examples = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("convcli ")]
    assert examples
    for example in examples:
        ran = CliRunner().invoke(main, shlex.split(example)[1:])
        assert ran.exit_code == 0, ran.output


def on_a_terminal(*args, **env):
    """What `convcli kernels` prints on a terminal."""
    ours, theirs = pty.openpty()
    code = "import sys; from convcli.cli import main; main(['kernels', *sys.argv[1:]])"
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdout=theirs,
        env={**clean, "TERM": "xterm-256color", "COLUMNS": "90", **env},
    )
    os.close(theirs)
    text = b""
    try:
        while block := os.read(ours, 65536):
            text += block
    except OSError:  # the other end has closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return text.decode()


def test_a_terminal_gets_colours_and_no_color_takes_them_away():
    assert "\x1b[" in on_a_terminal("show", "sobel-x")
    assert "48;" in on_a_terminal("show", "sobel-x")
    plain = on_a_terminal("show", "sobel-x", NO_COLOR="1")
    assert "48;" not in plain
    assert "38;" not in plain
    assert " -1   0   1 " in plain


def test_emit_prints_the_text():
    done = run("show", "sobel-x", "--emit", "scipy")
    assert done.exit_code == 0
    assert done.stdout.startswith("import numpy")
    done = run("show", "sobel-x", "--emit", "gimp")
    assert done.exit_code == 2
    assert "--emit knows torch" in done.stderr


def test_one_way_to_show_at_a_time():
    done = run("show", "sobel-x", "--json", "--emit", "scipy")
    assert done.exit_code == 2
    assert "choose one" in done.stderr


NORMS = {
    "sum": lambda w: w.sum(),
    "l1": lambda w: abs(w).sum(),
    "l2": lambda w: (w**2).sum(),
    "zero": lambda w: 1 + w.sum(),
}


@pytest.mark.parametrize("word", sorted(NORMS))
def test_normalize(word):
    entry = json.loads(run("show", "1 2; 3 -4.5", "--normalize", word, "--json").stdout)
    assert NORMS[word](np.array(entry["weights"]) / entry["divisor"]) == pytest.approx(1)


def test_a_picture_becomes_a_preset_file(tmp_path):
    Image.fromarray(np.array([[1, 2], [3, 10]], np.uint8)).save(tmp_path / "psf.png")
    text = run("show", str(tmp_path / "psf.png"), "--yaml").stdout
    kernel = parse_yaml(text, "psf.yaml")[0]
    assert (kernel.name, kernel.weights.tolist(), kernel.divisor) == ("psf", [[1, 2], [3, 10]], 16)


@pytest.mark.parametrize("spec", ["sobel-x", "depth-luma", "gaussian:sigma=9", "shift:dx=40"])
def test_a_kernel_is_drawn_beside_its_frequencies(spec, tmp_path):
    file = tmp_path / "k.png"
    done = run("show", spec, "--image", str(file))
    assert done.exit_code == 0
    with Image.open(file) as picture:
        assert done.stderr == f"{file}: {picture.width}x{picture.height}\n"
        assert picture.mode == "RGB"
        assert picture.width > 500
    done = run("show", spec, "--image", str(file))
    assert done.exit_code == 1
    assert "exists; --force overwrites it" in done.stderr
    assert run("show", spec, "--image", str(file), "--force").exit_code == 0


def test_what_lets_every_wave_pass_is_drawn_bright_and_what_lets_none_pass_dark():
    from convcli.sheets.kernel_portrait import portrait

    for spec, light in (("identity", True), ("0 0; 0 0", False)):
        picture = np.asarray(portrait(load_kernel(spec)).convert("L"))
        right = picture[100:200, picture.shape[1] - 150 : picture.shape[1] - 50]
        assert (right.min() > 180) if light else (right.max() < 60)


@pytest.mark.parametrize(("name", "code"), [("k.xyz", 2), ("folder", 2), ("k.npy", 2), ("no/such/k.png", 1)])
def test_an_image_that_cannot_be_written_is_told(name, code, tmp_path):
    done = run("show", "sobel-x", "--image", str(tmp_path / name))
    assert done.exit_code == code
    assert "Error: " in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_frequency_response_is_that_of_a_long_fft():
    from convcli.sheets.kernel_portrait import frequency_response

    weights = np.random.default_rng(3).normal(size=(3, 4))
    ours = frequency_response(weights, 65)
    theirs = abs(np.fft.fftshift(np.fft.fft2(weights, (64, 64))))
    np.testing.assert_allclose(ours[:64, :64], theirs, atol=1e-9)
    assert ours[32, 32] == pytest.approx(abs(weights.sum()))


def check(tmp_path, text, name="k.yaml"):
    (tmp_path / name).write_text(text)
    return run("check", str(tmp_path / name))


def test_check_tells_the_facts_of_each_kernel(tmp_path):
    done = check(
        tmp_path, "kernels: [{name: a, weights: [[1, 2, 1]], divisor: 4}, {name: b, weights: [[1, 0, -1]], range: abs}]"
    )
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"{tmp_path}/k.yaml: a: 3x1, sum 1, separable, the same when flipped, response 0 to 255",
        f"{tmp_path}/k.yaml: b: 3x1, sum 0, separable, changes its sign when flipped, response -255 to 255",
    ]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("weights: [[1, 0, -1]]", "`clip` loses the negative half of the responses; `range: abs` or `range: offset`"),
        ("weights: [[-1, -2, -1]]", "no response is above zero"),
        ("weights: [[1, 1, 1]]", "it brightens by 3; `divisor: sum` keeps the brightness"),
        ("weights: [[1, 1, 1]]\ndivisor: 4", "it darkens to 0.75; `divisor: sum` keeps the brightness"),
        ("weights: [[1, 1]]\ndivisor: 2", "a side with an even number of weights has no centre"),
        ("weights: [[0, 0]]", "all weights are zero"),
        ("name: sobel-x\nweights: [[1]]", "it hides the built-in kernel of that name"),
        ("name: mine\nrange: abs\nweights: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]", "it is the built-in sobel"),
    ],
)
def test_check_notes_what_may_be_meant_otherwise(tmp_path, text, note):
    done = check(tmp_path, text)
    assert done.exit_code == 0
    assert f"note: {note}" in done.stdout


@pytest.mark.parametrize("name", ["sobel-x", "gaussian-5", "emboss", "sharpen"])
def test_check_has_nothing_to_note_on_a_good_built_in(name):
    done = run("check", str(folders.built_in() / f"{name}.yaml"))
    assert done.exit_code == 0
    assert "note" not in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_check_suggests_what_the_kind_of_file_can_hold(tmp_path):
    assert f"note: it brightens by 4; `{tmp_path}/k.csv@sum` keeps" in check(tmp_path, "1,2,1", "k.csv").stdout
    assert "`--range abs` or `--range offset` shows both" in check(tmp_path, "1 0 -1", "k.txt").stdout


def test_check_tells_of_a_file_in_use_that_it_hides_a_built_in(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCLI_KERNELS", str(tmp_path))
    for name in ("sobel-x", "gaussian"):
        assert (
            "note: it hides the built-in kernel of that name"
            in check(tmp_path, "weights: [[1]]", f"{name}.yaml").stdout
        )


def test_check_wants_files_and_no_folder(tmp_path):
    done = run("check", str(tmp_path))
    assert done.exit_code == 2
    assert f"{tmp_path} is a folder; name the files in it, as in {tmp_path}/*.yaml" in done.stderr


@pytest.mark.parametrize("spec", ["sobel-x", "sobel-x@45", "gaussian * (2 * sobel-x)"])
def test_show_tells_of_a_hidden_built_in_wherever_the_spec_names_it(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCLI_KERNELS", str(tmp_path))
    (tmp_path / "sobel-x.yaml").write_text("weights: [[1, -1]]")
    done = run("show", spec)
    assert done.exit_code == 0
    note = f"Note: sobel-x is your own kernel in {tmp_path}/sobel-x.yaml; it hides the built-in one."
    assert done.stderr.splitlines() == [note]
    assert not run("show", "sobel:angle=45").stderr


@pytest.mark.parametrize("spec", ["-1 0 1; -2 0 2; -1 0 1", "-frei-chen:basis=5", "-high-pass", "-1", "-(box + box)"])
def test_a_spec_that_begins_with_a_minus_is_no_option(spec):
    for args in (["show", spec, "--json"], ["show", "--json", spec], ["show", "--json", "--", spec]):
        done = run(*args)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["weights"] == load_kernel(spec).weights.tolist()
    assert "No such option '--sobel-x'" in run("show", "--sobel-x").stderr


def test_a_large_picture_is_shown_as_yaml_that_is_read_again(tmp_path):
    picture = np.random.default_rng(7).integers(0, 256, (480, 640), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "psf.png")
    (tmp_path / "psf.yaml").write_text(run("show", str(tmp_path / "psf.png"), "--yaml").stdout)
    again = load_kernel(str(tmp_path / "psf.yaml"))
    assert np.array_equal(again.weights, picture)
    assert again.divisor == picture.sum()
    Image.fromarray(np.ones((1025, 1024), np.uint8)).save(tmp_path / "huge.png")
    done = run("show", str(tmp_path / "huge.png"), "--yaml")
    assert done.exit_code == 2
    assert "kernel 'huge' has 1049600 weights; a YAML file holds 1048576" in done.stderr


@pytest.mark.parametrize("spec", ["1e-7 1e250 / 3", "gaussian:sigma=0.01", "0.1 0.2"])
def test_json_is_read_again(spec, tmp_path):
    (tmp_path / "k.json").write_text(run("show", spec, "--json").stdout)
    again, kernel = load_kernel(str(tmp_path / "k.json")), load_kernel(spec)
    assert np.array_equal(again.weights, kernel.weights) and again.divisor == kernel.divisor


def test_two_ways_to_show_a_kernel_are_one_too_many():
    for args in (["--json", "--yaml"], ["--yaml", "--emit", "numpy"], ["--json", "--image", "k.png"]):
        done = run("show", "box", *args)
        assert done.exit_code == 2
        assert "four ways to show a kernel; choose one" in done.stderr


def test_check_goes_on_after_a_fault_and_exits_with_2(tmp_path):
    (tmp_path / "bad.yaml").write_text("weights:\n  - [1, 2]\n  - [1]\n")
    (tmp_path / "good.csv").write_text("0,1,0\n")
    done = run("check", str(tmp_path / "bad.yaml"), str(tmp_path / "good.csv"), str(tmp_path / "gone.yaml"))
    assert done.exit_code == 2
    assert f"{tmp_path}/bad.yaml:3:5: weights: row 2 has 1 values, expected 2 as in row 1" in done.stderr
    assert f"{tmp_path}/gone.yaml: no such file" in done.stderr
    assert f"{tmp_path}/good.csv: good: 3x1" in done.stdout
    assert run("check", str(tmp_path / "gone.yaml")).exit_code == 1


def test_list_tells_of_the_users_own_kernels_and_of_faulty_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVCLI_KERNELS", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("description: My own.\nweights: [[1]]")
    (tmp_path / "sobel-x.yaml").write_text("weights: [[1]]")
    (tmp_path / "broken.yaml").write_text("weights: [[x]]")
    done = run("list")
    assert done.exit_code == 0
    assert f"My own. ({tmp_path}/mine.yaml)" in " ".join(done.stdout.split())
    assert f"Note: your sobel-x in {tmp_path}/sobel-x.yaml hides the built-in one." in done.stderr
    assert f"Note: left out: {tmp_path}/broken.yaml:1:12: " in done.stderr
    entries = {entry["name"]: entry["origin"] for entry in json.loads(run("list", "--json").stdout)}
    assert entries["mine"] == str(tmp_path / "mine.yaml")
    assert entries["sobel-y"] == "built-in"


def test_list_tells_of_some_groups_only():
    entries = json.loads(run("list", "blur", "motion", "--json").stdout)
    assert {entry["tags"][0] for entry in entries} == {"blur", "motion"}
    assert [entry["name"] for entry in json.loads(run("list", "relief", "--json").stdout)] == ["emboss", "emboss-color"]
    shown = run("list", "texture").stdout
    assert "laws" in shown and "gaussian" not in shown
    for word, hint in (("blurr", "did you mean blur?"), ("zzz", "there are basic, blur, shape")):
        done = run("list", word)
        assert done.exit_code == 2
        assert f"no group {word!r}; {hint}" in done.stderr


def test_there_are_sixty_kernels_and_a_group_fits_on_a_screen():
    groups = {}
    for kernel in catalogue():
        groups.setdefault(kernel.tags[0], []).append(kernel)
    assert sum(map(len, groups.values())) >= 60
    assert max(map(len, groups.values())) <= 24


def test_a_terminal_without_unicode_gets_question_marks(tmp_path):
    (tmp_path / "u.yaml").write_text('description: "Kanté ☃"\nweights: [[1]]', encoding="utf-8")
    code = "import sys; from convcli.cli import main; main(['kernels', 'show', sys.argv[1]])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "u.yaml")], capture_output=True, text=True, timeout=1200,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Kant? ?" in done.stdout
