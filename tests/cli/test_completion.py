"""Shell completion as the README tells to switch it on, asked as bash asks it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def words_for(tmp_path_factory):
    """What bash would offer for a line, as a function."""
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    folder = tmp_path_factory.mktemp("bin")
    (folder / "convcli").write_text(f"#!{sys.executable}\nfrom convcli.__main__ import main\nmain()\n")
    (folder / "convcli").chmod(0o755)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    switch = re.search(r"`(eval [^`]*bash_source[^`]*)` into `~/.bashrc`", readme)[1]

    def offered(*line):
        script = (
            f'{switch}\ncompopt() {{ echo "$1_$2"; }}\nCOMP_WORDS=(convcli "$@")\nCOMP_CWORD=$#\n'
            '_convcli_completion convcli\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", script, "bash", *line], capture_output=True, text=True, env=environment, timeout=1200
        )
        if re.search(r"requires Bash|not supported", done.stderr):
            pytest.skip(done.stderr)
        assert not done.stderr
        return done.stdout.split("\n")[:-1]

    return offered


def test_commands_options_and_choices(words_for):
    assert "apply" in words_for("") and words_for("ker") == ["kernels"]
    assert words_for("apply", "--padding-") == ["--padding-mode", "--padding-value"]
    assert words_for("apply", "-k", "box", "--range", "o") == ["offset"]


@pytest.mark.parametrize("before", [["apply", "-k"], ["size", "9x9", "-k"], ["layer", "-k"], ["kernels", "show"]])
def test_names_of_kernels(words_for, before):
    assert words_for(*before, "sobel-") == ["sobel-5x", "sobel-5y", "sobel-x", "sobel-y"]
    assert "gaussian" in words_for(*before, "gauss")


@pytest.mark.parametrize(
    "before",
    [["apply", "-k"], ["apply", "-k", "box"], ["apply", "-k", "box", "a.png"], ["batch", "-k", "box"], ["show"],
     ["kernels", "check"], ["explain", "-k", "box"], ["compare"], ["plan", "-k", "box"], ["layer"]],
)  # fmt: skip
def test_names_of_files(words_for, before):
    assert words_for(*before, "samples/sc") == ["-o_default", ""]
