"""The HTML page in a browser: sorting, filters and details, by mouse and keyboard, on a phone and without scripts."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from axe_core_python.selenium import Axe
from scipy.stats import ttest_rel
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.reports.published import HOSTILE
from unimp_bench.reports.store import load_results

TABLE = "#search-toy-split-loo-protocol-masked"
MARK = re.compile(
    r" (best|upper bound|= not different|first of .*|first here|few seeds|unstable|undertrained\?|constant)+$"
)
MINUS = "\u2212"
Browser = webdriver.Chrome


@pytest.fixture
def browser(chromium: Browser, address: str) -> Iterator[Browser]:
    """The freshly opened page; afterwards the log must have no errors and no requests."""
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    load(chromium, f"{address}#real=0&empty=1")
    yield chromium
    assert chromium.get_log("browser") == []
    assert {url.partition(":")[0] for url in requested(chromium)} <= {"file", "data", "about"}
    assert chromium.execute_script("return window.harmed") is None


def load(browser: Browser, address: str) -> None:
    """Load the page anew; the details of rows are unpacked after it is shown."""
    browser.get("about:blank")
    browser.get(address)
    browser.execute_async_script("unpacked.then(() => setTimeout(arguments[0]))")


def requested(browser: Browser) -> list[str]:
    """Requests since the log was last read."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]


def find(browser: Browser, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def column(browser: Browser, name: str) -> list[str]:
    """Texts of the visible cells of a column of ``TABLE``."""
    heads = [
        head.text.partition("\n")[0].split(" ")[0]
        for head in browser.find_elements(By.CSS_SELECTOR, f"{TABLE} thead th")
    ]
    place = heads.index(name) + 1
    rows = browser.find_elements(By.CSS_SELECTOR, f"{TABLE} tbody tr:not([hidden]) > :nth-child({place})")
    return [MARK.sub("", cell.text.split("\n")[0].split(" (")[0]) for cell in rows]


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
    view = browser.current_url
    everything = count(browser)
    choose(browser, "corpus", "toy")
    choose(browser, "split", "loo")
    choose(browser, "protocol", "masked")
    choose(browser, "task", "search")
    find(browser, "input[name=empty]").click()
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
    WebDriverWait(browser, 5).until(lambda _: "#" not in browser.current_url)
    assert count(browser) != everything, "real data only, without empty rows"
    load(browser, view)
    assert count(browser) == everything


def test_words_of_a_label_match_in_any_order(browser: Browser) -> None:
    find(browser, "input[type=search]").send_keys("harmed </script>")
    assert count(browser).startswith("1 of ")
    assert HOSTILE[:20] in find(browser, f"{TABLE} tbody tr:not([hidden]) th").text


def test_a_fresh_page_shows_real_data_without_empty_rows(browser: Browser, address: str) -> None:
    browser.get("about:blank")
    browser.get(address)
    assert "No matching rows" in count(browser), "all corpora of this page are generated"
    assert not find(browser, "#matrix").is_displayed() and not find(browser, "#best").is_displayed()
    find(browser, "input[name=real]").click()
    assert "real=0" in browser.current_url
    assert find(browser, "#matrix").is_displayed()
    assert find(browser, f"{TABLE} tr[data-label='best']").is_displayed()
    assert not any(row.is_displayed() for row in browser.find_elements(By.CSS_SELECTOR, "tr.empty"))


@pytest.mark.parametrize("query", ["POP-ularity", "popul ARITY", "k=2", "mid-dle"])
def test_search_folds_spelling(browser: Browser, query: str) -> None:
    find(browser, "input[type=search]").send_keys(query)
    found = set(column(browser, "Model"))
    assert found in ({"middle"}, {"Popularity", "Popularity in the category"}), found


def test_spellings_of_one_name_are_one(browser: Browser) -> None:
    names = ("S3-Rec", "s3rec", "S³-Rec", "s3 rec", "Transition-Graph", "transition graph")
    first, second, third, _, *graphs = (browser.execute_script("return folded(arguments[0])", name) for name in names)
    assert first == second == third == "s3rec"
    assert graphs == ["transitiongraph"] * 2


def test_the_matrix_leads_to_rows_and_follows_the_filters(browser: Browser) -> None:
    cells = browser.find_elements(By.CSS_SELECTOR, "#matrix td a")
    (cell,) = (each for each in cells if each.get_attribute("href").endswith(f"{TABLE}--middle-k2"))
    assert cell.text.split("\n")[0] == "2"
    cell.click()
    assert browser.execute_script("return document.activeElement.dataset.label") == "middle (k=2)"
    groups, heads = (browser.find_elements(By.CSS_SELECTOR, f"#matrix {of}") for of in (".groups th", "[data-table]"))
    assert [each.text.split("\n")[0] for each in groups] == ["Recommendation", "Search"]
    assert [each.text.split("\n")[0] for each in heads] == ["toy", "other", "toy"]
    assert groups[1].get_attribute("colspan") == "2"
    choose(browser, "domain", "toy")
    assert [each.is_displayed() for each in heads] == [True, False, True]
    assert groups[1].get_attribute("colspan") == "1"
    choose(browser, "task", "search")
    assert [each.is_displayed() for each in groups] == [False, True]
    choose(browser, "corpus", "other")
    assert not find(browser, "#matrix").is_displayed()


def test_rows_and_sorts_have_addresses(browser: Browser) -> None:
    press(browser, "HR@5")
    press(browser, "HR@5")
    order = column(browser, "HR@5")
    find(browser, f"{TABLE} tr[data-label='best'] button").click()
    view = browser.current_url
    load(browser, view)
    assert find(browser, "dialog h2").text == "best"
    assert head(browser, "HR@5").get_attribute("aria-sort") == "ascending"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    WebDriverWait(browser, 5).until(lambda _: "row=" not in browser.current_url)
    assert "sort=" in browser.current_url
    assert column(browser, "HR@5") == order


def test_two_rows_are_compared_on_the_same_examples(browser: Browser, boards: Path) -> None:
    best, worse = (
        next(
            result.example_values("NDCG@10")
            for result in load_results(boards)
            if (result.model.name, result.spec.split, result.spec.protocol, result.corpus.name)
            == (name, "loo", "masked", "toy")
        )
        for name in ("best", "worse")
    )
    assert best is not None and worse is not None
    test = ttest_rel(best, worse)
    find(browser, f"{TABLE} tr[data-label='best'] button").click()
    chosen = Select(find(browser, "dialog select"))
    assert "oracle" in {option.text for option in chosen.options}
    chosen.select_by_visible_text("worse")
    text = find(browser, "dialog").text
    low, high = test.confidence_interval()
    assert f"+{(best - worse).mean():.4f} (95% interval +{low:.4f} to +{high:.4f})" in text
    assert f"{(best > worse).sum()} of 400 examples" in text
    assert "best is better (p < 0.001)." in text
    assert find(browser, "dialog [role=status] thead").text == "Part Examples This row Other row Difference"
    view = browser.current_url
    load(browser, view)
    assert Select(find(browser, "dialog select")).first_selected_option.text == "worse"
    find(browser, ".close").click()
    find(browser, f"{TABLE} tr[data-label='worse'] button").click()
    Select(find(browser, "dialog select")).select_by_visible_text("best")
    assert (
        f"{MINUS}{(best - worse).mean():.4f} (95% interval {MINUS}{high:.4f} to {MINUS}{low:.4f})"
        in find(browser, "dialog").text
    )


def test_columns_are_chosen_and_linked(browser: Browser) -> None:
    assert not head(browser, "Parameters").is_displayed()
    find(browser, ".columns summary").click()
    find(browser, "input[name=column][value=Parameters]").click()
    find(browser, "input[name=column][value=p]").click()
    assert "columns=p%2CParameters" in browser.current_url
    view = browser.current_url
    load(browser, view)
    assert head(browser, "Parameters").is_displayed()
    assert not find(browser, f"{TABLE} th[data-name=p]").is_displayed()


def test_a_table_is_saved_as_shown(browser: Browser) -> None:
    find(browser, "input[name=empty]").click()
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "deny"})
    link = find(browser, f"{TABLE} a[download]")
    link.click()
    assert link.get_attribute("download") == f"{TABLE[1:]}.csv"
    lines = list(csv.reader(unquote(link.get_attribute("href").partition(",")[2]).splitlines()))
    assert lines[0][:3] == ["Model", "Place", "NDCG@10"] and "Parameters" not in lines[0]
    assert [line[0] for line in lines[1:4]] == ["oracle", "best", "middle (k=2)"]
    assert len(lines) == 7 and all(len(line) == len(lines[0]) for line in lines)
    value = lines[0].index("NDCG@10")
    assert float(lines[2][value]) == pytest.approx(float(column(browser, "NDCG@10")[1]), abs=5e-5)
    assert browser.execute_script("return csvValue('=1+1')") == "'=1+1"


def test_a_command_is_copied_or_selected(browser: Browser) -> None:
    find(browser, f"{TABLE} tr[data-label='best'] button").click()
    button = find(browser, "dialog .copy")
    button.click()
    WebDriverWait(browser, 5).until(lambda _: button.text in ("Copied", "Selected"))


def test_a_first_row_is_best_only_alone(browser: Browser) -> None:
    marks = [mark.text for mark in browser.find_elements(By.CSS_SELECTOR, f"{TABLE} .mark")]
    assert marks == ["upper bound", "best"]
    flags = [flag.text for flag in browser.find_elements(By.CSS_SELECTOR, f"{TABLE} tr[data-label='best'] .flag")]
    assert flags == [], "one seed is enough on this page"
    scale = find(browser, f"{TABLE} th[data-name='NDCG@10'] .scale").text.split()
    assert len(scale) == 2 and float(scale[0]) < float(scale[1])


@pytest.mark.parametrize("width", [1440, 1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_body_never_scrolls_sideways(browser: Browser, width: int, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(13, 17, 23)")
        first = find(browser, "#matrix thead th[data-table]")
        assert first.is_displayed() and first.rect["width"] < 200
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_linked_view_is_restored(browser: Browser, address: str) -> None:
    choose(browser, "reads", "text")
    find(browser, "input[type=search]").send_keys("middle k=2")
    view, said = browser.current_url, count(browser)
    assert "reads=text" in view and said.startswith("1 of ")
    load(browser, view)
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
