"""The site around the guides: the front page, the language switch, terms, the 404 page, and the files for programs."""

from __future__ import annotations

import html
import posixpath
import re
from urllib.parse import unquote

import pytest

from tests.support.browser import Browser
from tests.support.pages import LANGUAGES, Site, guides

pytestmark = pytest.mark.slow

OTHER = {"en": "zh", "zh": "en"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_home_page_says_what_ran_where_and_when(site: Site, language: str):
    facts = re.search(r'<dl class="kd-facts".*?</dl>', site.text(f"{language}/index.html"), re.DOTALL)
    assert facts
    told = re.findall(r"<dd>(.*?)</dd>", facts[0])
    assert len(told) == 5
    assert int(re.sub(r"<[^>]*>", "", told[0]).split()[0]) > 40
    assert all(re.match(r"\d+\.\d+", version) for version in told[1:3])
    assert re.search(r'<time datetime="\d{4}-\d\d-\d\d">', told[4])


@pytest.mark.parametrize("language", LANGUAGES)
def test_switching_the_language_keeps_page_and_place(site: Site, browser: Browser, language: str):
    other = OTHER[language]
    browser.go(f"{site.address}/{language}/debug/qemu-gdb.html#hit")
    # Use instant navigation to another page first: the header keeps the links of the previous page until they are renewed.
    browser.run("document.querySelector('.md-nav__link[href$=\"kvm/load.html\"]').click()")
    browser.until(f"return location.href.startsWith('{site.address}/{language}/kvm/load.html')")
    browser.until(
        f"return document.querySelector('.md-select__link[hreflang={other}]').href.includes('/{other}/kvm/load.html')"
    )
    anchor = browser.run("return [...document.querySelectorAll('h2[id]')].at(-1).id")
    browser.run(f"location.hash = '{anchor}'")
    browser.run(f"document.querySelector('.md-select__link[hreflang={other}]').click()")
    browser.until(f"return location.href === '{site.address}/{other}/kvm/load.html#{anchor}'")
    browser.until(f"return document.readyState === 'complete' && document.documentElement.lang === '{other}'")
    browser.until(f"return Math.abs(document.getElementById('{anchor}').getBoundingClientRect().top) < innerHeight")


def test_each_page_tells_of_the_same_page_in_the_other_language(site: Site):
    for page in guides():
        language, _, name = page.partition("/")
        told = dict(re.findall(r'<link rel="alternate ?" href="([^"]+)" hreflang="(\w+)">', site.text(page)))
        there = {(site.folder / page).parent.joinpath(url).resolve(): lang for url, lang in told.items()}
        assert there == {(site.folder / lang / name).resolve(): lang for lang in (language, OTHER[language])}, page


@pytest.mark.parametrize("language", LANGUAGES)
def test_headings_have_the_same_places_in_both_languages(site: Site, language: str):
    for page in (page for page in guides() if page.startswith(f"{language}/")):
        ids, others = (
            re.findall(r'<h[2-6] id="([^"]+)"', site.text(name)) for name in (page, page.replace(language, OTHER[language], 1))
        )
        assert ids == others, page


@pytest.mark.parametrize(("language", "term"), [("en", "TCG"), ("zh", "协程")])
def test_a_term_is_explained_where_it_is_first_met(site: Site, browser: Browser, language: str, term: str):
    page = {"TCG": "concepts/qemu-and-kvm", "协程": "debug/qemu-gdb"}[term]
    browser.go(f"{site.address}/{language}/{page}.html")
    browser.until("return document.readyState === 'complete'")
    found = browser.run("return [...document.querySelectorAll('abbr')].filter(e => e.textContent === arguments[0])", term)
    assert len(found) == 1
    browser.run("arguments[0].scrollIntoView({block: 'center'})", found[0])
    # The theme may not have its listeners yet.
    point = "document.querySelectorAll('abbr').forEach(e => e.dispatchEvent(new MouseEvent('mouseenter', {bubbles: true})))"
    shown = browser.until(f"{point}; return document.querySelector('.md-tooltip2')?.textContent")
    assert len(shown) > 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_search_knows_no_explanations_and_no_marks(site: Site, language: str):
    index = site.text(f"{language}/search/search_index.json")
    assert "abbr" not in index
    assert "<dl" not in index


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_has_a_description_of_its_own(site: Site, language: str):
    told = {}
    for page in (page for page in guides() if page.startswith(f"{language}/")):
        (description,) = re.findall(r'<meta name="description" content="([^"]*)">', site.text(page))
        assert 12 < len(html.unescape(description)) <= 200, page
        told.setdefault(description, []).append(page)
    assert {pages[0]: pages for pages in told.values() if len(pages) > 1} == {}


def test_a_page_that_is_not_there_leads_on_in_both_languages(site: Site):
    above = site.text("404.html")
    for language in LANGUAGES:
        assert f'lang="{language}"' in above
        assert '<link rel="icon" href="data:,">' in above
        assert {"en": "The home page leads", "zh": "从首页"}[language] in above
        assert f'href="/{language}/index.html"' in above
        inside = site.text(f"{language}/404.html")
        assert f'href="/{language}/index.html"' in inside
        assert {"en": "This page is not here", "zh": "这里没有这一页"}[language] in inside


@pytest.mark.parametrize("language", LANGUAGES)
def test_programs_that_read_are_told_of_every_page(site: Site, language: str):
    text = site.text(f"{language}/llms.txt")
    assert re.match(r"# .+\n\n> .+\n", text)
    linked = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S+", text, re.MULTILINE)
    pages = [page for page in guides() if page.startswith(f"{language}/")]
    wanted = {page: page if page.endswith("/status.html") else f"{page}.md" for page in pages}
    assert sorted(linked) == sorted(f"{site.address}/{page}" for page in wanted.values())
    assert re.findall(r"^## .+$", text, re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_as_markdown_have_their_transcripts_and_lead_to_one_another(site: Site, language: str):
    whole = site.text(f"{language}/llms-full.txt")
    for page in (page for page in guides() if page.startswith(f"{language}/") and not page.endswith("/status.html")):
        text = site.text(f"{page}.md")
        assert text in whole
        assert text.startswith("# "), page
        assert f'type="text/markdown" href="{posixpath.basename(page)}.md"' in site.text(page)
        assert not re.search(
            r"<(?:div|span|svg|pre|sup)\b", re.sub(r"`[^`]*`|^(`{3,})$.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        ), page
        for href in re.findall(
            r"\]\(([^)#:]+\.html(?:\.md)?)(?:#[^)]*)?\)", re.sub(r"^(`{3,})$.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        ):
            assert site.text(posixpath.normpath(posixpath.join(posixpath.dirname(page), href))), (page, href)
    assert "virtqueue_flush (vq=" in site.text(f"{language}/debug/qemu-gdb.html.md")


def test_nothing_is_linked_where_no_address_is_set(site: Site):
    """By default there is neither an edit link nor a link to report a problem."""
    for page in guides():
        assert "kd-report" not in re.sub(r"<style.*?</style>", "", site.text(page))
        assert 'rel="edit"' not in unquote(site.text(page))
