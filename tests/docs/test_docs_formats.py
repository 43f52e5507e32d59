"""The tables of docs/formats.md are what convcli does."""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tables_are_what_is_seen(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.setattr(sys, "path", [*sys.path])
    import make_formats

    text = make_formats.PAGE.read_text(encoding="utf-8")
    assert make_formats.page(text) == text
    assert text.count("\n| ") > 40
