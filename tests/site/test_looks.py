"""How pages look where only a browser can tell: what lies over what, what ends where, what is marked by which sign."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Browser
from pages import Site

pytestmark = pytest.mark.slow

SESSIONS = "debug/qemu-gdb.html"
"""A page with many sessions, notes among them."""


@pytest.fixture
def script(browser: Browser, site: Site) -> Iterator[Browser]:
    """A page whose transcripts show their scripts."""
    browser.go(f"{site.address}/en/{SESSIONS}")
    browser.until(
        "return document.querySelector('.tabbed-labels--linked') && document.querySelector('.tr-script .md-code__nav')"
    )
    browser.click(browser.find(".tr-tabs label")[1])
    browser.until("return document.querySelector('.tr-script').offsetParent")
    yield browser
    browser.run("localStorage.clear()")


def test_a_script_begins_below_its_tabs_and_ends_before_its_button(script: Browser) -> None:
    above, under = script.run(
        "const panels = [...document.querySelectorAll('.tr-script')];"
        "const box = (e) => e.getBoundingClientRect();"
        "return [panels.filter((p) => box(p.querySelector('pre')).top < box(p.closest('.tr-tabs').querySelector('.tabbed-labels')).bottom - 1).length,"
        " panels.filter((p) => box(p.querySelector('code')).right > box(p.querySelector('.md-code__nav')).left + 1).length]"
    )
    assert (above, under) == (0, 0)
    scrolled = script.run(
        "const code = [...document.querySelectorAll('.tr-script code')].find((e) => e.scrollWidth > e.clientWidth);"
        "const nav = code.closest('pre').querySelector('.md-code__nav'), left = () => nav.getBoundingClientRect().left;"
        "const before = left(); code.scrollLeft = 50; return [code.scrollLeft, left() - before]"
    )
    assert scrolled == [50, 0], "the lines scroll, and the button stays"


@pytest.mark.parametrize("wide", [1280, 360])
def test_no_line_goes_under_the_number_of_a_note(browser: Browser, site: Site, wide: int) -> None:
    browser.size(wide, 900)
    browser.go(f"{site.address}/en/{SESSIONS}")
    marks = browser.run(
        "const found = [];"
        "for (const mark of document.querySelectorAll('.tr-noted .tr-mark')) {"
        " const lines = mark.closest('pre.tr-out, code'), box = mark.getBoundingClientRect();"
        " if (!box.width) continue;"
        " lines.scrollLeft = 60;"
        " const edge = lines.getBoundingClientRect().left + lines.clientLeft, left = mark.closest('.tr-run').getBoundingClientRect().left;"
        " found.push([box.width, box.left > left && box.right <= edge + 1]);"
        "} return found"
    )
    assert len(marks) > 5
    assert all(free for _, free in marks)
    assert len({round(width) for width, _ in marks}) == 1, "also where a line has two"
