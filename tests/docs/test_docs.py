"""The documentation is true: its commands run as printed, in a copy of the checkout; every command explains itself."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from PIL import Image

from convcli.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text, language):
    """The contents of the fenced code blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def marked(name):
    """The one line of code under the mark of that name in the README."""
    found = re.findall(rf"<!-- {name} -->\n```sh\n(.*?)```", README, re.S)
    assert len(found) == 1 and found[0].count("\n") == 1, f"the {name} command must stand on one line"
    return found[0].strip()


def documented():
    """(page, command) of every line of shell that starts with convcli."""
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8"), "sh"):
            for line in re.sub(r"\\\n\s*", "", block).splitlines():
                if line.startswith("convcli "):
                    yield pytest.param(line, id=f"{page.name}: {line.split('#')[0].strip()}")


def commands():
    """(words, command) of every command and subcommand."""

    def below(words, command):
        yield words, command
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                yield from below([*words, name], command.get_command(click.Context(command), name))

    return list(below([], main))


@pytest.fixture
def checkout(tmp_path):
    """A copy of what an example may use."""
    for name in ("samples", "kernels"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(line, folder):
    """Run a line as a shell would, with this interpreter's convcli."""
    words = shlex.split(line, comments=True)
    assert words[0] == "convcli"
    done = subprocess.run([sys.executable, "-m", "convcli", *words[1:]], capture_output=True, cwd=folder, timeout=1200)
    assert done.returncode == 0, done.stderr.decode()
    return done


@pytest.mark.parametrize("line", list(documented()))
def test_documented_commands_run(line, checkout):
    before = set(checkout.rglob("*"))
    run(line, checkout)
    for made in set(checkout.rglob("*")) - before:
        if made.suffix in (".png", ".jpg", ".gif", ".webp"):
            with Image.open(made) as picture:
                picture.load()


def test_documented_output_is_what_comes_out(checkout):
    shown = re.findall(r"```sh\n(convcli [^\n]*)\n```\n\n<!-- output -->\n```text\n(.*?)```", README, re.S)
    assert shown
    for line, output in shown:
        assert run(line, checkout).stdout.decode() == output


@pytest.mark.parametrize(("words", "command"), [pytest.param(*c, id=" ".join(c[0]) or "convcli") for c in commands()])
def test_every_command_explains_itself_with_an_example_that_runs(words, command, checkout):
    text = run(shlex.join(["convcli", *words, "--help"]), checkout).stdout.decode()
    assert text.startswith("Usage: ")
    assert command.help and re.match(r"[A-Z][^.:]*[.:]", command.help), "help starts with a sentence"
    examples = re.findall(r"^\s+(convcli .+)$", re.sub(r"\\\n\s*", "", command.help), re.M)
    own = (" photo.jpg", " resnet18.safetensors")  # files that the reader may have
    runnable = [line for line in examples if not any(name in line for name in own)]
    assert runnable, "help needs an example that runs as it stands"
    for example in runnable:
        run(example, checkout)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts} has no help"


def test_the_two_set_up_commands_stand_alone():
    for name in ("install", "test"):
        assert marked(name).startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert " samples/" in marked("install")
    assert marked("test").endswith(".venv/bin/python -m pytest")


def test_python_examples_run(checkout):
    examples = blocks(README, "python")
    assert examples
    for code in examples:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=checkout, timeout=1200)
        assert done.returncode == 0, done.stderr
        assert "(480, 640, 3) (240, 320, 3) (240, 320)" in done.stdout
        assert "(1, 16, 32, 32)" in done.stdout


def test_yaml_examples_are_kernels(checkout):
    from convcli import load_kernel

    for number, text in enumerate(blocks(README, "yaml")):
        file = checkout / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        assert load_kernel(str(file)).name == "my-edge"


@pytest.mark.parametrize("name", ["apply", "batch"])
def test_every_option_is_in_a_table(name):
    """Those of the recipe in the README, the others in the pages it points to."""
    lines = [
        line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `-")
    ]
    told = set(re.findall(r"`(--[a-z-]+)`", " ".join(line.split("|")[1] for line in lines)))
    command = {tuple(words): command for words, command in commands()}[(name,)]
    asked = {parameter.opts[-1] for parameter in command.params if isinstance(parameter, click.Option)}
    assert asked - {"--help"} <= told
    recipe = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `-")]
    assert len(recipe) >= 12 and "`--kernel`" in recipe[0]


def test_links_and_pictures_exist():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.slow
def test_sample_pictures_are_what_the_script_draws(tmp_path):
    """Small differences between versions of the font and the resampler are let through."""
    import numpy as np

    subprocess.run([sys.executable, ROOT / "samples" / "draw.py", tmp_path], check=True, timeout=1200)
    for made in sorted(tmp_path.iterdir()):
        with Image.open(made) as new, Image.open(ROOT / "samples" / made.name) as kept:
            assert (new.mode, new.size) == (kept.mode, kept.size)
            assert np.abs(np.asarray(new, int) - np.asarray(kept, int)).mean() < 0.5, made.name
    assert sum(file.stat().st_size for file in (ROOT / "samples").iterdir() if file.is_file()) < 1_500_000


def test_the_page_of_kernels_is_up_to_date():
    made = subprocess.run(
        [sys.executable, "-c", "import make_kernels; print(make_kernels.page(), end='')"],
        capture_output=True, text=True, check=True, cwd=ROOT / "docs", encoding="utf-8",
    )  # fmt: skip
    assert made.stdout == (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8"), "run docs/make_kernels.py"
