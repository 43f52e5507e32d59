"""The parametric families: laws, independent oracles, and ImageMagick's own numbers."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage as ndi
import scipy.signal
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from convcli import load_kernel
from convcli.errors import KernelError
from convcli.kernels.catalogue import preset_names
from convcli.kernels.families import ALIASES, FAMILIES
from convcli.kernels.readers.grids import imagemagick

BLURS = [name for name, family in FAMILIES.items() if "blur" in family.tags]  # shapes and motion too
DERIVATIVES = [name for name, family in FAMILIES.items() if family.range == "abs"]


def scaled(spec):
    return load_kernel(spec).scaled


def imagemagick_table():
    entries = []
    for line in (Path(__file__).parent / "imagemagick_kernels.txt").read_text().splitlines():
        if line.startswith("  "):
            entries[-1][-1] += line
        elif not line.startswith("#"):
            entries.append([*line.split(" | "), ""])
    return [pytest.param(spec, f"{geometry}:{rows}", id=name) for name, spec, geometry, rows in entries]


@pytest.mark.parametrize(("spec", "theirs"), imagemagick_table())
def test_every_convolution_kernel_of_imagemagick_has_its_equal(spec, theirs):
    expected = imagemagick(theirs, lambda at, message: KernelError(message)).flipped().weights
    ours = scaled(spec)
    if spec == "identity:size=1":
        assert ours.tolist() == expected.tolist() == [[1]]
        return
    if spec in ("frei-chen:basis=2", "frei-chen:basis=7"):
        # Version 6.9.11 prints these two with wrong signs, so that they do not sum to zero; the figures are right.
        assert abs(expected.sum()) > 0.1
        ours, expected = abs(ours), abs(expected)
    assert ours.shape == expected.shape
    factor = (ours * expected).sum() / (expected**2).sum()
    assert factor > 0
    np.testing.assert_allclose(ours, expected * factor, atol=1e-5 * abs(ours).max())
    if spec.startswith(("gaussian", "dog", "-log", "comet", "-laplacian", "sobel", "kirsch")):
        assert factor == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_is_explained_and_has_a_kernel_without_parameters(name):
    family = FAMILIES[name]
    kernel = load_kernel(name)
    assert family.description.endswith(".")
    assert family.source
    assert family.tags
    assert kernel.description
    assert kernel.name == name
    assert max(kernel.size) < 64


def test_a_family_beside_a_fixed_grid_of_its_name_begins_with_that_grid():
    shared = set(FAMILIES) & set(preset_names())
    assert {"sharpen", "kirsch", "laplacian", "emboss", "identity", "roberts"} <= shared
    for name in shared:
        fixed, made = load_kernel(name), FAMILIES[name].kernel({})
        assert np.array_equal(fixed.weights, made.weights), name
        assert (fixed.divisor, fixed.bias, fixed.range) == (made.divisor, made.bias, made.range), name
        assert fixed.tags == made.tags, name


def test_ridges_are_the_second_derivative_of_a_gaussian_with_the_sign_turned():
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    wanted = {"sigma=2,size=41": -ndi.gaussian_laplace(impulse, 2, truncate=8)}
    wanted |= {f"sigma=2,size=41,angle={angle}": -ndi.gaussian_filter(impulse, 2, order=order, truncate=8)
               for angle, order in ((0, (2, 0)), (90, (0, 2)))}  # fmt: skip
    for parameters, want in wanted.items():
        made = load_kernel(f"ridge:{parameters}").weights
        np.testing.assert_allclose(made, want / want[want > 0].sum(), atol=2e-4)
    assert np.array_equal(load_kernel("ridge:angle=45").weights[0], [2, -1, -2])
    diagonal = np.eye(31) * 255
    falling, rising = (
        float((load_kernel(f"ridge:sigma=1,size=31,angle={a}").weights * diagonal).sum()) for a in (45, 135)
    )
    assert falling > 100 > abs(rising)


def test_an_alias_is_another_word_for_a_family():
    assert ALIASES == {"tent": "pyramid"}
    assert np.array_equal(load_kernel("tent:size=7").weights, load_kernel("pyramid:size=7").weights)


@pytest.mark.parametrize(
    "spec",
    [*BLURS, "gaussian:sigma=7.3", "gaussian:sigma=3,size=4", "gaussian:sigma=0.01", "gaussian:sigma=1e-200",
     "gaussian-line:angle=30", "motion:length=17,angle=33", "motion:length=1", "comet:angle=217", "disk:radius=0",
     "disk:radius=9.7", "cone:radius=0.5", "savitzky-golay:size=11,degree=4,axis=y", "sharpen:amount=0.37",
     "unsharp:amount=2.5,sigma=3", "high-boost:amount=2,size=7", "binomial:radius=12", "laws:pair=L5L5"],
)  # fmt: skip
def test_a_blur_and_a_sharpening_never_darken(spec):
    assert scaled(spec).sum() == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize(
    "spec",
    [*DERIVATIVES, "log:sigma=2", "log:sigma=1.7,size=7", "dog:sigma=2,sigma2=3.2", "dog:sigma=2,sigma2=9,size=9",
     "gaussian-derivative:order=2,angle=20", "gaussian-derivative:sigma=2.5,angle=200", "sobel:angle=17",
     "savitzky-golay:derivative=1", "savitzky-golay:size=9,degree=4,derivative=2,axis=y", "kirsch:angle=100",
     "high-boost:amount=1", "emboss:angle=10", "line:angle=22.5",
     *(f"laplacian:type={t}" for t in (0, 2, 3, 5, 7, 15, 19))],
)  # fmt: skip
def test_a_derivative_gives_nothing_on_a_flat_area(spec):
    weights = scaled(spec)
    assert abs(weights.sum()) < 1e-13 * abs(weights).sum()


SYMMETRIC = ["gaussian:sigma=1.3", "box:size=4", "binomial", "pyramid:size=6", "cone", "disk", "diamond", "octagon",
             "ring", "plus", "cross", "log", "dog", "unsharp", "sharpen", "high-boost"]  # fmt: skip


@pytest.mark.parametrize("spec", SYMMETRIC)
def test_what_has_no_direction_is_the_same_from_all_four_sides(spec):
    weights = scaled(spec)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-16)
    np.testing.assert_allclose(weights, weights.T, atol=1e-16)


@settings(max_examples=30)
@given(st.floats(0.3, 12), st.integers(1, 41))
def test_gaussian_is_scipys(sigma, size):
    impulse = np.zeros((size, size)) if size % 2 else None
    weights = scaled(f"gaussian:sigma={sigma!r},size={size}")
    assert weights.shape == (size, size)
    if impulse is not None:
        impulse[size // 2, size // 2] = 1
        expected = ndi.gaussian_filter(impulse, sigma, radius=size // 2, mode="constant")
        np.testing.assert_allclose(weights, expected, atol=1e-15)
        taps = cv2.getGaussianKernel(size, sigma, cv2.CV_64F)
        np.testing.assert_allclose(weights, taps @ taps.T, atol=1e-6)


def test_gaussian_derivatives_are_scipys_for_a_wide_grid():
    impulse = np.zeros((33, 33))
    impulse[16, 16] = 1
    for order, angle, axes in ((1, 0, (0, 1)), (1, 90, (1, 0)), (2, 0, (0, 2)), (2, 90, (2, 0))):
        expected = ndi.gaussian_filter(impulse, 2, order=axes, radius=16)
        # SciPy answers an impulse with the kernel upside down and left to right.
        ours = scaled(f"gaussian-derivative:sigma=2,order={order},angle={angle},size=33")
        np.testing.assert_allclose(ours, expected[::-1, ::-1], atol=1e-6)


@settings(max_examples=30)
@given(st.floats(0.5, 4), st.floats(-400, 400))
def test_gaussian_derivatives_of_ramps_and_parabolas_are_exact(sigma, angle):
    ours = scaled(f"gaussian-derivative:sigma={sigma!r},angle={angle!r}")
    reach = ours.shape[0] // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))
    across = y * np.cos(np.deg2rad(angle)) - x * np.sin(np.deg2rad(angle))
    assert (ours * along).sum() == pytest.approx(1)
    assert (ours * across).sum() == pytest.approx(0, abs=1e-9)
    second = scaled(f"gaussian-derivative:sigma={sigma!r},order=2,angle={angle!r}")
    assert (second * along**2 / 2).sum() == pytest.approx(1)
    assert (second * along).sum() == pytest.approx(0, abs=1e-9)


def test_log_is_scipys_up_to_scale():
    impulse = np.zeros((31, 31))
    impulse[15, 15] = 1
    expected = ndi.gaussian_laplace(impulse, 2, truncate=7.5)
    ours = scaled("log:sigma=2,size=31")
    np.testing.assert_allclose(ours / ours[15, 15], expected / expected[15, 15], atol=1e-6)


def test_disk_and_diamond_and_octagon_are_scikit_images():
    morphology = pytest.importorskip("skimage.morphology")
    for radius in (1, 2, 5, 8):
        assert np.array_equal(load_kernel(f"disk:radius={radius}").weights, morphology.disk(radius))
        assert np.array_equal(load_kernel(f"diamond:radius={radius}").weights, morphology.diamond(radius))
    assert np.array_equal(load_kernel("octagon:radius=3").weights, morphology.octagon(3, 2))


@settings(max_examples=40)
@given(st.integers(0, 9), st.integers(0, 6), st.integers(0, 4), st.sampled_from("xy"))
def test_savitzky_golay_is_scipys(half, degree, derivative, axis):
    size = 2 * half + 1
    spec = f"savitzky-golay:size={size},degree={degree},derivative={derivative},axis={axis}"
    if not derivative <= degree < size:
        with pytest.raises(KernelError, match="expected an odd size"):
            load_kernel(spec)
        return
    expected = scipy.signal.savgol_coeffs(size, degree, deriv=derivative, use="dot")
    weights = scaled(spec)
    assert weights.shape == ((1, size) if axis == "x" else (size, 1))
    np.testing.assert_allclose(weights.ravel(), expected, atol=1e-9)


@settings(max_examples=30)
@given(st.floats(2, 20), st.floats(0, 360), st.floats(0.7, 5), st.floats(0.2, 2), st.floats(0, 360))
def test_gabor_is_opencvs(wavelength, theta, sigma, gamma, phase):
    size = 15
    theirs = cv2.getGaborKernel(
        (size, size), sigma, np.deg2rad(theta), wavelength, gamma, np.deg2rad(phase), cv2.CV_64F
    )[::-1, ::-1]  # OpenCV's axes run upwards and to the left
    spec = (
        f"gabor:wavelength={wavelength!r},theta={theta!r},sigma={sigma!r},gamma={gamma!r},phase={phase!r},size={size}"
    )
    ours = scaled(spec)
    assert abs(ours).sum() == pytest.approx(2)
    np.testing.assert_allclose(ours, 2 * theirs / abs(theirs).sum(), atol=1e-9)


@settings(max_examples=30)
@given(st.integers(1, 31), st.floats(0, 360))
def test_motion_is_a_mean_along_a_line(length, angle):
    weights = scaled(f"motion:length={length},angle={angle!r}")
    assert weights.min() >= 0
    reach = np.array(weights.shape) // 2
    y, x = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    across = y * np.cos(np.deg2rad(angle)) - x * np.sin(np.deg2rad(angle))
    assert abs(across[weights > 0]).max() < 1
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-12)


def test_motion_along_the_rows_is_a_box_and_along_the_diagonal_falls_to_the_right():
    assert scaled("motion:length=9").tolist() == [[1 / 9] * 9]
    assert np.allclose(scaled("motion:length=5,angle=90"), np.full((5, 1), 0.2))
    diagonal = scaled("motion:length=9,angle=45")
    assert np.trace(diagonal) > 2 * np.trace(diagonal[:, ::-1])


def test_comet_draws_its_tail_to_the_right():
    weights = scaled("comet:length=5,sigma=2")
    line = np.zeros((1, 21))
    line[0, 10] = 1
    smeared = ndi.correlate(line, weights, mode="constant")
    assert smeared[0, :10].max() == 0
    assert (np.diff(smeared[0, 10:15]) < 0).all()


LAWS = {
    "L5": [1, 4, 6, 4, 1],
    "E5": [-1, -2, 0, 2, 1],
    "S5": [-1, 0, 2, 0, -1],
    "W5": [-1, 2, 0, -2, 1],
    "R5": [1, -4, 6, -4, 1],
}


def test_laws_pairs_are_products_of_the_published_vectors():
    for down, column in LAWS.items():
        for across, row in LAWS.items():
            assert load_kernel(f"laws:pair={down}{across}").weights.tolist() == np.outer(column, row).tolist()
    assert load_kernel("laws:pair=e3s3").weights.tolist() == np.outer([-1, 0, 1], [-1, 2, -1]).tolist()


DIRECTIONS = ["e", "se", "s", "sw", "w", "nw", "n", "ne"]


@pytest.mark.parametrize(
    "name", ["sobel", "prewitt", "scharr", "kirsch", "robinson", "compass", "frei-chen", "roberts"]
)
def test_a_compass_mask_answers_most_to_its_own_direction(name):
    y, x = np.mgrid[-1:2, -1:2]
    masks = {direction: scaled(f"{name}:direction={direction}") for direction in DIRECTIONS}
    for i, direction in enumerate(DIRECTIONS):
        angle = np.deg2rad(45 * i)
        ramp = x * np.cos(angle) + y * np.sin(angle)
        answers = {other: (mask * ramp).sum() for other, mask in masks.items()}
        assert answers[direction] == pytest.approx(max(answers.values()))
        assert np.array_equal(masks[direction], scaled(f"{name}:angle={45 * i}"))


def test_robinsons_masks_are_the_published_ones():
    # Robinson (1977), north and north-west of the five-level masks, north of the three-level ones.
    assert load_kernel("robinson").weights.tolist() == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    assert load_kernel("robinson:direction=nw").weights.tolist() == [[2, 1, 0], [1, 0, -1], [0, -1, -2]]
    assert load_kernel("robinson:levels=3").weights.tolist() == [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]


def test_kirschs_masks_are_the_published_ones():
    assert load_kernel("kirsch:direction=n").weights.tolist() == [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]]
    assert load_kernel("kirsch:direction=nw").weights.tolist() == [[5, 5, -3], [5, 0, -3], [-3, -3, -3]]


def test_frei_and_chens_basis_is_orthonormal():
    basis = np.array([scaled(f"frei-chen:basis={n}").ravel() for n in range(1, 10)])
    np.testing.assert_allclose(basis @ basis.T, np.eye(9), atol=1e-12)


def test_shift_moves_the_picture():
    picture = np.arange(1.0, 31).reshape(5, 6)
    moved = ndi.correlate(picture, load_kernel("shift:dx=2,dy=-1").weights, mode="constant")
    assert np.array_equal(moved[:4, 2:], picture[1:, :4])
    assert not moved[4].any()
    assert not moved[:, :2].any()


def test_random_is_the_same_for_the_same_seed():
    assert load_kernel("random:size=4,seed=7").weights.tolist() == load_kernel("random:size=4,seed=7").weights.tolist()
    assert load_kernel("random:seed=1") != load_kernel("random:seed=2")
    assert abs(scaled("random:size=9,seed=3")).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("box:size=1024", "box: size must be 1 to 1023, not 1024"),
        ("box:width=0", "box: size must be 1 to 1023, not 0"),
        ("binomial:radius=13", "binomial: radius must be 0 to 12"),
        ("disk:radius=-1", "disk: radius must be 0 to 511, not -1"),
        ("disk:radius=1e9", "disk: radius must be 0 to 511"),
        ("ring:inner=3,outer=2", "expected 0 <= inner < outer"),
        ("ring:inner=0.2,outer=0.5", "no pixel lies between 0.2 and 0.5"),
        ("motion:length=0", "length must be 1 to 1023"),
        ("comet:sigma=0", "sigma must be greater than 0"),
        ("log:sigma=2,size=1", "the grid is too small"),
        ("log:sigma=9,size=3", "the grid is too small"),
        ("dog:sigma=2,sigma2=2", "sigma2 must be greater than 0 and differ"),
        ("gaussian-derivative:order=3", "expected order 1 or 2"),
        ("gaussian-derivative:size=1", "size 3 or more"),
        ("gabor:wavelength=0", "wavelength must be greater than 0"),
        ("gabor:phase=90,size=1", "all weights are zero"),
        ("laws:pair=L5E3", None),
        ("laws:pair=L5", "pair must be two of"),
        ("laplacian:type=4", "type must be one of 0, 1, 2, 3, 5, 7, 15, 19, not 4"),
        ("kirsch:direction=up", "direction must be one of e, se, s, sw, w, nw, n, ne, not 'up'"),
        ("frei-chen:basis=11", "basis must be 1 to 10, not 11"),
        ("frei-chen:basis=1,angle=45", "an angle or a basis, not both"),
        ("robinson:levels=4", "levels must be 3 or 5"),
        ("identity:size=2", "size must be odd"),
        ("high-boost:size=4", "size must be odd"),
        ("unsharp:size=4", "size must be odd"),
        ("sharpen:amount=1e9", "amount must be -1e+06 to 1e+06"),
        ("shift:dx=900", "dx and dy must be -511 to 511"),
        ("random:seed=-1", "seed must not be negative"),
        ("savitzky-golay:size=4", "expected an odd size"),
        ("savitzky-golay:axis=z", "axis must be x or y, not 'z'"),
    ],
)
def test_a_parameter_that_makes_no_kernel_is_told(spec, message):
    if message is None:
        assert load_kernel(spec).size == (5, 3)
        return
    with pytest.raises(KernelError, match=re.escape(message)):
        load_kernel(spec)


SPECS = st.sampled_from(sorted(FAMILIES)).flatmap(
    lambda name: st.fixed_dictionaries(
        {},
        optional={
            key: st.sampled_from(["0", "1", "2", "3", "5", "-1", "0.5", "7.25", "90", "1e6", "x", "n", "L5E5"])
            for key in FAMILIES[name].parameters
        },
    ).map(lambda values: name + (":" + ",".join(f"{k}={v}" for k, v in values.items()) if values else ""))
)


@settings(max_examples=300, deadline=None)
@given(SPECS)
def test_any_parameters_give_a_finite_kernel_or_a_kernel_error(spec):
    try:
        kernel = load_kernel(spec)
    except KernelError:
        return
    assert np.isfinite(kernel.scaled).all()
    assert abs(kernel.weights).max() > 0


def test_parameters_leave_a_familys_description_and_origin():
    plain, given = load_kernel("gaussian"), load_kernel("gaussian:sigma=2")
    assert plain.description and (given.description, given.source) == (plain.description, plain.source)
    assert given.tags == plain.tags and given.origin == plain.origin


def impulse_of(size):
    impulse = np.zeros((size, size))
    impulse[size // 2, size // 2] = 1
    return impulse


def distances(size):
    """From the centre, by SciPy's distance transform."""
    return ndi.distance_transform_edt(impulse_of(size) == 0)


def one(weights):
    return weights / weights.sum()


def morphology():
    return pytest.importorskip("skimage.morphology")


def halves(weights):
    """Both signs scaled to sum to 1 and -1."""
    positive, negative = weights.clip(0), weights.clip(None, 0)
    return one(positive) - one(negative)


def nearest_on_the_segment(length, angle, reach):
    """How far each pixel lies from the nearest of very many points of a segment."""
    t = np.linspace(-(length - 1) / 2, (length - 1) / 2, 4001)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1][..., None]
    return np.hypot(x - t * np.cos(np.deg2rad(angle)), y - t * np.sin(np.deg2rad(angle))).min(axis=-1)


def half_normal(length, sigma):
    """A normal distribution from its peak on, thirds of a pixel summed."""
    n = 6 * length - 1
    return scipy.signal.windows.gaussian(n, 3 * sigma)[n // 2 :].reshape(length, 3).sum(axis=1)


def gaussian_of(sigma, reach, order=0):
    # SciPy answers an impulse with the kernel upside down and left to right.
    return ndi.gaussian_filter(impulse_of(2 * reach + 1), sigma, order=order, radius=reach)[::-1, ::-1]


def derivatives(order, size):
    x, y = cv2.getDerivKernels(*order, size, ktype=cv2.CV_64F)
    return np.outer(y, x)


def gaborian():
    theirs = cv2.getGaborKernel((25, 25), 4, np.deg2rad(30), 8, 0.5, 0, cv2.CV_64F)[::-1, ::-1]
    return 2 * theirs / abs(theirs).sum()


DENSITY = [scipy.stats.multivariate_normal(cov=s**2 * np.eye(2)).pdf for s in (1.0, 1.6)]
FIVE = np.dstack(np.mgrid[-5:6, -5:6])
DIAGONALS = np.eye(5) + np.eye(5)[::-1] > 0

# A SPEC of each family, and its weights over the divisor by another hand: a library, a published mask, a definition.
BY_ANOTHER_HAND = {
    "gaussian": ("gaussian:sigma=2", lambda: np.outer(*2 * (cv2.getGaussianKernel(13, 2, cv2.CV_64F),))),
    "gaussian-line": ("gaussian-line:sigma=2,size=7",
                      lambda: one(cv2.getGaussianKernel(21, 6, cv2.CV_64F).reshape(1, 7, 3).sum(axis=2))),
    "box": ("box:width=3,height=5", lambda: ndi.uniform_filter(impulse_of(9), (5, 3))[2:7, 3:6]),
    "binomial": ("binomial:radius=3", lambda: one(np.outer(*2 * (scipy.linalg.pascal(7, "lower")[-1],)))),
    "pyramid": ("pyramid:size=7", lambda: one(np.outer(*2 * (scipy.signal.windows.triang(7),)))),
    "cone": ("cone:radius=3.7", lambda: one((3.7 - distances(7)).clip(0))),
    "motion": ("motion:length=9,angle=30", lambda: one((1 - nearest_on_the_segment(9, 30, 4)).clip(0))[2:-2]),
    "comet": ("comet:length=5,sigma=2", lambda: one(np.append(half_normal(5, 2)[::-1], [0] * 4)[None])),
    "savitzky-golay": ("savitzky-golay:size=7,degree=3,derivative=1",
                       lambda: scipy.signal.savgol_coeffs(7, 3, 1, use="dot")[None]),
    "disk": ("disk:radius=4", lambda: one(morphology().disk(4))),
    "diamond": ("diamond:radius=4", lambda: one(morphology().diamond(4))),
    "octagon": ("octagon:radius=3", lambda: one(morphology().octagon(3, 2))),
    "plus": ("plus", lambda: one(np.add.outer(impulse_of(5)[2], impulse_of(5)[2]) > 0)),
    "cross": ("cross", lambda: one(DIAGONALS)),
    "ring": ("ring:inner=2.5,outer=4", lambda: one((distances(9) > 2.5) & (distances(9) <= 4))),
    "sharpen": ("sharpen:amount=2", lambda: impulse_of(3) - 2 * ndi.laplace(impulse_of(3), mode="constant")),
    "unsharp": ("unsharp:amount=3,sigma=1.5",
                lambda: impulse_of(11) + 3 * (impulse_of(11) - gaussian_of(1.5, 5))),
    "high-boost": ("high-boost:amount=3,size=5",
                   lambda: 3 * impulse_of(5) - ndi.uniform_filter(impulse_of(5), 5, mode="constant")),
    "sobel": ("sobel", lambda: derivatives((1, 0), 3)),
    "prewitt": ("prewitt:direction=s", lambda: ndi.prewitt(impulse_of(3), 0, mode="constant")[::-1, ::-1]),
    "scharr": ("scharr", lambda: derivatives((1, 0), cv2.FILTER_SCHARR)),
    "roberts": ("roberts", lambda: [[1, 0], [0, -1]]),
    "kirsch": ("kirsch:direction=sw", lambda: [[-3, -3, -3], [5, 0, -3], [5, 5, -3]]),
    "robinson": ("robinson:direction=ne", lambda: [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]]),
    "compass": ("compass", lambda: [[1, 1, 1], [1, -2, 1], [-1, -1, -1]]),
    "frei-chen": ("frei-chen", lambda: [[-1, 0, 1], [-(2**0.5), 0, 2**0.5], [-1, 0, 1]]),
    "laplacian": ("laplacian", lambda: ndi.laplace(impulse_of(3), mode="constant")),
    "gaussian-derivative": ("gaussian-derivative:sigma=2,order=1,angle=90,size=33", lambda: gaussian_of(2, 16, (1, 0))),
    "log": ("log:sigma=2,size=31", lambda: halves(ndi.gaussian_laplace(impulse_of(31), 2, radius=15))),
    "dog": ("dog:sigma=1,sigma2=1.6", lambda: halves(DENSITY[0](FIVE) - DENSITY[1](FIVE))),
    "line": ("line:angle=45", lambda: [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]]),
    "ridge": ("ridge:sigma=2,size=31", lambda: -halves(ndi.gaussian_laplace(impulse_of(31), 2, radius=15))),
    "gabor": ("gabor:theta=30", gaborian),
    "laws": ("laws:pair=S5R5", lambda: np.outer([-1, 0, 2, 0, -1], [1, -4, 6, -4, 1]) / 16),
    "emboss": ("emboss", lambda: [[1, 1, 0], [1, 0, -1], [0, -1, -1]]),
    "identity": ("identity:size=5", lambda: impulse_of(5)),
    "shift": ("shift:dx=-2,dy=1", lambda: ndi.shift(impulse_of(5), (-1, 2))[1:4]),
    "random": ("random:size=4,seed=3",
               lambda: (lambda w: w / abs(w).sum())(np.random.Generator(np.random.PCG64(3)).integers(-9, 10, (4, 4)))),
}  # fmt: skip


def test_every_family_is_held_against_another_hand():
    assert set(BY_ANOTHER_HAND) == set(FAMILIES)


@pytest.mark.parametrize("name", BY_ANOTHER_HAND)
def test_a_family_is_what_another_hand_makes(name):
    spec, weights = BY_ANOTHER_HAND[name]
    np.testing.assert_allclose(scaled(spec), weights(), atol=2e-5)
