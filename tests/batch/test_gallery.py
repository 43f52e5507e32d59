"""`convcli batch --gallery`: a page over the results that works from disk, in a real browser."""

from pathlib import Path

import browser
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.cli import main


def batch(*words):
    return CliRunner().invoke(main, ["batch", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("a & b.png", (30, 40, 3)), ("gray.png", (20, 20)), ("see.png", (25, 30, 4))):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / name)
    Image.fromarray(np.full((700, 300, 3), 90, np.uint8)).convert("CMYK").save(folder / "ink.jpg")
    (folder / "broken<i>.png").write_text("no picture")
    return folder


def test_the_page_lists_what_was_done_and_what_failed(album, tmp_path):
    page = tmp_path / "index.html"
    done = batch("-k", "sharpen", album, tmp_path / "out", "--gallery", page)
    assert done.exit_code == 1 and f"{page}: 5 pictures; open it in a browser" in done.stderr
    text = page.read_text(encoding="utf-8")
    assert "<h1>4 of 5 pictures</h1>" in text and "<h2>1 failed</h2>" in text and "sharpen 3x3" in text
    assert "broken&lt;i&gt;.png" in text and "<i>" not in text
    assert "http://" not in text and "https://" not in text
    assert 'href="out/a%20%26%20b.png"' in text and text.count('loading="lazy"') == 8
    for made in (tmp_path / "index-thumbnails").iterdir():
        with Image.open(made) as small:
            assert small.format == "JPEG" and max(small.size) <= 480


def test_thumbnails_show_before_and_after(tmp_path):
    (tmp_path / "in").mkdir()
    a = np.full((40, 60, 3), 40, np.uint8)
    Image.fromarray(a).save(tmp_path / "in" / "a.png")
    assert batch("-k", "3", tmp_path / "in", tmp_path / "out", "--gallery", tmp_path / "g.html").exit_code == 0
    means = {made.stem[-6:]: np.asarray(Image.open(made)).mean() for made in (tmp_path / "g-thumbnails").iterdir()}
    assert means["before"] == pytest.approx(40, abs=2) and means["-after"] == pytest.approx(120, abs=2)


def test_invisible_colour_stays_invisible(tmp_path):
    (tmp_path / "in").mkdir()
    a = np.zeros((40, 60, 4), np.uint8)
    a[:, :, 1] = 255
    Image.fromarray(a).save(tmp_path / "in" / "a.png")
    assert batch("-k", "identity", tmp_path / "in", tmp_path / "out", "--gallery", tmp_path / "g.html").exit_code == 0
    assert np.asarray(Image.open(tmp_path / "g-thumbnails" / "00001-before.jpg")).std() < 2


@pytest.mark.parametrize(
    ("page", "out", "code", "message"),
    [
        ("page.png", "out", 2, "its name ends in .html, not in .png"),
        ("there.html", "out", 1, "there.html exists; --force overwrites it"),
        ("none/page.html", "out", 1, "does not exist"),
        ("page.html", "in", 2, "in the same folder the pictures before are gone"),
    ],
)
def test_bad_input_is_named_before_any_work(album, tmp_path, page, out, code, message):
    (tmp_path / "there.html").write_text("mine")
    force = ["--if-exists", "overwrite"] if out == "in" else []
    done = batch("-k", "sharpen", album, tmp_path / out, *force, "--gallery", tmp_path / page)
    assert done.exit_code == code and message in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists() and (tmp_path / "there.html").read_text() == "mine"


def test_names_in_folders_of_folders_are_told_apart_and_reasons_name_the_file_once(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "in" / folder / "x.png")
    for n in range(13):
        (tmp_path / "in" / f"broken-{n}.png").write_text("")
    assert batch("-k", "box", "-r", tmp_path / "in", tmp_path / "out", "--gallery", tmp_path / "g.html").exit_code == 1
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert ">a/x.png</a>" in text and ">b/x.png</a>" in text
    assert '<td class="reason">is empty</td>' in text and '<details id="failed"><summary>' in text


@pytest.fixture(scope="module")
def chromium():
    driver = browser.start()
    yield driver
    driver.quit()


def test_the_page_works_from_disk(album, tmp_path, chromium):
    from selenium.webdriver.common.by import By

    batch("-k", "sharpen", album, tmp_path / "out", "--gallery", tmp_path / "index.html")
    chromium.get((tmp_path / "index.html").as_uri())
    images = chromium.find_elements(By.CSS_SELECTOR, ".card img")
    for image in images:
        chromium.execute_script("arguments[0].scrollIntoView()", image)
        chromium.execute_async_script("arguments[0].decode().then(arguments[1])", image)
        assert int(image.get_attribute("naturalWidth")) > 0
    from selenium.webdriver.common.action_chains import ActionChains

    first = chromium.find_element(By.CSS_SELECTOR, ".pair")
    ActionChains(chromium).move_to_element_with_offset(first, round(first.size["width"] / 4), 0).perform()
    assert chromium.execute_script("return arguments[0].style.getPropertyValue('--at')", first) in ("75%", "76%")
    move = (
        "const [field, value] = arguments; field.value = value;"
        "field.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    slider = chromium.find_element(By.CSS_SELECTOR, ".card input")
    chromium.execute_script(move, slider, 20)
    pair = chromium.find_element(By.CSS_SELECTOR, ".pair")
    at = "return arguments[0].style.getPropertyValue('--at')"
    assert chromium.execute_script(at, pair) == "20%"
    assert "20%" in pair.find_element(By.CSS_SELECTOR, ".after").value_of_css_property("clip-path")
    chromium.execute_script(move, chromium.find_element(By.ID, "all"), 90)
    assert {chromium.execute_script(at, p) for p in chromium.find_elements(By.CSS_SELECTOR, ".pair")} == {"90%"}
    chromium.find_element(By.ID, "find").send_keys("GRAY")
    assert chromium.find_element(By.ID, "shown").text == "1 of 4 shown"
    assert sum(card.is_displayed() for card in chromium.find_elements(By.CSS_SELECTOR, ".card")) == 1
    link = chromium.find_element(By.LINK_TEXT, "gray.png").get_attribute("href")
    assert Path(link.removeprefix("file://")).exists()
    browser.assert_accessible(chromium)
    browser.assert_quiet(chromium)


def test_nothing_runs_but_the_pages_own_script_and_nothing_is_fetched(album, tmp_path, chromium):
    batch("-k", "box", album, tmp_path / "out", "--gallery", tmp_path / "g.html")
    chromium.get((tmp_path / "g.html").as_uri())
    browser.assert_quiet(chromium)
    browser.assert_guarded(chromium)


def test_thousands_are_loaded_only_when_they_come_into_sight(tmp_path, chromium):
    """A page of 2000 cards asks for a few thumbnails."""
    from convcli.batch.gallery import write_gallery

    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "a.png")
    batch("-k", "identity", folder, tmp_path / "out", "--gallery", tmp_path / "one.html")
    card = (tmp_path / "one.html").read_text(encoding="utf-8")
    item = card[card.index('<li class="card"') : card.index("</li>") + 5]
    write_gallery(tmp_path / "many.html", [], "identity")
    cards = "".join(item.replace(".jpg", f".jpg?{n}") for n in range(2000))
    text = (tmp_path / "many.html").read_text(encoding="utf-8")
    text = text.replace('<ul class="cards">', '<ul class="cards">' + cards)
    (tmp_path / "many.html").write_text(text, encoding="utf-8")
    chromium.get((tmp_path / "many.html").as_uri())
    loaded = chromium.execute_script("return [...document.images].filter(i => i.complete && i.naturalWidth).length")
    assert 0 < loaded < 400
