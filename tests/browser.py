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


def assert_accessible(browser):
    """Axe finds nothing."""
    axe = files("axe_selenium_python") / "node_modules" / "axe-core" / "axe.min.js"
    browser.execute_script(axe.read_text(encoding="utf-8"))
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(r => done(r.violations));")
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found] == []
