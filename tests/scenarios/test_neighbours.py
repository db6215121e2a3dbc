"""Other plugins beside ours: the site builds as it would without us, and its pages are known."""

from __future__ import annotations

import importlib.util
import json

import pytest

RECIPES = '@recipe()\ndef hello(sh: Shell) -> None:\n    sh.echo("hello")\n'
BLOCK = '```python exec="on"\nfrom {package}.all import hello\nhello.show()\n```\n'
POST = "---\ndate: 2026-01-31\ncategories: [A]\n---\n\n# First post\n\n{block}\n<!-- more -->\n\nRest.\n"


def site(trial, plugins: str, theme: str = "material"):
    made = trial()
    made.recipes(RECIPES)
    (made.root / "mkdocs.yml").write_text(
        f"site_name: Trial\ntheme: {{name: {theme}}}\nplugins: {plugins}\nmarkdown_extensions: [pymdownx.superfences]\n"
    )
    made.guide("index", f"# Home\n\n{BLOCK.format(package=made.package)}")
    return made


def build(made) -> None:
    done = made.command("kvmdocs.cli", "build")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_post_of_a_blog_has_its_title_address_and_badge(trial):
    made = site(trial, "[search, blog, kvmdocs, markdown-exec]")
    posts = made.root / "docs" / "blog" / "posts"
    posts.mkdir(parents=True)
    (posts.parent / "index.md").write_text("# Blog\n")
    (posts / "one.md").write_text(POST.format(block=BLOCK.format(package=made.package)))
    build(made)
    (recipe,) = json.loads((made.root / "site" / "report.json").read_text())["recipes"]
    post = next(page for page in recipe["pages"] if page["guide"] == "docs/blog/posts/one.md")
    assert (post["title"], post["url"]) == ("First post", "blog/2026/01/31/first-post/")
    assert "ks-badge" in (made.root / "site" / post["url"] / "index.html").read_text()


@pytest.mark.skipif(importlib.util.find_spec("mkdocs_static_i18n") is None, reason="mkdocs-static-i18n is not installed")
def test_a_site_in_languages_of_static_i18n(trial):
    languages = "[{locale: en, default: true, name: English}, {locale: de, name: Deutsch}]"
    made = site(trial, f"[search, {{i18n: {{docs_structure: suffix, languages: {languages}}}}}, kvmdocs, markdown-exec]")
    made.guide("index.de", f"# Start\n\n{BLOCK.format(package=made.package)}")
    build(made)
    for page in ("index.html", "de/index.html"):
        assert "tr-out" in (made.root / "site" / page).read_text()
