"""The script of a page: from the command line, and next to the page on the site."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from kvmdocs.core.words import words as words_of
from kvmdocs.render import Language
from kvmdocs.script.guides import GuideScript
from kvmdocs.site.build import build_pages
from kvmdocs.site.plugin import script_links

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def source(sh: Shell) -> Path:
    sh.write("word.txt", "said\\n")
    return sh.workspace / "word.txt"

@recipe()
def one(sh: Shell, source: Path) -> None:
    sh.cat(source)

@recipe()
def two(sh: Shell, source: Path) -> None:
    sh.line("cat ../source*/word.txt | tr a-z A-Z")

@recipe()
def barred(sh: Shell) -> None:
    sh.skip("not on this host")
"""
PAGE = '# Words\n\n```python exec="on"\nfrom {0} import one, two\ntwo.show()\none.show()\ntwo.show()\n```\n'


@pytest.fixture
def words(trial, monkeypatch):
    made = trial().recipes(RECIPES)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(made.root))
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    made.guide("part/words.md", PAGE.format(made.module))
    return made


def run(path, home):
    home.mkdir()
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run(["bash", path], cwd=home, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_a_page_s_script_runs_all_it_shows_and_builds_on_once(words, tmp_path):
    assert words.kvmdocs("run", "one", "two").exit_code == 0
    path = tmp_path / "words.sh"
    done = words.kvmdocs("export", "--guide", str(words.root / "docs/part/words.md"), "--output", str(path))
    assert done.exit_code == 0, done.output
    ran = run(path, tmp_path / "home")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["== source", "== two", "SAID", "== one", "said"] or ran.stdout.splitlines() == [
        "== source",
        "== one",
        "said",
        "== two",
        "SAID",
    ]
    assert "# The page docs/part/words.md, as it ran on" in path.read_text()


def test_wrong_use_of_export_is_told(words):
    assert words.kvmdocs("export").exit_code == 2
    assert words.kvmdocs("export", "one", "--guide", str(words.root / "docs/part/words.md")).exit_code == 2
    done = words.kvmdocs("export", "--guide", str(words.root / "docs/index.md"))
    assert "it shows no recipe" in done.output
    assert done.exit_code == 2
    done = words.kvmdocs("export", "--guide", str(words.root / "kvmdocs.toml"))
    assert "it is not a guide of this project" in done.output
    done = words.kvmdocs("export", "--guide", str(words.root / "docs/part/words.md"))
    assert "no recipe has a record that a script could be made from" in done.output
    assert done.exit_code == 2


@pytest.mark.parametrize(("file", "reason"), [("absent/x.sh", "No such file"), ("kvmdocs.toml/x.sh", "Not a directory")])
def test_a_script_that_cannot_be_written_is_an_error(words, file, reason):
    assert words.kvmdocs("run", "one").exit_code == 0
    for path in (words.root / file, "/dev/full"):
        done = words.kvmdocs("export", "one", "--output", str(path))
        assert done.exit_code == 3
        assert f"{path} cannot be written: {'No space left' if path == '/dev/full' else reason}" in done.stderr
        assert "let --output name another file" in done.stderr


def test_what_cannot_be_done_again_is_told(words):
    assert words.kvmdocs("run", "one", "two").exit_code == 0
    toml = words.root / "kvmdocs.toml"
    toml.write_text(f'{toml.read_text()}[script.cannot]\none = "the moon must be full"\n', "utf-8")
    done = words.kvmdocs("export", "--guide", str(words.root / "docs/part/words.md"))
    assert "# one is left out: the moon must be full\n" in done.output
    assert "if due one " not in done.output
    assert "if due two shown" in done.output


NEEDY = """
@recipe(tools=("bash",))
def below(sh: Shell) -> None:
    sh.echo("b")

@recipe(tools=("cat",))
def above(sh: Shell, below: None) -> None:
    sh.echo("a")

@recipe()
def bare(sh: Shell) -> None:
    sh.echo("c")
"""
TABLE = """
[cat]
command = "cat"
apt = ["coreutils"]
dnf = ["coreutils-<one>"]
[bash]
command = "bash"
apt = ["dash"]
[join]
command = "join"
apt = ["joiner"]
"""


def test_a_page_says_what_to_install_for_it_and_what_it_builds_on(trial, monkeypatch):
    made = trial().recipes(NEEDY)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(made.root))
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    (made.root / "table.toml").write_text(TABLE, "utf-8")
    toml = made.root / "kvmdocs.toml"
    told = toml.read_text("utf-8").replace("[project]", '[project]\npackages = "table.toml"\nterminals = ["join"]')
    toml.write_text(told, "utf-8")
    made.block("needy.md", f"from {made.module} import above\nabove.show()")
    made.block("bare.md", f"from {made.module} import bare\nbare.show()")
    build_pages(made.root / "mkdocs.yml", made.root / "site")
    page = (made.root / "site/needy/index.html").read_text("utf-8")
    assert page.count('<details class="tr-install"') == 1
    # Nobody is talked to by a socket here, so nothing to reach one is asked for.
    assert "<code>apt-get update &amp;&amp; apt-get install --no-install-recommends coreutils dash\n</code>" in page
    assert "<code>dnf install --setopt=install_weak_deps=False &#x27;coreutils-&lt;one&gt;&#x27;\n</code>" in page
    script = (made.root / "site/scripts/needy.sh").read_text("utf-8")
    assert "# Debian, Ubuntu, as root: apt-get update && apt-get install --no-install-recommends coreutils dash\n" in script
    assert "tr-install" not in (made.root / "site/bare/index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ({"a": 0.2}, "; a minute at most the first time"),
        ({"a": 61.0}, "; about 2 min the first time, most of it for a"),
        ({"a": 700.0, "b": 30.0, "c": 400.0}, "; about 19 min the first time, most of it for a, c"),
        (dict.fromkeys("abcdefgh", 600.0), "; about 1 h 20 min the first time"),
        ({}, ""),
    ],
)
def test_a_page_says_what_its_script_costs(seconds, said):
    assert re.sub(r"<[^>]*>", "", script_links._cost(GuideScript("", {}, seconds), words_of(Language.EN))) == said
    assert bool(script_links._cost(GuideScript("", {}, seconds), words_of(Language.ZH))) == bool(said)


def test_a_page_may_begin_with_its_lead_and_have_no_script(words):
    guide = words.root / "docs/part/words.md"
    text = guide.read_text("utf-8")
    guide.write_text(f"---\nlead: true\n---\n\n# Words\n\nWhat this is.\n\n{text}", "utf-8")
    build_pages(words.root / "mkdocs.yml", words.root / "site")
    page = (words.root / "site/part/words/index.html").read_text("utf-8")
    places = [
        page.index(text) for text in ("</h1>", "What this is.", 'class="ks-badge', 'class="tr-page-script"', 'class="tr"')
    ]
    assert places == sorted(places)
    assert "a minute at most the first time" in page
    guide.write_text(guide.read_text("utf-8").replace("lead: true", "script: false"), "utf-8")
    build_pages(words.root / "mkdocs.yml", words.root / "site")
    assert 'class="tr-page-script"' not in (words.root / "site/part/words/index.html").read_text("utf-8")


def test_a_page_links_to_its_script(words, tmp_path):
    words.guide("none.md", "# None\n\nNothing runs here.\n")
    words.block("barred.md", f"from {words.module} import barred\nbarred.show()")
    build_pages(words.root / "mkdocs.yml", words.root / "site")
    site = words.root / "site"
    page = (site / "part/words/index.html").read_text("utf-8")
    assert page.count('class="tr-page-script"') == 1
    link = page[page.index('class="tr-page-script"') :].partition('href="')[2].partition('"')[0]
    assert page.index("</h1>") < page.index('class="tr-page-script"') < page.index('class="tr"')
    path = (site / "part/words" / link).resolve()
    assert path == (site / "scripts/part/words.sh").resolve()
    # Beside a session is a part of it, which says so.
    assert page.count(f'<a href="{link}" download>the script of this page</a>') == page.count(':script" name="')
    ran = run(path, tmp_path / "home")
    assert ran.returncode == 0, ran.stderr
    assert "SAID" in ran.stdout
    for other in ("none", "barred"):
        assert "tr-page-script" not in (site / other / "index.html").read_text("utf-8")
    assert sorted(file.name for file in (site / "scripts").rglob("*.sh")) == ["words.sh"]
