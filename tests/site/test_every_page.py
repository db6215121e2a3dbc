"""Every page in both languages, both schemes, wide and narrow: nothing too wide, no barrier, nothing said on the console, no request that leaves the site."""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from pages import Site, guides

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
AXE = (HERE / "vendor" / "axe-core" / "axe.min.js").read_text("utf-8")
ALLOWED = tomllib.loads((HERE / "allowed.toml").read_text("utf-8")).get("allowed", [])
WEIGHT = 300_000
"""Bytes of a page, compressed, that a reader on a slow line is asked to wait for at most."""

FAR = """
const wide = document.documentElement.clientWidth + 1;
const inside = (e) => e.closest('pre, table, .tr-scroll, .md-typeset__scrollwrap, svg, .md-clipboard, [hidden], .md-overlay, .md-sidebar');
return [...document.querySelectorAll('.md-main *')]
  .filter((e) => !inside(e) && e.getBoundingClientRect().right > wide && e.getBoundingClientRect().width > 0)
  .map((e) => e.outerHTML.slice(0, 100)).slice(0, 5);
"""


def drawn(browser: Browser) -> None:
    """Wait until the page stands still."""
    browser.until("return document.readyState === 'complete'")


def too_wide(browser: Browser) -> list[str]:
    scrolled, seen = browser.run("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
    return [f"scrolls sideways: {scrolled} in {seen}", *browser.run(FAR)] if scrolled > seen else browser.run(FAR)


COLOURS = """
const paint = new Map();
const behind = (e) => {
  if (!e) return '';
  if (!paint.has(e)) {
    const own = getComputedStyle(e), under = behind(e.parentElement);
    const ground = own.backgroundColor === 'rgba(0, 0, 0, 0)' ? '' : own.backgroundColor;
    paint.set(e, under + ground + own.backgroundImage.replace('none', '') + (own.opacity === '1' ? '' : own.opacity));
  }
  return paint.get(e);
};
const seen = new Set();
for (const e of document.body.querySelectorAll('*')) {
  delete e.dataset.look;
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
  const own = getComputedStyle(e);
  const look = [e.tagName, e.className, own.color, own.fontSize, own.fontWeight, own.visibility, behind(e)].join();
  if (!seen.has(look)) e.dataset.look = '';
  seen.add(look);
}
"""
"""Marks one element of each look that text has on a page: a transcript is thousands of words in a dozen colours, and axe takes seconds to look at all of them."""

CONTRAST = "color-contrast"
READY = f"{AXE}; window.axe = axe; axe.configure({{rules: [{{id: '{CONTRAST}', selector: '[data-look]'}}]}})"


def barriers(browser: Browser, *rules: str) -> list[str]:
    """What axe finds, less what is allowed."""
    browser.run(COLOURS)
    only = f", runOnly: {list(rules)}" if rules else ""
    told = browser.wait_for(
        f"axe.run(document, {{resultTypes: ['violations']{only}}}).then((r) => done(r.violations), (e) => done(String(e)))"
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


@pytest.mark.parametrize("page", guides())
def test_page(browser: Browser, site: Site, page: str) -> None:
    browser.go(f"{site.address}/{page}")
    drawn(browser)
    browser.run(READY)
    wrong = {"wide light": too_wide(browser) + barriers(browser)}
    browser.scheme("dark")
    browser.until("return document.body.dataset.mdColorScheme === 'slate'")
    wrong["wide dark"] = too_wide(browser) + barriers(browser, CONTRAST)
    browser.size(360, 740)
    wrong["narrow dark"] = too_wide(browser)
    browser.scheme("light")
    wrong["narrow light"] = too_wide(browser)
    assert {where: what for where, what in wrong.items() if what} == {}


@pytest.mark.parametrize("page", guides())
def test_a_page_is_light(site: Site, page: str) -> None:
    assert len(gzip.compress((site.folder / page).read_bytes(), 6)) < WEIGHT
