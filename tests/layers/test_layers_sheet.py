"""Contact sheets and colour maps: sizes, the numbers behind the colours, labels, and how maps run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convcli.errors import RecipeError
from convcli.sheets.colormaps import COLORMAPS, colored, oklab, table
from convcli.sheets.contact_sheet import Scale, colormap_for, contact_sheet, picture_of, scale_of


def lightness(colors: Any) -> Any:
    """CIE L* of sRGB colours."""
    c = colors / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


@pytest.mark.parametrize("name", ["gray", "viridis", "magma"])
def test_perceptual_maps_rise_evenly_in_lightness(name: str) -> None:
    steps = np.diff(lightness(table(name).astype(float)))
    assert steps.min() > -0.4 and np.all(np.diff(lightness(table(name)[::8].astype(float))) > 0)
    assert lightness(table(name)[-1:])[0] - lightness(table(name)[:1])[0] > 70


def test_the_diverging_map_is_white_at_zero_and_even_on_both_sides() -> None:
    colors = table("diverging").astype(float)
    light = lightness(colors)
    assert np.array_equal(colors[127], colors[128]) and colors[127].min() > 240
    assert np.all(np.diff(light[:128]) > -0.3) and np.all(np.diff(light[128:]) < 0.3)
    assert abs(light[0] - light[-1]) < 8
    assert colors[0, 2] > colors[0, 0] + 80 and colors[-1, 0] > colors[-1, 2] + 80


def test_oklab_knows_white_black_and_the_primaries() -> None:
    assert oklab(1.0, 0.0, 0.0).tolist() == [255, 255, 255] and oklab(0.0, 0.0, 0.0).tolist() == [0, 0, 0]
    assert np.abs(oklab(0.62796, 0.22486, 0.12585).astype(int) - [255, 0, 0]).max() <= 1
    assert np.abs(oklab(0.45201, -0.03246, -0.31153).astype(int) - [0, 0, 255]).max() <= 1


def test_values_become_colours_and_nan_gray() -> None:
    values = np.array([[-5.0, 0.0, 0.5, 1.0, 9.0, np.nan]])
    assert colored(values, "gray", 0, 1)[0, :, 0].tolist() == [0, 0, 128, 255, 255, 128]
    assert colored(np.full((1, 1), 3.0), "gray", 3, 3).tolist() == [[[0, 0, 0]]]
    with pytest.raises(RecipeError, match="colormap must be one of gray, viridis, magma, diverging, not 'jet'"):
        table("jet")
    assert all(table(name).shape == (256, 3) for name in COLORMAPS)


def test_scales() -> None:
    signed, plain = np.array([[-1.0, 3.0]]), np.array([[2.0, 5.0, np.inf]])
    assert (colormap_for([signed]), colormap_for([plain])) == ("diverging", "viridis")
    assert scale_of([signed], "diverging") == Scale(-3.0, 3.0)
    assert scale_of([signed, plain], "viridis") == Scale(-1.0, 5.0)
    assert picture_of(signed, "gray", Scale(-1, 3)).tolist() == [[0, 255]]
    assert picture_of(signed, "magma", Scale(-1, 3)).shape == (1, 2, 3)


def tiles_of(sheet: Any, tile: Any) -> int:
    """At how many places the pixels of a tile stand on the sheet."""
    height, width = tile.shape[:2]
    corners = np.argwhere((sheet == tile[0, 0]).all(2))
    return sum(np.array_equal(sheet[y : y + height, x : x + width], tile) for y, x in corners)


def test_the_numbers_behind_the_tiles_are_found_on_the_sheet() -> None:
    random = np.random.default_rng(3)
    maps = [random.normal(size=(40, 50)) for _ in range(4)]
    for shared in (True, False):
        sheet = np.asarray(contact_sheet(maps, list("abcd"), 2, colormap="viridis", shared=shared))
        for one in maps:
            scale = scale_of(maps if shared else [one], "viridis")
            tile = picture_of(one, "viridis", scale).repeat(3, 0).repeat(3, 1)
            assert tiles_of(sheet, tile) == 1


def test_small_arrays_grow_and_large_ones_are_averaged() -> None:
    small = contact_sheet([np.eye(3)], ["k"], colormap="gray", shared=False)
    colors = {tuple(c) for c in np.asarray(small).reshape(-1, 3).tolist()}
    assert {(0, 0, 0), (255, 255, 255)} <= colors and small.width >= 96
    large = np.zeros((1000, 2000))
    large[:, ::2] = 1
    sheet = np.asarray(contact_sheet([large, large * 0 + 1], ["a", "b"], colormap="gray"))
    assert sheet.shape[1] < 600
    assert np.all(np.abs(sheet[20:100, 60:200].astype(int) - 128) <= 22)


def test_labels_and_titles_are_drawn_where_they_belong() -> None:
    tile = np.zeros((50, 60), np.uint8)
    empty = np.asarray(contact_sheet([tile] * 2, ["", ""], 2, colormap="gray"))
    one = np.asarray(contact_sheet([tile] * 2, ["first", ""], 2, colormap="gray"))
    both = np.asarray(contact_sheet([tile] * 2, ["first", "second"], 2, colormap="gray"))
    changed = np.argwhere((one != empty).any(2))
    assert changed.size and changed[:, 1].max() < one.shape[1] // 2
    changed = np.argwhere((both != one).any(2))
    assert changed.size and changed[:, 1].min() > one.shape[1] // 2
    titled = np.asarray(contact_sheet([tile], ["x"], title="a title"))
    assert titled.shape[0] > np.asarray(contact_sheet([tile], ["x"])).shape[0]
    cut = np.asarray(contact_sheet([tile] * 2, ["a label that is far too long for its tile", ""], 2, colormap="gray"))
    assert np.argwhere((cut != empty).any(2))[:, 1].max() < one.shape[1] // 2 + 2


def test_pictures_stay_as_they_are_beside_values() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (160, 160, 3), np.uint8)
    sheet = np.asarray(contact_sheet([picture, np.ones((8, 8))], ["picture", "values"]))
    assert tiles_of(sheet, picture) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 64])
def test_sheets_of_any_number(count: int) -> None:
    sheet = contact_sheet([np.eye(9)] * count, [str(i) for i in range(count)])
    assert 0.2 < sheet.width / sheet.height < 5


def test_what_can_not_be_a_sheet() -> None:
    with pytest.raises(RecipeError, match="a sheet needs arrays and a label for each, not 0 and 0"):
        contact_sheet([], [])
    with pytest.raises(RecipeError, match=r"a sheet of 9000 tiles would be .* more than 16384 on a side"):
        contact_sheet([np.zeros((200, 200))] * 9000, [""] * 9000)
