"""Every route of the engine on every kernel it may take, whatever the plan would choose, against the definition."""

import os
from dataclasses import replace
from itertools import cycle, product

import naive
import numpy as np
import pytest
from compare import assert_renders, geometry_of

from convcli import engine
from convcli.engine import arguments16, bands, field, plans, routes
from convcli.engine.compiled import cache, compiler, processor
from convcli.engine.job import EngineJob, Route
from convcli.kernel import Kernel
from convcli.ranges import range_map

MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")
VECTOR = processor.vector_bytes()
VECTORS = sorted({VECTOR, min(VECTOR, 32)})  # what there is may be had in halves, too
RNG = np.random.default_rng(11)
FLOAT = RNG.normal(size=(7, 5))
KERNELS = {
    "sobel": ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], 1),
    "mean of corners": ([[1, 0, 1], [0, 2, 0], [1, 0, 1]], 6),
    "nine": ([[1, -2, 3], [-4, 5, -6], [7, -8, 9]], 4),
    "binomial": (np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]), 256),
    "box": (np.ones((5, 7)), 35),
    "even box": (np.ones((6, 6)), 4),
    "large box": (np.ones((9, 31)), 90),
    "integers": (RNG.integers(-9, 10, (8, 6)), 20),
    "float": (FLOAT, 3),
    "rank 2": (np.outer(FLOAT[0], FLOAT[1]) + np.outer(FLOAT[2], FLOAT[3]), 4),
}


def picture(shape, dtype=np.uint8, seed=0):
    """Noise over the whole range; black and white in a quarter of it, so that responses reach both ends."""
    rng = np.random.default_rng(seed)
    a = rng.random(shape)
    a = np.where(rng.random(shape) < 0.25, a > 0.5, a)
    return (a * naive.FULL_SCALE[np.dtype(dtype).name]).astype(dtype)


def possible_plans(job):
    """Every plan that may serve the job: what `choose` would say if the costs were otherwise."""
    integers = routes._integers(job)
    lane = routes._lane16(job, integers) if integers is not None else None
    if integers is not None and lane is not None and job.weights.ndim == 2:
        w = integers.weights
        factors = routes._integer_factors(w)
        if routes._is_box(job, integers):
            yield Route("box", "", np.dtype(np.float32), integers)
        for paired, most in ((False, routes._LONGEST), (True, routes._PAIRED)):
            if 0 < np.count_nonzero(w) <= most and (not paired or routes.pairable(w)):
                yield Route("taps", "", lane, integers, paired=paired)
            if factors is None or max(map(np.count_nonzero, factors)) > most:
                continue
            if not paired or routes.pairable(factors[0]):
                yield Route("separable", "", lane, integers, factors[0][None], factors[1][None], paired)
    yield from float_routes(job, integers)


def float_routes(job, integers):
    base = replace(routes._float_route(job, integers), across=None, down=None)
    if base.name == "box":
        yield base
    yield replace(base, name="sweep")
    if job.weights.ndim == 3:
        return
    w = integers.weights if integers is not None else job.weights / job.divisor
    exact = integers is not None and job.dtype.kind != "f"
    factors = routes._integer_terms(w) if integers is not None else routes._float_terms(w, 1e-7)
    if factors is not None:
        yield replace(base, name="sweep", across=factors[0], down=factors[1])
    if base.lane == np.float32:
        if routes.block_steps(job.geometry)[1] <= routes._FARTHEST:
            yield replace(base, name="block")
        if not exact and job.geometry.dilation[0] == 1:
            yield replace(base, name="fft")


def forced(
    monkeypatch, image, weights, divisor=1, bias=0, range="clip", depth=False, threads=None, vectors=None, **geometry
):
    """(route, result) for every route; the result is what `convolve` returns."""
    monkeypatch.setattr(routes, "_SMALL", 0)
    monkeypatch.setattr(routes, "_SHOWN_SAMPLES", 0)  # small pictures are summed in double, which not every route can
    kernel, where = Kernel(weights, divisor=divisor, bias=bias), geometry_of(**geometry)
    mapping = None if range == "raw" else range_map(range, image.dtype)
    size = (*image.shape[:2], image.shape[2] if image.ndim == 3 else 1)
    for way in list(possible_plans(EngineJob.for_picture(kernel, where, image.dtype, size, depth, mapping))):
        for vector in (vectors if way.paired else None) or (VECTOR,):
            monkeypatch.setattr(processor, "vector_bytes", lambda vector=vector: vector)
            monkeypatch.setattr(plans, "_plans", {})

            # what is found beside the map, in whole numbers, goes its own way
            def own(job, way=way):
                return way if job.dtype == image.dtype else routes.choose(job)

            monkeypatch.setattr(plans, "choose", own)
            terms = "whole" if way.across is None else f"{len(way.across)} terms"
            name = f"{way.name}, {way.lane}, {terms}{f', pairs of {vector} bytes' if way.paired else ''}"
            yield name, engine.convolve(image, kernel, where, depth=depth, mapping=mapping, threads=threads)
    monkeypatch.setattr(processor, "vector_bytes", lambda: VECTOR)


def check_all(monkeypatch, image, weights, **how):
    """Every route agrees with the definition; returns their names."""
    how = {"divisor": 1, "bias": 0, "range": "clip", **how}
    said = {k: v for k, v in how.items() if k not in ("threads", "range", "vectors")}
    r = naive.responses_by_tap(image, weights, **said)
    geometry = {k: v for k, v in said.items() if k not in ("divisor", "bias", "depth")}
    names = []
    for name, done in forced(monkeypatch, image, weights, **how):
        names.append(name)
        try:
            assert_renders(done.pixels, r, image, weights, how["divisor"], how["bias"], how["range"], geometry)
        except AssertionError as error:
            raise AssertionError(f"{name}, {image.dtype} {image.shape}, {how}: {error}") from None
    return names


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_route_over_modes_strides_and_ranges(monkeypatch, name, dtype):
    weights, divisor = KERNELS[name]
    image = picture((15, 23, 3), dtype)
    ranges = cycle(("clip", "abs", "offset", "raw", "clip"))
    for mode, stride in product(MODES, (1, (2, 3), (1, 2))):
        how = {"padding_mode": mode, "padding_value": 77, "stride": stride, "divisor": divisor}
        check_all(monkeypatch, image, weights, range=next(ranges), **how)
    check_all(monkeypatch, image, weights, range="raw", divisor=divisor)
    check_all(monkeypatch, image, weights, depth=True, bias=3, divisor=divisor, padding="full")
    check_all(monkeypatch, image[:, :, 0], weights, divisor=divisor, dilation=2, padding=(20, 1, 40, 9))


def test_the_kernels_here_meet_every_route(monkeypatch):
    """A route that no kernel takes would not be tested above."""
    met = set()
    for (weights, divisor), dtype in product(KERNELS.values(), (np.uint8, np.float32)):
        met.update(name.split(",")[0] for name, _ in forced(monkeypatch, picture((9, 9), dtype), weights, divisor))
    assert met == set(bands._LOOPS)


@pytest.mark.parametrize("width", range(1, 71))
def test_every_route_at_every_width(monkeypatch, width):
    """Vector loops have tails, and a picture narrower than the kernel is all border."""
    for name in ("sobel", "binomial", "box", "float"):
        weights, divisor = KERNELS[name]
        how = {"divisor": divisor, "vectors": VECTORS}
        check_all(monkeypatch, picture((6, width), seed=width), weights, padding_mode="reflect", **how)
        check_all(monkeypatch, picture((6, width, 3), seed=width), weights, range="abs", **how)


@pytest.mark.parametrize("height", range(1, 9))
@pytest.mark.parametrize("name", KERNELS)
def test_every_route_at_heights_below_the_kernel(monkeypatch, height, name):
    weights, divisor = KERNELS[name]
    for mode in MODES:
        how = {"padding_mode": mode, "padding_value": 200, "divisor": divisor}
        check_all(monkeypatch, picture((height, 20), seed=height), weights, **how)
        check_all(monkeypatch, picture((height, 20), seed=height), weights, padding="full", stride=(2, 1), **how)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_every_route_in_bands_of_any_height(monkeypatch, name):
    """A band may be one row, and there may be more threads than rows; nothing of the result depends on it."""
    monkeypatch.setattr(bands, "_SMALL", 0)
    weights, divisor = KERNELS[name]
    image = picture((13, 19, 3))
    for how in ({}, {"stride": 2, "range": "abs"}, {"depth": True, "range": "offset", "padding": 16}):
        alone = dict(forced(monkeypatch, image, weights, divisor, threads=1, **how))
        for threads in (2, 3, 4, 5, 6, 7, 8, 13, 50):
            for route, done in forced(monkeypatch, image, weights, divisor, threads=threads, **how):
                np.testing.assert_array_equal(done.pixels, alone[route].pixels, err_msg=f"{route}, {threads} threads")
                assert (done.below, done.above) == (alone[route].below, alone[route].above)
    check_all(monkeypatch, image, weights, divisor=divisor, threads=13)


TIES = {
    "taps": [[1, 0, 0], [0, 0, 0], [0, 0, 1]],
    "negative taps": [[-1, 0, 0], [0, 3, 0], [0, 0, -1]],
    "separable": np.outer([1, 2, 1, 2, 1], [1, 1, 3]),
    "box": np.ones((5, 5)),
    "dense": RNG.integers(-3, 4, (5, 5)),
}


@pytest.mark.parametrize("name", TIES)
@pytest.mark.parametrize("divisor", [2, 4, 6, 10, 36, 64, 100, 256])
def test_every_route_rounds_ties_to_even(monkeypatch, name, divisor):
    image = picture((40, 60), seed=divisor)
    weights = TIES[name]
    for range_, bias in product(("clip", "abs", "offset"), (0, 20)):
        r = naive.responses_by_tap(image, weights, divisor, bias)
        ties = np.floor(r[r % 1 == 0.5]) % 2
        assert (ties == 0).any() and (ties == 1).any()
        check_all(monkeypatch, image, weights, divisor=divisor, bias=bias, range=range_)


@pytest.mark.parametrize("name", KERNELS)
def test_every_route_saturates_and_counts_alike(monkeypatch, name):
    weights, divisor = KERNELS[name]
    image = picture((30, 41, 3))
    for range_, bias in (("clip", -120), ("clip", 140), ("offset", 0), ("abs", -30)):
        r = naive.responses_by_tap(image, weights, divisor, bias)
        r = np.rint(np.abs(r) if range_ == "abs" else r + 128 * (range_ == "offset"))
        want, slack = ((r < 0).sum(), (r > 255).sum()), 0 if name not in ("float", "rank 2") else 2
        for route, done in forced(monkeypatch, image, weights, divisor, bias, range_):
            assert done.below == pytest.approx(want[0], abs=slack), route
            assert done.above == pytest.approx(want[1], abs=slack), route
            assert ((done.pixels == 0) >= (r < 0)).mean() > 0.999 and ((done.pixels == 255) >= (r > 255)).mean() > 0.999


# ---------------------------------------------------------------- where routes meet


def chosen(weights, divisor=1, bias=0, dtype=np.uint8, range_="clip"):
    mapping = None if range_ == "raw" else range_map(range_, dtype)
    return routes.choose(
        EngineJob.for_picture(Kernel(weights, divisor, bias), geometry_of(), dtype, (3000, 4000, 3), False, mapping)
    )


def extremes(weights):
    """Pictures on which the response is the greatest and the least that can occur."""
    for sign in (1, -1):
        a = np.where(sign * np.asarray(weights) > 0, 255, 0).astype(np.uint8)
        yield np.pad(a, 3, constant_values=255)
        yield np.tile(a, (2, 3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "divisor", "bias", "lane"),
    [
        ([[100, 156]], 1, 0, "uint16"),  # 255 * 256, and room for the rounding
        ([[100, 157]], 1, 0, "float32"),
        ([[100, 156]], 3, 84, "uint16"),  # 65280 + 252, and a room of 2
        ([[100, 156]], 3, 85, "float32"),  # 65280 + 255 would fit, but leaves no room
        ([[-100, 128]], 1, 0, "int16"),
        ([[-100, 129]], 1, 0, "float32"),
        ([[-128, 100]], 1, 0, "int16"),
        ([[-129, 100]], 1, 0, "float32"),
        ([[-20, 100]], 1, 0, "int16"),
        ([[100, 100]], 1, -1, "float32"),  # 51000 does not fit with a sign
        ([[1, 2]], 16383, 0, "uint16"),
        ([[1, 2]], 16384, 0, "float32"),
        ([[1, 2]], 16385, 0, "float64"),
        ([[65792, 1]], 1, 0, "float32"),
        ([[65793, 1]], 1, 0, "float64"),
    ],
)
def test_the_largest_kernel_of_a_lane_and_one_more(monkeypatch, weights, divisor, bias, lane):
    """The lane that is chosen holds every sum, and the next wider one is taken as soon as it would not."""
    assert str(chosen(weights, divisor, bias).lane) == lane
    for image, range_ in product(extremes(weights), ("clip", "abs", "offset")):
        check_all(monkeypatch, image, weights, divisor=divisor, bias=bias, range=range_, padding_mode="replicate")


@pytest.mark.parametrize("size", [(1, 257), (1, 258), (16, 16), (2, 129), (257, 1), (4, 65), (129, 2)])
def test_boxes_whose_sums_just_fit_16_bits_and_just_do_not(monkeypatch, size):
    """255 * 257 is 65535."""
    white = np.full((300, 301), 255, np.uint8)
    white[::7, ::5] = 254
    route = "separable" if size == (16, 16) and VECTOR > 16 else "box"
    assert chosen(np.ones(size), size[0] * size[1]).name == route
    for divisor in (size[0] * size[1], 256):
        check_all(monkeypatch, white, np.ones(size), divisor=divisor, padding_mode="reflect")


@pytest.mark.parametrize("count", [1, 8, 9, 10, 16, 17])
def test_the_longest_group_of_taps_and_one_more(monkeypatch, count):
    weights = np.zeros(25)
    weights[RNG.permutation(25)[:count]] = RNG.permutation(np.arange(1, count + 1)) * np.resize([1, -1], count)
    weights = weights.reshape(5, 5)
    check_all(monkeypatch, picture((20, 31)), weights, divisor=3, range="offset")
    monkeypatch.setattr(processor, "vector_bytes", lambda: 16)
    assert (chosen(weights).name == "taps") == (count <= 9)


def test_a_column_of_ones_with_a_gap_does_not_slide(monkeypatch):
    weights = np.outer([1, 1, 0, 1, 1], [1, 2, 1])
    names = check_all(monkeypatch, picture((12, 90)), weights, divisor=16)
    assert any(name.startswith("separable") for name in names)


PAIRS = pytest.mark.skipif(VECTOR == 16, reason="pairs of taps want the vectors of an x86")


@PAIRS
@pytest.mark.parametrize("count", [81, 82])
def test_the_longest_group_of_pairs_and_one_more(monkeypatch, count):
    weights = np.zeros(120)
    weights[RNG.permutation(120)[:count]] = RNG.choice([1, -1], count)
    weights = weights.reshape(10, 12)
    plans = chosen(weights)
    assert (plans.name == "taps" and plans.paired) == (count <= 81)
    check_all(monkeypatch, picture((20, 80)), weights, divisor=3, range="offset")


@pytest.mark.slow
@PAIRS
@pytest.mark.parametrize(
    ("weights", "fit"),
    [
        ([[127, 0, 1]], True),  # 255 * 128 is 32640
        ([[127, 0, 2]], False),
        ([[127, 1, 120, 8, 1]], True),
        ([[1, 127, 2]], True),
        ([[128, 1]], False),
        ([[-128, 127]], True),
        ([[-127, -1, 50]], True),
        ([[-127, -2, 50]], False),
        ([[-128, -1, 50]], False),
    ],
)
def test_the_greatest_weights_that_go_in_pairs_and_one_more(monkeypatch, weights, fit):
    """PMADDUBSW saturates; what would is left to other loops."""
    image = np.concatenate([np.resize(a, (4, 100)) for a in extremes(weights)])
    assert routes.pairable(np.asarray(weights)) == fit
    for how in ({"range": "clip"}, {"range": "abs"}, {"range": "offset", "divisor": 255}):
        check_all(monkeypatch, image, weights, padding_mode="replicate", vectors=VECTORS, **{"divisor": 2, **how})


@PAIRS
@pytest.mark.parametrize("threads", [1, 3])
def test_pairs_write_past_the_caches(monkeypatch, threads):
    """As they do for large results, whatever the rows begin at."""
    monkeypatch.setattr(bands, "_SMALL", 0)
    monkeypatch.setattr(arguments16, "_STREAMED", 0)
    for width in (67, 128, 130, 191, 192, 193, 257, 400):
        for name in ("sobel", "mean of corners"):
            weights, divisor = KERNELS[name]
            image = picture((9, width), seed=width)
            how = {"divisor": divisor, "padding_mode": "circular", "threads": threads, "vectors": VECTORS}
            check_all(monkeypatch, image, weights, **how)


@pytest.mark.slow
@PAIRS
@pytest.mark.parametrize("weights", [[[100, 28, 100, 28, 1]], [[100, -28, 28, -100]]], ids=["unsigned", "signed"])
def test_pairs_divide_by_every_divisor(monkeypatch, weights):
    """Sums over the whole range of 16 bits, each with its ties."""
    image = picture((1, 9000))
    windows = np.lib.stride_tricks.sliding_window_view(image[0].astype(np.int64), len(weights[0]))
    total = (windows * weights[0]).sum(axis=-1)
    for divisor in (*range(1, 200), 256, 1000, 4095, 4096, 4097, 8191, 8192, 16382, 16383):
        want = np.rint(total / divisor).clip(0, 255)[None]
        for route, done in forced(monkeypatch, image, weights, divisor, padding="valid", vectors=VECTORS):
            np.testing.assert_array_equal(done.pixels, want, err_msg=f"{route}, {divisor}")


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 16, 17, 25, 26, 27, 28, 31, 32, 33])
def test_dense_kernels_of_every_number_of_rows(monkeypatch, rows):
    """`block` takes up to eight rows in a pass, the Fourier transform grows at 27."""
    weights = np.random.default_rng(rows).normal(size=(rows, 3))
    image = picture((2 * rows + 5, 40), np.float32, seed=rows)
    check_all(monkeypatch, image, weights, range="raw", padding_mode="reflect")
    check_all(monkeypatch, picture((70, 33)), weights, divisor=rows)


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"), reason="nothing is compiled")
def test_every_loop_met_here_is_kept_for_the_next_process():
    """An object that the cache would refuse is compiled again in every process, at seconds each."""
    refused = sorted({name for name, codes in compiler._calls if cache.find(name, codes) is None})
    assert compiler._calls and refused == []


@pytest.mark.slow
@pytest.mark.parametrize("columns", range(1, 6))
def test_every_route_at_every_stride(monkeypatch, columns):
    """In large pictures, the pixels of a stride are dealt out by the vector."""
    monkeypatch.setattr(field, "LARGE", 0)
    for channels, rows, dtype in ((1, 4, np.uint16), (3, 2, np.uint8), (4, 3, np.float32), (5, 1, np.uint8)):
        image = picture((21, 97 + 13 * columns, channels), dtype, seed=columns)
        for name, dilation in (("sobel", 1), ("binomial", 1), ("box", 1), ("float", 1), ("float", 2), ("rank 2", 3)):
            weights, divisor = KERNELS[name]
            how = {"stride": (rows, columns), "dilation": dilation, "divisor": divisor, "padding_mode": "reflect"}
            how["vectors"] = VECTORS if name == "sobel" and columns < 3 else None
            check_all(monkeypatch, image, weights, **how)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [3, 7, 15])
def test_what_is_not_finite_reaches_only_what_the_kernel_reaches(monkeypatch, bad, size):
    """`block` and `fft` would spread it; it is left out of what they see, on any thread."""
    monkeypatch.setattr(routes, "_SMALL", 0)
    monkeypatch.setattr(bands, "_SMALL", 0)
    weights = np.random.default_rng(size).normal(size=(size, size))
    for place, stride, threads in (((0, 0), 1, 1), ((30, 63), 1, 2), ((59, 99), 1, 3), ((17, 40), (2, 3), 2)):
        image = picture((60, 100), np.float32)
        image[place] = bad
        got = engine.convolve(image, Kernel(weights), geometry_of(stride=stride), threads=threads).pixels
        want = naive.responses_by_tap(image, weights, stride=stride)
        reached = ~np.isfinite(want)
        assert (np.isfinite(got) != reached).all() and reached.any()
        largest = np.abs(want[~reached]).max()
        np.testing.assert_allclose(got[~reached], want[~reached], rtol=0, atol=1e-5 * largest)
