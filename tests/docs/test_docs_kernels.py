"""docs/kernels.md: it is what the program says, and its commands run."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from convcli import load_kernel
from convcli.cli import main
from convcli.kernels import folders
from convcli.kernels.catalogue import catalogue
from convcli.kernels.readers.yaml_tree import parse_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^convcli .*$", PAGE, re.MULTILINE)


def test_the_page_is_what_its_script_makes_of_the_program():
    spec = importlib.util.spec_from_file_location("make_kernels", ROOT / "docs" / "make_kernels.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.page() == PAGE, "run docs/make_kernels.py"


def test_every_kernel_is_on_the_page():
    for kernel in catalogue():
        assert f"| `{kernel.name}` |" in PAGE


def test_every_spec_of_the_first_table_is_a_kernel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text("weights: [[1]]")
    (tmp_path / "set.yaml").write_text("kernels: [{name: edge, weights: [[1]]}]")
    table = PAGE.split("| Form |")[1].split("\n\n")[0].splitlines()[2:]
    specs = [spec for line in table for spec in re.findall("`([^`]+)`", line.split("|")[2])]
    assert len(specs) >= 14
    for spec in specs:
        load_kernel(spec)


def test_the_yaml_of_the_page_is_a_kernel():
    text = PAGE.split("```yaml\n")[1].split("```")[0]
    assert parse_yaml(text, "page")[0].name == "my-edge"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_runs(command, tmp_path, monkeypatch):
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (tmp_path / "kernels").symlink_to(folders.built_in())
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, shlex.split(command, comments=True)[1:])
    assert done.exit_code == 0, done.output
