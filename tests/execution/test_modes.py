"""Modes: the recipes that run, the records shown otherwise, and their age on the page."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kvmdocs.core.errors import SettingError
from kvmdocs.core.model import Freshness, Mode, Status
from kvmdocs.execution.modes import newest, recorded, run, use_mode
from kvmdocs.execution.run_result import ProgressListener

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def base(sh: Shell) -> str:
    sh.line("echo base >> ../../../../count")
    return "base"

@recipe(tools=("bash",))
def hello(sh: Shell, base: str) -> None:
    "Say hello."
    sh.line("echo hello >> ../../../../count; echo hello, reader")

@recipe(needs=("setting:trial.able=yes",))
def picky(sh: Shell) -> None:
    sh.echo("only where it is wanted")

@recipe()
def listed(sh: Shell) -> list[str]:
    return ["first", "second"]
"""


@pytest.fixture
def project(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes(RECIPES)
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text() + '[trial]\nable = "yes"\n')
    made.guide(
        "page.md",
        f"""\
        # Page

        ```python exec="on"
        from {made.module} import hello, picky
        hello.show(notes={{"^hello, reader$": "it says so"}})
        picky.show()
        ```

        ```python exec="on"
        from {made.module} import listed
        listed.show(render=lambda names: ", ".join(names))
        ```
        """,
    )
    return made


def count(made) -> list[str]:
    path = made.root / "count"
    return path.read_text().split() if path.exists() else []


def page(made) -> str:
    html = (made.root / "site/page/index.html").read_text()
    return html[html.index('role="main"') : html.index('<footer class="col')]


def build(made, *arguments, **environ):
    done = made.command("kvmdocs.cli", "build", *arguments, **environ)
    return done.returncode, done.stdout + done.stderr


def approve(made):
    for arguments in (("run", "hello", "picky", "listed"), ("approve", "hello", "picky", "listed")):
        done = made.command("kvmdocs.cli", *arguments)
        assert done.returncode == 0, done.stderr


def test_a_clone_without_a_store_or_any_program_builds_its_whole_site_from_approved_records(project, tmp_path):
    approve(project)
    shutil.rmtree(project.root / "store")
    for path in (project.root / project.package / "approved").iterdir():
        data = json.loads(path.read_text())
        data["started"] = f"{datetime.now(UTC) - timedelta(days=12):%FT%T+00:00}"
        data["host"]["name"] = "far-away"
        path.write_text(json.dumps(data))
    before = count(project)
    status, output = build(project, "--mode", "recorded", PATH=str(tmp_path))
    assert status == 0, output
    assert count(project) == before
    assert "recipes: 3 from records, nothing was run, 0 without a record" in output
    shown = page(project)
    assert "hello, reader" in shown
    assert "only where it is wanted" in shown
    assert "first, second" in shown
    assert shown.count("recorded 12 days ago") == 3
    assert shown.count("far-away") >= 3


def test_a_recipe_without_any_record_says_so_and_the_site_is_built(project):
    status, output = build(project, KVMDOCS_MODE="recorded")
    assert status == 0, output
    assert "3 skipped" in output
    assert "kvmdocs run hello" in page(project)
    assert count(project) == []


def test_the_newest_of_store_and_approved_is_shown_even_if_it_is_stale(project):
    approve(project)
    loaded = project.project()
    stored = loaded.store.latest("hello")
    assert newest(loaded, "hello").started == stored.started
    path = loaded.approved.path("hello")
    data = json.loads(path.read_text())
    data["started"] = "2999-01-01T00:00:00+00:00"
    path.write_text(json.dumps(data))
    assert newest(loaded, "hello").key == ""
    data["started"] = "2001-01-01T00:00:00+00:00"
    path.write_text(json.dumps(data))
    assert newest(loaded, "hello").key == stored.key
    project.recipes(RECIPES.replace("hello, reader", "good day"))
    status, output = build(project, "--mode", "recorded")
    assert status == 0, output
    assert "recorded today" in page(project)
    assert count(project) == ["base", "hello"]


def test_a_record_with_an_unreadable_value_is_ignored(project):
    """As after a change of branch with one store: the code here lacks the type of the result, or its fields."""
    project.run("listed")
    assert project.kvmdocs("approve", "listed").exit_code == 0
    loaded = project.project()
    stored = loaded.store.latest("listed")
    for value in ({"$type": "nowhere:Thing", "names": []}, {"$type": "kvmdocs.core.errors:Place", "no_such_field": 1}):
        loaded.store.put(replace(stored, key="f" * 64, started="2999-01-01T00:00:00+00:00", value=value))
        assert newest(loaded, "listed").key == "", "the approved record is shown"
    loaded.approved.path("listed").unlink()
    assert newest(project.project(), "listed") is None


def test_fresh_runs_everything_and_live_what_is_stale(project):
    assert build(project)[0] == 0
    assert count(project) == ["base", "hello"]
    status, output = build(project)
    assert (status, count(project)) == (0, ["base", "hello"])
    status, output = build(project, "--mode", "fresh")
    assert status == 0, output
    assert count(project) == ["base", "hello"] * 2
    assert "ran for this build" in page(project)
    assert "4 recipes to run" in output


def test_the_plugin_has_an_option_and_the_environment_wins(project):
    config = project.root / "mkdocs.yml"
    config.write_text(config.read_text().replace("  - kvmdocs\n", "  - kvmdocs: {mode: recorded}\n"))
    done = project.command("mkdocs", "build", "--strict", "-q")
    assert done.returncode == 0, done.stderr
    assert count(project) == []
    assert "there is no record of it yet" in page(project)
    done = project.command("mkdocs", "build", "--strict", "-q", KVMDOCS_MODE="live")
    assert done.returncode == 0, done.stderr
    assert count(project) == ["base", "hello"]
    config.write_text(config.read_text().replace("recorded", "sometimes"))
    assert project.command("mkdocs", "build", "-q").returncode != 0


def test_a_skipped_recipe_shows_the_approved_record_under_its_reason(project):
    approve(project)
    status, output = build(project, KVMDOCS_TRIAL_ABLE="no")
    assert status == 0, output
    shown = page(project)
    assert "Not run on this host" in shown
    assert "Below is the approved record" in shown
    assert "only where it is wanted" in shown
    assert "recorded today" in shown


def test_pytest_has_the_modes(project):
    def tested(*arguments):
        done = project.command("pytest", "-p", "no:cacheprovider", "--rootdir=.", "-rs", *arguments, project.package, "docs")
        return done.returncode, done.stdout + done.stderr

    status, output = tested("--kvmdocs-mode=recorded")
    assert status == 0, output
    assert "there is no record of it yet" in output
    assert count(project) == []
    assert tested()[0] == 0
    assert tested("--kvmdocs-mode=fresh")[0] == 0
    assert count(project) == ["base", "hello"] * 2
    status, output = tested("--kvmdocs-mode=recorded")
    assert (status, "6 passed" in output) == (0, True), output
    assert tested("--kvmdocs-mode=sometimes")[0] != 0


def test_an_unknown_mode_is_refused(project, monkeypatch):
    monkeypatch.setenv("KVMDOCS_MODE", "sometimes")
    with pytest.raises(SettingError, match="sometimes"):
        _ = project.project().mode
    assert build(project, KVMDOCS_MODE="sometimes")[0] == 2
    assert build(project, "--mode", "sometimes")[0] == 2


def test_recorded_reads_only(project):
    loaded = project.project()
    with use_mode("recorded"):
        assert project.project().mode is Mode.RECORDED
        outcome = run(project.project(), ProgressListener(), ["hello"])
    assert "KVMDOCS_MODE" not in os.environ
    assert outcome.records["hello"].status is Status.SKIPPED
    assert outcome.freshness["hello"] is Freshness.MISSING
    assert recorded(loaded, ["hello"]).records["hello"].reason == outcome.records["hello"].reason
    assert not (project.root / "store").exists()


def test_the_age_is_in_the_pages_language(project):
    from kvmdocs.core import words

    now = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    for started, en, zh in (
        ("2026-03-01T00:10:00+00:00", "recorded today", "今天的记录"),
        ("2026-02-28T23:50:00+00:00", "recorded yesterday", "昨天的记录"),
        ("2026-02-01T12:00:00+00:00", "recorded 28 days ago", "28 天前的记录"),
        ("2026-03-02T12:00:00+00:00", "recorded today", "今天的记录"),
        ("nonsense", "recorded ? days ago", "? 天前的记录"),
    ):
        assert words.age(started, words.words(words.Language.EN), now) == en
        assert words.age(started, words.words(words.Language.ZH), now) == zh
