"""Read kernel files laid out like the built-in ones without PyYAML, whose import takes as long as a small picture.

Only a small subset of YAML is understood: a key and a text on one line, and rows of decimal numbers. Any other file is
left to PyYAML, which parses it or reports the error.
"""

from __future__ import annotations

import numpy as np

from convcli.choices import RANGES
from convcli.kernel import Kernel

_TEXTS = ("name", "description", "source")
_KEYS = (*_TEXTS, "weights", "divisor", "bias", "range", "tags")
MOST_WEIGHTS = 1 << 20


class _NotPlain(Exception):
    """Raised for YAML outside the subset understood here."""


def plain_yaml(text: str, file: str, stem: str) -> Kernel | None:
    """Parse the text into the same kernel as `yaml_tree.parse_yaml`; None if it is outside the subset."""
    try:
        return _kernel(text, file, stem)
    except _NotPlain:
        return None


def _kernel(text: str, file: str, stem: str) -> Kernel:
    values, rows = _lines(text)
    texts = {key: _text(values[key]) for key in _TEXTS if key in values}
    divisor, range_ = _number(values.get("divisor", "1")), values.get("range")
    _require(divisor != 0 and range_ in (None, *RANGES))
    return Kernel(
        np.array(rows),
        divisor=divisor,
        bias=_number(values.get("bias", "0")),
        range=range_,
        name=texts.get("name", stem),
        description=texts.get("description", ""),
        source=texts.get("source", ""),
        tags=_tags(values["tags"]) if "tags" in values else (),
        origin=file,
    )


def _require(plain: bool) -> None:
    if not plain:
        raise _NotPlain


def _lines(text: str) -> tuple[dict[str, str], list[list[float]]]:
    """Split the text into the value of every key and the rows of weights."""
    _require(text.isascii() and text.replace("\n", "").isprintable())
    values: dict[str, str] = {}
    rows: list[list[float]] = []
    key = ""
    for line in text.removesuffix("\n").split("\n"):
        if key == "weights" and line.startswith("  - [") and line.endswith("]"):
            rows.append([_number(word.strip(" ")) for word in line[5:-1].split(",")])
            continue
        key, _, value = line.partition(":")
        _require(key in _KEYS and key not in values)
        _require(not value if key == "weights" else value.startswith(" "))
        values[key] = value.strip(" ")
    _require(len({len(row) for row in rows}) == 1 and len(rows) * len(rows[0]) <= MOST_WEIGHTS)
    return values, rows


def _text(value: str) -> str:
    """Parse a text: quoted without inner quotes or escapes, or a word first and no YAML syntax in it."""
    if value.startswith('"'):
        inner = value[1:-1]
        _require(value.endswith('"') and not {'"', "\\"} & set(inner) and bool(inner.strip()))
        return inner.strip()
    _require(value[:1].isalnum() and ": " not in value and " #" not in value and not value.endswith(":"))
    return value


def _number(word: str) -> float:
    """Parse a decimal number, with or without an exponent."""
    digits, e, power = word.lower().partition("e")
    digits = digits[1:] if digits[:1] in ("+", "-") else digits
    whole, point, part = digits.partition(".")
    _require(whole.isdigit() and (part.isdigit() or not point) and len(word) <= 40)
    power = power[1:] if power[:1] in ("+", "-") else power
    _require(not e or (power.isdigit() and len(power) <= 3))
    value = float(word) + 0.0
    _require(abs(value) < 1e300)
    return value


def _tags(value: str) -> tuple[str, ...]:
    """Parse a list of words in brackets."""
    _require(value.startswith("[") and value.endswith("]"))
    words = [word.strip(" ") for word in value[1:-1].split(",")]
    _require(all(word.isalnum() for word in words))
    return tuple(words)
