"""The status page of the whole site: with JavaScript, without it, and from a page's line, in both languages."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from tests.support.browser import Browser
from tests.support.pages import LANGUAGES, Site

pytestmark = pytest.mark.slow

ROWS = (
    "return [...document.querySelectorAll('.ks-table tr[id]')].filter((row) => row.offsetParent).map((row) => row.id.slice(7))"
)


def report(site: Site, language: str) -> dict:
    return json.loads(site.text(f"{language}/report.json"))


def typed(browser: Browser, selector: str, text: str) -> None:
    browser.run(
        "const box = document.querySelector(arguments[0]); box.value = arguments[1];"
        "box.dispatchEvent(new Event('input')); box.dispatchEvent(new Event('change'))",
        selector,
        text,
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_as_its_schema_says_and_names_pages_that_are_there(site: Site, language: str) -> None:
    found = report(site, language)
    schema = json.loads(site.text(f"{language}/schemas/report-1.json"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(found)] == []
    assert len(found["recipes"]) == sum(found["counts"].values()) > 50
    for page in found["pages"]:
        lines = len(re.findall(r'<p class="ks-badge', site.text(f"{language}/{page['url']}")))
        assert lines == 1, page["url"]
        for name in page["recipes"]:
            assert f'id="recipe-{name}"' in site.text(f"{language}/{page['url']}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_filter_finds_and_says_how_many(browser: Browser, site: Site, language: str) -> None:
    found = report(site, language)
    everything = [row["recipe"] for row in found["recipes"]]
    browser.go(f"{site.address}/{language}/status.html")
    browser.until("return document.querySelector('.ks-filter')")
    assert sorted(browser.run(ROWS)) == sorted(everything)
    typed(browser, ".ks-filter input", "KVM gdb")
    some = browser.run(ROWS)
    assert {"debug_kvm", "debug_kvm_from_load"} <= set(some) < set(everything)
    assert str(len(some)) in browser.run("return document.querySelector('.ks-found').textContent")
    typed(browser, ".ks-filter input", "")
    for state, count in found["counts"].items():
        typed(browser, ".ks-filter select", state)
        assert len(browser.run(ROWS)) == count
    typed(browser, ".ks-filter input", "no recipe is like this")
    assert browser.run(ROWS) == []
    # A link to a row leads there even if the filter hides the row.
    browser.run("location.hash = '#status-kvm_host'")
    browser.until("return document.querySelector('#status-kvm_host').offsetParent")


def test_a_column_sorts_both_ways_and_chapters_come_back(browser: Browser, site: Site) -> None:
    seconds = {row["recipe"]: row["seconds"] for row in report(site, "en")["recipes"]}
    browser.go(f"{site.address}/en/status.html")
    browser.until("return document.querySelector('.ks-filter')")
    before = browser.run(ROWS)
    (button,) = browser.find(".ks-table th[data-sort=seconds] button")
    for down in (False, True):
        browser.click(button)
        order = [seconds[name] for name in browser.run(ROWS)]
        assert order == sorted(order, reverse=down)
        assert browser.run("return document.querySelector('[data-sort=seconds]').ariaSort") == (
            "descending" if down else "ascending"
        )
    browser.click(browser.find(".ks-filter .ks-chip:not([hidden])")[0])
    assert browser.run(ROWS) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pages_line_leads_to_that_pages_recipes(browser: Browser, site: Site, language: str) -> None:
    (page,) = (page for page in report(site, language)["pages"] if page["url"] == "kvm/gdb.html")
    browser.go(f"{site.address}/{language}/kvm/gdb.html")
    browser.click(browser.find(".ks-badge a")[0])
    browser.until("return location.pathname.endsWith('/status.html') && document.querySelector('.ks-filter')")
    assert sorted(browser.run(ROWS)) == sorted(page["recipes"])
    (chip,) = browser.find(".ks-filter .ks-chip:not([hidden])")
    assert page["title"] in browser.run("return arguments[0].textContent", chip)
    browser.click(chip)
    assert len(browser.run(ROWS)) > 50
    assert browser.run("return location.search") == ""


def test_a_recipe_leads_to_those_it_builds_on_and_to_those_that_use_it(browser: Browser, site: Site) -> None:
    rows = {row["recipe"]: row for row in report(site, "en")["recipes"]}
    browser.go(f"{site.address}/en/status.html")
    browser.until("return document.querySelector('.ks-filter')")
    # The theme makes addresses whole when it takes over navigation, so a link is known by its hash.
    own = "[...document.querySelectorAll(`#status-${arguments[0]} a`)].filter(a => a.hash.startsWith('#status-'))"
    links = f"return {own}.map(a => a.text)"
    used_by = {name for name, row in rows.items() if "kvm_host" in row["builds_on"]}
    assert set(browser.run(links, "kvm_host")) == {*rows["kvm_host"]["builds_on"], *used_by}
    browser.run("[...document.querySelectorAll('#status-debug_kvm td a')].find(a => a.hash === '#status-kvm_host').click()")
    browser.until("return location.hash === '#status-kvm_host' && document.querySelector(':target').matches('.ks-table tr')")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_reads_without_a_script(browser: Browser, site: Site, language: str) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.call("POST", "/url", {"url": f"{site.address}/{language}/status.html?page=kvm/gdb.html"})
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
    assert len(browser.run(ROWS)) == len(report(site, language)["recipes"])
    assert browser.find(".ks-filter, .ks-table button") == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_searches_do_not_find_the_status_page(site: Site, language: str) -> None:
    index = json.loads(site.text(f"{language}/search/search_index.json"))
    assert not [entry["location"] for entry in index["docs"] if entry["location"].startswith("status.html")]
    assert not [entry for entry in index["docs"] if "ks-badge" in entry["text"]]
