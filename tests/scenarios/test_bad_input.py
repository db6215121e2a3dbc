"""What an author gets wrong in a project of two languages: the strict build fails, and says in which file and on which line."""

from __future__ import annotations

import os
import re
import sys

import pytest

RECIPES = """
@recipe()
def hello(sh: Shell) -> None:
    "Say hello."
    with sh.section("greeting"):
        sh.echo("hello, reader")
"""

CONFIG = """\
site_name: Two
docs_dir: docs/{language}
site_dir: site/{language}
theme: {{name: mkdocs, locale: {language}}}
plugins: [kvmdocs, markdown-exec]
markdown_extensions:
  - pymdownx.superfences
  - pymdownx.snippets: {{check_paths: true}}
validation:
  nav: {{omitted_files: warn, not_found: warn, absolute_links: warn}}
  links: {{not_found: warn, anchors: warn, absolute_links: warn, unrecognized_links: warn}}
nav:
  - Home: index.md
  - Page: sub/page.md
"""

SOUND = """\
---
title: A page
---

# Page

![drawn](drawn.svg)
[home](../index.md#home) <a href="../../index.html">home</a>

```python exec="on"
from {module} import hello
hello.show(
    "greeting",
    notes={{
        r"hello, re[a]der": "it greets",
    }},
    highlight="hello",
)
```

```text
[broken](only-an-example.md) <img src="example.png">
```
"""


class Two:
    """A project in two languages that is sound."""

    def __init__(self, made) -> None:
        self.made, self.root = made.recipes(RECIPES), made.root
        settings = f'[project]\nrecipes = "{made.package}"\ndocs = ["docs/en", "docs/zh"]\nconfigs = ["en.yml", "zh.yml"]\n'
        self.write("kvmdocs.toml", settings + '\n[links]\nqemu = "https://example.org/{path}#{line}"\n')
        (self.root / "docs/index.md").unlink()
        (self.root / "mkdocs.yml").unlink()
        for language in ("en", "zh"):
            self.write(f"{language}.yml", CONFIG.format(language=language))
            self.write(f"docs/{language}/index.md", "# Home\n\n[page](sub/page.md)\n")
            self.write(f"docs/{language}/sub/page.md", SOUND.format(module=made.module))
            self.write(f"docs/{language}/sub/drawn.svg", '<svg xmlns="http://www.w3.org/2000/svg"/>')

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def edit(self, name: str, old: str, new: str) -> int:
        """Edit a file; gives the line of what is new."""
        text = (self.root / name).read_text("utf-8")
        assert old in text
        text = text.replace(old, new, 1)
        self.write(name, text)
        return text[: text.index(new)].count("\n") + 1

    def build(self) -> tuple[int, str]:
        done = self.made.kvmdocs("build")
        return done.exit_code, done.output


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def two(trial, monkeypatch, store):
    made = Two(trial())
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    monkeypatch.setenv("KVMDOCS_STORE_PATH", str(store))
    yield made
    os.environ.pop("MKDOCS_CONFIG_DIR", None)


def test_the_sound_project_is_built(two):
    status, told = two.build()
    assert status == 0, told
    assert "WARNING" not in told
    assert "hello, reader" in re.sub("<[^>]*>", "", (two.root / "site/zh/sub/page/index.html").read_text("utf-8"))


PAGE = "docs/zh/sub/page.md"

WRONG = {
    "a broken link": (PAGE, "[home](../index.md#home)", "[home](../home.md)", "'../home.md'"),
    "a link whose page is named in the prose": (
        "docs/en/index.md",
        "[page](sub/page.md)",
        "x.md is there\n\n[x](x.md)",
        "'x.md'",
    ),
    "a link to no anchor": (PAGE, "index.md#home", "index.md#house", "does not contain an anchor '#house'"),
    "a link without an ending": (PAGE, "[home](../index.md#home)", "[home](../nothing)", "unrecognized relative link"),
    "a line that reads otherwise than it is": (PAGE, "[broken](only-an-example.md)", "rm \u202eelif", "has U+202E in it"),
    "a link from the root": (PAGE, "[home](../index.md#home)", "[home](/index.md)", "absolute link '/index.md'"),
    "a reference that leads nowhere": (PAGE, "[home](../index.md#home)", "[home][h]\n\n[h]: ../none.md\n\n", "'../none.md'"),
    "a reference to what is not there": (
        PAGE,
        "[home](../index.md#home)",
        "[home][here]",
        "the link [home][here] has no address",
    ),
    "a missing image": (PAGE, "drawn.svg", "drown.svg", "'drown.svg'"),
    "a missing image in HTML": (PAGE, "# Page", '# Page\n\n<img src="../none.png" alt="">', "'../none.png', which is not part"),
    "a missing page in HTML": (PAGE, '"../../index.html"', '"../../home.html"', "'../../home.html', which is not part"),
    "front matter that is no YAML": (PAGE, "title: A page", "title: A page: of two", "mapping values are not allowed"),
    "front matter that never ends": (PAGE, "---\n\n# Page", "\n# Page", "never ends"),
    "front matter without names": (PAGE, "title: A page", "A page", "no `name: value`"),
    "a title that is a number": (PAGE, "title: A page", "title: 2015", "`title` is no text: 2015"),
    "a note that matches nothing": (PAGE, 'r"hello, re[a]der"', 'r"hello, wri\\.er"', "hangs nowhere"),
    "a note that is no pattern": (PAGE, 'r"hello, re[a]der"', 'r"hello, ("', "is not a regular expression"),
    "a section that is not there": (PAGE, '"greeting"', '"greetings"', "no section 'greetings'"),
    "a marked line that is no pattern": (PAGE, 'highlight="hello"', 'highlight="*"', "is not a regular expression"),
    "a mark that marks nothing": (PAGE, 'highlight="hello"', 'highlight="good day"', "highlight='good day' marks nothing"),
    "an option that blocks do not have": (PAGE, 'exec="on"', 'exec="on" sesion="a"', "no option 'sesion'"),
    "a slip in what has a block executed": (PAGE, 'exec="on"', 'exce="on"', "did you mean 'exec'?"),
    "a recipe that is not there": (PAGE, "import hello", "import hallo", "did you mean"),
    "a block that is no Python": (PAGE, "notes={", "notes={{", "SyntaxError"),
    "an option that show does not have": (PAGE, "highlight=", "mark=", "TypeError"),
    "a block of something else that fails": (
        PAGE,
        "```text",
        '```python exec="on"\n1 / 0\n```\n\n```text',
        "ZeroDivisionError",
    ),
    "a page in nav that is not there": ("zh.yml", "Home: index.md", "Home: home.md", "'home.md' is included in the 'nav'"),
    "a link template with an unknown field": (
        "kvmdocs.toml",
        'qemu = "https://example.org/{path}',
        'qemu = "https://example.org/{file}',
        "{file}",
    ),
    "a link template with an open brace": ("kvmdocs.toml", "{line}", "{line", "is no template"),
    "an edit link with an unknown field": (
        "kvmdocs.toml",
        "[links]",
        '[site]\nedit = "https://example.org/{file}"\n\n[links]',
        "{file}",
    ),
    "a setting of another type": ("kvmdocs.toml", "[links]", '[limits]\njobs = "two"\n\n[links]', "'limits.jobs' cannot be"),
    "settings that are no TOML": ("kvmdocs.toml", "[links]", "links]", "kvmdocs.toml cannot be read"),
    "a snippet that is not there": (PAGE, "# Page", '# Page\n\n--8<-- "none.md"', "none.md"),
    "a template that is not there": (PAGE, "title: A page", "template: none.html", "none.html"),
    "a configuration that is no YAML": ("zh.yml", "site_name: Two", "site_name: [Two", "zh.yml"),
    "a configuration with an unknown option": ("zh.yml", "plugins: [kvmdocs,", "plugins: [kvmdoc,", "kvmdoc"),
}
LINES_ON = {
    "a link whose page is named in the prose": 2,
    "a reference that leads nowhere": 2,
    "a missing image in HTML": 2,
    "front matter that never ends": -2,
    "a block that is no Python": 4,
    "an option that show does not have": -5,
    "a snippet that is not there": 2,
    "an edit link with an unknown field": 1,
    "a setting of another type": 1,
}
"""How many lines after the one where the edit begins what is wrong stands, where it is not that one."""


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_with_file_and_line(two, what):
    name, old, new, told = WRONG[what]
    line = two.edit(name, old, new) + LINES_ON.get(what, 0)
    status, said = two.build()
    print(said)
    assert status == 2
    assert told in said
    # Whoever reads YAML says it in this way.
    assert re.search(rf'{re.escape(name)}(:|", line ){line}\b', said)
    assert "Traceback" not in said or "1 / 0" in said


def test_a_guide_in_one_language_only_is_refused(two):
    two.write("docs/en/alone.md", "# Alone\n")
    status, said = two.build()
    assert status == 2
    assert "docs/en/alone.md:1" in said
    assert "there is no docs/zh/alone.md" in said


def test_a_link_template_from_the_environment_is_named_by_its_variable(two, monkeypatch):
    monkeypatch.setenv("KVMDOCS_LINKS_QEMU", "https://example.org/{file}")
    status, said = two.build()
    assert status == 2
    assert "the variable KVMDOCS_LINKS_QEMU" in said


def test_what_a_block_prints_is_looked_at_too(two):
    line = two.edit(
        PAGE, "```text", '```python exec="on"\nname = "none"\nprint(f"![]({name}.png) [x]({name}.md)")\n```\n\n```text'
    )
    status, said = two.build()
    assert status == 2
    assert "'none.png', which is not part of the site: a block prints it" in said
    assert "'none.md', which is not part of the site: a block prints it" in said
    assert f"{PAGE}:{line}" in said


def test_a_broken_link_that_mkdocs_tells_of_is_told_once(two):
    two.edit(PAGE, "[home](../index.md#home)", "[home](../home.md#x) ![y](none.png)")
    status, said = two.build()
    assert status != 0
    assert (said.count("'../home.md"), said.count("'none.png'")) == (1, 1), said
    assert "give the file's address as the finished page sees it" not in said


def test_a_block_that_says_nothing_of_recipes_and_raises_an_error_of_the_engine_is_not_swallowed(two):
    line = two.edit(
        PAGE,
        "```text",
        '```python exec="on"\nfrom kvmdocs.core.settings import Settings\nSettings(None, {})["x"]\n```\n\n```text',
    )
    status, said = two.build()
    assert status == 2
    assert f"{PAGE}:{line}" in said
    assert "there is no setting 'x'" in said
