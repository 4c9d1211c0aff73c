"""Published and synthetic leaderboards, and a browser, shared by tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.reports.pretended import small_tables
from tests.reports.published import publish
from unimp_bench.reports.pages.html import HTML_NAME, html_page
from unimp_bench.reports.store import Contents

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "headless=new",
    "window-size=1280,900",
    "force-prefers-reduced-motion",  # a click must not aim at what still scrolls
    "no-sandbox",  # root, as in containers, has none
    "disable-dev-shm-usage",
    "disable-gpu",
)
DRIVERS = ("chromedriver", "chromium.chromedriver")


@pytest.fixture(scope="session")
def committed() -> Contents:
    """The leaderboards of this repository; read-only."""
    return Contents.published(Path(__file__).resolve().parents[2] / "leaderboards")


@pytest.fixture(scope="session")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic leaderboards; read-only."""
    folder = tmp_path_factory.mktemp("leaderboards")
    publish(folder)
    return folder


@pytest.fixture(scope="session")
def html(boards: Path) -> str:
    """The HTML page of ``boards``."""
    with small_tables():
        return html_page(Contents.published(boards))


@pytest.fixture
def small() -> Iterator[None]:
    """``small_tables`` during a test."""
    with small_tables():
        yield


@pytest.fixture(scope="session")
def address(html: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the page."""
    path = tmp_path_factory.mktemp("page") / HTML_NAME
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def chromium() -> Iterator[webdriver.Chrome]:
    """A headless Chromium with the installed driver, so nothing is downloaded."""
    binary, driver = (next(filter(None, map(shutil.which, names)), None) for names in (CHROMIUM, DRIVERS))
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver on the path: Debian has them as chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ARGUMENTS:
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    yield browser
    browser.quit()
