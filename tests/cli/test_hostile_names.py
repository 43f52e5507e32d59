"""Names, descriptions and paths from outside that a terminal would obey or that no encoding has: in every command."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from convcli.kernels.load import load_kernel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes"),
]

# What must not come out: an operating system command (here: set the clipboard), conceal, a C1 control, a turned line.
OBEYED = re.compile(rb"\x1b\]|\x1b\[8m|\x07|\xc2[\x80-\x9f]|\xe2\x80\xae|\xed[\xa0-\xbf]|[\x00-\x08\x0e-\x1a\x7f]")
EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b[8m\x9b8m\u202e\ud800"
FOLDER, PICTURE = b"d\xff\x1b[8m", b"p\xfe\x1b[8m.png"
SPECS = {
    "a kernel's words": "evil.yaml",
    "a lone surrogate": "surrogate.yaml",
    "a long name": "long.yaml",
    "a file that is no UTF-8": os.fsdecode(b"k\xff\x1b[8m.csv"),
    "a kernel of the folder": "named",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(8)
    words = {"description": EVIL, "source": EVIL, "tags": [EVIL], "weights": [[1, 2, 1]], "divisor": 4}
    (folder / "evil.yaml").write_text(json.dumps({"name": EVIL} | words))
    (folder / "surrogate.yaml").write_text('name: "\\ud800"\nweights: [[1]]\n')
    (folder / "long.yaml").write_text(f"name: {'x' * 5000}\nweights: [[1]]\n")
    (folder / "kernels").mkdir()
    (folder / "kernels" / "named.yaml").write_text(json.dumps({"name": "named"} | words))
    (folder / os.fsdecode(b"k\xff\x1b[8m.csv")).write_text("1,2,1\n")
    place = folder / os.fsdecode(FOLDER)
    place.mkdir()
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(place / os.fsdecode(PICTURE))
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "in.tif")
    (place / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    np.savez(folder / "t.npz", **{f"{EVIL[:-1]}.weight": np.ones((2, 3, 3, 3), np.float32)})
    return folder


def run(folder, words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "convcli", *words], cwd=folder, capture_output=True, timeout=1200,
        env={**os.environ, "PYTHONUTF8": "1"} | environment,
    )  # fmt: skip


def assert_harmless(done, *codes):
    assert done.returncode in codes, done.stderr
    found = OBEYED.search(done.stdout + done.stderr)
    assert not found and b"Traceback" not in done.stderr, (found, done.stderr)


COMMANDS = (
    "kernels show {spec}", "kernels show {spec} --json", "kernels show {spec} --yaml",
    "kernels show {spec} --emit torch", "kernels show -f {spec} --image out.png",
    "apply -f -k {spec} {picture} out.png", "apply -f -k {spec} {picture} out.jpg",
    "apply -f -k {spec} {picture} out.webp", "apply -f -k {spec} {picture} out.tif",
    "apply -f -k {spec} {picture} out.gif",
    "apply -f -v -k {spec} {picture} out.avif", "apply -f -k {spec} --pyramid in.tif out.ome.tif",
    "apply -f -k {spec} --pyramid in.tif out.zarr", "explain -k {spec} {picture}", "explain -k {spec} --json {picture}",
    "explain -f -k {spec} {picture} --html out.html", "explain -f -k {spec} {picture} --animate out.gif",
    "explain -k {spec} -k box --combine max {picture}",
    "compare -f -k {spec} -k box {picture} out.png", "layer -f -k {spec} -k box {picture} out.png",
    "layer -f -k {spec} {picture} out.npz", "layer -f -k {spec} {picture} maps", "layer -k {spec} {picture} --summary",
    "plan -k {spec} {picture}", "plan -k {spec} --json {picture}", "size 9x9 -k {spec} -k 3",
)  # fmt: skip


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_kernel_of_that_name(folder, command, spec):
    picture = os.fsdecode(FOLDER + b"/" + PICTURE)
    words = [word.format(spec=spec, picture=picture) for word in command.split()]
    assert_harmless(run(folder, words, FORCE_COLOR="1"), 0)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_folder_of_that_name(folder, spec, tmp_path):
    words = ["batch", "-v", "-k", spec, os.fsdecode(FOLDER), str(tmp_path / "out")]
    assert_harmless(run(folder, [*words, "--dry-run"]), 0)
    page, report = tmp_path / os.fsdecode(b"g\xff.html"), tmp_path / "r.jsonl"
    done = run(folder, [*words, "--report", str(report), "--gallery", str(page), "--json"])
    assert_harmless(done, 1)
    assert json.loads(done.stdout)["done"] == 1 and len(report.read_text().splitlines()) >= 2
    text = page.read_text(encoding="utf-8")
    assert r"p\xfe\x1b[8m.png" in text and "p%FE%1B%5B8m.png" in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["kernels", "list"], 0),
        (["kernels", "list", "--json"], 0),
        (["kernels", "list", EVIL[:-1]], 2),
        (["kernels", "check", "evil.yaml", "surrogate.yaml", "long.yaml"], 0),
        (["kernels", "check", os.fsdecode(b"no\xff\x1b[8m.yaml")], 1),
        (["show", os.fsdecode(FOLDER + b"/" + PICTURE)], 0),
        (["show", os.fsdecode(FOLDER)], 1),
        (["layer", "--weights", "t.npz"], 0),
        (["layer", "--weights", "t.npz", "--json"], 0),
        (["layer", "-f", "--weights", "t.npz:nothing", "in.tif", "out.png"], 2),
        (["layer", "-f", "--weights", os.fsdecode(b"no\xff\x1b[8m.npz"), "in.tif", "out.png"], 1),
        (["layer", "--weights", "t.npz", "in.tif", "--summary"], 0),
        (["layer", "-f", "--weights", "t.npz", "in.tif", "out.png"], 0),
        (["apply", "-k", EVIL[:-1], "in.tif", "out.png"], 2),
        (["apply", "-k", "box", "in.tif", os.fsdecode(b"no\xff\x1b[8m/out.png")], 1),
        (["apply", "-k", "box", "in.tif", "out.png", "--format", EVIL[:-1]], 2),
        (["apply", "-k", "box", "--stride", EVIL[:-1], "in.tif", "out.png"], 2),
        (["apply", "-k", "box", "--range", EVIL[:-1], "in.tif", "out.png"], 2),
        (["apply", f"--{EVIL[:-1]}"], 2),
        ([EVIL[:-1]], 2),
        (["size", EVIL[:-1], "-k", "3"], 2),
        (["plan", "-k", "box", os.fsdecode(b"no\xff\x1b[8m.png")], 1),
        (["batch", "-k", "box", os.fsdecode(b"no\xff\x1b[8m"), "out"], 1),
    ],
)
def test_words_of_that_kind(folder, words, code):
    assert_harmless(run(folder, words, FORCE_COLOR="1"), code)


def test_machines_get_the_name_itself(folder):
    told = json.loads(run(folder, ["kernels", "show", "evil.yaml", "--json"]).stdout)
    assert told["name"] == told["description"] == EVIL
    (folder / "again.yaml").write_bytes(run(folder, ["kernels", "show", "evil.yaml", "--yaml"]).stdout)
    assert load_kernel(str(folder / "again.yaml")) == load_kernel(str(folder / "evil.yaml"))
