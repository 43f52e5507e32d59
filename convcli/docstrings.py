"""Read docstrings even where Python drops them (-OO), since some are shown to users."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ast import FunctionDef


def docstring(function: Callable[..., Any]) -> str:
    """Return the function's docstring; "" if it has none, or if Python has neither docstrings nor the source."""
    if function.__doc__:
        return function.__doc__
    import ast

    node = _functions(function.__module__).get(function.__name__)
    return (ast.get_docstring(node) if node else "") or ""


@cache
def _functions(module: str) -> dict[str, FunctionDef]:
    """Return the functions of a module by name, parsed from its source."""
    import ast
    import inspect
    import sys

    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except OSError:  # only the compiled files are there
        return {}
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
