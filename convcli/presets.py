"""Names, files, inline text, parameters -> Kernel."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from convcli.errors import ConvcliError, KernelError, RecipeError
from convcli.kernel import Kernel

BUILT_IN = "built-in"
_GROUPS = ("basic", "blur", "sharpen", "edge", "line", "relief")
_YAML = (".yaml", ".yml")
_NAME = re.compile(r"([A-Za-z][\w-]*)(?::(.*))?", re.DOTALL)
_FILE = re.compile(r"(.+\.[A-Za-z]\w*)(?:#(.*))?", re.DOTALL)


def load_kernel(spec: str) -> Kernel:
    """The kernel that a SPEC names.

    spec: a name (`sobel-x`), a name with parameters (`gaussian:sigma=2,size=9`), a file (`my.yaml`, `my.yaml#name`), or
        rows of weights (`"1 2 1; 2 4 2; 1 2 1 / 16"`).

    Raises KernelError where the spec or the file is wrong, ConvcliError where the file cannot be read.
    """
    if not isinstance(spec, str):
        raise KernelError(f"a kernel spec must be text, not {type(spec).__name__}")
    text = spec.strip()
    if not text:
        raise KernelError("the kernel spec is empty; give a name such as sobel-x, a file, or rows of weights")
    named = _NAME.fullmatch(text)
    if named:
        return _named(named[1], named[2])
    if ";" not in text:
        file = _FILE.fullmatch(text)
        if file:
            return _from_file(Path(file[1]), file[2])
    from convcli.inline import inline

    return inline(text)


def preset_names() -> list[str]:
    """The names of the built-in fixed kernels, in order."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def catalogue() -> list[Kernel]:
    """Every kernel that has a name, sorted by group (its first tag) and name; families with default parameters."""
    from convcli.families import FAMILIES

    found = [_preset(path) for path in _folder().glob("*.yaml")]
    found += [family.kernel({}) for family in FAMILIES.values()]
    return sorted(found, key=lambda kernel: (_group_order(kernel), kernel.name))


def _group_order(kernel: Kernel) -> tuple[int, str]:
    first = kernel.tags[0] if kernel.tags else ""
    return (_GROUPS.index(first) if first in _GROUPS else len(_GROUPS)), first


def load_file(path: Path) -> list[Kernel]:
    """All kernels of a file. Raises KernelError where it is faulty, ConvcliError where it cannot be read."""
    if path.suffix.lower() not in _YAML:
        raise RecipeError(f"{path}: a kernel file ends in {' or '.join(_YAML)}, not {path.suffix!r}")
    from convcli.yaml_files import parse_yaml

    return parse_yaml(_read(path), str(path), path.stem)


def _named(name: str, parameters: str | None) -> Kernel:
    from convcli.families import FAMILIES

    if name in FAMILIES:
        return FAMILIES[name].kernel(_parameters(name, parameters))
    path = _folder() / f"{name}.yaml"
    if not path.is_file():
        near = get_close_matches(name, [*preset_names(), *FAMILIES], 3, 0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`convcli kernels list` shows the names"
        raise KernelError(f"unknown kernel {name!r}; {hint}")
    if parameters is not None:
        raise KernelError(f"{name} is a fixed grid and takes no parameters, but {parameters!r} was given")
    return _preset(path)


def _parameters(name: str, text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    values: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not key or not equals or not value:
            raise KernelError(f"{name}: {part!r} is not of the form key=value")
        if key in values:
            raise KernelError(f"{name}: {key} is given twice")
        values[key] = value
    return values


def _from_file(path: Path, wanted: str | None) -> Kernel:
    kernels = load_file(path)
    if wanted is None:
        if len(kernels) == 1:
            return kernels[0]
        names = ", ".join(kernel.name for kernel in kernels)
        raise KernelError(f"{path} holds several kernels ({names}); choose one, as in {path}#{kernels[0].name}")
    for kernel in kernels:
        if kernel.name == wanted:
            return kernel
    held = [kernel.name for kernel in kernels]
    near = get_close_matches(wanted, held, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it holds {', '.join(held)}"
    raise KernelError(f"{path} holds no kernel {wanted!r}; {hint}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConvcliError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ConvcliError(f"{path} is a folder; a kernel file is expected") from None
    except UnicodeDecodeError:
        raise KernelError(f"{path}: not a text file in UTF-8") from None


@cache
def _preset(path: Path) -> Kernel:
    return replace(load_file(path)[0], origin=BUILT_IN)


@cache
def _folder() -> Path:
    """`kernels/` inside the package, as a wheel has it, else beside the package, as a checkout has it."""
    package = Path(__file__).resolve().parent
    for folder in (package / "kernels", package.parent / "kernels"):
        if folder.is_dir():
            return folder
    raise ConvcliError(f"the folder kernels/ is missing beside {package}; install convcli again")
