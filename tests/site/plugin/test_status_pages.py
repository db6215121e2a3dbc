"""State of a site's recipes: the files and lines that the plugin adds, and the status page with and without the plugin."""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest
from jsonschema import Draft202012Validator

from kvmdocs.cli import documents
from kvmdocs.core.errors import GuideError
from kvmdocs.site.build import build_pages
from tests.support.html_dom import parse

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def hello(sh: Shell) -> None:
    "Say hello."
    sh.echo("hello, reader")

@recipe(tools=("no-such-tool",))
def wanting(sh: Shell) -> None: ...
"""
STATUS = """\
# Status

```python exec="on" html="on"
from kvmdocs.site.status import drifts, skips, summary, table
for part in (summary, table, skips, drifts):
    print(part())
```
"""


@pytest.fixture
def site(trial, monkeypatch):
    """A site of two pages with recipes, one without, and a status page."""
    made = trial().recipes(RECIPES)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(made.root))
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    made.block("deep/one.md", f"from {made.module} import *\nhello.show()\nhello.show()")
    made.block("two.md", f"from {made.module} import *\nhello.show()\nwanting.show()")
    made.guide("status.md", STATUS)
    return made


def build(made):
    made.forget()
    build_pages(made.root / "mkdocs.yml", made.root / "site")
    return made.root / "site"


def configure(made, old, new):
    config = made.root / "mkdocs.yml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def main_part(path):
    html = path.read_text("utf-8")
    return html[html.index('role="main"') : html.index('<footer class="col')]


def strict(node):
    """Return a schema that rejects fields it does not name."""
    if isinstance(node, dict):
        deeper = {key: strict(value) for key, value in node.items()}
        return {**deeper, "additionalProperties": False} if "properties" in node else deeper
    return [strict(item) for item in node] if isinstance(node, list) else node


def test_a_site_has_its_report_and_its_schema(site):
    built = build(site)
    report = json.loads((built / "report.json").read_text("utf-8"))
    schema = json.loads((built / "schemas/report-1.json").read_text("utf-8"))
    assert schema == json.loads(documents.schema("report"))
    wrong = [error.message for error in Draft202012Validator(strict(schema)).iter_errors(report)]
    assert wrong == []
    # The schema rejects other documents and other versions.
    assert not Draft202012Validator(schema).is_valid({**report, "schema": 2})
    assert not Draft202012Validator(schema).is_valid({**report, "recipes": [{"recipe": "hello"}]})
    rows = {row["recipe"]: row for row in report["recipes"]}
    assert {name: row["state"] for name, row in rows.items()} == {"hello": "current", "wanting": "skipped"}
    assert rows["wanting"]["wants"] == [{"kind": "tool", "name": "no-such-tool"}]
    pages = {page["url"]: page for page in report["pages"]}
    assert set(pages) == {"deep/one/", "two/"}
    assert pages["two/"]["counts"] == {"current": 1, "skipped": 1}
    assert not (built / "badges").exists()

    # The line under the title, and the anchor that the status page links to.
    one = (built / "deep/one/index.html").read_text("utf-8")
    line = re.search(r'</h1><p class="ks-badge ks-current".*?</p>', one)
    assert line
    assert 'href="../../status/?page=deep/one/"' in line[0]
    assert one.count('id="recipe-hello"') == 1
    assert "ks-badge" not in (built / "index.html").read_text("utf-8")
    html = re.search(r'<div class="ks-summary".*</dl>', main_part(built / "status/index.html"), re.DOTALL)
    assert html
    status = parse(re.sub(r"<script>.*?</script>", "", html[0], flags=re.DOTALL))
    links = [link.attributes.get("href", "") for link in status.all("a")]
    assert "../deep/one/#recipe-hello" in links
    assert "../report.json" in links
    assert "no-such-tool" in status.one("dl", "ks-skips").text


def test_a_site_without_a_status_page_has_the_rest(site):
    (site.root / "docs/status.md").unlink()
    page = site.root / "docs/two.md"
    page.write_text("---\nbadge: false\n---\n" + page.read_text())
    built = build(site)
    line = re.search(r'<p class="ks-badge.*?</p>', (built / "deep/one/index.html").read_text("utf-8"))
    assert line
    assert "href" not in line[0]
    assert (built / "report.json").is_file()
    assert "ks-badge" not in (built / "two/index.html").read_text("utf-8")


def test_lines_under_titles_can_be_switched_off_and_the_status_page_be_another(site):
    (site.root / "docs/status.md").rename(site.root / "docs/state.md")
    configure(site, "  - kvmdocs\n", "  - kvmdocs: {status_page: state.md}\n")
    assert 'href="../state/?page=two/"' in (build(site) / "two/index.html").read_text("utf-8")
    configure(site, "{status_page: state.md}", "{badges: false}")
    built = build(site)
    assert "ks-badge" not in (built / "two/index.html").read_text("utf-8")


def test_pages_are_known_by_the_sites_navigation(site):
    nav = "nav:\n  - index.md\n  - Chapter:\n    - The second: two.md\n    - deep/one.md\n  - status.md\n"
    config = site.root / "mkdocs.yml"
    config.write_text(config.read_text() + nav)
    pages = json.loads((build(site) / "report.json").read_text("utf-8"))["pages"]
    assert [(page["title"], page["chapter"]) for page in pages] == [("The second", "Chapter"), ("Title", "Chapter")]


def test_the_status_page_needs_no_plugin(site):
    configure(site, "  - kvmdocs\n", "")
    done = site.command("mkdocs", "build", "--strict", "--quiet")
    assert done.returncode == 0, done.stderr
    html = (site.root / "site/status/index.html").read_text("utf-8")
    rows = re.findall(r'<tr id="status-(\w+)"', html)
    assert rows == ["hello", "wanting"]
    assert "docs/deep/one.md" in html
    assert not (site.root / "site/report.json").exists()
    assert "report.json" not in html


def test_an_approved_record_that_cannot_be_read_ends_the_build_and_is_named(site, caplog):
    build(site)
    folder = site.root / site.package / "approved"
    folder.mkdir()
    (folder / "hello.json").write_text("[]")
    with caplog.at_level(logging.WARNING), pytest.raises(GuideError) as raised:
        build(site)
    told = f"{raised.value.message}\n{caplog.text}"
    assert "approved/hello.json cannot be read" in told
    assert "kvmdocs approve hello" in told
