"""The folders of named kernels: the built-in one and the user's."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from convcli.errors import ConvcliError


@cache
def built_in() -> Path:
    """Return the built-in kernels' folder: `presets/` here in a wheel, `kernels/` beside the package in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "presets", here.parents[1] / "kernels"):
        if folder.is_dir():
            return folder
    raise ConvcliError(f"the built-in kernels are missing in {here}; install convcli again")


def users() -> list[Path]:
    """Return the user's kernel folders that exist, in order of precedence.

    These are `kernels/` in the current folder, the folders in the variable CONVCLI_KERNELS, and convcli/kernels in the
    user's configuration folder ($XDG_CONFIG_HOME, else ~/.config).
    """
    listed = os.environ.get("CONVCLI_KERNELS", "").split(os.pathsep)
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    candidates = [Path("kernels"), *(Path(part) for part in listed if part), Path(config) / "convcli" / "kernels"]
    found: list[Path] = []
    for candidate in candidates:
        try:
            folder = candidate.expanduser()
            own = folder.is_dir() and not any(folder.samefile(other) for other in (built_in(), *found))
        except (OSError, RuntimeError):  # unreadable, or no home
            continue
        if own:
            found.append(folder)
    return found
