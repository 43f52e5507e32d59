"""`convcli kernels list` and `show`."""

import json
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner

from convcli import load_kernel
from convcli.cli import main
from convcli.presets import catalogue
from convcli.yaml_files import parse_yaml


def run(*args):
    return CliRunner().invoke(main, ["kernels", *args])


def test_list_names_every_kernel_with_what_it_does():
    done = run("list")
    assert done.exit_code == 0
    words = " ".join(done.stdout.split())
    for kernel in catalogue():
        assert f"{kernel.name} {kernel.size[0]}x{kernel.size[1]} {kernel.range}" in words
    assert "\x1b" not in done.stdout


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


def test_show_tells_a_familys_parameters_and_spares_the_terminal_a_huge_grid():
    assert "parameters sigma=1.0, size=(from the others) unless given" in run("show", "gaussian").stdout
    assert "63 rows of 63 weights are too many to draw" in run("show", "box:size=63").stdout


def test_show_draws_each_grid_of_a_deep_kernel(tmp_path):
    file = tmp_path / "deep.yaml"
    file.write_text("weights: [[[1, 2]], [[3, 4]], [[5, 6]]]")
    done = run("show", str(file))
    assert "\n 1  2 \n\n 3  4 \n\n 5  6 \n" in done.stdout
    assert "size       1 rows of 2, depth 3" in done.stdout


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


@pytest.mark.parametrize("args", [["--help"], ["list", "--help"], ["show", "--help"]])
def test_help_has_an_example_that_runs(args):
    done = run(*args)
    assert done.exit_code == 0
    examples = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("convcli ")]
    assert examples
    import shlex

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
