"""The page of `convcli explain --html`, in a real browser: its numbers are the engine's, its exports mean the same."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import browser
import naive
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli import filter_image, load_kernel
from convcli.cli import main
from convcli.errors import ConvcliError
from convcli.explain.page import MOST_PIXELS, page
from convcli.filtering.recipe import Recipe
from convcli.geometry import Geometry
from convcli.images.eight_bit import as_bytes
from convcli.kernel import Kernel
from convcli.printable import printable

SCENE = Path(__file__).parents[2] / "samples" / "scene.png"
MODES = ("zeros", "constant", "replicate", "reflect", "symmetric", "circular")


def convcli(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def embedded(text):
    return json.loads(text.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def recipe_of(spec, **how):
    return Recipe((load_kernel(spec),), Geometry.from_options(**how))


# Without a browser


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path):
    out = tmp_path / "page.html"
    done = convcli("explain", "-k", "sobel-x", "--html", out, SCENE)
    assert done.exit_code == 0
    assert done.stderr == f"{out}: {out.stat().st_size / 1e3:.0f} kB; open it in a browser\n"
    text = out.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "{{" not in text
    assert "http://" not in text and "https://" not in text and "src=" not in text and "<link" not in text


def test_what_is_embedded_is_the_picture_and_the_recipe():
    import base64
    import io

    image = np.asarray(Image.open(SCENE))
    data = embedded(page(image, recipe_of("sharpen", stride=2, padding=(1, 2, 3, 4)), "a<b>.png", (10, 20, 60, 50)))
    png = base64.b64decode(data["picture"].split(",")[1])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), image[20:70, 10:70])
    assert data["preset"] == "sharpen" and data["input"] == "'a<b>.png'"
    assert data["recipe"]["stride"] == [2, 2] and data["recipe"]["padding"] == [1, 2, 3, 4]


def test_markup_in_names_stays_text():
    text = page(np.zeros((4, 4), np.uint8), Recipe((Kernel([[1]], name="</script><b>"),)), "<i>.png")
    assert "<b>" not in text and "<i>" not in text and text.count("</script>") == 3


@pytest.mark.parametrize(
    "name", ["x;touch PWNED;#", "$(touch PWNED)", "`touch PWNED`", "a b", "'", "-k", "\x1b[8m\ud800"]
)
def test_a_kernel_that_no_spec_names_is_written_as_rows(name, tmp_path, monkeypatch):
    """In the command, its name would be other words, or another command."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "k.json").write_text(json.dumps({"name": name, "weights": [[1, 2, 1]], "divisor": 4}))
    monkeypatch.chdir(tmp_path)
    data = embedded(page(np.zeros((4, 4), np.uint8), recipe_of("kernels/k.json"), "in.png"))
    assert [p["spec"] for p in data["presets"] if p["name"] == printable(name)] == [None]
    assert [p["spec"] for p in data["presets"] if p["name"] == "sobel-x"] == ["sobel-x"]


@pytest.mark.parametrize(
    "name", [b"in.png", b"a b.png", b"'$(touch PWNED)'\\.png", b"\xff'\x1b[8m\\.png", b"-k.png", b"\n1.png"]
)
def test_a_picture_is_named_as_a_shell_takes_it(name):
    """Bash is the oracle."""
    data = embedded(page(np.zeros((4, 4), np.uint8), recipe_of("box"), os.fsdecode(name)))
    said = subprocess.run(["bash", "-c", f"printf %s {data['input']}"], capture_output=True, check=True, timeout=1200)
    assert data["input"].isprintable() and said.stdout == (b"./" + name if name.startswith(b"-") else name)


def test_deeper_pictures_are_shown_in_8_bits():
    for dtype, full in (("uint16", 65535), ("float32", 1.0)):
        a = (np.linspace(0, 1, 256).reshape(16, 16) * full).astype(dtype)
        assert np.abs(as_bytes(a).ravel().astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize(
    ("shape", "words", "message"),
    [
        (
            (1025, 1024),
            ["-k", "sobel-x"],
            "is more than the 1,048,576 pixels that a page can hold; --crop X,Y,W,H takes",
        ),
        ((9, 9), ["-k", "sobel-x", "--crop", "5,5,5,5"], "crop 5,5,5,5 is not inside the picture of 9x9"),
        ((9, 9), ["-k", "sobel-x", "-k", "sharpen"], "`convcli apply` the first ones to a file"),
        ((9, 9), ["-k", "sobel-x", "--animate", "a.gif"], "give one of them"),
        ((2, 2), ["-k", "sobel-x", "--padding", "valid"], "the kernel does not fit"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(shape, words, message, tmp_path):
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "in.png")
    done = convcli("explain", *words, "--html", tmp_path / "page.html", tmp_path / "in.png")
    assert done.exit_code == 2 and message in " ".join(done.stderr.split())
    assert not (tmp_path / "page.html").exists()


def test_the_way_out_of_a_large_picture_is_a_command_that_works(tmp_path):
    Image.fromarray(np.zeros((1400, 1000, 3), np.uint8)).save(tmp_path / "in.png")
    with pytest.raises(ConvcliError) as error:
        page(np.zeros((1400, 1000, 3), np.uint8), recipe_of("sobel-x"), "in.png")
    command = str(error.value).split("convcli ")[1]
    assert convcli(*shlex.split(command), tmp_path / "in.png", tmp_path / "small.png").exit_code == 0
    with Image.open(tmp_path / "small.png") as small:
        assert small.width * small.height <= MOST_PIXELS


def test_cmyk_is_refused():
    with pytest.raises(ConvcliError, match="not CMYK; leave out --html"):
        page(np.zeros((4, 4, 4), np.uint8), recipe_of("sobel-x"), "in.jpg")


# In a browser


@pytest.fixture(scope="module")
def chromium():
    driver = browser.start()
    yield driver
    driver.quit()


@pytest.fixture
def opened(chromium, tmp_path):
    """Open the page for an array and a recipe, and wait for its map."""

    def open_(image, recipe, name="in.png", crop=None):
        (tmp_path / "page.html").write_text(page(image, recipe, name, crop), encoding="utf-8")
        chromium.get((tmp_path / "page.html").as_uri())
        settled(chromium)
        return chromium

    yield open_
    browser.assert_quiet(chromium)


def settled(chromium):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(chromium, 60, 0.02).until(
        lambda d: d.execute_script("return document.body.dataset.state === 'ready' && !busy && !waiting")
    )


def set_recipe(chromium, **changes):
    """What the controls do, at once."""
    chromium.execute_script("Object.assign(recipe, arguments[0]); update();", changes)
    settled(chromium)


def shown_map(chromium):
    """The pixels of the map's canvas, (H, W, 3)."""
    width, height, values = chromium.execute_script(
        "const c = document.getElementById('map');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return [c.width, c.height, Array.from(d)];"
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[:, :, :3]


def picture(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def type_into(chromium, id_, text):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    field = chromium.find_element(By.ID, id_)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text)
    settled(chromium)


def choose(chromium, id_, text):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    Select(chromium.find_element(By.ID, id_)).select_by_visible_text(text)
    settled(chromium)


def test_nothing_runs_but_the_pages_own_scripts_and_nothing_is_fetched(opened):
    browser.assert_guarded(opened(picture((9, 9)), recipe_of("box")))


def test_rows_stand_in_the_command_for_a_kernel_that_no_spec_names(opened, tmp_path, monkeypatch):
    from selenium.webdriver.common.by import By

    (tmp_path / "kernels").mkdir()
    text = json.dumps({"name": "x;touch PWNED;#", "weights": [[1, 2, 1]], "divisor": 4, "bias": 3})
    (tmp_path / "kernels" / "k.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    image = picture((9, 9))
    Image.fromarray(image).save("in.png")
    command = opened(image, recipe_of("kernels/k.json")).find_element(By.ID, "command").text
    assert "PWNED" not in command and convcli(*shlex.split(command)[1:]).exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("output.png")), filter_image(image, "kernels/k.json"))


def test_the_first_map_is_what_apply_makes(opened, tmp_path):
    image = np.asarray(Image.open(SCENE))
    chromium = opened(image, recipe_of("sobel-x"))
    np.testing.assert_array_equal(shown_map(chromium), filter_image(image, "sobel-x", range="abs"))
    browser.assert_accessible(chromium)


@pytest.mark.parametrize("mode", MODES)
def test_every_geometry_agrees_with_the_engine(opened, mode):
    image = picture((11, 14, 3))
    weights = np.random.default_rng(1).integers(-4, 5, (3, 2))
    chromium = opened(image, recipe_of("identity"))
    for stride, dilation, padding in (
        ((1, 1), (1, 1), "same"),
        ((2, 3), (1, 2), "full"),
        ((3, 1), (4, 1), (9, 13, 17, 2)),
        ((1, 2), (2, 5), (0, 0, 0, 0)),
    ):
        for range_, channels in (("clip", "each"), ("abs", "gray"), ("offset", "sum"), ("normalize", "each")):
            set_recipe(
                chromium, weights=[weights.tolist()], divisor=2, bias=3, stride=stride, dilation=dilation,
                padding=padding, mode=mode, value=70, range=range_, channels=channels,
            )  # fmt: skip
            want = filter_image(
                image, Kernel(weights, divisor=2, bias=3), stride=stride, dilation=dilation, padding=padding,
                padding_mode=mode, padding_value=70, range=range_, channels=channels,
            )  # fmt: skip
            got = shown_map(chromium)
            np.testing.assert_array_equal(got if want.ndim == 3 else got[:, :, 0], want)


def test_pads_wider_than_the_picture(opened):
    image = picture((2, 3))
    chromium = opened(image, recipe_of("identity"))
    for mode in MODES:
        set_recipe(chromium, weights=[[[1, -2], [3, 1]]], padding=[7, 6, 9, 8], mode=mode, value=9, range="abs")
        want = naive.convolve(
            image, [[1, -2], [3, 1]], range="abs", padding=(7, 6, 9, 8), padding_mode=mode, padding_value=9
        )
        np.testing.assert_array_equal(shown_map(chromium)[:, :, 0], want)


def test_depth_three_and_fractions(opened):
    image = picture((15, 16, 3))
    deep = Kernel(np.random.default_rng(2).integers(-3, 4, (3, 3, 3)), divisor=4)
    chromium = opened(image, Recipe((deep,)))
    np.testing.assert_array_equal(shown_map(chromium)[:, :, 0], filter_image(image, deep, channels="sum"))
    assert len(chromium.find_elements("css selector", "#weights input")) == 27


def test_every_preset_agrees_with_the_engine_to_the_last_digit(opened):
    """Weights that are no whole numbers too: pixels as they are, responses as the float32 numbers that they become."""
    image = picture((33, 37, 3), 4)
    chromium = opened(image, recipe_of("identity", padding_mode="reflect"))
    own = {}
    for spec in ("gaussian:sigma=1.3", "gabor:size=15", "random:size=15,seed=3"):
        kernel = load_kernel(spec)
        own[spec] = {"weights": [kernel.weights.tolist()], "divisor": kernel.divisor, "range": kernel.range or "clip"}
    found = chromium.execute_script(
        """
        const chosen = Object.fromEntries(data.presets.map((p) => [p.name, p]));
        return Object.entries({ ...chosen, ...arguments[0] }).map(([name, words]) => {
          recipe = { ...recipe, bias: 0, ...words, channels: words.weights.length > 1 ? "sum" : "each" };
          result = convolve(image, recipe);
          const told = [[0, 0], [36, 32], [17, 16], [1, 30]].map(([x, y]) => {
            point(x, y);
            return [...document.querySelectorAll("[data-response]")].map((e) => Number(e.dataset.response));
          });
          return [name, Array.from(result.pixels), told];
        });""",
        own,
    )
    assert len(found) > 80
    for name, pixels, told in found:
        want = filter_image(image, name, range=None, padding_mode="reflect")
        np.testing.assert_array_equal(np.reshape(pixels, want.shape), want, err_msg=name)
        raw = filter_image(image, name, range="raw", padding_mode="reflect")
        there = [np.atleast_1d(raw[y, x]) for x, y in ((0, 0), (36, 32), (17, 16), (1, 30))]
        np.testing.assert_allclose(np.float32(told), there, rtol=0, atol=1e-9, err_msg=name)  # 0, where all cancels


def test_hover_and_arrow_keys_read_out_the_pixel(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    image = picture((20, 24, 3))
    chromium = opened(image, recipe_of("sobel-x"))
    raw = naive.convolve(image, load_kernel("sobel-x").weights, range="raw")
    want = filter_image(image, "sobel-x", range="abs")

    def read():
        parts = chromium.find_elements(By.CSS_SELECTOR, "[data-response]")
        assert len(parts) == 3
        where = chromium.find_element(By.ID, "where").text
        x, y = map(int, where.split(":")[0].removeprefix("Pixel ").split(","))
        assert [float(p.get_attribute("data-response")) for p in parts] == raw[y, x].tolist()
        assert [int(p.get_attribute("data-pixel")) for p in parts] == want[y, x].tolist()
        assert where == f"Pixel {x},{y}: red {want[y, x, 0]}, green {want[y, x, 1]}, blue {want[y, x, 2]}"
        products = [int(c.text) for c in chromium.find_elements(By.CSS_SELECTOR, "table:nth-of-type(3) td")]
        assert [sum(products[k : k + 9]) for k in (0, 9, 18)] == raw[y, x].tolist()
        return x, y

    canvas = chromium.find_element(By.ID, "map")
    size, middle = canvas.size, (canvas.size["width"] / 2, canvas.size["height"] / 2)
    for x, y in ((0, 0), (23, 19), (7, 11)):
        dx = round((x + 0.5) * size["width"] / 24 - middle[0])
        dy = round((y + 0.5) * size["height"] / 20 - middle[1])
        ActionChains(chromium).move_to_element_with_offset(canvas, dx, dy).perform()
        assert read() == (x, y)
    view = chromium.find_element(By.ID, "map-view")
    view.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP)
    assert read() == (9, 10)
    view.send_keys(Keys.SHIFT, Keys.ARROW_DOWN)
    assert read() == (9, 19)
    view.send_keys("+")
    assert chromium.find_element(By.ID, "zoom").get_attribute("value") == "1"


def touch(chromium, element, dx, dy):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    actions = ActionChains(chromium, devices=[PointerInput(POINTER_TOUCH, "finger")])
    pointer = actions.w3c_actions.pointer_action
    pointer.move_to(element, dx, dy)
    pointer.pointer_down()
    pointer.pointer_up()
    actions.w3c_actions.perform()


def where(chromium):
    return chromium.execute_script("return [at.x, at.y]")


def test_pointing_at_the_picture_touching_and_holding(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    chromium = opened(picture((20, 24)), recipe_of("sobel-x", stride=2, padding=1))
    s = chromium.execute_script("return s")
    canvas, padded = chromium.find_element(By.ID, "map"), chromium.find_element(By.ID, "picture")

    def to(element, x, y):
        middle = element.size["width"] / 2, element.size["height"] / 2
        return element, round((x + 0.5) * s - middle[0]), round((y + 0.5) * s - middle[1])

    ActionChains(chromium).move_to_element_with_offset(*to(padded, 9, 5)).perform()  # 9 = 4 * 2 + 1, 5 = 2 * 2 + 1
    assert where(chromium) == [4, 2]
    ActionChains(chromium).move_to_element_with_offset(*to(canvas, 3, 6)).click().perform()
    ActionChains(chromium).move_to_element_with_offset(*to(canvas, 7, 7)).perform()
    assert where(chromium) == [3, 6] and "held" in chromium.find_element(By.ID, "held").text
    chromium.find_element(By.ID, "map-view").send_keys(Keys.ESCAPE)
    ActionChains(chromium).move_to_element_with_offset(*to(canvas, 7, 8)).perform()
    assert where(chromium) == [7, 8]
    touch(chromium, *to(canvas, 2, 1))
    assert where(chromium) == [2, 1] and "click to hold" in chromium.find_element(By.ID, "held").text


def test_the_picture_is_drawn_with_its_border(opened):
    image = picture((5, 7))
    chromium = opened(image, recipe_of("sobel-x", padding=(2, 3, 4, 1), padding_mode="reflect"))
    chromium.execute_script("const c = $('picture'), m = $('map'); m.width = c.width; m.height = c.height;"
                            "m.getContext('2d').drawImage(c, 0, 0);")  # fmt: skip
    drawn = shown_map(chromium)
    np.testing.assert_array_equal(drawn[2:7, 4:11, 0], image)
    border = np.pad(image, ((2, 3), (4, 1)), mode="reflect").astype(float)
    tinted = np.rint(0.55 * border[:, :, None] + 0.45 * np.array([0, 114, 178]))
    tinted[2:7, 4:11] = image[:, :, None]
    assert np.abs(drawn - tinted).max() <= 1


def test_numbers_and_weights_are_written_into_the_cells_in_sight(opened):
    image = picture((12, 14))
    chromium = opened(image, recipe_of("laplacian"))
    read = """
      const words = { picture: [], map: [] };
      for (const id of ["picture", "map"]) {
        const real = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text) { words[id].push(String(text)); };
        write(id, id === "map" ? mapInk : pictureInk);
        CanvasRenderingContext2D.prototype.fillText = real;
      }
      return [words.picture, words.map];"""
    chromium.execute_script("zoom = 64; resize(); $('picture-view').scrollTo(0, 0); $('map-view').scrollTo(0, 0)")
    on_picture, on_map = chromium.execute_script(read)
    wide, high = chromium.execute_script("return [$('map-view').clientWidth, $('map-view').clientHeight]")
    columns, rows = -(-wide // 64), -(-high // 64)
    want = filter_image(image, "laplacian", range=load_kernel("laplacian").range)
    assert on_map == [str(v) for v in want[:rows, :columns].ravel()]
    weights = load_kernel("laplacian").weights
    assert [t for t in on_picture if t[0] == "×"] == [f"×{int(w)}" for w in weights.ravel()]
    chromium.execute_script("zoom = 1; resize()")
    assert chromium.execute_script("return $('picture-ink').hidden && $('map-ink').hidden")


def test_the_kernel_slides_by_itself_and_a_reset_goes_back(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    image = picture((6, 7))
    chromium = opened(image, recipe_of("sobel-x"))
    chromium.execute_script("point(6, 2)")
    chromium.execute_script("step()")
    assert where(chromium) == [0, 3]
    choose(chromium, "speed", "60")
    chromium.find_element(By.ID, "slide").click()
    WebDriverWait(chromium, 20, 0.01).until(lambda d: where(d)[1] == 5)
    chromium.find_element(By.ID, "map-view").send_keys(Keys.SPACE)
    assert chromium.find_element(By.ID, "slide").get_attribute("aria-pressed") == "false"
    type_into(chromium, "w-0-0-0", "9")
    choose(chromium, "mode", "circular")
    chromium.find_element(By.ID, "reset").click()
    settled(chromium)
    np.testing.assert_array_equal(shown_map(chromium)[:, :, 0], filter_image(image, "sobel-x", range="abs"))


def test_what_the_geometry_leaves_out_and_the_weights_save_is_told(opened):
    from selenium.webdriver.common.by import By

    from convcli.explain.forecast import PictureShape, plan_of

    image = picture((31, 42, 3))
    for recipe in (
        recipe_of("sobel-x"),
        recipe_of("gaussian-5", stride=(4, 3), padding="valid"),
        Recipe((load_kernel("sobel-x"),), Geometry.from_options(dilation=2, padding=1), "gray"),
        Recipe((load_kernel("sobel-x"),), Geometry.from_options(stride=5, padding=0), "sum"),
    ):
        chromium = opened(image, recipe)
        told = chromium.find_element(By.ID, "facts").text
        step = plan_of(PictureShape((31, 42), 3, "uint8"), recipe).steps[0]
        assert f"{step.weights} weights, each used {step.uses:,} times" in told
        assert told.endswith(f"would have {step.dense_weights:,}.")
        for count, what in zip(step.uncovered, ("column", "row"), strict=True):
            assert (f"the last {what if count == 1 else f'{count} {what}s'} at" in told) == (count > 0)


def test_edits_change_the_map_and_the_formula_at_once(opened):
    from selenium.webdriver.common.by import By

    image = picture((30, 41, 3))
    chromium = opened(image, recipe_of("sobel-x"))
    type_into(chromium, "w-0-1-0", "-7")
    type_into(chromium, "divisor", "4")
    type_into(chromium, "stride-x", "2")
    choose(chromium, "mode", "reflect")
    choose(chromium, "range", "offset")
    choose(chromium, "padding", "valid")
    weights = [[-1, 0, 1], [-7, 0, 2], [-1, 0, 1]]
    want = filter_image(image, Kernel(weights, divisor=4), stride=(1, 2), padding="valid", range="offset")
    np.testing.assert_array_equal(shown_map(chromium), want)
    assert chromium.find_element(By.ID, "formula-width").text == "width O = floor((41 - 3 + 0 + 0) / 2) + 1 = 20"
    assert chromium.find_element(By.ID, "formula-height").text == "height O = floor((30 - 3 + 0 + 0) / 1) + 1 = 28"
    assert chromium.find_element(By.ID, "preset").get_attribute("value") == ""
    choose(chromium, "preset", "emboss")
    want = filter_image(image, "emboss", stride=(1, 2), padding="valid", range=None)
    np.testing.assert_array_equal(shown_map(chromium), want)
    type_into(chromium, "rows", "5")
    assert len(chromium.find_elements(By.CSS_SELECTOR, "#weights input")) == 15
    chromium.find_element(By.ID, "flip").click()
    settled(chromium)
    wide = np.pad(load_kernel("emboss").weights, ((1, 1), (0, 0)))[::-1, ::-1]
    emboss = load_kernel("emboss")
    want = filter_image(
        image, Kernel(wide, emboss.divisor, emboss.bias), stride=(1, 2), padding="valid", range=emboss.range
    )
    np.testing.assert_array_equal(shown_map(chromium), want)


def test_what_is_wrong_is_marked_and_the_map_stays(opened):
    from selenium.webdriver.common.by import By

    image = picture((8, 9))
    chromium = opened(image, recipe_of("sobel-x"))
    before = shown_map(chromium)
    for id_, text in (("divisor", "0"), ("stride-y", "0"), ("dilation-x", "1.5"), ("w-0-0-0", "")):
        field = chromium.find_element(By.ID, id_)
        chromium.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'));", field, text
        )
        assert field.get_attribute("aria-invalid") == "true"
        np.testing.assert_array_equal(shown_map(chromium), before)
    set_recipe(chromium, padding="valid", dilation=[4, 1])
    assert (
        "does not fit: height O = floor((8 - (4*(3 - 1) + 1) + 0 + 0) / 1) + 1 < 1"
        in chromium.find_element(By.ID, "problem").text
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible_in_light_and_dark(opened, theme):
    chromium = opened(picture((12, 12, 3)), recipe_of("sharpen"))
    chromium.execute_script("setTheme(arguments[0])", theme)
    browser.assert_accessible(chromium)
    set_recipe(chromium, padding=[1, 1, 2, 2], mode="constant")
    browser.assert_accessible(chromium)


def test_exports_mean_the_same(opened, tmp_path, monkeypatch):
    import torch
    from selenium.webdriver.common.by import By

    image = picture((19, 23, 3))
    Image.fromarray(image).save(tmp_path / "in.png")
    monkeypatch.chdir(tmp_path)
    chromium = opened(image, recipe_of("sobel-x"))
    for changes in (
        {},
        {
            "weights": [[[1, -2.5, 3]]],
            "divisor": 2,
            "bias": 7,
            "stride": [2, 1],
            "padding": "full",
            "mode": "replicate",
        },
        {"weights": [[[0, 1], [-1, 3]]], "dilation": [1, 3], "padding": [4, 1, 0, 2], "mode": "constant", "value": 30},
        {"channels": "sum", "mode": "reflect", "range": "offset"},
        {"channels": "gray", "mode": "circular", "padding": "valid", "range": "normalize"},
    ):
        chromium.execute_script("presetName = arguments[0]", None if changes else "sobel-x")
        set_recipe(chromium, **changes)
        command = chromium.find_element(By.ID, "command").text
        done = convcli(*shlex.split(command)[1:], "--force")
        assert done.exit_code == 0, done.stderr
        written = np.asarray(Image.open("output.png"))
        shown = shown_map(chromium)
        np.testing.assert_array_equal(shown if written.ndim == 3 else shown[:, :, 0], written)

        Path("my-kernel.yaml").write_text(chromium.find_element(By.ID, "yaml").text, encoding="utf-8")
        kernel, state = load_kernel("my-kernel.yaml"), chromium.execute_script("return recipe")
        assert kernel.weights.tolist() == state["weights"][0]
        assert (kernel.divisor, kernel.bias, kernel.range) == (state["divisor"], state["bias"], state["range"])

        seen = filter_image(image, [[1]], channels="gray") if state["channels"] == "gray" else image
        x = torch.tensor(seen.reshape(19, 23, -1).transpose(2, 0, 1)[None].astype(float))
        names = {"x": x}
        exec(chromium.find_element(By.ID, "torch").text, names)
        want = filter_image(
            image, kernel, range="raw", stride=tuple(state["stride"]), dilation=tuple(state["dilation"]),
            padding=state["padding"], padding_mode=state["mode"], padding_value=state["value"],
            channels=state["channels"],
        )  # fmt: skip
        got = names["y"][0].numpy().transpose(1, 2, 0)
        np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-5, atol=1e-3)


def test_ties_that_only_a_rounded_division_makes(opened):
    """219 * 0.75 / 7.3 is 22.5, and a little more where 0.75 / 7.3 is rounded first; both sides divide the sum."""
    from selenium.webdriver.common.by import By

    image = np.arange(256, dtype=np.uint8).reshape(8, 32)
    chromium = opened(image, recipe_of("identity"))
    for weight, divisor, bias in ((0.75, 7.3, 0), (5, 7.3, 12.5), (0.25, 7.3, 0), (3, 0.7, 0.5)):
        set_recipe(chromium, weights=[[[weight]]], divisor=divisor, bias=bias, range="clip")
        want = filter_image(image, Kernel([[weight]], divisor=divisor, bias=bias), range="clip")
        np.testing.assert_array_equal(shown_map(chromium)[:, :, 0], want)
    set_recipe(chromium, weights=[[[0.75]]], divisor=7.3, bias=0)
    chromium.execute_script("point(219 % 32, Math.floor(219 / 32))")
    assert chromium.find_element(By.CSS_SELECTOR, "[data-pixel]").get_attribute("data-pixel") == "22"
    assert "in the engine's arithmetic" not in chromium.find_element(By.ID, "windows").text


def test_a_photograph_through_weights_that_are_no_whole_numbers(opened):
    image = np.asarray(Image.open(SCENE))
    chromium = opened(image, recipe_of("unsharp:amount=0.7,sigma=1.7"))
    np.testing.assert_array_equal(shown_map(chromium), filter_image(image, "unsharp:amount=0.7,sigma=1.7"))


def test_a_border_beyond_measure_is_refused_and_the_page_goes_on(opened):
    from selenium.webdriver.common.by import By

    image = picture((40, 50, 3))
    chromium = opened(image, recipe_of("sobel-x"))
    for changes in ({"dilation": [100_000, 100_000], "padding": "full"}, {"padding": [4096] * 4, "dilation": [1, 1]}):
        set_recipe(chromium, **changes)
        assert "use less padding or dilation" in chromium.find_element(By.ID, "problem").text
    set_recipe(chromium, padding="same")
    assert chromium.find_element(By.ID, "problem").text == ""
    np.testing.assert_array_equal(shown_map(chromium), filter_image(image, "sobel-x", range="abs"))


def test_gray_pictures_are_offered_no_kernel_of_depth_three(opened):
    chromium = opened(picture((8, 9)), recipe_of("sobel-x"))
    assert "depth-luma" not in chromium.execute_script("return data.presets.map((p) => p.name)")


def test_the_command_for_a_picture_with_alpha_leaves_alpha_alone(opened, tmp_path, monkeypatch):
    from selenium.webdriver.common.by import By

    monkeypatch.chdir(tmp_path)
    image = picture((19, 23, 4))
    Image.fromarray(image).save("in.png")
    assert convcli("explain", "-k", "box", "--html", "page.html", "in.png").exit_code == 0
    assert embedded(Path("page.html").read_text(encoding="utf-8"))["alpha"] is True
    (tmp_path / "page.html").unlink()
    chromium = opened(image[:, :, :3], recipe_of("box"))
    chromium.execute_script("data.alpha = true; update()")
    settled(chromium)
    command = chromium.find_element(By.ID, "command").text
    assert "--alpha keep" in command and convcli(*shlex.split(command)[1:]).exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("output.png"))[:, :, :3], shown_map(chromium))


def test_what_the_page_shows_otherwise_is_said():
    deep = np.zeros((30, 40, 3), np.uint16)
    notes = embedded(page(deep, recipe_of("sobel-x"), "in.png", (1, 2, 20, 10)))["notes"]
    assert "the part of 20x10 at 1,2 of a picture of 40x30" in notes and "holds 16 bits" in notes
    assert embedded(page(np.zeros((9, 9), np.uint8), recipe_of("sobel-x"), "in.png"))["notes"] == ""


def test_a_megapixel_is_edited_while_the_page_stays_awake(opened):
    """The map is made beside the page: typing during the work is not blocked, and the last edit wins."""
    image = np.asarray(Image.open(SCENE).resize((1024, 1024)))
    chromium = opened(image, recipe_of("box:size=5"))
    longest = chromium.execute_async_script("""
        const done = arguments[0];
        let last = performance.now(), longest = 0, edits = 0;
        const tick = () => {
          const now = performance.now();
          longest = Math.max(longest, now - last);
          last = now;
          if (edits < 6) { recipe.bias = ++edits; update(); }
          if (edits < 6 || document.body.dataset.state !== "ready") requestAnimationFrame(tick);
          else done(longest);
        };
        requestAnimationFrame(tick);
    """)
    assert longest < 2000
    want = filter_image(image[:40, :40], Kernel(np.ones((5, 5)), divisor=25, bias=6))
    got = chromium.execute_script(
        "return Array.from(document.getElementById('map').getContext('2d').getImageData(0, 0, 30, 30).data)"
    )
    np.testing.assert_array_equal(np.array(got).reshape(30, 30, 4)[:, :, :3], want[:30, :30])
