"""Appearance that only a browser can check: overlaps, edges, and markers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.browser import Browser
from tests.support.pages import Site

pytestmark = pytest.mark.slow

SESSIONS = "debug/qemu-gdb.html"
"""A page with many sessions, including notes."""


@pytest.fixture
def script(browser: Browser, site: Site) -> Iterator[Browser]:
    """Yield a page whose transcripts show their scripts."""
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
        "return [panels.filter((p) => box(p.querySelector('pre')).top < "
        "box(p.closest('.tr-tabs').querySelector('.tabbed-labels')).bottom - 1).length,"
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
        " const edge = lines.getBoundingClientRect().left + lines.clientLeft, "
        "left = mark.closest('.tr-run').getBoundingClientRect().left;"
        " found.push([box.width, box.left > left && box.right <= edge + 1]);"
        "} return found"
    )
    assert len(marks) > 5
    assert all(free for _, free in marks)
    assert len({round(width) for width, _ in marks}) == 1, "also where a line has two"


def test_a_state_has_one_sign_and_one_colour(browser: Browser, site: Site) -> None:
    browser.go(f"{site.address}/en/{SESSIONS}")
    look = (
        "const mark = document.querySelector(arguments[0]); return [mark.innerHTML, getComputedStyle(mark).fill,"
        " mark.parentElement.matches('.tr-state') ? getComputedStyle(mark.parentElement).color : '']"
    )
    line, stamp = browser.run(look, ".ks-badge .ks-mark"), browser.run(look, ".tr-stamp .ks-mark")
    assert line[:2] == stamp[:2]
    assert stamp[2] == stamp[1] != browser.run("return getComputedStyle(document.querySelector('.tr-emulated')).color")


def test_a_stamp_that_says_the_same_again_says_it_in_one_line(browser: Browser, site: Site) -> None:
    browser.size(1280, 900)
    browser.go(f"{site.address}/en/{SESSIONS}")
    first, *again = browser.run(
        "return [...document.querySelectorAll('.tr-stamp summary')]"
        ".map((e) => [e.offsetHeight, getComputedStyle(e.querySelector('.tr-state')).color])"
    )
    assert len(again) > 5
    assert all(height < 26 and colour != first[1] for height, colour in again)


@pytest.mark.parametrize(("word", "language"), [("virtqueue_flush", "en"), ("virtqueue_flush", "zh")])
def test_what_is_found_has_no_rule_and_no_long_output(browser: Browser, site: Site, word: str, language: str) -> None:
    browser.go(f"{site.address}/{language}/index.html")
    assert "double" in browser.run("return getComputedStyle(document.querySelector('.md-content h1')).borderBottomStyle")
    browser.run(
        "const box = document.querySelector('.md-search__input'); box.focus(); box.value = arguments[0];"
        "box.dispatchEvent(new Event('input', {bubbles: true})); "
        "box.dispatchEvent(new KeyboardEvent('keyup', {bubbles: true}))",
        word,
    )
    browser.until("return document.querySelector('.md-search-result h1')")
    rules, high = browser.run(
        "const found = (what) => [...document.querySelectorAll('.md-search-result ' + what)];"
        "return [found('h1').map((e) => getComputedStyle(e).borderBottomStyle), found('pre').map((e) => e.offsetHeight)]"
    )
    assert set(rules) == {"none"}
    assert max(high, default=0) < 110


@pytest.mark.parametrize("wide", [1280, 1100])
def test_the_table_of_recipes_fits_a_screen(browser: Browser, site: Site, wide: int) -> None:
    browser.size(wide, 900)
    browser.go(f"{site.address}/en/status.html")
    needs, has = browser.run("const box = document.querySelector('.ks .ks-scroll'); return [box.scrollWidth, box.clientWidth]")
    assert needs <= has


@pytest.mark.parametrize("what", [".tr-cmd code", ".tr-out", ".tr-script code"])
def test_lines_that_go_on_show_it_at_the_edge(browser: Browser, site: Site, what: str) -> None:
    browser.size(360, 740)
    browser.go(f"{site.address}/zh/{SESSIONS}")
    if "script" in what:
        browser.until("return document.querySelector('.tabbed-labels--linked')")
        browser.click(browser.find(".tr-tabs label")[1])
    lines = browser.run(
        "return [...document.querySelectorAll(arguments[0])].find((e) => e.scrollWidth > e.clientWidth + 40)", what
    )
    look = (
        "const own = getComputedStyle(arguments[0]);"
        "return [own.backgroundImage !== 'none', own.backgroundAttachment, own.getPropertyValue('--kd-ground')]"
    )
    drawn, attached, ground = browser.run(look, lines)
    # The cover of the shadow scrolls with the lines; the shadow stays.
    assert (drawn, attached) == (True, "local, scroll")
    assert ground
    browser.command("Emulation.setEmulatedMedia", media="print", features=[])
    assert not browser.run(look, lines)[0]
    browser.command("Emulation.setEmulatedMedia", media="", features=[])
    browser.run("localStorage.clear()")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tables_of_the_reading_map_are_no_wider_than_their_page(browser: Browser, site: Site, language: str) -> None:
    browser.size(1280, 900)
    browser.go(f"{site.address}/{language}/kvm/reading-map.html")
    wide = browser.run(
        "const page = document.querySelector('article h1').getBoundingClientRect();"
        "return [...document.querySelectorAll('article table')].map((e) => e.getBoundingClientRect())"
        ".map((box) => [box.left - page.left, box.right - page.right])"
    )
    assert len(wide) == 3
    assert all(left > -1 and right < 1 for left, right in wide)


def test_keys_that_are_pressed_together_stay_together(browser: Browser, site: Site) -> None:
    browser.size(360, 740)
    browser.go(f"{site.address}/en/run/start-a-vm.html")
    for line in browser.run(
        "return [...document.querySelectorAll('.keys')].map((keys) => [...keys.querySelectorAll('kbd')].map((key) => ["
        "key.getBoundingClientRect().top, getComputedStyle(key).borderTopStyle]))"
    ):
        assert len({top for top, _ in line}) == 1
        assert {style for _, style in line} == {"solid"}


def test_boxes_have_the_sites_colours(browser: Browser, site: Site) -> None:
    for page, box in (("kvm/gdb", "details.example"), ("kvm/load", "details.example"), ("kvm/build", ".admonition")):
        browser.go(f"{site.address}/en/{page}.html")
        edge, own = browser.run(
            f"const box = document.querySelector('{box}'); "
            "const probe = document.createElement('i'); probe.style.color = 'var(--kd-box)'; box.append(probe);"
            "return [getComputedStyle(box).borderLeftColor, getComputedStyle(probe).color]"
        )
        assert edge == own


def test_paper_has_no_copy_icons_and_packages_small(browser: Browser, site: Site) -> None:
    browser.go(f"{site.address}/en/authoring/guide.html")
    browser.until("return document.querySelector('.md-code__nav')")
    browser.command("Emulation.setEmulatedMedia", media="print", features=[])
    try:
        assert browser.run("return [...document.querySelectorAll('.md-code__nav')].filter((e) => e.offsetParent).length") == 0
        browser.go(f"{site.address}/en/{SESSIONS}")
        browser.run("document.querySelector('.tr-install').open = true")
        assert browser.run("return document.querySelector('.tr-install').offsetHeight") < 260
    finally:
        browser.command("Emulation.setEmulatedMedia", media="", features=[])
