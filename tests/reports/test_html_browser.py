"""The HTML page in a browser: sorting, filters and details, by mouse and keyboard, on a phone and without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.reports.published import HOSTILE

TABLE = "#search-toy-split-loo-protocol-masked"
Browser = webdriver.Chrome


@pytest.fixture
def browser(chromium: Browser, address: str) -> Iterator[Browser]:
    """The freshly opened page; afterwards the log must have no errors and no requests."""
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    chromium.get(address)
    yield chromium
    assert chromium.get_log("browser") == []
    assert {url.partition(":")[0] for url in requested(chromium)} <= {"file", "data", "about"}
    assert chromium.execute_script("return window.harmed") is None


def requested(browser: Browser) -> list[str]:
    """Requests since the log was last read."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]


def find(browser: Browser, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def column(browser: Browser, name: str) -> list[str]:
    """Texts of the visible cells of a column of ``TABLE``."""
    heads = [head.text.split(" ")[0] for head in browser.find_elements(By.CSS_SELECTOR, f"{TABLE} thead th")]
    place = heads.index(name) + 1
    rows = browser.find_elements(By.CSS_SELECTOR, f"{TABLE} tbody tr:not([hidden]) > :nth-child({place})")
    return [cell.text.split("\n")[0].split(" (")[0].removesuffix(" best").removesuffix(" upper bound") for cell in rows]


def head(browser: Browser, name: str) -> WebElement:
    return browser.find_element(By.XPATH, f"//section[@id='{TABLE[1:]}']//th[@scope='col'][contains(., '{name}')]")


def press(browser: Browser, name: str) -> str | None:
    """Press the button of a column; return its ``aria-sort``."""
    head(browser, name).find_element(By.TAG_NAME, "button").click()
    return head(browser, name).get_attribute("aria-sort")


def count(browser: Browser) -> str:
    return find(browser, "#count").text


def choose(browser: Browser, field: str, value: str) -> None:
    """Choose an option by typing into the focused list."""
    chosen = find(browser, f"select[name={field}]")
    chosen.send_keys(value)
    assert chosen.get_attribute("value") == value


def test_the_page_is_loaded(browser: Browser) -> None:
    assert any(url.startswith("file:") for url in requested(browser)), "else no request could ever be noticed"
    assert find(browser, "form").is_displayed()
    assert browser.title == "Leaderboards of unimp-bench"


def test_numbers_sort_in_both_directions_with_empty_cells_last(browser: Browser) -> None:
    before = column(browser, "HR@5")
    filled = [float(text) for text in before if text]
    assert filled == sorted(filled, reverse=True) and "" in before
    assert head(browser, "HR@5").get_attribute("aria-sort") is None
    assert press(browser, "HR@5") == "descending", "the best first"
    assert press(browser, "HR@5") == "ascending"
    after = column(browser, "HR@5")
    assert [float(text) for text in after[: len(filled)]] == sorted(filled)
    assert set(after[len(filled) :]) == {""}
    assert press(browser, "HR@5") == "descending"
    assert column(browser, "HR@5") == before


def test_numbers_are_not_sorted_as_text(browser: Browser) -> None:
    press(browser, "Place")
    assert [text for text in column(browser, "Place") if text] == ["1", "2", "3", "4", "5"]
    press(browser, "HR@5")
    assert head(browser, "Place").get_attribute("aria-sort") is None, "one column orders a table"


def test_names_sort_stably(browser: Browser) -> None:
    assert press(browser, "Model") == "ascending"
    names = column(browser, "Model")
    letters = [name.lower() for name in names if name[0].isalnum()]
    assert letters == sorted(letters)
    press(browser, "Fit")  # all of them took the same time, but for those that nobody timed
    timed = [name for name, fit in zip(column(browser, "Model"), column(browser, "Fit"), strict=True) if fit]
    assert timed == [name for name in names if name in timed]


def test_filters_show_and_count_matching_rows(browser: Browser) -> None:
    everything = count(browser)
    choose(browser, "corpus", "toy")
    choose(browser, "split", "loo")
    choose(browser, "protocol", "masked")
    choose(browser, "task", "search")
    find(browser, "input[name=filled]").click()
    assert count(browser).startswith("6 of ")
    assert count(browser).split(" in ")[1].startswith("1 of ")
    choose(browser, "reads", "pictures")
    assert column(browser, "Model") == ["best", "worse"]
    find(browser, "input[type=search]").send_keys("WOR")
    assert column(browser, "Model") == ["worse"]
    assert [section.is_displayed() for section in browser.find_elements(By.CSS_SELECTOR, "section.table")].count(
        True
    ) == 1
    find(browser, "input[type=search]").send_keys("xyz")
    assert "No matching rows" in count(browser)
    find(browser, "button[type=reset]").click()
    WebDriverWait(browser, 5).until(lambda _: count(browser) == everything)
    assert "#" not in browser.current_url


def test_words_of_a_label_match_in_any_order(browser: Browser) -> None:
    find(browser, "input[type=search]").send_keys("harmed </script>")
    assert count(browser).startswith("1 of ")
    assert HOSTILE[:20] in find(browser, f"{TABLE} tbody tr:not([hidden]) th").text


def test_a_linked_view_is_restored(browser: Browser, address: str) -> None:
    choose(browser, "reads", "text")
    find(browser, "input[type=search]").send_keys("middle k=2")
    view, said = browser.current_url, count(browser)
    assert "reads=text" in view and said.startswith("1 of ")
    browser.get("about:blank")
    browser.get(view)
    assert count(browser) == said
    assert find(browser, "input[type=search]").get_attribute("value") == "middle k=2"
    browser.execute_script("location.hash = 'reads=nothing-like-it&task=search&strange=1'")
    WebDriverWait(browser, 5).until(lambda _: count(browser) != said)
    assert find(browser, "select[name=reads]").get_attribute("value") == "", "what no field offers is left out"


def test_anchor_and_filters_share_the_url(browser: Browser) -> None:
    choose(browser, "task", "search")
    find(browser, f"a[href='{TABLE}']").click()
    assert browser.execute_script("return document.activeElement.id") == TABLE[1:]
    assert "task=search" in browser.current_url and f"at={TABLE[1:]}" in browser.current_url


def test_details_open_by_mouse_and_close_by_escape(browser: Browser) -> None:
    row = find(browser, f"{TABLE} tr[data-label='middle (k=2)']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", row)
    row.find_elements(By.TAG_NAME, "td")[3].click()
    dialog = find(browser, "dialog")
    assert dialog.is_displayed()
    text = dialog.text
    for said in ("middle (k=2)", "unimp-bench reproduce", "95% interval", "one transition away", "A paper <b>", "abc"):
        assert said in text
    assert len(dialog.find_elements(By.CSS_SELECTOR, "details.run")) == 2
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert browser.switch_to.active_element == row.find_element(By.TAG_NAME, "button")


@pytest.mark.parametrize("key", [Keys.ENTER, Keys.SPACE])
def test_details_open_by_keyboard(browser: Browser, key: str) -> None:
    button = find(browser, f"{TABLE} tr[data-label='best'] button")
    button.send_keys(key)
    dialog = find(browser, "dialog")
    assert dialog.is_displayed()
    assert browser.execute_script("return document.querySelector('dialog').contains(document.activeElement)")
    browser.switch_to.active_element.send_keys(Keys.ENTER)  # on the button that closes it
    assert not dialog.is_displayed()
    assert browser.switch_to.active_element == button


def test_rows_without_results_have_no_details(browser: Browser) -> None:
    empty = find(browser, f"{TABLE} tr.empty")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", empty)
    empty.click()
    assert not find(browser, "dialog").is_displayed()
    assert "no result yet" in empty.text


def test_nothing_is_wider_than_a_phone(browser: Browser) -> None:
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        width = "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        for each in browser.find_elements(By.CSS_SELECTOR, "main details:not([open]) > summary"):
            browser.execute_script("arguments[0].parentElement.open = true", each)
        assert browser.execute_script(width) == 360
        scroll = find(browser, f"{TABLE} .scroll")
        browser.execute_script("arguments[0].scrollLeft = 200", scroll)
        assert browser.execute_script("return arguments[0].scrollLeft", scroll) == 200, "the table scrolls in its place"
        first = find(browser, f"{TABLE} tbody th")
        assert browser.execute_script("return arguments[0].getBoundingClientRect().left", first) == 0, "names stay"
        find(browser, f"{TABLE} tr[data-label='best'] button").click()
        assert browser.execute_script(width) == 360
        dialog = "const d = document.querySelector('dialog'); return [d.scrollWidth <= d.clientWidth, d.clientWidth]"
        assert browser.execute_script(dialog) == [True, 360]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_tables_are_shown_without_scripts(browser: Browser) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.refresh()
        assert not find(browser, "form").is_displayed(), "a control that does nothing is not shown"
        assert not browser.find_elements(By.CSS_SELECTOR, "th button")
        assert all(table.is_displayed() for table in browser.find_elements(By.CSS_SELECTOR, "section.table table"))
        assert "JavaScript" in find(browser, "noscript").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(browser: Browser, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        for each in browser.find_elements(By.CSS_SELECTOR, "main details"):
            browser.execute_script("arguments[0].open = true", each)
        assert violations(browser) == []
        find(browser, f"{TABLE} tr[data-label='best'] button").click()
        assert violations(browser, "dialog") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def violations(browser: Browser, context: str | None = None) -> list[tuple[str, list[str]]]:
    """Violations found by axe (rule and element), on the page or within the first match of a selector."""
    found = Axe().run(browser, context)["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found]


def test_headings_do_not_skip_a_level(browser: Browser) -> None:
    headings = browser.find_elements(By.CSS_SELECTOR, "h1, h2, h3, h4, h5, h6")
    levels = [int(heading.tag_name[1]) for heading in headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
