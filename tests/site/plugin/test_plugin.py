"""The MkDocs plugin: whole sites, built strictly."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
import textwrap
import time
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kvmdocs.core.errors import GuideError
from kvmdocs.site.build import build_pages
from kvmdocs.site.plugin import plugin

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def hello(sh: Shell) -> None:
    "Say hello."
    sh.line("echo ran >> ../../../../count")
    sh.echo("hello, reader")
    with sh.section("end"):
        sh.echo("good bye")
"""


class _Text(HTMLParser):
    """Text and tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.linked: list[str] = []
        self.outputs: list[str] = []
        self._open = False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "pre" and dict(attrs).get("class") == "tr-out":
            self.outputs.append("")
            self._open = True
        if tag == "a" and "download" in dict(attrs) and not str(dict(attrs)["href"]).endswith(".sh"):
            self.linked.append(dict(attrs)["href"])

    def handle_endtag(self, tag):
        self._open = self._open and tag != "pre"

    def handle_data(self, data):
        self.text += data
        if self._open:
            self.outputs[-1] += data


def read(page: Path) -> _Text:
    parser = _Text()
    parser.feed(article(page))
    return parser


def article(page: Path) -> str:
    """Return the main part of a page, which is made from its guide."""
    html = page.read_text("utf-8")
    return html[html.index('role="main"') : html.index('<footer class="col')]


@pytest.fixture
def site(trial, monkeypatch):
    """Project whose site can be built in this process."""
    made = trial().recipes(RECIPES)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(made.root))
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    return made


def build(made, config: str = "mkdocs.yml") -> Path:
    """Build the site and return its folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] == made.package]:
        del sys.modules[name]
    build_pages(made.root / config, made.root / "site")
    return made.root / "site"


def show(made, name: str = "page.md", call: str = "hello.show()", recipe: str = "hello") -> None:
    made.block(name, f"from {made.module} import {recipe}\n{call}")


def refused(made, caplog) -> str:
    """Build a site that has an error, and return all messages."""
    with caplog.at_level(logging.WARNING), pytest.raises(GuideError) as raised:
        build(made)
    return f"{raised.value.message}\n{caplog.text}"


def ran(made) -> int:
    return (made.root / "count").read_text().count("ran")


def test_a_site_is_built_and_a_second_build_runs_nothing(site):
    show(site)
    page = read(build(site) / "page/index.html")
    assert "echo 'hello, reader'" in page.text
    assert page.outputs == ["hello, reader", "good bye"]
    fresh = page.text
    again = read(build(site) / "page/index.html")
    assert ran(site) == 1
    assert again.text != fresh  # only in the stamp
    assert again.outputs == page.outputs


def test_an_edit_of_prose_runs_nothing(site):
    show(site)
    build(site)
    page = site.root / "docs/page.md"
    page.write_text("New prose.\n\n" + page.read_text())
    assert "New prose." in read(build(site) / "page/index.html").text
    assert ran(site) == 1


def test_a_block_shown_on_two_pages_and_in_two_languages_runs_once(site):
    show(site, "one.md")
    show(site, "two.md", "hello.show('end')")
    built = build(site)
    assert "hello, reader" in read(built / "one/index.html").text
    two = read(built / "two/index.html").text
    assert "good bye" in two
    assert two.count("hello, reader") == two.count('sh.echo("hello, reader")') == 1, "in the recipe's Python alone"
    assert ran(site) == 1


def test_a_chinese_page_speaks_chinese(site):
    show(site)
    config = site.root / "mkdocs.yml"
    text = config.read_text().replace("{name: mkdocs}", "{name: mkdocs, language: zh}")
    (site.root / "mkdocs.zh.yml").write_text(text)
    english = read(build(site) / "page/index.html").text
    chinese = read(build(site, "mkdocs.zh.yml") / "page/index.html").text
    assert re.search("[\u4e00-\u9fff]", chinese)
    assert not re.search("[\u4e00-\u9fff]", english)
    assert ran(site) == 1


def test_an_inline_recipe_is_run_and_shown(site):
    site.block(
        "page.md",
        """
        from kvmdocs import Shell, recipe

        @recipe()
        def inline(sh: Shell, hello: None) -> str:
            return sh.line("echo from $((6 * 7))")

        inline.show(render=lambda value: f"It said **{value.strip()}**.")
        inline.show()
        """,
    )
    page = read(build(site) / "page/index.html")
    assert "It said from 42." in page.text
    assert ("strong", {}) in page.tags
    assert page.outputs == ["from 42"]
    assert ran(site) == 1


EVIL = """
@recipe()
def evil(sh: Shell) -> None:
    sh.write("evil.txt", "<script>alert(1)</script>\\n")
    sh.line(r"printf '<script>alert(2)</script>\\n</div></code></pre><h1>big</h1>\\n&lt;b&gt; & **bold** [x](y)\\n'")
    sh.line(r"printf '\\033[31mred\\033[0m \\033]0;title\\007 \\033[2J <i>\\n'")
    sh.line("echo '```'; echo '~~~'; echo; echo '    indented'; echo '# no heading'; echo '{% raw %}'")
    sh.line("printf '\\\\000\\\\001\\\\377 end\\\\n'")
"""


def test_output_is_text_and_never_markup(site):
    site.recipes(EVIL)
    show(site, call="evil.show(title='<b>title</b>')", recipe="evil")
    html = article(build(site) / "page/index.html")
    page = read(site.root / "site/page/index.html")
    assert "<script>alert(1)</script>" in page.text
    assert "<script>alert(2)</script>" in page.text
    assert "</div></code></pre><h1>big</h1>" in page.text
    assert "&lt;b&gt; & **bold** [x](y)" in page.text
    assert "\n    indented\n# no heading\n" in page.text
    names = [tag for tag, _ in page.tags]
    assert {"script", "em", "strong"} & set(names) == set()
    assert ("i", {}) not in page.tags  # the renderer's own `<i>`, for control characters, has a class
    assert names.count("h1") == 1
    assert "\x1b" not in html
    assert "[31m" not in html
    assert ("span", {"class": "tr-f1"}) in page.tags
    assert "big" not in [text.strip() for text in re.findall(r"<h1[^>]*>([^<]*)", html)]


LONG = """
@recipe()
def long(sh: Shell) -> None:
    sh.seq(100_000)
"""


def test_a_long_output_is_folded_and_its_whole_log_is_in_the_site(site):
    site.recipes(LONG)
    show(site, "deep/page.md", "long.show()", "long")
    built = build(site)
    page = read(built / "deep/page/index.html")
    assert "\n50000\n" not in page.text
    assert page.linked
    for address in page.linked:
        log = (built / "deep/page" / address).resolve()
        assert log.is_relative_to(built)
        assert log.read_text() == "".join(f"{number}\n" for number in range(1, 100_001))


FAILING = """
@recipe()
def failing(sh: Shell) -> None:
    sh.echo("fine so far")
    sh.line("seq 100; echo the last words; exit 7")

@recipe()
def later(sh: Shell, failing: None) -> None: ...

@recipe()
def wrong(sh: Shell) -> None:
    assert sh.echo("7").strip() == "8", "seven is not eight"
"""


def test_a_failing_recipe_ends_the_build_and_all_failures_are_told_at_once(site, caplog):
    site.recipes(FAILING)
    show(site, "page.md", "failing.show()", "failing")
    show(site, "sub/other.md", "failing.show()\nlater.show()", "failing, later")
    show(site, "third.md", "wrong.show()", "wrong")
    told = refused(site, caplog)
    lines = [re.sub(" +", " ", line.strip()) for line in told.splitlines()]
    assert "guide docs/page.md:3" in lines
    assert "guide docs/sub/other.md:3" in lines
    assert f"recipe failing ({site.package}/all.py:8)" in lines
    assert "step 2 seq 100; echo the last words; exit 7" in lines
    assert "status exit 7" in lines
    assert "the last words" in lines
    assert "99" in lines
    assert "1" not in lines  # the last lines, not all of them
    (log,) = {line.removeprefix("log ") for line in lines if line.endswith("/failing.json")}
    assert Path(log).is_file()
    assert any(line.startswith("next ") for line in lines)
    assert any("seven is not eight" in line for line in lines)
    assert "guide docs/third.md:3" in lines
    assert not (site.root / "site/page/index.html").exists()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("hello.show('middle')", "no section 'middle'"),
        ("hello.show(notes={'^nowhere$': 'x'})", "the note on '^nowhere$' hangs nowhere"),
        ("hello.show(notes={'(': 'x'})", "'(' is not a regular expression"),
        ("hello.show(highlight='^nowhere$')", "highlight='^nowhere$' marks nothing"),
        ("hello.show(highlight='[')", "'[' is not a regular expression"),
    ],
)
def test_what_a_block_asks_of_a_record_and_is_not_there_ends_the_build(site, caplog, call, said):
    show(site, call=call)
    show(site, "right.md", "hello.show()")
    told = refused(site, caplog)
    assert said in told
    assert "docs/page.md:5" in told
    assert "BuildError" in told  # an error even without strict mode
    assert not (site.root / "site/page/index.html").exists()


def test_wrong_guides_end_the_build_all_at_once_and_nothing_runs(site, caplog):
    show(site, "right.md")
    site.block("one.md", "nothing.show()")
    show(site, "two.md", "helo.show()", "helo")
    told = refused(site, caplog)
    assert "docs/one.md:4" in told
    assert "docs/two.md:4" in told
    assert f"did you mean `from {site.module} import hello`?" in told
    assert not (site.root / "count").exists()


def test_a_skipped_recipe_is_shown_with_its_reason(site):
    site.recipes("""
        @recipe(tools=("no-such-tool",))
        def wanting(sh: Shell) -> None: ...

        @recipe()
        def absent(sh: Shell) -> str:
            sh.skip("there is <no> moon tonight")
        """)
    show(site, call="wanting.show()\nabsent.show('part', notes={'x': 'y'}, render=str.upper)", recipe="absent, wanting")
    text = read(build(site) / "page/index.html").text
    assert "no-such-tool" in text
    assert "there is <no> moon tonight" in text


def test_the_plugin_can_be_switched_off(site):
    config = site.root / "mkdocs.yml"
    config.write_text(config.read_text().replace("  - kvmdocs\n", "  - kvmdocs: {enabled: false}\n"))
    (site.root / "docs/page.md").write_text("# Page\n")
    build(site)
    assert not (site.root / "store").exists()


@pytest.fixture
def both(site):
    """Project with a second configuration without the plugin, ``bare.yml``."""
    show(site, call="hello.show(notes={'^echo': 'a note'}, title='Hello')")
    done = site.command("mkdocs", "build", "--strict", "--quiet", "--site-dir", "site/first")
    assert done.returncode == 0, done.stderr
    config = (site.root / "mkdocs.yml").read_text()
    (site.root / "bare.yml").write_text(config.replace("  - kvmdocs\n", ""))
    return site


def test_without_the_plugin_the_page_is_the_same(both):
    pages = []
    for name, config in (("with", "mkdocs.yml"), ("without", "bare.yml")):
        done = both.command("mkdocs", "build", "--strict", "--quiet", "-f", config, "--site-dir", f"site/{name}")
        assert done.returncode == 0, done.stderr
        pages.append(article(both.root / "site" / name / "page/index.html"))
    assert "hello, reader" in pages[0]
    # Added by the plugin only: the page's script, the state of its recipes, and their anchors.
    added = re.compile(
        r'<p class="ks-badge.*?</p>|<p class="tr-page-script.*?</p>|<p class="tr-name">A part of.*?</p>'
        r'|<div class="tr-anchor" id="recipe-hello"></div>\s*'
    )
    assert len(added.findall(pages[0])) == 4
    assert added.sub("", pages[0]) == pages[1]
    assert ran(both) == 1


def test_without_the_plugin_a_failure_ends_a_strict_build(site):
    site.recipes(FAILING)
    show(site, call="failing.show()", recipe="failing")
    config = site.root / "mkdocs.yml"
    config.write_text(config.read_text().replace("  - kvmdocs\n", ""))
    done = site.command("mkdocs", "build", "--strict")
    assert done.returncode != 0
    for said in ("docs/page.md:3", "failing", "exit 7", "the last words"):
        assert said in done.stderr


def test_the_command_line_of_mkdocs_tells_a_failure_without_a_traceback(site):
    site.recipes(FAILING)
    show(site, call="failing.show()", recipe="failing")
    done = site.command("mkdocs", "build", "--strict")
    assert done.returncode == 1
    assert "docs/page.md:3" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recipe_that_changes_is_read_anew_by_a_second_build(site):
    """Several builds with one plugin in one process, as in ``mkdocs serve``."""
    from mkdocs.commands.build import build as once
    from mkdocs.config import load_config

    show(site)
    config = load_config(str(site.root / "mkdocs.yml"), strict=True, site_dir=str(site.root / "site"))
    config.plugins.on_startup(command="serve", dirty=False)

    def until(*outputs):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            once(config)
            if read(site.root / "site/page/index.html").outputs == list(outputs):
                return
            time.sleep(0.2)
        raise AssertionError(f"the page never showed {outputs}")

    try:
        until("hello, reader", "good bye")
        site.recipes(RECIPES.replace("hello, reader", "hello again"))
        os.utime(site.root / site.package / "all.py", (2_000_000_000, 2_000_000_000))
        until("hello again", "good bye")
    finally:
        config.plugins.on_shutdown()
    assert ran(site) == 2


def test_a_page_outside_of_the_recipes_is_left_alone(site):
    site.guide("page.md", textwrap.dedent('# T\n\n```python exec="on"\nprint("**plain**")\n```\n'))
    page = read(build(site) / "page/index.html")
    assert "plain" in page.text
    assert ("strong", {}) in page.tags


def test_serve_shows_a_failure_on_the_page_and_lives_on(trial):
    made = trial().recipes("""
        @recipe()
        def changing(sh: Shell) -> None:
            sh.echo("it works")
        """)
    made.block("index.md", f"from {made.module} import changing\nchanging.show()")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = made.start("mkdocs", "serve", "--dev-addr", f"127.0.0.1:{port}")
    source = made.root / made.package / "all.py"
    try:
        page_with(port, "it works", server)
        source.write_text(source.read_text().replace('sh.echo("it works")', 'sh.line("echo so far; exit 3")'))
        page_with(port, "so far", server)
        source.write_text(source.read_text().replace("exit 3", "echo it works again"))
        page_with(port, "it works again", server)
    finally:
        server.terminate()
        server.wait(30)


def page_with(port, text, server):
    """Wait until a transcript of the served page contains a text."""
    deadline = time.monotonic() + 90
    while True:
        assert server.poll() is None
        assert time.monotonic() < deadline, f"the page never showed {text!r}"
        with contextlib.suppress(OSError):
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().decode()
            if re.search(rf'class="tr-out"[^>]*>[^<]*{re.escape(text)}', page):
                return
        time.sleep(0.2)


def test_the_whole_build_names_the_block_whose_note_hangs_nowhere(trial):
    made = trial().recipes("""
        @recipe()
        def two(sh: Shell) -> None:
            sh.echo("one")
            sh.echo("two")
        """)
    show = f'```python exec="on"\nfrom {made.module} import two\ntwo.show(notes={{"%s": "here"}})\n```\n'
    made.guide("index.md", "# Home\n\n" + show % "one" + "\n" + show % "nowhere")
    done = made.command("kvmdocs.cli", "build")
    assert done.returncode == 2
    assert "'nowhere' hangs nowhere" in done.stderr
    assert "docs/index.md:10" in done.stderr
    assert "docs/index.md:3" not in done.stderr


@pytest.mark.parametrize(
    ("source", "is_html"),
    [
        ("hello.show()", True),
        ("hello.show('greeting', notes={'render=': 'A note that names render=.'})", True),
        ("hello.show(render=table)", False),
        ("hello.show(render = table)", False),
        ("hello.show(**options)", False),
        ("print ('*Markdown*')\nhello.show()", False),
        ("list(map(print, lines))\nhello.show()", False),
    ],
)
def test_only_a_block_that_prints_nothing_but_transcripts_is_taken_for_html(monkeypatch, source, is_html):
    options = []
    monkeypatch.setattr(plugin, "formatter", lambda *args, **_: options.append(args[3]) or "")
    plugin.as_html(source, "python", "", {}, None)
    assert options == [{"html": True} if is_html else {}]
