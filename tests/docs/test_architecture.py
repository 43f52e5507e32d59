"""docs/architecture.md names nothing that is not there, and every room and test folder that is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = [path.name for path in (ROOT / "convcli").iterdir() if (path / "__init__.py").exists()]


def named():
    """Paths in the text, and what may be a module: `filtering/run`, `images/read.Reading`, `kernels/NAME.yaml`."""
    for word in re.findall(r"`([\w./]+/[\w./]*)`", TEXT):
        if "NAME" not in word and "*" not in word:
            yield word


@pytest.mark.parametrize("word", sorted(set(named())))
def test_what_is_named_is_there(word):
    for base in (ROOT, ROOT / "convcli", ROOT / "convcli" / "engine"):
        if any((base / candidate).exists() for candidate in (word, f"{word}.py")):
            return
        module, _, name = word.rpartition(".")
        path = base / f"{module}.py" if (base / f"{module}.py").exists() else base / module / "__init__.py"
        if module and path.exists():
            assert re.search(rf"\b{name}\b", path.read_text(encoding="utf-8")), word
            return
    raise AssertionError(f"{word} is nowhere")


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_its_sentence(room):
    assert f"| `{room}/` |" in TEXT


def test_every_test_folder_is_told():
    folders = [path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))]
    assert folders and all(f"`tests/{folder}/`" in TEXT for folder in folders)
