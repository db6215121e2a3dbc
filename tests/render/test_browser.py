"""The site in a browser: what is copied, that nothing leaves the site, that nothing is too wide, in both languages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import Browser, missing
from markdown_exec import markdown_config
from mkdocs.commands.build import build
from mkdocs.config import load_config
from render_samples import HOSTILE, host, make_record, show

from kvmdocs.model import Output, Step, Where
from kvmdocs.render import Language

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser")]

ROOT = Path(__file__).parents[2]
DIAGRAM = "\n```mermaid\nflowchart LR\n  A[QEMU] -->|ioctl| B[KVM]\n```\n"


def transcripts(language: Language) -> list[str]:
    everything = [host(f"echo {n}", text, seconds=n) for n, text in enumerate(HOSTILE.values())]
    session = [
        host("qemu -m 1G \\\n    -smp 2", "".join(f"{n}\n" for n in range(100)), background=True, machine="vm"),
        Step(Where.FILE, "init", stdin="#!/bin/sh\necho \"$HOME\" '<&>'\n", cwd="~/kvm-lab/sample"),
        Step(Where.GDB, "break virtio.c:virtqueue_flush", Output("Breakpoint 1 at 0x1: file virtio.c, line 1.\n")),
        Step(Where.GDB, "bt", Output("#0  f (" + "a=1, " * 60 + ") at x.c:1\n")),
        Step(Where.QMP, '{"execute": "query-status"}', Output('{"return": {}}\n')),
    ]
    notes = {"^break": "Set a breakpoint.", "^#0": "A frame."}
    return [show(make_record(*everything), language), show(make_record(*session), language, notes=notes, highlight="^#0")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Both languages, built from the project's own configuration; gives the address they are served at."""
    folder = tmp_path_factory.mktemp("site")
    handler = partial(_Quiet, directory=str(folder / "out"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        for language, name in ((Language.EN, "mkdocs.yml"), (Language.ZH, "mkdocs.zh.yml")):
            docs = folder / "docs" / language.value
            (docs / "a").mkdir(parents=True)
            blocks = "\n".join(f'```python exec="on"\nprint({html!r})\n```\n' for html in transcripts(language))
            (docs / "index.md").write_text("# Home 首页\n\nSome text.\n", "utf-8")
            (docs / "a" / "transcript.md").write_text(f"# Transcript\n\n{blocks}", "utf-8")
            (docs / "a" / "diagram.md").write_text(f"# Diagram\n{DIAGRAM}", "utf-8")
            config = load_config(
                str(ROOT / name),
                strict=True,
                docs_dir=str(docs),
                site_dir=str(folder / "out" / language.value),
                site_url=f"{address}/{language.value}/",
                nav=["index.md", "a/transcript.md", "a/diagram.md"],
                plugins=["search", "markdown-exec"],
            )
            config.plugins.on_startup(command="build", dirty=False)
            build(config)
            markdown_config.reset()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield address
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def opened(site: str) -> Iterator[Browser]:
    with Browser() as browser:
        clipboard = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        browser.command("Browser.grantPermissions", permissions=clipboard, origin=site)
        yield browser


@pytest.fixture
def browser(opened: Browser, site: str) -> Iterator[Browser]:
    """The browser; afterwards the console must have been silent and no request have left the site."""
    opened.size(1400, 900)
    opened.messages()
    opened.requests()
    yield opened
    assert opened.messages() == []
    assert {url for url in opened.requests() if not url.startswith(site)} == set()


def test_every_button_copies_exactly_what_is_typed(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/transcript.html")
    browser.until("return document.querySelectorAll('.tr [data-copy] .md-code__button').length")
    buttons = browser.find(".tr:last-of-type .md-code__button, .tr:last-of-type .tr-copy")
    copied = []
    for button in buttons:
        browser.click(button)
        wanted = browser.run(
            "return arguments[0].dataset.clipboardText ?? arguments[0].closest('[data-copy]').dataset.copy", button
        )
        text = browser.wait_for("setTimeout(() => navigator.clipboard.readText().then(done, done), 50)")
        assert text == wanted
        copied.append(text)
    start = "mkdir -p ~/kvm-lab/sample && cd ~/kvm-lab/sample\nqemu -m 1G \\\n    -smp 2 &"
    file = "cat > init <<'EOF'\n#!/bin/sh\necho \"$HOME\" '<&>'\nEOF"
    assert start in copied
    assert file in copied
    assert "break virtio.c:virtqueue_flush\nbt" in copied


def test_what_a_reader_selects_has_no_prompt(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/transcript.html")
    selected = browser.run(
        "const box = document.querySelector('.tr-at-gdb code'); getSelection().selectAllChildren(box);"
        "return getSelection().toString()"
    )
    assert selected.strip() == "break virtio.c:virtqueue_flush"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page", ["index.html", "a/transcript.html", "a/diagram.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(browser: Browser, site: str, language: str, page: str, scheme: str) -> None:
    browser.size(360, 740)
    browser.scheme(scheme)
    browser.go(f"{site}/{language}/{page}")
    if "diagram" in page:
        browser.until("return document.querySelector('div.mermaid')")
    scrolled, seen = browser.run("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
    assert scrolled <= seen
    beyond = browser.run(
        "return [...document.querySelectorAll('article *')].filter((e) => !e.closest('pre, table')"
        " && e.getBoundingClientRect().right > 361).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def test_hostile_output_adds_nothing_to_the_page(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/transcript.html")
    added = browser.run("return document.querySelectorAll('.tr :is(script, img, a, em, h1, h2, table, iframe, input)').length")
    assert added == 0
    assert "<script>alert(1)</script>" in browser.run("return document.querySelector('.tr').textContent")


def test_instant_navigation_keeps_diagrams_buttons_and_the_language_switch(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/index.html")
    browser.run("window.same = true")
    for page, there in (("diagram", "div.mermaid"), ("transcript", ".tr .md-code__button"), ("diagram", "div.mermaid")):
        browser.run(f"document.querySelector('.md-nav a[href$=\"{page}.html\"]').click()")
        browser.until(f"return location.pathname.endsWith('{page}.html') && document.querySelector('{there}')")
    assert browser.run("return window.same"), "the pages were swapped, not loaded"
    browser.run("document.querySelector('.md-select__link[hreflang=zh]').click()")
    browser.until("return location.pathname === '/zh/a/diagram.html' && document.querySelector('div.mermaid')")
    assert browser.run("return document.documentElement.lang") == "zh"


def test_the_page_reads_without_scripts(browser: Browser, site: str) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.call("POST", "/url", {"url": f"{site}/zh/a/transcript.html"})
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
    shown = browser.run("return [...document.querySelectorAll('.tr-copy')].map((e) => getComputedStyle(e).display)")
    assert set(shown) == {"none"}, "a button that would do nothing"
    assert browser.run("return document.querySelector('.tr-at-gdb').innerText").startswith("gdb")
    link = browser.run("return document.querySelector('.md-select__link[hreflang=en]').href")
    assert link == f"{site}/en/a/transcript.html"
