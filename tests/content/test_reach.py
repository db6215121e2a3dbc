"""Keyboard and screen-reader access: names of buttons and links, and the effect of Escape."""

from __future__ import annotations

import pytest

from tests.support.browser import Browser
from tests.support.pages import LANGUAGES, Site

pytestmark = pytest.mark.slow

ESCAPE = "\ue00c"
TOOLTIP = "return [...document.querySelectorAll('.md-tooltip2--active')].filter((e) => e.checkVisibility()).length"
OVER = (
    "const host = document.querySelector('{0}'); host.scrollIntoView({{block: 'center'}});"
    f"host.dispatchEvent(new MouseEvent('mouseenter', {{{{bubbles: true}}}})); {TOOLTIP}"
)
"""Move the pointer to an element and return the number of visible tooltips. Repeat it until there is one, because the theme may
not have its listeners yet."""


@pytest.mark.parametrize(("language", "begins"), [("en", "Copy: "), ("zh", "复制：")])
def test_a_copy_button_says_what_it_copies_also_with_the_focus(
    browser: Browser, site: Site, language: str, begins: str
) -> None:
    browser.go(f"{site.address}/{language}/debug/qemu-gdb.html")
    browser.until("return document.querySelector('.tr-cmd .md-code__button')")
    names = browser.run("return [...document.querySelectorAll('.md-code__button')].map((e) => e.ariaLabel)")
    assert all(name and name.startswith(begins) and len(name) > len(begins) for name in names)
    assert f"{begins}info breakpoints" in names
    assert len(set(names)) > len(names) / 2
    (button, *_) = browser.find(".tr-cmd .md-code__button")
    browser.run("arguments[0].focus()", button)
    browser.until(TOOLTIP)
    assert browser.call("GET", f"/element/{next(iter(button.values()))}/computedlabel").startswith(begins)
    # The same must work on a page that instant navigation has loaded.
    browser.run("document.querySelector('.md-nav__link[href$=\"kvm/load.html\"]').click()")
    browser.until("return location.pathname.endsWith('kvm/load.html') && document.querySelector('.tr-cmd .md-code__button')")
    assert browser.run("return document.querySelector('.tr-cmd .md-code__button').ariaLabel").startswith(begins)


def test_escape_closes_the_list_of_languages(browser: Browser, site: Site) -> None:
    browser.go(f"{site.address}/en/kvm/load.html")
    shown = (
        "return document.querySelector('.md-select__inner').checkVisibility({visibilityProperty: true, opacityProperty: true})"
    )
    (button,) = browser.find(".md-select button")
    browser.run("document.querySelector('.md-select__link').focus()")
    browser.until(shown)
    browser.keys(ESCAPE)
    browser.until(f"return !(() => {{ {shown} }})()")
    assert browser.run("return document.activeElement === arguments[0]", button)
    browser.keys("\ue007")  # enter
    browser.until(shown)
    browser.keys(ESCAPE)
    browser.run("document.activeElement.blur(); document.querySelector('.md-select__link').focus()")
    browser.until(shown)


def test_escape_closes_what_explains_a_term(browser: Browser, site: Site) -> None:
    browser.go(f"{site.address}/en/concepts/qemu-and-kvm.html")
    browser.until(OVER.format("abbr"))
    browser.keys(ESCAPE)
    assert browser.run(TOOLTIP) == 0
    browser.run("document.querySelector('abbr').dispatchEvent(new MouseEvent('mouseleave'))")
    browser.until("return !document.querySelector('.md-tooltip2')")
    browser.until(OVER.format("abbr"))


def test_nothing_lies_over_the_lines_that_a_place_has_opened(browser: Browser, site: Site) -> None:
    browser.go(f"{site.address}/en/debug/qemu-gdb.html")
    browser.until(OVER.format(".tr-out .tr-at"))
    (place, *_) = browser.find(".tr-out .tr-at")
    browser.click(place)
    assert browser.run("return arguments[0].getAttribute('aria-expanded')", place) == "true"
    assert browser.run(TOOLTIP) == 0
    browser.click(place)
    browser.until(TOOLTIP)


@pytest.mark.parametrize(("language", "says"), [("en", "Permanent link"), ("zh", "本节链接")])
def test_a_headings_link_speaks_the_pages_language(site: Site, language: str, says: str) -> None:
    assert f'title="{says}"' in site.text(f"{language}/kvm/load.html")
    assert LANGUAGES == ("en", "zh")
