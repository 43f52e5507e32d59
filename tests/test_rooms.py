"""Who may import whom, and which room may meet which library; docs/architecture.md says what each room is for."""

import ast
import sys
from pathlib import Path

import pytest

import convcli

PACKAGE = Path(convcli.__file__).parent

# From the lowest floor up. A room may import the rooms of its own line, and nothing else of the package.
# VOCABULARY: values and words, no input, no output.
VOCABULARY = {"docstrings", "errors", "choices", "geometry", "kernel", "printable", "ranges", "version", "words"}
MAY_IMPORT = {
    "errors": set(),
    "version": set(),
    "printable": set(),
    "docstrings": set(),
    "choices": set(),
    "ranges": set(),
    "words": set(),
    "geometry": {"choices", "errors"},
    "kernel": {"choices", "errors", "printable"},
    "system": {"errors"},  # knows the machine, and nothing of pictures
    "files": {"errors", "printable"},  # knows names and bytes, and nothing of what is in them
    "images": {"errors", "ranges", "files", "system"},  # a picture is arrays and what the file was
    "engine": {"errors", "geometry", "kernel", "ranges", "system", "words"},  # the value Kernel, not its SPEC
    "kernels": {
        "errors",
        "choices",
        "docstrings",
        "kernel",
        "files",
        "images",
    },  # a picture can be one; none is computed
    "filtering": VOCABULARY | {"files", "system", "images", "engine", "kernels"},  # the way of a picture, no Click
    "sheets": VOCABULARY | {"files", "images", "filtering"},
    "explain": VOCABULARY | {"files", "images", "engine", "kernels", "filtering"},  # pages name files
    "large": VOCABULARY | {"files", "system", "images", "engine", "filtering"},
    "batch": VOCABULARY | {"files", "system", "images", "filtering"},
    "layers": VOCABULARY | {"files", "system", "images", "engine", "kernels", "sheets"},  # planes, not recipes
    "cli": VOCABULARY
    | {"system", "files", "images", "engine", "kernels", "filtering", "sheets", "explain", "large", "batch", "layers"},
    "__init__": VOCABULARY | {"engine", "kernels", "filtering", "layers"},  # the public names
    "__main__": {"cli", "system"},
}

# The only places that import these: each costs time at start, is an extra, or is to be changed in one place.
ONLY_IN = {
    "PIL": {"images", "sheets", "explain", "layers", "batch/gallery"},  # in and out, and where a picture is drawn
    "click": {"cli"},
    "dask": set(),  # by its `distributed` alone
    "distributed": {"system/cluster"},
    "fsspec": {"files/remote"},
    "imagecodecs": {"images/high_depth", "large/libraries"},
    "llvmlite": {"engine/compiled", "engine/loops"},
    "numba": {"engine/compiled", "engine/loops"},
    "numcodecs": {"large/zarr_out"},
    "onnx": {"layers/weights"},
    "rich": {"cli", "explain"},
    "safetensors": {"layers/weights"},
    "textual_image": {"explain/terminal"},
    "tifffile": {"images/high_depth", "large/libraries"},
    "torch": {"layers/weights"},
    "yaml": {"kernels/readers", "layers/layer_files"},
    "zarr": {"large/libraries"},
    "zlib_ng": {"images/png"},
}
EVERYWHERE = {"numpy"}

MODULES = sorted(path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))


def imported(module):
    """The dotted names that a module imports anywhere: at its top, in a function, for types alone."""
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module):
    """The modules of the package that a module imports, as paths in it."""
    for name in imported(module):
        parts = name.split(".")
        if parts[0] != "convcli":
            continue
        for length in range(len(parts), 0, -1):
            path = "/".join(parts[1:length]) or "__init__"
            found = next((known for known in (path, f"{path}/__init__") if known in MODULES), None)
            if found:
                yield found
                break


def room(module):
    return module.split("/")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may(module):
    others = {room(other) for other in within(module)} - {room(module)}
    assert others <= MAY_IMPORT[room(module)], f"{module} may not import {others - MAY_IMPORT[room(module)]}"


def test_the_rooms_form_no_circle():
    settled, rooms = set(), dict(MAY_IMPORT)
    while rooms:
        free = {name for name, seen in rooms.items() if seen <= settled}
        assert free, f"a circle among {sorted(rooms)}"
        settled |= free
        rooms = {name: seen for name, seen in rooms.items() if name not in free}


def test_the_modules_form_no_circle():
    """Also inside a room. What is imported for types alone, or when it is needed, counts."""
    left = {module: set(within(module)) - {module} for module in MODULES}
    while left:
        free = {module for module, others in left.items() if not others & set(left)}
        assert free, f"a circle among {sorted(left)}"
        for module in free:
            del left[module]


def test_every_permission_is_used():
    """What nobody imports is not allowed to be imported."""
    used = {name: set() for name in MAY_IMPORT}
    for module in MODULES:
        used[room(module)] |= {room(other) for other in within(module)} - {room(module)}
    for name, allowed in MAY_IMPORT.items():
        assert used[name] - VOCABULARY == allowed - VOCABULARY, name


@pytest.mark.parametrize("module", MODULES)
def test_libraries_are_met_only_where_they_belong(module):
    for library in {name.split(".")[0] for name in imported(module)}:
        if library in sys.stdlib_module_names or library in EVERYWHERE | {"convcli"}:
            continue
        places = ONLY_IN.get(library, set())
        assert any(module == place or module.startswith(f"{place}/") for place in places), f"{module}: {library}"


def test_the_root_of_the_package_is_a_short_list():
    assert len([module for module in MODULES if "/" not in module]) <= 12
