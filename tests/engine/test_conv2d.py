"""conv2d against PyTorch: configurations drawn freely, the ONNX rules for padding, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import convcli
from convcli.engine.planes import run
from convcli.errors import GeometryError, RecipeError

torch.set_num_threads(1)  # its pool would wait for cores that the tests beside have

_TORCH_MODES = {"zeros": "constant", "replicate": "replicate", "reflect": "reflect", "circular": "circular"}


def peer(x: Any, w: Any, b: Any, pads: Any, mode: str, **how: Any) -> Any:
    """PyTorch's answer, the border put on by its own pad, in x's precision."""
    (top, bottom), (left, right) = pads
    t = torch.nn.functional.pad(torch.from_numpy(x), (left, right, top, bottom), mode=_TORCH_MODES[mode])
    bias = None if b is None else torch.from_numpy(b)
    return torch.nn.functional.conv2d(t, torch.from_numpy(w), bias, **how).numpy()


def agree(ours: Any, theirs: Any) -> None:
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    tolerance = 1e-5 if ours.dtype == np.float32 else 1e-12
    scale = max(float(np.abs(theirs).max()), 1e-30) if theirs.size else 1.0
    assert np.abs(ours - theirs).max(initial=0) <= tolerance * scale


@st.composite
def configurations(draw: Any) -> dict[str, Any]:
    def whole(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 5]))
    depth, per_group = whole(1, 4), whole(1, 6)
    kernel, stride, dilation = (whole(1, 5), whole(1, 5)), (whole(1, 3), whole(1, 3)), (whole(1, 3), whole(1, 3))
    size = (whole(1, 20), draw(st.one_of(st.integers(1, 40), st.integers(60, 140))))
    pads = ((whole(0, 4), whole(0, 4)), (whole(0, 4), whole(0, 4)))
    for n, k, d, p in zip(size, kernel, dilation, pads, strict=True):
        assume(n + sum(p) >= d * (k - 1) + 1)
    mode = draw(st.sampled_from(list(_TORCH_MODES)))
    if mode == "reflect":
        assume(all(max(p) < n for n, p in zip(size, pads, strict=True)))
    if mode == "circular":
        assume(all(max(p) <= n for n, p in zip(size, pads, strict=True)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    random = np.random.default_rng(whole(0, 2**32 - 1))
    return {
        "x": random.normal(size=(whole(1, 2), groups * depth, *size)).astype(dtype),
        "w": random.normal(size=(groups * per_group, depth, *kernel)).astype(dtype),
        "b": random.normal(size=groups * per_group).astype(dtype) if draw(st.booleans()) else None,
        "pads": pads,
        "mode": mode,
        "how": {"stride": stride, "dilation": dilation, "groups": groups},
    }


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(configurations())
def test_equals_pytorch_over_random_configurations(c: dict[str, Any]) -> None:
    before = c["x"].copy()
    ours = convcli.conv2d(c["x"], c["w"], c["b"], padding=c["pads"], padding_mode=c["mode"], **c["how"])
    agree(ours, peer(c["x"], c["w"], c["b"], c["pads"], c["mode"], **c["how"]))
    assert np.array_equal(before, c["x"])


@pytest.fixture
def x() -> Any:
    return np.random.default_rng(4).normal(size=(3, 11, 14)).astype(np.float32)


@pytest.fixture
def w() -> Any:
    return np.random.default_rng(5).normal(size=(4, 3, 3, 2)).astype(np.float32)


def test_one_picture_is_a_batch_of_one(x: Any, w: Any) -> None:
    assert np.array_equal(convcli.conv2d(x, w), convcli.conv2d(x[None], w)[0])


def test_an_empty_batch_gives_an_empty_batch(x: Any, w: Any) -> None:
    assert convcli.conv2d(x[None][:0], w).shape == (0, 4, 9, 13)


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
@pytest.mark.parametrize("padding", [0, 2, (1, 2), "valid", "same"])
def test_padding_in_pytorchs_own_forms(x: Any, w: Any, padding: Any) -> None:
    theirs = torch.nn.functional.conv2d(torch.from_numpy(x[None]), torch.from_numpy(w), padding=padding).numpy()
    agree(convcli.conv2d(x[None], w, padding=padding), theirs)


@pytest.mark.parametrize("vectors", [(8, (3, 1)), (4, (4, 1))])
def test_processors_with_shorter_vectors(monkeypatch: pytest.MonkeyPatch, vectors: Any) -> None:
    """The loops as a processor with AVX2, or with neither, would run them: the same chains, so the same bits."""
    random = np.random.default_rng(12)
    x, w = random.normal(size=(2, 4, 9, 61)).astype(np.float32), random.normal(size=(14, 2, 3, 3)).astype(np.float32)
    for dilation in (1, 2):  # two rows of a map at a time, and one
        wide = convcli.conv2d(x, w, groups=2, padding=1, stride=(1, 2), dilation=dilation)
        with monkeypatch.context() as patch:
            patch.setattr(run, "_vectors", lambda itemsize: vectors)
            assert np.array_equal(convcli.conv2d(x, w, groups=2, padding=1, stride=(1, 2), dilation=dilation), wide)


@pytest.mark.parametrize("groups, stride", [(1, (2, 1)), (4, (2, 1)), (1, (1, 2))])
def test_the_result_does_not_depend_on_threads_or_bands(
    monkeypatch: pytest.MonkeyPatch, groups: int, stride: tuple[int, int]
) -> None:
    random = np.random.default_rng(13)
    x = random.normal(size=(2, 4, 37, 61)).astype(np.float32)
    w = random.normal(size=(8, 4 // groups, 3, 5)).astype(np.float32)
    monkeypatch.setenv("CONVCLI_THREADS", "1")
    one = convcli.conv2d(x, w, groups=groups, padding=2, stride=stride, padding_mode="reflect")
    monkeypatch.setattr(run, "_SMALL", 0)
    for threads, cache in (("2", 384 * 1024), ("5", 384 * 1024), ("3", 1)):
        monkeypatch.setenv("CONVCLI_THREADS", threads)
        monkeypatch.setattr(run, "_CACHE", cache)
        assert np.array_equal(
            convcli.conv2d(x, w, groups=groups, padding=2, stride=stride, padding_mode="reflect"), one
        )


def test_without_a_compiler_the_numbers_are_the_same(tmp_path: Path) -> None:
    code = (
        "import numpy as np, sys, convcli; r = np.random.default_rng(0)\n"
        "x, w = r.normal(size=(4, 7, 40)), r.normal(size=(10, 2, 3, 3))\n"
        "np.save(sys.argv[1], convcli.conv2d(x, w, np.arange(10.0), stride=(1, 2), padding=1, groups=2))"
    )
    for name, off in (("compiled", "0"), ("plain", "1")):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": off}
        subprocess.run([sys.executable, "-c", code, tmp_path / name], env=environment, check=True, timeout=1200)
    assert np.allclose(np.load(tmp_path / "compiled.npy"), np.load(tmp_path / "plain.npy"), rtol=0, atol=1e-12)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_depthwise_with_and_without_multiplier(x: Any, multiplier: int) -> None:
    w = np.random.default_rng(6).normal(size=(3 * multiplier, 1, 3, 3)).astype(np.float32)
    theirs = torch.nn.functional.conv2d(torch.from_numpy(x[None]), torch.from_numpy(w), padding=1, groups=3).numpy()
    agree(convcli.conv2d(x[None], w, padding=1, groups=3), theirs)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(
    "size, kernel, stride", [((5, 8), (2, 4), (1, 3)), ((7, 7), (3, 3), (2, 2)), ((6, 9), (5, 2), (4, 2))]
)
def test_both_kinds_of_same_follow_onnx(lower: bool, size: Any, kernel: Any, stride: Any) -> None:
    """Conv, auto_pad: output = ceil(input / stride), pads split evenly, the odd one at the end (UPPER) or before."""
    random = np.random.default_rng(7)
    x, w = random.normal(size=(1, 2, *size)), random.normal(size=(3, 2, *kernel))
    pads = []
    for n, k, s in zip(size, kernel, stride, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        small, large = total // 2, total - total // 2
        pads.append((large, small) if lower else (small, large))
    ours = convcli.conv2d(x, w, stride=stride, padding="same-lower" if lower else "same")
    assert ours.shape[2:] == tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
    agree(ours, peer(x, w, None, pads, "zeros", stride=stride))


def test_symmetric_mirrors_with_the_edge(x: Any, w: Any) -> None:
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2)), mode="symmetric")
    assert np.array_equal(convcli.conv2d(x, w, padding=2, padding_mode="symmetric"), convcli.conv2d(padded, w))


def test_a_border_wider_than_the_planes_repeats(w: Any) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    padded = np.pad(x, ((0, 0), (5, 5), (5, 5)), mode="reflect")
    assert np.array_equal(convcli.conv2d(x, w, padding=5, padding_mode="mirror"), convcli.conv2d(padded, w))


def test_nan_and_infinity_stay_where_they_are_seen(x: Any, w: Any) -> None:
    x[1, 5, 5] = np.nan
    y = convcli.conv2d(x, w)
    assert np.isnan(y[:, 3:6, 4:6]).all() and np.isnan(y).sum() == 4 * 3 * 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, "greatest"])
def test_two_rows_at_a_time_treat_what_is_not_finite_as_pytorch_does(dtype: Any, value: Any) -> None:
    """Sums and differences of rows would make infinity no number, and overflow where the plain sum does not."""
    random = np.random.default_rng(8)
    x = random.normal(size=(3, 12, 37)).astype(dtype)
    w, b = random.normal(size=(6, 3, 3, 3)).astype(dtype) * dtype(0.1), random.normal(size=6).astype(dtype)
    x[1, 4, 9] = x[1, 5, 9] = np.finfo(dtype).max if value == "greatest" else value
    x[2, 11, 36] = x[2, 0, 0] = x[1, 4, 9]
    ours = convcli.conv2d(x, w, b, padding=1)
    theirs = torch.nn.functional.conv2d(*(torch.from_numpy(a) for a in (x, w, b)), padding=1).numpy()
    assert np.array_equal(np.isnan(ours), np.isnan(theirs)) and np.array_equal(np.isinf(ours), np.isinf(theirs))
    whole = np.isfinite(theirs)
    assert (ours[~whole & ~np.isnan(theirs)] == theirs[~whole & ~np.isnan(theirs)]).all()
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    assert np.allclose(ours[whole], theirs[whole], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "kernel, stride, dilation", [(3, 1, 1), (7, 2, 1), (5, 1, 1), (5, 2, 2), (12, 2, 1), (9, 3, 1)]
)
@pytest.mark.parametrize("height", [12, 13, 15])
def test_kernels_whose_rows_go_by_threes(kernel: int, stride: int, dilation: int, height: int) -> None:
    random = np.random.default_rng(9)
    x, w = random.normal(size=(2, 4, height, 70)), random.normal(size=(14, 2, kernel, 2))
    how: dict[str, Any] = {"stride": (stride, 1), "dilation": (dilation, 1), "groups": 2}
    ours = convcli.conv2d(x, w, padding=((4, 4), (0, 0)), **how)
    agree(ours, peer(x, w, None, ((4, 4), (0, 0)), "zeros", **how))


def test_sums_of_small_whole_numbers_are_exact() -> None:
    random = np.random.default_rng(10)
    x, w = random.integers(-99, 99, (3, 20, 33)), random.integers(-9, 9, (8, 3, 3, 3))
    exact = convcli.conv2d(x.astype(np.float64), w)
    assert np.array_equal(exact, exact.round()) and np.array_equal(convcli.conv2d(x.astype(np.float32), w), exact)


def test_weights_are_taken_as_the_dtype_of_x(x: Any, w: Any) -> None:
    assert np.array_equal(
        convcli.conv2d(x, w.astype(np.float64), [1, 2, 3, 4]), convcli.conv2d(x, w, np.arange(1.0, 5))
    )


def test_strides_of_the_array_do_not_matter(x: Any, w: Any) -> None:
    wide = np.asfortranarray(np.repeat(x, 2, axis=2))[:, ::-1, ::2]
    assert np.array_equal(convcli.conv2d(wide, w), convcli.conv2d(wide.copy(), w))


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"x": np.zeros((3, 4), np.float32)}, RecipeError, "must have the shape (N, C, H, W) or (C, H, W), not (3, 4)"),
        ({"x": np.zeros((3, 9, 9), np.uint8)}, RecipeError, "x must be float32 or float64, not uint8"),
        ({"x": np.zeros((3, 9, 9), complex)}, RecipeError, "x must be an array of real numbers, not of complex128"),
        ({"x": [[1, 2], [3]]}, RecipeError, "not ragged lists"),
        ({"x": np.zeros((3, 0, 9), np.float32)}, RecipeError, "must not be empty"),
        ({"weight": np.zeros((4, 3, 3))}, RecipeError, "must have the shape (O, C/groups, KH, KW), not (4, 3, 3)"),
        ({"weight": np.zeros((4, 2, 3, 3))}, RecipeError, "spans 2 channels in each of 1 group, 2"),
        ({"groups": 2}, RecipeError, "groups=2 does not divide the 3 input channels"),
        ({"groups": 3}, RecipeError, "groups=3 does not divide the 4 filters"),
        ({"groups": 0}, GeometryError, "groups must be at least 1"),
        ({"bias": np.zeros(3)}, RecipeError, "bias must hold one number for each of the 4 filters, not 3"),
        ({"bias": np.zeros((4, 1))}, RecipeError, "bias must have the shape (O,), not (4, 1)"),
        ({"stride": 0}, GeometryError, "stride must be at least 1"),
        ({"dilation": (1, 2, 3)}, GeometryError, "dilation must be a whole number or a pair"),
        ({"padding": -1}, GeometryError, "padding must be at least 0"),
        ({"padding": ((1, 2), 3)}, GeometryError, "padding must be a number, a pair or ((top, bottom), (left, right))"),
        ({"padding": "sane"}, GeometryError, "padding must be valid, same"),
        ({"padding_mode": "rainbow"}, GeometryError, "padding_mode must be one of zeros"),
        ({"dilation": 9}, GeometryError, "height O = floor((11 - (9*(3 - 1) + 1) + 0 + 0) / 1) + 1 < 1"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(x: Any, w: Any, change: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error) as caught:
        convcli.conv2d(**{"x": x, "weight": w, **change})
    assert message in str(caught.value)
