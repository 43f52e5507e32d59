"""Kernel files drawn as the built-in ones are, read without PyYAML, whose import takes as long as a small picture.

Only the plainest YAML is understood: a key and one text in a line, rows of numbers in decimals. Any other file is left
to PyYAML, which reads it, or says what is wrong with it.
"""

from __future__ import annotations

import numpy as np

from convcli.choices import RANGES
from convcli.kernel import Kernel

_TEXTS = ("name", "description", "source")
_KEYS = (*_TEXTS, "weights", "divisor", "bias", "range", "tags")
MOST_WEIGHTS = 1 << 20


class _NotPlain(Exception):
    """Something that is not understood here."""


def plain_yaml(text: str, file: str, stem: str) -> Kernel | None:
    """The kernel, the same that `yaml_files.parse_yaml` reads from the text; None for a text that is not so plain."""
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
    """What stands behind every key, and the rows of weights."""
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
    """A text in quotes without quotes and escapes in it, or one that begins like a word and holds no sign of YAML's."""
    if value.startswith('"'):
        inner = value[1:-1]
        _require(value.endswith('"') and not {'"', "\\"} & set(inner) and bool(inner.strip()))
        return inner.strip()
    _require(value[:1].isalnum() and ": " not in value and " #" not in value and not value.endswith(":"))
    return value


def _number(word: str) -> float:
    """A number in decimals, with or without an exponent."""
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
    """A list of words in brackets."""
    _require(value.startswith("[") and value.endswith("]"))
    words = [word.strip(" ") for word in value[1:-1].split(",")]
    _require(all(word.isalnum() for word in words))
    return tuple(words)
