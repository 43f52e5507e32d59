"""`convcli batch --gallery`: a page over the results that works from disk, in a real browser."""

import errno
import os
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import browser
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.batch import gallery
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


class Links(HTMLParser):
    """Where a page leads to, and what it shows."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src")]


@pytest.mark.parametrize("where", ["in/../out", "file://{}/out", "file://{}/out/", "{}/out"])
@pytest.mark.parametrize("page", ["g.html", "pages/g.html"])
def test_every_link_leads_to_a_file(album, tmp_path, monkeypatch, where, page):
    """Whatever the outputs are called by, and wherever the page lies."""
    monkeypatch.chdir(tmp_path)
    Path("pages").mkdir()
    save = Image.fromarray(np.zeros((8, 8), np.uint8)).save
    save(album / "100%#1?.png")
    save(album / os.fsdecode(b"latin-\xe9.png"))
    for source in ("in", f"file://{tmp_path}/in"):
        batch("-k", "box", source, where.format(tmp_path), "--force", "--gallery", page)
        found = Links(Path(page)).found
        assert len(found) == 18
        for link in found:
            assert Path(os.fsdecode(unquote_to_bytes(urljoin((tmp_path / page).as_uri(), link))[7:])).is_file(), link
        text = Path(page).read_text(encoding="utf-8")
        assert ">gray.png</a>" in text and ">100%#1?.png</a>" in text


def test_outputs_in_a_store_have_no_dead_links(album, tmp_path):
    """A browser can't go there: names and thumbnails are shown, and no password."""
    page = tmp_path / "g.html"
    for place in ("memory://me:secret@out", "memory://out/deeper"):
        done = batch("-k", "box", "-f", album, place, "--gallery", page)
        assert "4 done, 1 failed" in done.stderr
        text = page.read_text(encoding="utf-8")
        assert "secret" not in text and "%3A" not in text and ">gray.png</span>" in text
        links = Links(page).found
        assert len(links) == 8 and all((tmp_path / link).is_file() for link in links)


def test_the_page_itself_is_of_this_machine(album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = batch("-k", "box", album, tmp_path / "out", "--gallery", "memory://g.html")
    assert done.exit_code == 2 and "--gallery is a page of this machine" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


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


class TestThumbnailsAreOutputs:
    """Nothing is overwritten unasked, nothing through a link, nothing in halves; and it is known before the batch."""

    @pytest.fixture
    def thumbnails(self, tmp_path):
        folder = tmp_path / "page-thumbnails"
        folder.mkdir()
        return folder

    def refused(self, album, tmp_path, *words):
        done = batch("-k", "box", album, tmp_path / "out", "--gallery", tmp_path / "page.html", *words)
        assert done.exit_code == 1 and not (tmp_path / "out").exists() and not (tmp_path / "page.html").exists()
        return " ".join(done.stderr.split())

    def test_what_is_there_is_kept_without_force(self, album, tmp_path, thumbnails):
        (thumbnails / "00002-after.jpg").write_bytes(b"mine")
        assert "holds thumbnails already; --force overwrites them" in self.refused(album, tmp_path)
        assert (thumbnails / "00002-after.jpg").read_bytes() == b"mine"

    def test_force_overwrites(self, album, tmp_path, thumbnails):
        (thumbnails / "00001-after.jpg").write_bytes(b"old")
        (thumbnails / "notes.txt").write_bytes(b"mine")
        batch("-k", "box", album, tmp_path / "out", "--force", "--gallery", tmp_path / "page.html")
        with Image.open(thumbnails / "00001-after.jpg") as image:
            assert image.format == "JPEG"
        assert (thumbnails / "notes.txt").read_bytes() == b"mine" and len(list(thumbnails.iterdir())) == 9

    @pytest.mark.parametrize("force", [(), ("--force",)])
    @pytest.mark.parametrize("kind", ["link", "link to nothing", "folder"])
    def test_nothing_else_is_written_through(self, album, tmp_path, thumbnails, kind, force):
        victim = tmp_path / "precious.txt"
        victim.write_bytes(b"precious")
        there = thumbnails / "00001-before.jpg"
        if kind == "folder":
            there.mkdir()
        else:
            there.symlink_to(victim if kind == "link" else tmp_path / "nothing")
        assert "is in the way of a thumbnail" in self.refused(album, tmp_path, *force)
        assert victim.read_bytes() == b"precious" and not (tmp_path / "nothing").exists()

    @pytest.mark.parametrize("kind", ["a link", "a file"])
    def test_the_folder_is_a_folder(self, album, tmp_path, kind):
        (tmp_path / "elsewhere").mkdir()
        if kind == "a link":
            (tmp_path / "page-thumbnails").symlink_to("elsewhere")
        else:
            (tmp_path / "page-thumbnails").write_bytes(b"mine")
        assert f"where thumbnails go, is {kind}" in self.refused(album, tmp_path, "--force")
        assert not list((tmp_path / "elsewhere").iterdir())

    def test_a_full_disk_leaves_no_half_of_one(self, album, tmp_path, monkeypatch):
        """The room for one thumbnail is there, and not for all."""
        left = [4000]

        class Full(BytesIO):
            def getbuffer(self):
                left[0] -= len(self.getvalue())
                if left[0] < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return super().getbuffer()

        monkeypatch.setattr(gallery, "BytesIO", Full)
        done = batch("-k", "box", album, tmp_path / "out", "--gallery", tmp_path / "page.html")
        assert done.exit_code == 1 and "No space left on device" in done.stderr
        assert not (tmp_path / "page.html").exists()
        for made in (tmp_path / "page-thumbnails").iterdir():
            Image.open(made).load()
