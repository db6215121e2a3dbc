"""Every page in both languages, in both colour schemes, wide and narrow.

Nothing is too wide, there is no accessibility barrier, each button gives what it promises, the console stays empty, and no
request leaves the site."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import AXE, Browser
from tests.support.clipboard import wrongly_copied
from tests.support.pages import Site, guides

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ALLOWED = tomllib.loads((HERE / "allowed.toml").read_text("utf-8")).get("allowed", [])
WEIGHT = 300_000
"""Largest size of a compressed page in bytes that a reader on a slow line should wait for."""

FAR = """
const wide = document.documentElement.clientWidth + 1;
const inside = (e) => e.closest('pre, table, .tr-scroll, .md-typeset__scrollwrap, svg, .md-clipboard, [hidden], .md-overlay, .md-sidebar');
return [...document.querySelectorAll('.md-main *')]
  .filter((e) => e.getBoundingClientRect().right > wide && e.getBoundingClientRect().width > 0 && !inside(e))
  .map((e) => e.outerHTML.slice(0, 100)).slice(0, 5);
"""  # noqa: E501  # a script or output as it is


STILL = """
const style = document.createElement('style');
style.textContent = '*, *::before, *::after { animation: none !important; transition: none !important }' +
  'pre, pre > code { background-image: none !important }';
document.head.append(style);
"""
"""Style that disables transitions and shadows: a colour in transition belongs to neither scheme, and axe cannot determine a
colour behind the shadow at the edge of a scrolled element."""


def drawn(browser: Browser) -> None:
    """Wait until the page has settled."""
    browser.until("return document.readyState === 'complete'")
    browser.run(STILL)


def too_wide(browser: Browser) -> list[str]:
    scrolled, seen = browser.run("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
    return [f"scrolls sideways: {scrolled} in {seen}", *browser.run(FAR)] if scrolled > seen else browser.run(FAR)


COLOURS = """
const paint = new Map();
const behind = (e) => {
  if (!e) return {ground: '', through: 1};
  if (!paint.has(e)) {
    const own = getComputedStyle(e), under = behind(e.parentElement);
    const colour = own.backgroundColor, image = own.backgroundImage;
    const clear = colour === 'rgba(0, 0, 0, 0)', whole = /^rgb\\(|^color\\([^/]*$/.test(colour);
    const ground = (clear ? under.ground : whole ? colour : under.ground + colour) + (image === 'none' ? '' : image);
    paint.set(e, {own, ground, through: under.through * own.opacity});
  }
  return paint.get(e);
};
for (const e of document.querySelectorAll('[data-look]')) delete e.dataset.look;
const seen = new Set(arguments[0]), fresh = [], texts = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) if (walker.currentNode.data.trim()) texts.add(walker.currentNode.parentElement);
for (const e of texts) {
  if (!e.checkVisibility({visibilityProperty: true})) continue;
  const {own, ground, through} = behind(e), size = parseFloat(own.fontSize);
  const large = size >= 24 || (size >= 18.66 && own.fontWeight >= 700);
  const look = [own.color, large, own.textShadow, ground, through].join();
  if (seen.has(look)) continue;
  e.dataset.look = '';
  seen.add(look);
  fresh.push(look);
}
return fresh;
"""
"""Script that marks one element of each text style on a page that is not known yet, and returns these styles. A transcript has
thousands of words in a dozen colours, and axe would take seconds for all of them. A style consists of everything that contrast
depends on: the colour, the background, and whether the text is large (WCAG 2.2, 1.4.3)."""

CONTRAST = "color-contrast"
READY = f"{AXE}; axe.configure({{rules: [{{id: '{CONTRAST}', selector: '[data-look]'}}]}})"


PLAIN = """
for (const e of document.querySelectorAll('pre span[class]')) {
  if (e.attributes.length === 1 && !e.firstElementChild) e.replaceWith(...e.childNodes);
}
"""
"""Script that removes the colours of transcripts: only the contrast rule needs them, and they are most of the elements that axe
would check."""


def hard_to_read(browser: Browser, good: set[str]) -> list[str]:
    """Return the texts without sufficient contrast.

    Styles that are known to be good are skipped. If all texts of a page are good, its styles become known.
    """
    fresh = browser.run(COLOURS, sorted(good))
    found = axe(browser, f"runOnly: ['{CONTRAST}']") if fresh else []
    if not found:
        good.update(fresh)
    return found


def barriers(browser: Browser) -> list[str]:
    """Return all other violations that axe finds."""
    browser.run(PLAIN)
    return axe(browser, f"rules: {{'{CONTRAST}': {{enabled: false}}}}")


def axe(browser: Browser, what: str) -> list[str]:
    """Return the violations that axe finds, except the allowed ones."""
    told = browser.wait_for(
        f"axe.run(document, {{resultTypes: ['violations'], {what}}}).then((r) => done(r.violations), (e) => done(String(e)))"
    )
    assert isinstance(told, list), told
    return [
        f"{rule['id']}: {node['html'][:160]}: {node.get('failureSummary', '')}"
        for rule in told
        for node in rule["nodes"]
        if not any(allowed(entry, rule["id"], node) for entry in ALLOWED)
    ]


def allowed(entry: dict[str, Any], rule: str, node: dict[str, Any]) -> bool:
    return entry["rule"] == rule and any(part in node["html"] for part in entry["elements"])


@pytest.fixture(scope="module")
def good() -> dict[str, set[str]]:
    """Return the text styles that were found to be good, by colour scheme."""
    return {"light": set(), "dark": set()}


@pytest.mark.parametrize("page", guides())
def test_page(browser: Browser, site: Site, page: str, good: dict[str, set[str]]) -> None:
    browser.go(f"{site.address}/{page}")
    drawn(browser)
    browser.run(READY)
    wrong = {"wide light": too_wide(browser) + hard_to_read(browser, good["light"])}
    browser.scheme("dark")
    browser.until("return document.body.dataset.mdColorScheme === 'slate'")
    wrong["wide dark"] = too_wide(browser) + hard_to_read(browser, good["dark"])
    browser.size(360, 740)
    wrong["narrow dark"] = too_wide(browser)
    browser.scheme("light")
    wrong["narrow light"] = too_wide(browser)
    browser.size(1400, 900)
    wrong["wide"] = barriers(browser)
    wrong["copied"] = wrongly_copied(browser)
    assert {where: what for where, what in wrong.items() if what} == {}


@pytest.mark.parametrize("page", guides())
def test_a_page_is_light(site: Site, page: str) -> None:
    assert len(gzip.compress((site.folder / page).read_bytes(), 6)) < WEIGHT
