"""What the copy buttons give is what the recipes ran, to the letter, and typed at one prompt: all are read back from the clipboard."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest
from browser import Browser
from copied import Copy, Transcript, transcripts
from pages import ROOT, Site, guides

from kvmdocs import modes
from kvmdocs.model import Record, Status, Where
from kvmdocs.project import Project
from kvmdocs.render.typed import copied, entries, runs

pytestmark = pytest.mark.slow

CLICKED = ("zh/kvm/load.html", "en/kvm/gdb.html", "zh/debug/qemu-gdb.html")
"""Pages with every kind of prompt: host, guest, gdb, monitor, file."""


@cache
def project() -> Project:
    return Project(ROOT)


@cache
def shown(recipe: str) -> Record | None:
    """The record that a build in recorded mode shows."""
    newest = modes.newest(project(), recipe)
    return newest if newest and newest.status is Status.PASSED else project().approved.get(recipe)


@cache
def ran(recipe: str) -> frozenset[str]:
    """Everything that a button of a recipe's transcripts may give: a step, or the steps at one prompt."""
    record = shown(recipe)
    assert record, f"{recipe} has a transcript and no record"
    texts: set[str] = set()
    for section in {None, *(step.section for step in record.steps)}:
        found = entries(record, section)
        texts |= {text for entry in found for text in (entry.copied, entry.change)}
        texts |= {copied(run) for run in runs(found)}
    return frozenset(texts)


def strange(transcript: Transcript) -> list[str]:
    """What a transcript's buttons give and its recipe did not run."""
    return [copy.text for copy in transcript.copies if copy.text not in ran(transcript.recipe)]


@pytest.mark.parametrize("page", guides())
def test_buttons_give_what_recipes_ran(site: Site, page: str) -> None:
    found = {each.recipe: bad for each in transcripts(site.text(page)) if (bad := strange(each))}
    assert found == {}


def test_what_was_not_run_is_found(site: Site) -> None:
    text = site.text("en/kvm/load.html")
    first = transcripts(text)[0]
    (copy, *_) = first.copies
    assert strange(Transcript(first.recipe, (Copy(copy.where, copy.text + "x"),))) == [copy.text + "x"]


@cache
def prompts() -> dict[str, set[str]]:
    """The prompts at which each line is typed in some recipe; the lines of a file belong to the shell that writes it."""
    found: dict[str, set[str]] = defaultdict(set)
    for recipe in project().catalog.asked():
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

READ = """
(async () => {
  // A page of one box is laid out a hundred times as fast, and each copy lays it out anew.
  const box = window.boxes[BOX];
  window.article.replaceChildren(box);
  box.querySelectorAll('details').forEach((e) => { e.open = true; });
  if (box.matches('details')) box.open = true;
  const seen = new Set(JSON.parse(sessionStorage.seen ?? '[]'));
  const found = [];
  const tabs = [...box.querySelectorAll('.tabbed-set > input')];
  for (const tab of tabs.length ? tabs : [null]) {
    if (tab) tab.checked = true;
    const buttons = [...box.querySelectorAll('.md-code__button, .tr-copy')].filter((e) => e.checkVisibility());
    for (const button of buttons) {
      const code = button.closest('pre')?.querySelector('code');
      const promised = button.dataset.clipboardText ?? button.closest('[data-copy]')?.dataset.copy ?? code?.innerText;
      if (seen.has(promised)) continue;
      seen.add(promised);
      button.click();
      found.push([await navigator.clipboard.readText(), promised]);
    }
  }
  sessionStorage.seen = JSON.stringify([...seen]);
  return found;
})()
"""
"""Clicks the buttons of a box and reads the clipboard after each; what a page before gave is not read again."""


def read_back(browser: Browser) -> list[tuple[str, str]]:
    """What the clipboard holds after each button of a page, and what the page says that the button gives."""
    found: list[tuple[str, str]] = []
    for box in range(browser.run(BOXES)):
        told = browser.command(
            "Runtime.evaluate",
            expression=READ.replace("BOX", str(box)),
            userGesture=True,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in told, told
        found += [(got, promised) for got, promised in told["result"]["value"]]
    return found


@pytest.mark.parametrize("page", guides())
def test_each_button_gives_the_clipboard_what_is_typed_at_one_prompt(browser: Browser, site: Site, page: str) -> None:
    browser.go(f"{site.address}/{page}")
    code = "document.querySelectorAll('.md-content pre > code').length"
    browser.until(f"return !{code} || document.querySelectorAll('.md-content .md-code__button').length")
    found = read_back(browser)
    assert [(got, promised) for got, promised in found if got.strip() != promised.strip()] == []
    assert [got for got, _ in found if is_mixture(got)] == []


def test_a_mixture_is_found() -> None:
    record = shown("step_virtqueue_flush")
    assert record
    everything = "\n".join(entry.copied for entry in entries(record, "start"))
    assert is_mixture(everything)
    assert not any(is_mixture(entry.copied) for entry in entries(record, None))


@pytest.mark.parametrize("page", CLICKED)
def test_what_is_to_be_installed_can_be_copied(browser: Browser, site: Site, page: str) -> None:
    browser.go(f"{site.address}/{page}")
    browser.until("return document.querySelectorAll('.tr-install .md-code__button').length === 3")
    folded = browser.run("return document.querySelector('.tr-install .md-code__button').checkVisibility()")
    assert not folded
    browser.click(browser.run("return document.querySelector('.tr-install summary')"))
    texts = []
    for button in browser.run("return [...document.querySelectorAll('.tr-install .md-code__button')]"):
        browser.click(button)
        texts.append(browser.wait_for("setTimeout(() => navigator.clipboard.readText().then(done, done), 50)").strip())
    debian, fedora, arch = texts
    assert debian.startswith("apt-get update && apt-get install ")
    # QEMU's and Linux's builds come before a guest or a debugger, and whoever talks to a guest wants a program that joins a terminal to a socket.
    assert {"gcc", "ninja-build", "libelf-dev", "socat"} <= set(debian.split())
    assert fedora.startswith("dnf install ")
    assert arch.startswith("pacman -S --needed ")
