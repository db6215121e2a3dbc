"""Search: typical queries find the intended page, in both languages."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.browser import Browser
from tests.support.pages import LANGUAGES, Site, guides

pytestmark = pytest.mark.slow

QUERIES: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("search_queries.toml").read_text("utf-8"))
FIRST = 3
"""Number of results that a reader looks at before giving up."""

TYPE = """
const box = document.querySelector('.md-search__input');
box.value = arguments[0];
box.dispatchEvent(new KeyboardEvent('keyup', {bubbles: true}));
"""
ITEMS = "return [...document.querySelectorAll('.md-search-result__item > a')].map(a => a.href)"


def found(browser: Browser, query: str, waiting: str) -> list[str]:
    """Return the addresses that a query finds, in order.

    Args:
        browser: The browser, with the search open.
        query: The query.
        waiting: The text of the box before anything is typed.
    """
    browser.run(TYPE, "")
    browser.until(f"return document.querySelector('.md-search-result__meta').textContent.trim() === {waiting!r}")
    browser.run(TYPE, query)
    # The answer to the empty query may arrive late and report no results, so wait for items only.
    try:
        return browser.until(f"const found = (() => {{ {ITEMS} }})(); return found.length && found", seconds=5)
    except AssertionError:
        return []


def test_every_query_means_a_page_there_is():
    there = set(guides())
    wanted = {f"{language}/{page}.html" for language, pages in QUERIES.items() for page in pages.values()}
    assert set(QUERIES) == set(LANGUAGES)
    assert wanted - there == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_search_finds_what_is_meant(site: Site, browser: Browser, language: str):
    browser.go(f"{site.address}/{language}/about/how-it-runs.html")
    browser.run("document.querySelector('#__search').click(); document.querySelector('.md-search__input').focus()")
    waiting = {"en": "Type to start searching", "zh": "键入以开始搜索"}[language]
    browser.until(f"return document.querySelector('.md-search-result__meta').textContent.trim() === {waiting!r}")
    missed = {}
    for query, page in QUERIES[language].items():
        prefix = f"{site.address}/{language}/"
        items = (url.partition("?")[0].partition("#")[0].removeprefix(prefix) for url in found(browser, query, waiting))
        pages = list(dict.fromkeys(items))
        if f"{page}.html" not in pages[:FIRST]:
            missed[query] = pages[:6]
    assert missed == {}
    assert found(browser, "xyzzyplugh", waiting) == []
