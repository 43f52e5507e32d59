"""Runs the benchmarks: `python -m benchmarks [SUBJECT...] [--quick] [--json FILE] [--write]`."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

from benchmarks.machine import facts
from benchmarks.timing import Table

SUBJECTS = {
    "engine": "The engine",
    "conv2d": "Layers",
    "start": "The start",
    "process": "The whole process",
    "memory": "Memory",
    "batch": "A folder",
    "large": "A picture larger than memory",
}
LONG = ("large",)  # only where it is named
README = Path(__file__).with_name("README.md")
MARK = "<!-- written by python -m benchmarks --write -->\n"


def main() -> None:
    """Read the command line, run, show, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure convcli against its peers.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"{', '.join(SUBJECTS)} [default: all]")
    parser.add_argument("--quick", action="store_true", help="few rounds: under three minutes for everything")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the tables as JSON too")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    asked = parser.parse_args()
    for subject in asked.subjects:
        if subject not in SUBJECTS:
            parser.error(f"no subject {subject!r}; choose from {', '.join(SUBJECTS)}")
    measured = {}
    for subject in asked.subjects or [subject for subject in SUBJECTS if subject not in LONG]:
        print(f"\n== {SUBJECTS[subject]}", flush=True)
        measured[subject] = import_module(f"benchmarks.{subject}").run(asked.quick)
    if asked.json:
        asked.json.write_text(json.dumps(_data(measured), indent=1) + "\n")
    if asked.write:
        README.write_text(README.read_text().partition(MARK)[0] + MARK + "\n" + _markdown(measured))


def _markdown(measured: dict[str, list[Table]]) -> str:
    parts = ["Measured on:\n\n" + "\n".join(f"- {fact}" for fact in facts()) + "\n"]
    for subject, tables in measured.items():
        parts += [f"## {SUBJECTS[subject]}\n", *(table.markdown() for table in tables)]
    return "\n".join(parts)


def _data(measured: dict[str, list[Table]]) -> dict[str, object]:
    return {"machine": facts(), **{subject: [table.data() for table in tables] for subject, tables in measured.items()}}


if __name__ == "__main__":
    main()
