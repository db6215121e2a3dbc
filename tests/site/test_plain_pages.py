"""Pages of a site as Markdown: each beside its page, and all in one file."""

from __future__ import annotations

import sys

import pytest

from kvmdocs.site.build import build_pages
from kvmdocs.store.files import add_checksum, strip_checksum

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def hello(sh: Shell) -> None:
    "Say hello."
    sh.echo("hello, reader")
"""
CONFIG = """
site_name: A trial
site_url: http://one.example/
use_directory_urls: false
theme: {{name: material, font: false}}
plugins:
  kvmdocs: {options}
  markdown-exec: {{}}
markdown_extensions:
  pymdownx.superfences: {{}}
nav: [folder/other.md, index.md]
"""
PAGE = """# Say hello

To [the other](folder/other.md#end) page.

```python exec="on"
from {module} import hello

hello.show()
```
"""


@pytest.fixture
def site(trial, monkeypatch):
    made = trial().recipes(RECIPES)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    made.guide("index.md", PAGE.format(module=made.module))
    made.guide("folder/other.md", "# The other\n\n## End\n\nBack to [the first](../index.md).\n")
    return made


def build(made, options="{}"):
    (made.root / "mkdocs.yml").write_text(CONFIG.format(options=options))
    made.forget()
    build_pages(made.root / "mkdocs.yml", made.root / "site")
    return made.root / "site"


def test_pages_are_there_as_markdown(site):
    built = build(site)
    first, other = ((built / f"{name}.html.md").read_text() for name in ("index", "folder/other"))
    assert first.startswith("# Say hello\n\nTo [the other](folder/other.html.md#end) page.\n\n")
    assert " echo 'hello, reader'\nhello, reader\n```\n" in first
    assert other == "# The other\n\n## End\n\nBack to [the first](../index.html.md).\n"
    whole = (built / "llms-full.txt").read_text()
    assert whole.startswith("# A trial\n")
    assert whole.index("<http://one.example/folder/other.html>\n\n# The other") < whole.index("\n# Say hello")
    assert first in whole


def test_a_second_build_takes_what_the_store_has_unless_it_was_harmed(site):
    built = build(site)
    wanted = (built / "folder/other.html.md").read_text()
    (kept,) = [path for path in (site.project().store.root / "rendered").glob("*.md") if b"The other" in path.read_bytes()]
    kept.write_bytes(add_checksum(b"# Kept before\n"))
    assert (build(site) / "folder/other.html.md").read_text() == "# Kept before\n"
    kept.write_bytes(add_checksum(b"# Kept before\n").replace(b"before", b"beforf"))
    assert strip_checksum(kept.read_bytes()) is None
    assert (build(site) / "folder/other.html.md").read_text() == wanted


def test_it_can_be_switched_off(site):
    built = build(site, "{plain_pages: false}")
    assert (built / "index.html").is_file()
    assert not [*built.glob("**/*.md"), *built.glob("llms*")]
