"""Copy buttons give exactly what the recipes ran; `test_every_page` reads each text back from the clipboard."""

from __future__ import annotations

from functools import cache

import pytest

from kvmdocs.render.commands import copied, entries, runs
from tests.support.browser import Browser
from tests.support.clipboard import is_mixture, shown
from tests.support.copied import Copy, Transcript, transcripts
from tests.support.pages import Site, guides

pytestmark = pytest.mark.slow

CLICKED = ("zh/kvm/load.html", "en/kvm/gdb.html", "zh/debug/qemu-gdb.html")
"""Pages with every kind of prompt: host, guest, gdb, monitor, file."""


@cache
def ran(recipe: str) -> frozenset[str]:
    """Return every text that a button of a recipe's transcripts may give: a step, or the steps at one prompt."""
    record = shown(recipe)
    assert record, f"{recipe} has a transcript and no record"
    texts: set[str] = set()
    for section in {None, *(step.section for step in record.steps)}:
        found = entries(record, section)
        texts |= {text for entry in found for text in (entry.copied, entry.change)}
        texts |= {copied(run) for run in runs(found)}
    return frozenset(texts)


def strange(transcript: Transcript) -> list[str]:
    """Return the texts of a transcript's buttons that its recipe did not run."""
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
    # Builds of QEMU and Linux come before a guest or a debugger, and talking to a guest requires a program that connects a
    # terminal to a socket.
    assert {"gcc", "ninja-build", "libelf-dev", "socat"} <= set(debian.split())
    assert fedora.startswith("dnf install ")
    assert arch.startswith("pacman -S --needed ")
