"""A site that is built although recipes failed: what its pages show, what it says of itself, and that nobody publishes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kvmdocs.core.errors import GuideError, RecipeFailed
from kvmdocs.core.model import Freshness, Status
from kvmdocs.site import publishing
from kvmdocs.site.build import SiteBuild
from kvmdocs.site.status.built import failures
from tests.support import ROOT
from tests.support.browser import AXE, Browser, missing, served
from tests.support.html_dom import parse

RECIPES = """
@recipe()
def fine(sh: Shell) -> str:
    "Say something fine."
    return sh.line("echo fine words")

@recipe()
def broken(sh: Shell, fine: str) -> int:
    "Count what is not there."
    with sh.section("begin"):
        sh.line("echo a first step")
    with sh.section("end"):
        sh.line("printf x >> ../tries; printf '\\\\033[31mred\\\\033[0m\\\\033]0;title\\\\007\\\\n'; seq 40; echo the last words >&2; exit 7")
    return 3

@recipe()
def after(sh: Shell, broken: int) -> str:
    "Take the count."
    return sh.line(f"echo counted {broken}")

@recipe()
def last(sh: Shell, after: str | None) -> str:
    "Take it further, if there is one."
    return sh.line("echo further")

@recipe()
def aside(sh: Shell, fine: str) -> int:
    "Build on what holds."
    sh.line("echo beside it")
    return 5
"""  # noqa: E501  # a script or output as it is

CONFIG = """\
INHERIT: {engine}/{name}
docs_dir: docs/{language}
site_dir: site/{language}
theme:
  custom_dir: {engine}/overrides
markdown_extensions:
  kvmdocs.render.glossary:
    page: ""
nav:
  - index.md
  - page.md
  - other.md
  - status.md
"""

STATUS = """\
---
search:
  exclude: true
---

# Status

```python exec="on" html="on"
from kvmdocs.site.status import drifts, skips, summary, table
for part in (summary, table, skips, drifts):
    print(part())
```
"""


def block(code: str) -> str:
    return f'```python exec="on"\n{code}\n```\n'


def write_pages(made, folder=""):
    """A first page, one whose recipe fails, shown in three ways, one with what builds on it, and the status page."""
    imported = f"from {made.module} import *\n"
    shows = (
        'broken.show("begin", title="Begin")',
        'broken.show("end", notes={"last": "A note."})',
        'broken.show(render=lambda n: f"It is **{n}**.")',
    )
    made.guide(f"{folder}index.md", f"# Home\n\nText.\n\n{block(imported + 'fine.show()')}")
    made.guide(f"{folder}page.md", "# Page\n\n" + "\nText.\n\n".join(block(imported + show) for show in shows))
    others = ("after.show()", "last.show()", 'aside.show(render=lambda n: f"It is **{n}**.")')
    made.guide(f"{folder}other.md", "# Other\n\n" + "\nText.\n\n".join(block(imported + show) for show in others))
    made.guide(f"{folder}status.md", STATUS)


@pytest.fixture
def project(trial, monkeypatch):
    """A project in one language, with MkDocs' own face."""
    made = trial().recipes(RECIPES)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(made.root))
    write_pages(made)
    return made


@pytest.fixture
def both(trial, monkeypatch):
    """The same in two languages, with the handbook's face, in a repository of its own."""
    made = trial().recipes(RECIPES)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (made.root / "kvmdocs.toml").write_text(
        f'[project]\nrecipes = "{made.package}"\ndocs = ["docs/en", '
        f'"docs/zh"]\nconfigs = ["en.yml", "zh.yml"]\n[store]\npath = "store"\n',
        "utf-8",
    )
    for path in ("mkdocs.yml", "docs/index.md"):
        (made.root / path).unlink()
    for language, name in (("en", "mkdocs.yml"), ("zh", "mkdocs.zh.yml")):
        (made.root / f"{language}.yml").write_text(CONFIG.format(engine=ROOT, name=name, language=language), "utf-8")
        write_pages(made, f"{language}/")
    return made


@pytest.fixture
def repository(project):
    """The project in a repository of its own."""
    for arguments in (
        "init -q -b main",
        "config user.name a",
        "config user.email a@example.org",
        "add kvmdocs.toml",
        "commit -q -m a",
    ):
        subprocess.run(["git", "-C", str(project.root), *arguments.split()], check=True, capture_output=True)
    return project


def main_part(path: Path) -> str:
    found = re.search(r'role="main">(.*)</div>\s*</div>\s*</div>\s*<footer class="col', path.read_text("utf-8"), re.DOTALL)
    assert found
    return re.sub(r"<(script|style)\b.*?</\1>", "", found[1], flags=re.DOTALL)


def boxes(path: Path):
    return parse(main_part(path)).all("div", "tr-failed")


def tries(project) -> int:
    found = [*project.root.glob("store/**/tries")]
    return len(found[0].read_text()) if found else 0


def mend(project) -> None:
    path = project.root / project.package / "all.py"
    path.write_text(path.read_text("utf-8").replace("exit 7", "exit 0"), "utf-8")


def branches(project) -> bytes:
    return subprocess.run(["git", "-C", str(project.root), "for-each-ref"], check=True, capture_output=True).stdout


def test_a_failed_build_says_last_what_would_give_the_site_nevertheless(project):
    (project.root / "site").mkdir()
    (project.root / "site/index.html").write_text("as it was")
    done = project.kvmdocs("build")
    assert done.exit_code == 1
    told = done.stderr.strip().splitlines()
    assert "kvmdocs build --keep-going" in told[-1]
    assert "make site KEEP_GOING=1" in told[-1]
    for said in (
        "docs/page.md:3",
        "recipe   broken",
        "step 2",
        "exit 7",
        "the last words",
        "failures/broken.json",
        "the site is as it was",
    ):
        assert said in done.stderr
    assert (project.root / "site/index.html").read_text() == "as it was"


def test_the_site_is_built_with_the_failure_on_its_pages_and_the_exit_code_stays(project):
    done = project.kvmdocs("build", "--keep-going")
    site = project.root / "site"
    assert done.exit_code == 1
    assert "--keep-going" not in done.stderr
    for said in (
        "docs/page.md:3",
        "recipe   broken",
        "step 2",
        "exit 7",
        "the last words",
        "failures/broken.json",
        "1 recipe failed",
    ):
        assert said in done.stderr
    last = done.stderr[done.stderr.index("kvmdocs: ") :]
    assert "the site was built with 1 failed recipe (2 not run because of that)" in last
    assert f"broken  {site}/page/#recipe-broken" in last
    assert "cannot be published" in last
    assert "1 failed, 2 not run because of that" in done.stdout
    # What does not build on it has run.
    assert "It is <strong>5</strong>" in (site / "other/index.html").read_text("utf-8")
    assert list(project.root.rglob(".kvmdocs-*")) == []


def test_each_block_says_which_recipe_failed_at_which_step_and_what_it_printed_last(project):
    project.kvmdocs("build", "--keep-going")
    site = project.root / "site"
    shown = boxes(site / "page/index.html")
    assert len(shown) == 3
    for box in shown:
        assert box.attributes["role"] == "note"
        for said in ("This recipe failed: broken", "Step: 2 ", "Status: exit 7", "the last words", "all.py:", "Next: "):
            assert said in box.text
        tail = box.one("pre", "tr-tail").text.split("\n")
        assert (len(tail), tail[-1]) == (12, "the last words")
    html = main_part(site / "page/index.html")
    assert "It is" not in html
    # What led to it is on the page once; the other boxes lead there.
    assert html.count('id="failed-broken"') == 1
    assert html.count('href="#failed-broken"') == 2
    frames = parse(html).all("div", "tr")
    assert {frame.attributes["data-status"] for frame in frames} == {"failed"}
    assert html.count('id="recipe-broken"') == 1


def test_what_was_not_run_because_of_it_names_the_recipe_that_failed(project):
    project.kvmdocs("build", "--keep-going")
    site = project.root / "site"
    shown = boxes(site / "other/index.html")
    assert [box.one("p", "tr-head").text for box in shown] == [
        "Not run, since a recipe that it builds on failed: after",
        "Not run, since a recipe that it builds on failed: last",
    ]
    for box in shown:
        for said in ("Failed recipe: broken", "Step: 2 ", "Status: exit 7", "the last words"):
            assert said in box.text
        assert box.one("a").attributes["href"] == "../page/#recipe-broken"
    html = main_part(site / "other/index.html")
    assert "counted" not in html
    assert "further" not in html
    assert [state.text for state in parse(html).all("b", "tr-state")][:2] == ["not run", "not run"]


def test_no_other_record_stands_in_for_a_failure(project):
    # All of them have passed once, have approved records, and their records are in the store.
    mend(project)
    assert project.kvmdocs("build").exit_code == 0
    assert project.kvmdocs("approve", "broken", "after", "last").exit_code == 0
    # Records know seconds: what was approved is made older, to be told from what fails within the same one.
    approved = project.root / project.package / "approved/broken.json"
    approved.write_text(re.sub(r'"started": "\d{4}', '"started": "2020', approved.read_text("utf-8")), "utf-8")
    path = project.root / project.package / "all.py"
    path.write_text(path.read_text("utf-8").replace("exit 0", "exit 7"), "utf-8")
    assert project.kvmdocs("build", "--keep-going").exit_code == 1
    site = project.root / "site"
    assert len(boxes(site / "page/index.html")) == 3
    assert len(boxes(site / "other/index.html")) == 2
    for page in (
        "page/index.html",
        "other/index.html",
        "scripts/other.sh",
        "index.html.md",
        "page/index.html.md",
        "llms-full.txt",
    ):
        if (site / page).exists():
            text = (site / page).read_text("utf-8")
            assert "echo counted" not in text, page
            assert "It is **3**" not in text, page
            assert "approved record" not in text, page
    assert not (site / "scripts/page.sh").exists()
    script = (site / "scripts/other.sh").read_text("utf-8")
    assert "# broken is left out: `printf" in script
    assert "# after is left out: it builds on broken, which failed" in script
    rows = {row["recipe"]: row for row in json.loads((site / "report.json").read_text("utf-8"))["recipes"]}
    assert rows["broken"]["approved"]["made"].startswith("2020")
    assert rows["broken"]["made"] > rows["broken"]["approved"]["made"]
    assert (rows["after"]["made"], rows["after"]["host"], rows["after"]["approved"] is None) == ("", None, False)


def test_a_recipe_that_fails_once_is_not_tried_again_for_each_language(both):
    path = both.root / both.package / "all.py"
    path.write_text(path.read_text("utf-8").replace("exit 7", "[ $(wc -c < ../tries) -gt 1 ]"), "utf-8")
    assert both.kvmdocs("build", "--keep-going").exit_code == 1
    assert tries(both) == 1
    for language in ("en", "zh"):
        assert (both.root / f"site/{language}/page.html").read_text("utf-8").count('class="tr-box tr-failed"') == 3
    assert both.kvmdocs("build", "--keep-going").exit_code == 0, "the second time it passes"


def test_a_failure_counts_more_than_the_record_that_the_store_has_for_the_same_key(project):
    path = project.root / project.package / "all.py"
    path.write_text(path.read_text("utf-8").replace("exit 7", "[ $(wc -c < ../tries) -lt 2 ]"), "utf-8")
    assert project.kvmdocs("build").exit_code == 0
    done = project.kvmdocs("build", "--mode", "fresh", "--keep-going")
    assert done.exit_code == 1
    assert len(boxes(project.root / "site/page/index.html")) == 3


def test_the_first_page_and_the_status_page_say_that_the_site_is_incomplete(project):
    project.kvmdocs("build", "--keep-going")
    site = project.root / "site"
    first = parse(main_part(site / "index.html")).one("div", "ks-incomplete")
    for said in ("This site is incomplete", "broken: ", "ended with status 7", "Not run because of that: after, last"):
        assert said in first.text
    assert [link.attributes["href"] for link in first.all("a")] == [
        "page/#recipe-broken",
        "other/#recipe-after",
        "other/#recipe-last",
        "status/",
    ]
    status = main_part(site / "status/index.html")
    assert "This site is incomplete" in parse(status).text
    assert 'id="status-broken" data-recipe="broken" data-state="failed"' in status
    assert 'id="status-after" data-recipe="after" data-state="blocked"' in status
    assert "Skipped for want of it: after last" in parse(status).text
    assert "This site is incomplete" not in (site / "other/index.html").read_text("utf-8")
    report = json.loads((site / "report.json").read_text("utf-8"))
    assert report["counts"] == {"current": 2, "blocked": 2, "failed": 1}
    assert {page["title"]: page["state"] for page in report["pages"]} == {
        "Home": "current",
        "Page": "failed",
        "Other": "blocked",
    }


def test_what_programs_read_shows_it_too_and_no_search_finds_it(both):
    assert both.kvmdocs("build", "--keep-going").exit_code == 1
    for language, failed, blocked, incomplete in (
        (
            "en",
            "This recipe failed: `broken`",
            "Not run, since a recipe that it builds on failed: `after`",
            "**This site is incomplete**",
        ),
        ("zh", "此配方运行失败：`broken`", "没有运行，因为它依赖的配方失败了：`after`", "**本站不完整**"),
    ):
        site = both.root / "site" / language
        whole = (site / "llms-full.txt").read_text("utf-8")
        for said in (failed, blocked, incomplete):
            assert said in whole
        assert failed in (site / "page.html.md").read_text("utf-8")
        assert blocked in (site / "other.html.md").read_text("utf-8")
        assert incomplete in (site / "index.html.md").read_text("utf-8")
        index = json.loads((site / "search/search_index.json").read_text("utf-8"))
        found = "".join(entry["text"] for entry in index["docs"])
        assert "fine words" in found
        for said in ("a first step", "the last words", "exit 7"):
            assert said not in found
        # The sequence that sets a window's title, and the one that colours, reach no page.
        for page in site.rglob("*.html*"):
            assert "\x1b" not in page.read_text("utf-8"), page
            assert "\x07" not in page.read_text("utf-8"), page


def test_a_secret_is_on_none_of_it(project, monkeypatch):
    monkeypatch.setenv("TRIAL_TOKEN", "s3cr3t-0f-th3-h0st")
    path = project.root / project.package / "all.py"
    path.write_text(
        path.read_text("utf-8")
        .replace("@recipe()\ndef broken", '@recipe(environ=("TRIAL_TOKEN",))\ndef broken')
        .replace("echo the last words", "echo the last words $TRIAL_TOKEN"),
        "utf-8",
    )
    done = project.kvmdocs("build", "--keep-going")
    assert done.exit_code == 1
    assert "s3cr3t" not in done.output
    assert "the last words" in boxes(project.root / "site/page/index.html")[0].text
    for path in project.root.glob("site/**/*"):
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes(), path


def test_a_later_complete_build_takes_all_of_it_away(repository):
    repository.kvmdocs("build", "--keep-going")
    site = repository.root / "site"
    assert failures(site) == {"broken": ["page/#recipe-broken"]}
    mend(repository)
    done = repository.kvmdocs("build", "--keep-going")
    assert done.exit_code == 0, done.output
    assert failures(site) == {}
    publishing.check_complete(site)
    assert boxes(site / "page/index.html") == []
    assert "incomplete" not in (site / "index.html").read_text("utf-8")


def test_without_a_failure_the_flag_changes_nothing(project):
    mend(project)
    done = project.kvmdocs("build", "--keep-going")
    assert (done.exit_code, done.stderr.count("failed")) == (0, 0)
    assert "0 failed" in done.stdout


def test_a_site_that_shows_failures_is_not_published(repository, tmp_path, monkeypatch):
    before = branches(repository)
    told = repository.kvmdocs("publish", "10.2", "--keep-going")
    assert (told.exit_code, "a site that shows failures is not published" in told.output) == (2, True)
    told = repository.kvmdocs("publish", "10.2")
    assert told.exit_code == 1
    assert "1 recipe failed" in told.output
    # Whatever built it, what it says of itself counts.
    real = SiteBuild.build

    def built(self):
        self._keep_going = True
        with pytest.raises(RecipeFailed):
            real(self)

    with monkeypatch.context() as patched:
        patched.setattr(SiteBuild, "build", built)
        told = repository.kvmdocs("publish", "10.2")
    assert told.exit_code == 1
    assert "cannot be published: it was built with --keep-going and shows that recipes failed: broken" in told.output
    assert branches(repository) == before
    mend(repository)
    assert repository.kvmdocs("publish", "10.2").exit_code == 0
    assert branches(repository) != before


def test_a_copy_of_it_is_known_as_well(both, tmp_path):
    both.kvmdocs("build", "--keep-going")
    copy = shutil.copytree(both.root / "site", tmp_path / "elsewhere")
    for folder in (both.root / "site", copy, copy / "zh", tmp_path):
        with pytest.raises(RecipeFailed, match=r"cannot be published: .* recipes failed: broken"):
            publishing.check_complete(folder)
    mend(both)
    assert both.kvmdocs("build").exit_code == 0
    (both.root / "site/zh/assets/report.json").write_text("an author's own")
    publishing.check_complete(both.root / "site")
    (copy / "zh/report.json").write_text('{"recipes": [{}]}')
    with pytest.raises(GuideError, match=r"zh/report\.json is no report of a site"):
        publishing.check_complete(copy)


def test_a_guide_that_is_wrong_is_still_an_error_and_the_failure_is_told(project):
    (project.root / "site").mkdir()
    (project.root / "site/index.html").write_text("as it was")
    project.block("wrong.md", f"from {project.module} import fine\nfine.show(notes={{'nowhere': 'x'}})")
    done = project.kvmdocs("build", "--keep-going")
    assert done.exit_code == 2
    for said in ("docs/wrong.md:5", "the site is as it was", "recipe   broken", "exit 7"):
        assert said in done.stderr
    project.block("wrong.md", "nothing.show()")
    done = project.kvmdocs("build", "--keep-going")
    assert (done.exit_code, "docs/wrong.md:4" in done.stderr) == (2, True)
    assert (project.root / "site/index.html").read_text() == "as it was"


def test_a_site_that_could_not_say_it_is_not_built(project):
    path = project.root / project.package / "all.py"
    path.write_text(path.read_text("utf-8").replace("exit 7", "[ $(wc -c < ../tries) -gt 1 ]"), "utf-8")
    config = project.root / "mkdocs.yml"
    config.write_text(config.read_text().replace("  - kvmdocs\n", "  - kvmdocs: {enabled: false}\n"))
    done = project.kvmdocs("build", "--keep-going")
    assert done.exit_code == 2, done.output
    assert "the site does not say that broken failed; the site is as it was" in done.stderr
    assert "have it in each configuration" in done.stderr
    assert not (project.root / "site").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_ended_leaves_the_old_site(project, number):
    mend(project)
    assert project.kvmdocs("build").exit_code == 0
    before = {path: path.read_bytes() for path in project.root.glob("site/**/*") if path.is_file()}
    path = project.root / project.package / "all.py"
    path.write_text(
        path.read_text("utf-8").replace("exit 0", "exit 7")
        + '\n@recipe()\ndef long(sh: Shell) -> None:\n    sh.line("touch ../begun; sleep 600")\n',
        "utf-8",
    )
    project.block("long.md", f"from {project.module} import long\nlong.show()")
    running = project.start("kvmdocs.cli", "build", "--keep-going", "-j", "1")
    until = time.monotonic() + 60
    while not [*project.root.glob("store/**/begun")] and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(running.pid, number)
    assert running.wait(60) == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert {path: path.read_bytes() for path in project.root.glob("site/**/*") if path.is_file()} == before
    assert list(project.root.rglob(".kvmdocs-*")) == []


def test_what_builds_on_it_is_not_run_even_where_it_could_do_without(project):
    outcome = project.run("last", "aside")
    assert [outcome.records[name].status for name in ("broken", "after", "last", "aside")] == [
        Status.FAILED,
        Status.SKIPPED,
        Status.SKIPPED,
        Status.PASSED,
    ]
    assert (outcome.freshness["after"], outcome.freshness["last"]) == (Freshness.BLOCKED, Freshness.BLOCKED)
    assert outcome.records["last"].reason == "it builds on broken, which failed"


def test_make_hands_the_wish_on():
    for given, handed in (("KEEP_GOING=1", True), ("KEEP_GOING=yes", True), ("KEEP_GOING=0", False), ("KEEP_GOING=", False)):
        for target in ("site", "pdf"):
            done = subprocess.run(["make", "-n", target, given], cwd=ROOT, capture_output=True, text=True, check=True)
            assert ("--keep-going" in done.stdout) is handed, (target, given)


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing() or "there is one")
def test_the_boxes_can_be_read_by_everybody(both):
    both.kvmdocs("build", "--keep-going")
    find = "axe.run({include: [['.md-content']]}, {resultTypes: ['violations']}).then(r => done(r.violations.map(v => v.id)))"
    with served(both.root / "site") as url, Browser() as browser:
        for language in ("en", "zh"):
            for page in ("index", "page", "other", "status"):
                for scheme, width in (("light", 1280), ("dark", 390)):
                    browser.size(width, 900)
                    browser.scheme(scheme)
                    browser.go(f"{url}/{language}/{page}.html")
                    browser.run("for (const box of document.querySelectorAll('details')) box.open = true")
                    # The theme moves its menu of languages for a moment after a page has come.
                    browser.until("return document.documentElement.scrollWidth <= innerWidth")
                    browser.run(AXE)
                    # The theme puts the buttons of each code box into a <nav> without a name.
                    assert set(browser.wait_for(find)) <= {"landmark-unique"}, (language, page, scheme)
        assert browser.messages() == []


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing() or "there is one")
def test_the_book_of_it_says_so(both):
    from pypdf import PdfReader

    done = both.kvmdocs("build", "--keep-going", "--pdf")
    assert done.exit_code == 1, done.output
    text = "\n".join(page.extract_text() for page in PdfReader(both.root / "site/en/handbook.pdf").pages)
    for said in (
        "This site is incomplete",
        "This recipe failed: broken",
        "Not run, since a recipe that it builds on failed: after",
        "the last words",
    ):
        assert said in text
    assert "counted" not in text
