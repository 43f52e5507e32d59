"""A real Chromium for the pages, and what is asked of every page: no errors, and accessible."""

from __future__ import annotations

import os
import shutil
from importlib.resources import files

import pytest


def start(width=1280, height=1200):
    """A headless Chromium. Skips with the reason where there is none, unless CONVCLI_BROWSER=required."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    driver = shutil.which("chromedriver")
    if driver is None:
        if os.environ.get("CONVCLI_BROWSER") == "required":
            pytest.fail("chromedriver is required and not installed")
        pytest.skip("no chromedriver; Debian has it in chromium-driver")
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},{height}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    browser.set_script_timeout(60)
    return browser


def assert_quiet(browser):
    """Nothing was said on the console."""
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def assert_guarded(browser):
    """A script and a style that were put into the page do nothing, and nothing is fetched."""
    done = browser.execute_async_script("""
        const done = arguments[0], refused = [];
        addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
        const add = (name, words) => document.body.append(Object.assign(document.createElement(name), words));
        add("script", { textContent: "window.ran = 1" });
        add("style", { textContent: "body { color: red !important }" });
        add("img", { src: "https://127.0.0.1:9/x.png" });
        add("iframe", { src: "https://127.0.0.1:9/" });
        document.body.insertAdjacentHTML("beforeend", "<b onclick='window.ran = 1'>x</b>");
        document.body.lastChild.click();
        fetch("https://127.0.0.1:9/").catch(() => setTimeout(
            () => done([window.ran ?? 0, getComputedStyle(document.body).color, refused.sort()]), 200));
    """)
    assert done[0] == 0 and done[1] != "rgb(255, 0, 0)"
    assert done[2] == ["connect-src", "frame-src", "img-src", "script-src-attr", "script-src-elem", "style-src-elem"]
    browser.get_log("browser")  # which tells of each


def assert_accessible(browser):
    """Axe finds nothing."""
    axe = files("axe_selenium_python") / "node_modules" / "axe-core" / "axe.min.js"
    browser.execute_script(axe.read_text(encoding="utf-8"))
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(r => done(r.violations));")
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found] == []
