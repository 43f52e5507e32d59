"""Whatever the recipe, a picture in pieces is bit for bit the picture as a whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli import load_kernel
from convcli.choices import ALPHA, COMBINE, PADDING_MODES, RANGES
from convcli.errors import ConvcliError
from convcli.filtering.frame import Count, PictureOptions, filter_frame
from convcli.filtering.frame import steps as single_steps
from convcli.filtering.recipe import Recipe
from convcli.geometry import Geometry
from convcli.images import Frame
from convcli.large import steps
from convcli.large.pieces import learn
from convcli.large.steps import Chain

FULL = {"uint8": 255, "uint16": 65535, "float32": 1}
SPECS = ("sobel-x", "gaussian:sigma=1", "box:size=5", "disk:radius=12", "1 2", "3; -1; 2 / 3", "laplacian", "emboss")


class Held:
    """A picture in memory as a source, which notes how many rows were asked for at most."""

    def __init__(self, frame):
        self.frame, self.alpha, self.most = frame, frame.alpha is not None, 0
        self.shape, self.dtype = frame.pixels.shape, frame.pixels.dtype

    def rows(self, wanted):
        assert (np.diff(wanted) > 0).all()
        self.most = max(self.most, len(wanted))
        return Frame(self.frame.pixels[wanted], self.frame.alpha[wanted] if self.alpha else None)


@st.composite
def frames(draw):
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 40))
    channels, dtype = draw(st.sampled_from((1, 3, 3, 4))), draw(st.sampled_from(tuple(FULL)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = (rng.random(shape) * FULL[dtype]).astype(dtype)
    alpha = (rng.random((height, width)) * 1.2).clip(0, 1) * FULL[dtype] if draw(st.booleans()) else None
    if dtype == "float32" and draw(st.booleans()):
        pixels[rng.integers(height), rng.integers(width)] = draw(st.sampled_from((np.nan, np.inf, -5.0)))
    return Frame(pixels, None if alpha is None else alpha.astype(dtype))


@st.composite
def recipes(draw):
    specs = draw(st.lists(st.sampled_from(SPECS), min_size=1, max_size=3))
    padding = draw(st.sampled_from(("same", "valid", "full", 3, (0, 40, 2, 1), (50, 0, 0, 60))))
    geometry = Geometry.from_options(
        draw(st.sampled_from((1, 1, 2, (3, 1), (1, 4)))), padding, draw(st.sampled_from(PADDING_MODES)),
        draw(st.sampled_from((0, 77.5))), draw(st.sampled_from((1, 1, 2, (1, 3)))),
    )  # fmt: skip
    return Recipe(
        tuple(load_kernel(spec) for spec in specs), geometry, draw(st.sampled_from((None, "each", "sum", "gray"))),
        draw(st.sampled_from((None, *RANGES))), draw(st.sampled_from((None, None, *COMBINE) if specs[1:] else (None,))),
    )  # fmt: skip


def attempt(what):
    """A recipe, or a picture with it, may be impossible: then nothing is to be compared."""
    try:
        return what()
    except ConvcliError as error:
        return error


def at_once(frame, recipe, options):
    count = Count()
    for step in single_steps(recipe):
        frame = filter_frame(frame, step, options, count)
    return frame, (count.samples, count.below, count.above)


def in_pieces(frame, recipe, options, memory, grain):
    made = Chain(Held(frame), recipe, options, memory, None, grain)
    learn(made, lambda rows: None)
    parts = [made.rows(np.arange(*piece)) for piece in made.pieces()]
    pixels = np.concatenate([part.pixels for part in parts])
    alpha = np.concatenate([part.alpha for part in parts]) if made.alpha else None
    total = np.sum([step.counts.total for step in made.steps], axis=0)
    assert pixels.shape == made.shape and pixels.dtype == made.dtype
    return Frame(pixels, alpha), tuple(total.tolist())


@settings(max_examples=150)
@given(
    frame=frames(), recipe=st.composite(lambda draw: attempt(lambda: draw(recipes())))(),
    alpha=st.sampled_from((None, *ALPHA)), linear=st.booleans(), memory=st.sampled_from((1, 1 << 16)),
)  # fmt: skip
def test_pieces_are_the_whole(frame, recipe, alpha, linear, memory):
    if isinstance(recipe, ConvcliError):
        return
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(steps, "ROWS", 16)
        patch.setattr(steps, "FEWEST", 2)
        options = PictureOptions(alpha, linear)
        want = attempt(lambda: at_once(frame, recipe, options))
        got = attempt(lambda: in_pieces(frame, recipe, options, memory, 8))
        if isinstance(want, ConvcliError):
            assert isinstance(got, ConvcliError)
            return
        assert not isinstance(got, ConvcliError), got
        np.testing.assert_array_equal(got[0].pixels, want[0].pixels, strict=True)
        if want[0].alpha is None:
            assert got[0].alpha is None
        else:
            np.testing.assert_array_equal(got[0].alpha, want[0].alpha, strict=True)
        assert got[1] == want[1]
