"""Contents of the clipboard after each button of a page, and a check that they are meant for one prompt."""

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
    """Return the record that a build in recorded mode shows."""
    newest = modes.newest(project(), recipe)
    return newest if newest and newest.status is Status.PASSED else project().approved.get(recipe)


@cache
def prompts() -> dict[str, set[str]]:
    """Return the prompts at which each line is typed in any recipe. Lines of a file belong to the shell that writes it."""
    prompts_of: dict[str, set[str]] = defaultdict(set)
    for recipe in project().catalog.shown_recipes():
        record = shown(recipe)
        for step in record.steps if record else ():
            where = "host" if step.where in (Where.HOST, Where.ROOT, Where.FILE) else step.where.value
            for line in f"{step.command}\n{step.stdin or ''}".split("\n"):
                prompts_of[line].add(where)
    return prompts_of


def is_mixture(text: str) -> bool:
    """Check whether no single prompt takes all lines of a text that occur in recipes."""
    candidates = [prompts()[line] for line in text.split("\n") if line.strip() and line in prompts()]
    return bool(candidates) and not set.intersection(*candidates)


BOXES = """
const article = document.querySelector('.md-content article');
window.boxes = [...article.querySelectorAll('.tr, .tr-install, pre')]
  .filter((e) => !e.parentElement.closest('.tr, .tr-install'));
window.article = article;
return window.boxes.length;
"""
"""Script that finds the elements with buttons: transcripts, and code in the text."""

ALONE = """
// Each copy lays out the page again, which is a hundred times faster with one box only.
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
"""Script that removes all other boxes from the page and finds the buttons of one, tab by tab."""

READ = """
(async () => {
  const seen = new Set(JSON.parse(sessionStorage.seen ?? '[]'));
  const found = [];
  // The user gesture that allows copying expires after a few seconds.
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
"""Script that clicks buttons of the box for a second and reads the clipboard after each. Texts of earlier pages are skipped."""


def read_back(browser: Browser) -> list[tuple[str, str]]:
    """Return, for each button of a page, the clipboard's text and the text that the page promises."""
    copies: list[tuple[str, str]] = []
    for box in range(browser.run(BOXES)):
        browser.run(ALONE, box)
        done = False
        while not done:
            answer = browser.command(
                "Runtime.evaluate", expression=READ, userGesture=True, awaitPromise=True, returnByValue=True
            )
            assert "exceptionDetails" not in answer, answer
            read, done = answer["result"]["value"]
            copies += [(got, promised) for got, promised in read]
    return copies


def wrongly_copied(browser: Browser) -> list[str]:
    """Return a message for each copy that differs from its promise or is meant for several prompts.

    Only one box is left on the page afterwards.
    """
    copies = read_back(browser)
    return [
        f"{got!r} was copied where {promised!r} was promised" for got, promised in copies if got.strip() != promised.strip()
    ] + [f"for several prompts: {got!r}" for got, _ in copies if is_mixture(got)]
