"""Anything at all for the loader, the kernel parser and the command line: it ends well or in one sentence.

By hand, for as long as you like:  CONVCLI_FUZZ=20000 python -m pytest --timeout=0 tests/images/test_fuzz.py
"""

import os
import tempfile
from pathlib import Path

import faults
import numpy as np
import pytest
import survey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcli import ConvcliError, load_kernel
from convcli.images import Reading

FUZZ = settings(
    max_examples=int(os.environ.get("CONVCLI_FUZZ", "60")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="CONVCLI_FUZZ" not in os.environ,
)
SOURCES = faults.sources() if pytest.importorskip("tifffile") else {}
HEADS = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBP",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"P6 ",
    b"P3 ",
]


@st.composite
def files(draw):
    """Bytes with a picture's beginning, or a picture with pieces cut out, put in and changed."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(HEADS)) + draw(st.binary(max_size=400))
    data = bytearray(SOURCES[draw(st.sampled_from(sorted(SOURCES)))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40))
        data[at : at + length] = draw(st.binary(max_size=40))
    return bytes(data)


@FUZZ
@given(files(), st.booleans())
def test_the_loader(data, reduce_depth):
    try:
        with Reading(data, max_pixels=1_000_000, reduce_depth=reduce_depth) as reading:
            for _, frame in zip(range(5), reading.frames(), strict=False):
                assert frame.pixels.dtype in (np.uint8, np.uint16, np.float32) and frame.pixels.size
    except ConvcliError as error:
        assert len(str(error)) < 600 and "\n" not in str(error)


SPECS = st.one_of(
    st.text(max_size=40),
    st.text("0123456789 .,;/-+e'nainf", max_size=60),
    st.sampled_from(["sobel-x", "gaussian", "box", "gabor", "kernels/kirsch.yaml"]).flatmap(
        lambda name: st.text("size=igmahtve:,.0123456789#-", max_size=25).map(lambda rest: f"{name}:{rest}")
    ),
)


@FUZZ
@given(SPECS)
def test_the_kernel_parser(spec):
    try:
        kernel = load_kernel(spec)
    except ConvcliError as error:
        assert str(error)
    else:
        assert np.isfinite(kernel.weights).all() and kernel.divisor != 0


YAML = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["weights", "name", "divisor", "bias", "kernels", "range", "tags"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


@FUZZ
@given(st.one_of(YAML.map(lambda value: __import__("yaml").safe_dump(value)), st.text(max_size=200)))
def test_kernel_files(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "k.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load_kernel(str(path))
        except ConvcliError as error:
            assert str(error)


WORDS = st.one_of(
    st.sampled_from(
        [
            "--stride",
            "--padding",
            "--padding-mode",
            "--padding-value",
            "--dilation",
            "--flip",
            "--channels",
            "--divisor",
            "--bias",
            "--range",
            "--force",
            "--format",
            "--alpha",
            "--linear",
            "--frame",
            "--quality",
            "--lossless",
            "--compression",
            "--strip",
            "--reduce-depth",
            "--max-pixels",
            "-k",
            "sobel-x",
            "box:size=3",
            "same",
            "valid",
            "full",
            "reflect",
            "sum",
            "gray",
            "abs",
            "normalize",
            "png",
            "tif",
            "npy",
            "keep",
            "weight",
            "0",
            "1",
            "2",
            "-1",
            "1,2",
            "1,1,2,2",
            "nan",
            "1e9",
            "99999999999",
        ]
    ),
    st.text(max_size=6).filter(lambda word: "\0" not in word and "/" not in word),
)


@FUZZ
@given(st.lists(WORDS, max_size=7), st.sampled_from(["RGB", "RGBA", "I;16", "L", "CMYK", "P"]))
def test_the_command_line(words, mode):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        survey.picture(mode).save(folder / "in.tif")
        before = Path.cwd()
        os.chdir(folder)
        try:
            result = survey.convcli("apply", "-k", "box", "in.tif", "out.tif", *words)
        finally:
            os.chdir(before)
        assert result.exit_code in (0, 1, 2), (words, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), words
        left = {p.name for p in folder.iterdir()} - {"in.tif"}
        assert not left or result.exit_code == 0, (words, left)
