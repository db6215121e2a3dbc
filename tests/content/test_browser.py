"""The site in a browser, in both languages: copied texts, no request that leaves the site, nothing too wide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_exec import markdown_config
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig

from kvmdocs.catalog.source_excerpt import SourceExcerpt, Written
from kvmdocs.core.model import Freshness, Output, SourceLocation, Step, Where
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Anchors, Language, Tabs, linked, names, transcript
from kvmdocs.site.plugin import assets
from tests.support import ROOT
from tests.support.browser import AXE, Browser, missing, served
from tests.support.picture_samples import TEXTS, pictures
from tests.support.render_samples import HOSTILE, host, make_record, show

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser")]


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


SOURCE = tuple(f"    line {number};" for number in range(1, 12))
PLACES = [
    SourceLocation(f"../{name}.c", line, "qemu", "7.2", f"hw/{name}.c", "f", SOURCE, line - 5)
    for name, line in (("a", 105), ("b", 9))
]
FRAMES = "#0  f (x=1)\n    at ../a.c:105\n#1  g () at ../b.c:9\n#2  main ()"
PYTHON = SourceExcerpt("recipes/x.py", 7, "@recipe()\ndef sample(sh):\n    sh.echo('<&>')", "sample")


def tabbed(language: Language) -> list[str]:
    """Return two transcripts with tabs, and a table with a place.

    The second transcript leaves out what the page has from the first.
    """
    part = SourceExcerpt("recipes/x.py", 9, "sh.echo('<&>')", "sample")
    blocks: list[str] = []
    taken: frozenset[str] = frozenset()
    for section in ("one", "two"):
        record = make_record(
            Step(Where.GDB, "bt", Output(f"{FRAMES}\n{'x' * 300}\n"), section=section),
            host("ls", section=section),
            places=PLACES,
        )
        beside = Tabs(f"echo {section}", Written(PYTHON, (part,)), Anchors(taken))
        blocks.append(
            transcript(
                record,
                ShowOptions(section),
                language,
                freshness=Freshness.RAN,
                sources=lambda place: f"https://x.org/{place.path}#L{place.line}",
                beside=beside,
            )
        )
        taken |= names(blocks[-1])
    table = linked("| a | b |\n|---|---|\n| 1 | hw/a.c:105 |\n", PLACES, lambda _: None, language, Anchors(taken))
    return [f'<div markdown="0">{block}</div>' for block in blocks] + [table]


def add_assets(docs: Path, config: MkDocsConfig) -> None:
    """Add the style sheets and scripts of the package, as the plugin does."""
    sheets = {f"assets/css/{name}.css": assets.sheet(name, is_material=True) for name in assets.SHEETS}
    scripts = {f"assets/js/{name}.js": assets.read(f"{name}.js") for name in assets.SCRIPTS}
    for path, text in (sheets | scripts).items():
        (docs / path).parent.mkdir(parents=True, exist_ok=True)
        (docs / path).write_text(text, "utf-8")
    config.extra_css = [*sheets, *config.extra_css]
    config.extra_javascript = [*scripts, *config.extra_javascript]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build both languages with the project's own configuration, and yield the address of the server."""
    folder = tmp_path_factory.mktemp("site")
    with served(folder / "out") as address:
        for language, name in ((Language.EN, "mkdocs.yml"), (Language.ZH, "mkdocs.zh.yml")):
            docs = folder / "docs" / language.value
            (docs / "a").mkdir(parents=True)
            blocks = "\n".join(f'```python exec="on"\nprint({html!r})\n```\n' for html in transcripts(language))
            (docs / "index.md").write_text("# Home 首页\n\nSome text.\n", "utf-8")
            (docs / "a" / "transcript.md").write_text(f"# Transcript\n\n{blocks}", "utf-8")
            (docs / "a" / "tabs.md").write_text("# Tabs\n\n" + "\n\n".join(tabbed(language)), "utf-8")
            (docs / "a" / "diagram.md").write_text(f"# Diagram\n{DIAGRAM}", "utf-8")
            (docs / "a" / "pictures.md").write_text("# Pictures\n\n" + "\n\n".join(pictures(language)), "utf-8")
            config = load_config(
                str(ROOT / name),
                strict=True,
                docs_dir=str(docs),
                site_dir=str(folder / "out" / language.value),
                site_url=f"{address}/{language.value}/",
                nav=["index.md", "a/transcript.md", "a/tabs.md", "a/diagram.md", "a/pictures.md"],
                plugins=["search", "markdown-exec"],
            )
            add_assets(docs, config)
            config.plugins.on_startup(command="build", dirty=False)
            build(config)
            markdown_config.reset()
        yield address


@pytest.fixture(scope="module")
def opened(site: str) -> Iterator[Browser]:
    with Browser() as browser:
        clipboard = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        browser.command("Browser.grantPermissions", permissions=clipboard, origin=site)
        yield browser


@pytest.fixture
def browser(opened: Browser, site: str) -> Iterator[Browser]:
    """Yield the browser. Then check that nothing was logged on the console and that no request left the site."""
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
    start = "mkdir -p ~/kvm-lab/sample && cd ~/kvm-lab/sample && {\nqemu -m 1G \\\n    -smp 2 &\n}"
    file = "cd ~/kvm-lab/sample &&\ncat > init <<'EOF'\n#!/bin/sh\necho \"$HOME\" '<&>'\nEOF"
    assert start in copied
    assert file in copied
    assert "break virtio.c:virtqueue_flush\nbt" in copied


def test_what_a_reader_selects_has_no_prompt(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/transcript.html")
    # A transcript without a layout is selected as a whole, but nobody sees it in that state.
    browser.until("return document.documentElement.classList.contains('kd-painted')")
    selected = browser.run(
        "const box = document.querySelector('.tr-at-gdb code'); getSelection().selectAllChildren(box);"
        "return getSelection().toString()"
    )
    assert selected.strip() == "break virtio.c:virtqueue_flush"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("page", ["index.html", "a/transcript.html", "a/tabs.html", "a/diagram.html", "a/pictures.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_does_not_scroll_sideways(browser: Browser, site: str, language: str, page: str, scheme: str) -> None:
    browser.size(360, 740)
    browser.scheme(scheme)
    browser.go(f"{site}/{language}/{page}")
    if "diagram" in page:
        browser.until("return document.querySelector('figure.pic svg')")
    # The theme's scripts run after the first paint and still move elements.
    browser.until("const e = document.documentElement; return e.scrollWidth <= e.clientWidth")
    beyond = browser.run(
        "return [...document.querySelectorAll('article *')].filter((e) "
        "=> !e.closest('pre, table, .pic-table, .pic-box[tabindex] *')"
        " && e.getBoundingClientRect().right > 361).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def shown_tabs(browser: Browser) -> list[str]:
    """Return the label of the tab that each transcript shows."""
    return browser.run(
        "return [...document.querySelectorAll('.tr-tabs')].map((set) => {"
        " const at = [...set.querySelectorAll('.tabbed-block')].findIndex((block) => block.offsetParent);"
        " return set.querySelectorAll('label')[at].innerText.trim() })"
    )


def test_a_tab_stays_chosen_on_the_page_and_on_the_next(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/tabs.html")
    browser.until("return document.querySelector('.tabbed-labels--linked')")
    assert shown_tabs(browser) == ["Session", "Session"]
    browser.click(browser.find(".tr-tabs label")[1])
    browser.until("return document.querySelectorAll('.tr-script')[1].offsetParent")
    assert shown_tabs(browser) == ["Script", "Script"]
    browser.go(f"{site}/en/index.html")
    browser.run("document.querySelector('.md-nav a[href$=\"tabs.html\"]').click()")
    browser.until("return document.querySelector('.tr-tabs')")
    assert shown_tabs(browser) == ["Script", "Script"], "also where instant navigation swaps pages"
    browser.go(f"{site}/en/a/tabs.html")
    assert shown_tabs(browser) == ["Script", "Script"], "and where they are loaded"
    browser.run("localStorage.clear()")


def test_tabs_are_chosen_with_the_keyboard_and_it_shows(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/tabs.html")
    browser.until("return document.querySelector('.tabbed-labels--linked')")
    # Set the focus with the keyboard; otherwise browsers do not mark it.
    browser.run(
        "document.querySelector('.tr-tabs').previousElementSibling?.focus(); document.querySelector('.tr-tabs > input').focus()"
    )
    browser.keys("\ue014")  # arrow right
    assert shown_tabs(browser)[0] == "Script"
    outline = "return getComputedStyle(document.querySelectorAll('.tr-tabs label')[1]).outlineStyle"
    assert browser.run(outline) == "solid"
    browser.run("localStorage.clear()")


def test_each_tab_copies_what_it_shows(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/tabs.html")
    browser.until("return document.querySelector('.tr-python .md-code__button')")
    copied = []
    for tab, look in ((2, "tr-script"), (3, "tr-python")):
        browser.click(browser.find(f".tr-tabs label:nth-of-type({tab})")[1])
        for button in browser.find(f".tr:has(.{look}) .{look} > pre .md-code__button"):
            if browser.run("return arguments[0].offsetParent !== null", button):
                browser.click(button)
                copied.append(browser.wait_for("setTimeout(() => navigator.clipboard.readText().then(done, done), 50)"))
    assert copied == ["echo one", "echo two", "sh.echo('<&>')", "sh.echo('<&>')"]
    browser.run("localStorage.clear()")


def test_a_place_opens_its_lines_under_the_line_that_names_it(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/tabs.html")
    output = browser.run("return document.querySelectorAll('pre.tr-out')[1].textContent")
    first, second = browser.find(".tr:last-of-type pre.tr-out a.tr-at")[-2:]
    browser.click(first)
    mark = "return document.querySelector('.tr-here mark').textContent"
    assert browser.run(mark) == SOURCE[5], "the lines of a place that the page has from an earlier transcript"
    text = browser.run("return document.querySelectorAll('pre.tr-out')[1].textContent")
    assert text.index("../a.c:105\n") < text.index(SOURCE[5]) < text.index("#1  g")
    assert browser.run("return document.querySelector('.tr-here a').href") == "https://x.org/hw/a.c#L105"
    assert browser.run("return arguments[0].getAttribute('aria-expanded')", first) == "true"
    wide = "const here = document.querySelector('.tr-here'); return here.offsetWidth <= here.parentElement.clientWidth"
    assert browser.run(wide), "as wide as what is seen of the output, not as its longest line"
    browser.click(second)
    assert browser.run("return document.querySelectorAll('.tr-here').length") == 2
    browser.click(first)
    browser.click(browser.find(".tr-here-close")[0])
    assert browser.run("return document.querySelectorAll('.tr-here').length") == 0
    assert browser.run("return document.querySelectorAll('pre.tr-out')[1].textContent") == output
    browser.run("document.querySelector('a.tr-at').focus(); document.querySelector('a.tr-at').click()")
    browser.keys("\ue00c")  # escape
    assert browser.run("return document.querySelectorAll('.tr-here').length") == 0
    assert browser.run("return location.hash") == ""


def test_a_place_in_a_table_opens_under_its_row(browser: Browser, site: str) -> None:
    browser.size(360, 740)
    browser.go(f"{site}/zh/a/tabs.html")
    browser.until("return document.querySelector('.md-typeset__table')")
    before = browser.run("return document.querySelector('article table').offsetWidth")
    browser.click(browser.find("article table a.tr-at")[0])
    assert browser.run("return document.querySelector('tr + tr.tr-here-row mark').textContent") == SOURCE[5]
    assert browser.run("return document.querySelector('article table').offsetWidth") == before
    assert browser.run("return document.querySelector('.tr-here-close').ariaLabel") == "关闭"


def test_an_address_with_a_place_opens_its_lines(browser: Browser, site: str) -> None:
    seen = (
        "const lines = document.getElementById('qemu-7.2/hw/b.c:9'); "
        "return lines.checkVisibility({contentVisibilityAuto: true})"
    )
    browser.go(f"{site}/en/a/tabs.html")
    assert not browser.run(seen)
    browser.click(browser.find(".tr-tabs label")[2])
    browser.go(f"{site}/en/index.html")
    browser.go(f"{site}/en/a/tabs.html#qemu-7.2/hw/b.c:9")
    browser.until(seen)
    browser.run("localStorage.clear()")


def test_without_scripts_a_place_leads_to_its_lines_and_tabs_change(browser: Browser, site: str) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.call("POST", "/url", {"url": f"{site}/en/a/tabs.html"})
        browser.click(browser.find(".tr-tabs label")[1])
        assert shown_tabs(browser) == ["Script", "Session"]
        browser.click(browser.find(".tr-tabs label")[0])
        browser.click(browser.find("pre.tr-out a.tr-at")[1])
        assert browser.run("return location.hash") == "#qemu-7.2/hw/b.c:9"
        assert browser.run("return document.getElementById('qemu-7.2/hw/b.c:9').checkVisibility({contentVisibilityAuto: true})")
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_light_and_has_the_session_alone(browser: Browser, site: str, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    try:
        for page in ("tabs", "transcript"):
            browser.command("Emulation.setEmulatedMedia", media="", features=features)
            browser.go(f"{site}/en/a/{page}.html")
            browser.run("document.querySelector('.tr-tabs label:last-of-type')?.click()")
            browser.command("Emulation.setEmulatedMedia", media="print", features=features)
            ground = browser.run("return getComputedStyle(document.querySelector('.tr')).backgroundColor")
            assert ground == "rgb(255, 255, 255)"
            gone = ".tr-script, .tr-python, .tr-peek, .tr-copy, .tr-tabs > .tabbed-labels, .tr .md-code__nav, .tr-stamp dl"
            assert browser.run(f"return [...document.querySelectorAll('{gone}')].filter((e) => e.offsetParent).length") == 0
            assert browser.run("return document.querySelectorAll('.tr-cmd')[0].offsetHeight") > 0
            cut = (
                "return [...document.querySelectorAll('.tr pre')].filter((e) => "
                "e.offsetParent && e.scrollWidth > e.clientWidth + 1).length"
            )
            assert browser.run(cut) == 0, "lines are broken, not cut off"
    finally:
        browser.command("Emulation.setEmulatedMedia", media="", features=[])
        browser.run("localStorage.clear()")


def test_hostile_output_adds_nothing_to_the_page(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/transcript.html")
    added = browser.run("return document.querySelectorAll('.tr :is(script, img, a, em, h1, h2, table, iframe, input)').length")
    assert added == 0
    assert "<script>alert(1)</script>" in browser.run("return document.querySelector('.tr').textContent")


def test_instant_navigation_keeps_diagrams_buttons_and_the_language_switch(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/index.html")
    browser.run("window.same = true")
    for page, there in (("diagram", "figure.pic svg"), ("transcript", ".tr .md-code__button"), ("diagram", "figure.pic svg")):
        browser.run(f"document.querySelector('.md-nav a[href$=\"{page}.html\"]').click()")
        browser.until(f"return location.pathname.endsWith('{page}.html') && document.querySelector('{there}')")
    assert browser.run("return window.same"), "the pages were swapped, not loaded"
    browser.run("document.querySelector('.md-select__link[hreflang=zh]').click()")
    browser.until("return location.pathname === '/zh/a/diagram.html' && document.querySelector('figure.pic svg')")
    assert browser.run("return document.documentElement.lang") == "zh"


def test_the_page_reads_without_scripts(browser: Browser, site: str) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.call("POST", "/url", {"url": f"{site}/zh/a/transcript.html"})
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
    shown = browser.run("return [...document.querySelectorAll('.tr-copy')].map((e) => getComputedStyle(e).display)")
    assert set(shown) == {"none"}, "a button that would do nothing"
    browser.run("document.querySelector('.tr-at-gdb').scrollIntoView()")  # only what is near the viewport has a layout
    browser.until("return document.querySelector('.tr-at-gdb').innerText.startsWith('gdb')")
    link = browser.run("return document.querySelector('.md-select__link[hreflang=en]').href")
    assert link == f"{site}/en/a/transcript.html"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("wide", [1400, 768, 360])
def test_texts_of_pictures_stay_in_their_picture_and_apart(browser: Browser, site: str, language: str, wide: int) -> None:
    browser.size(wide, 900)
    browser.go(f"{site}/{language}/a/pictures.html")
    shown, faults = browser.run(TEXTS)
    assert shown == 6, "of each picture the one for this width"
    assert faults == []


def test_a_text_that_lies_over_another_is_found(browser: Browser, site: str) -> None:
    browser.go(f"{site}/en/a/pictures.html")
    browser.run(
        "const [one, two] = document.querySelectorAll('.pic-wide text'); two.setAttribute('y', one.getAttribute('y'));"
        "two.setAttribute('x', one.getAttribute('x'))"
    )
    assert browser.run(TEXTS)[1] != []


def test_pictures_and_diagrams_need_no_script(browser: Browser, site: str) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    seen = "return [...document.querySelectorAll('figure.pic svg')].filter((e) => e.getBoundingClientRect().height > 20).length"
    try:
        for page, pictures in (("diagram", 1), ("pictures", 6)):
            browser.call("POST", "/url", {"url": f"{site}/en/a/{page}.html"})
            assert browser.run(seen) == pictures
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize(("language", "scheme", "wide"), [("en", "light", 1400), ("zh", "dark", 360)])
def test_pictures_and_their_words_have_no_barrier(browser: Browser, site: str, language: str, scheme: str, wide: int) -> None:
    browser.size(wide, 900)
    browser.scheme(scheme)
    browser.go(f"{site}/{language}/a/pictures.html")
    browser.run("for (const words of document.querySelectorAll('.pic details')) words.open = true")
    browser.run(AXE)
    found = browser.wait_for(
        "axe.run({include: [['figure.pic']]}, {resultTypes: ['violations']}).then("
        "(told) => done(told.violations.map((one) => [one.id, one.nodes[0].html])), (error) => done(String(error)))"
    )
    assert found == []
