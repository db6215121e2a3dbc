"""What the clipboard holds after each button of a page, and whether it is meant for one prompt."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

from kvmdocs.core.model import Record, Status, Where
from kvmdocs.execution import modes
from kvmdocs.execution.project import Project
from tests.support import ROOT
from tests.support.browser import Browser


@cache
def project() -> Project:
    return Project(ROOT)


@cache
def shown(recipe: str) -> Record | None:
    """The record that a build in recorded mode shows."""
    newest = modes.newest(project(), recipe)
    return newest if newest and newest.status is Status.PASSED else project().approved.get(recipe)


@cache
def prompts() -> dict[str, set[str]]:
    """The prompts at which each line is typed in some recipe; the lines of a file belong to the shell that writes it."""
    found: dict[str, set[str]] = defaultdict(set)
    for recipe in project().catalog.shown_recipes():
        record = shown(recipe)
        for step in record.steps if record else ():
            where = "host" if step.where in (Where.HOST, Where.ROOT, Where.FILE) else step.where.value
            for line in f"{step.command}\n{step.stdin or ''}".split("\n"):
                found[line].add(where)
    return found


def is_mixture(text: str) -> bool:
    """Whether no single prompt takes all lines of a text, as far as recipes tell."""
    known = [prompts()[line] for line in text.split("\n") if line.strip() and line in prompts()]
    return bool(known) and not set.intersection(*known)


BOXES = """
const article = document.querySelector('.md-content article');
window.boxes = [...article.querySelectorAll('.tr, .tr-install, pre')].filter((e) => !e.parentElement.closest('.tr, .tr-install'));
window.article = article;
return window.boxes.length;
"""
"""Finds what has buttons on a page: transcripts, and code in the text."""

ALONE = """
// A page of one box is laid out a hundred times as fast, and each copy lays it out anew.
const box = window.boxes[arguments[0]];
window.article.replaceChildren(box);
box.querySelectorAll('details').forEach((e) => { e.open = true; });
if (box.matches('details')) box.open = true;
const tabs = [...box.querySelectorAll('.tabbed-set > input')];
window.buttons = (function* () {
  for (const tab of tabs.length ? tabs : [null]) {
    if (tab) tab.checked = true;
    yield* [...box.querySelectorAll('.md-code__button, .tr-copy')].filter((e) => e.checkVisibility());
  }
})();
"""
"""Leaves one box on the page, and finds its buttons, tab by tab."""

READ = """
(async () => {
  const seen = new Set(JSON.parse(sessionStorage.seen ?? '[]'));
  const found = [];
  // A browser forgets after some seconds that there was a gesture of the user, and lets nothing be copied then.
  const end = performance.now() + 1000;
  let next;
  while (!(next = window.buttons.next()).done) {
    const button = next.value;
    const code = button.closest('pre')?.querySelector('code');
    const promised = button.dataset.clipboardText ?? button.closest('[data-copy]')?.dataset.copy ?? code?.innerText;
    if (seen.has(promised)) continue;
    seen.add(promised);
    button.click();
    found.push([await navigator.clipboard.readText(), promised]);
    if (performance.now() > end) break;
  }
  sessionStorage.seen = JSON.stringify([...seen]);
  return [found, next.done];
})()
"""
"""Clicks buttons of the box, as many as a second allows, and reads the clipboard after each; what a page before gave is not read again."""


def read_back(browser: Browser) -> list[tuple[str, str]]:
    """What the clipboard holds after each button of a page, and what the page says that the button gives."""
    found: list[tuple[str, str]] = []
    for box in range(browser.run(BOXES)):
        browser.run(ALONE, box)
        done = False
        while not done:
            told = browser.command("Runtime.evaluate", expression=READ, userGesture=True, awaitPromise=True, returnByValue=True)
            assert "exceptionDetails" not in told, told
            read, done = told["result"]["value"]
            found += [(got, promised) for got, promised in read]
    return found


def wrongly_copied(browser: Browser) -> list[str]:
    """What of a page's copies is not what its button promises, or is meant for several prompts. The page has one box left after it."""
    found = read_back(browser)
    return [
        f"{got!r} was copied where {promised!r} was promised" for got, promised in found if got.strip() != promised.strip()
    ] + [f"for several prompts: {got!r}" for got, _ in found if is_mixture(got)]
