"""Presenter that prints records into pages for `Recipe.show`."""

from __future__ import annotations

import importlib
import sys

import pytest

from kvmdocs.core.errors import GuideError, Place, RecipeFailed
from kvmdocs.core.model import Freshness, SourceLocation
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.modes import recorded
from kvmdocs.execution.run_result import ProgressListener
from kvmdocs.recording.recipe import presenting
from kvmdocs.recording.source.urls import Templates
from kvmdocs.render import Language, names
from kvmdocs.site import publisher as present
from kvmdocs.site.publisher import Publisher, default_publisher

pytestmark = pytest.mark.process

RECIPES = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Made:
    path: Path
    words: tuple[str, ...]

@recipe()
def made(sh: Shell) -> Made:
    "Make it."
    sh.line("echo ran >> ../../../../count; echo text > file")
    with sh.section("one"):
        sh.echo("first words")
    with sh.section("two"):
        sh.echo("other words")
    return Made(sh.workspace / "file", ("a", "b"))

@recipe()
def failing(sh: Shell) -> None:
    sh.line("echo output; exit 3")

@recipe()
def absent(sh: Shell) -> None:
    sh.skip("not here")
"""


@pytest.fixture
def project(trial, monkeypatch):
    """Project in the working directory, as for a block without a build."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("MKDOCS_CONFIG_DIR", raising=False)
    monkeypatch.delenv(present.LANGUAGE, raising=False)
    made = trial().recipes(RECIPES)
    monkeypatch.chdir(made.root)
    return made.project()


@pytest.fixture
def recipes(project):
    _ = project.catalog
    return importlib.import_module(f"{project.settings['project.recipes']}.all")


@pytest.fixture
def page(project):
    """Output of a block, printed by a publisher without any records."""
    return Page(Publisher(project))


class Page:
    def __init__(self, publisher):
        self.publisher = publisher

    def show(self, recipe, *args, **kwargs):
        printed = []
        with presenting(self.publisher):
            exec("recipe.show(*args, **kwargs)", {"recipe": recipe, "args": args, "kwargs": kwargs, "print": printed.append})
        return "".join(printed)


def tabs(shown: str) -> list[str]:
    """Return the content of each tab."""
    return shown.split('<div class="tabbed-block')[1:]


def ran(project) -> int:
    path = project.root / "count"
    return path.read_text().count("ran") if path.exists() else 0


def test_what_is_missing_is_run_when_it_is_shown_and_only_then(project, recipes, page):
    assert ran(project) == 0
    first = page.show(recipes.made)
    assert "first words" in first
    assert "other words" in first
    assert page.show(recipes.made) == first.replace("tr-made", "1.tr-made").replace("py-made", "1.py-made")
    assert ran(project) == 1
    assert "first words" in Page(Publisher(project)).show(recipes.made)
    assert ran(project) == 1


def test_a_page_says_whether_this_build_ran_it(project, recipes):
    pages = []
    for freshness in (Freshness.RAN, Freshness.CACHED):
        outcome = Executor(project, ProgressListener()).run(["made"])
        assert outcome.freshness["made"] is freshness
        pages.append(Page(Publisher(project, outcome)).show(recipes.made))
    assert "tr-ran" in pages[0]
    assert "tr-cached" in pages[1]


def test_a_section_is_shown_by_itself(recipes, page):
    session, script, python = tabs(page.show(recipes.made, "two"))
    for shown in (session, script):
        assert "other words" in shown
        assert "first words" not in shown
    part, whole = python.split("<details>")[:2]
    assert "other words" in part
    assert "first words" not in part
    assert "first words" in whole


def test_a_page_has_each_name_and_each_recipe_once(project, recipes, tmp_path):
    publisher = Publisher(project)
    page = Page(publisher)
    pages = []
    for guide in ("a.md", "b.md"):
        publisher.turn_to(tmp_path / guide)
        pages.append([page.show(recipes.made, "one"), page.show(recipes.made, "one"), page.show(recipes.made, render=str)])
    assert pages[0] == pages[1], "each page begins anew"
    first, again, table = pages[0]
    assert names(first) >= {"tr-made.one", "tr-made.one:script", "tr-made.one:python", "py-made"}
    assert names(again) == {"tr-made.one-2", "tr-made.one-2:script", "tr-made.one-2:python"}
    assert names(table) == frozenset()
    for shown in (again, table):
        assert 'href="&#35;py-made"' in shown


def test_an_edited_recipe_is_seen_though_its_record_is_the_old_one(project, recipes, trial):
    """Cached HTML is used only if the recipe's source text is unchanged."""
    assert "old comment" not in Page(Publisher(project)).show(recipes.made)
    path = project.root / project.catalog.get("made").place.path
    path.write_text(path.read_text("utf-8").replace('"Make it."', '"Make it."  # old comment'), "utf-8")
    shown = Page(Publisher(project)).show(recipes.made)
    assert "old comment" in shown
    assert ran(project) == 1, "a comment is not in the key"


def test_a_section_that_is_not_there_is_an_error_with_those_that_are(recipes, page):
    with pytest.raises(GuideError, match="no section 'three'") as raised:
        page.show(recipes.made, "three")
    assert raised.value.evidence.advice == "its sections are: one, two"
    assert raised.value.evidence.recipe == "made"
    with pytest.raises(GuideError, match="no section"):
        page.show(recipes.made, "three", render=str)


def test_a_note_that_matches_nothing_is_an_error(recipes, page):
    with pytest.raises(GuideError, match="hangs nowhere"):
        page.show(recipes.made, notes={"^nowhere$": "x"})
    with pytest.raises(GuideError, match="hangs nowhere"):
        page.show(recipes.made, "one", notes={"other words": "x"})


def test_a_result_can_be_rendered_by_the_author(project, recipes, page):
    shown = page.show(recipes.made, render=lambda made: f"| {made.path.read_text().strip()} | {made.words[1]} |")
    assert shown.startswith("| text | b |\n")
    assert "tr-stamp" in shown


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"fold": "6"}, "give a whole number"),
        ({"fold": True}, "give a whole number"),
        ({"title": 3}, "give text"),
        ({"highlight": None}, "give text"),
        ({"render": "table"}, "give a function"),
        ({"section": 1}, "give the name of a section"),
    ],
)
def test_what_cannot_be_shown_so_is_said_at_once(recipes, page, given, advice):
    with pytest.raises(GuideError, match="is not possible") as raised:
        page.show(recipes.made, **given)
    assert raised.value.evidence.advice == advice


def test_a_rendering_that_fails_is_told_with_its_line(project, recipes, page):
    (project.root / "drawing.py").write_text("def draw(made):\n    return made.nothing\n")
    draw = importlib.import_module("drawing").draw
    with pytest.raises(GuideError, match="what `render` does with the result of made fails: AttributeError") as raised:
        page.show(recipes.made, render=draw)
    assert raised.value.evidence.advice == "mend it, at drawing.py:2"
    assert page.publisher.problems == [raised.value]


def test_a_rendering_that_asks_for_it_gets_the_record_the_language_and_addresses(project, recipes):
    page = Page(Publisher(project, language=Language.ZH))

    def told(made, shown):
        assert shown.address("no/such/file.c", 1) is None
        return f"{made.words[1]} {shown.record.recipe} {len(shown.record.steps)} {shown.language}"

    first, *_ = page.show(recipes.made, render=told).split("\n")
    steps = len(page.publisher.outcome.records["made"].steps)
    assert first == f"b made {steps} zh"
    assert page.show(recipes.made, render=lambda made, joint=" ": joint.join(made.words)).startswith("a b"), (
        "a default is no wish"
    )
    assert "Made" in page.show(recipes.made, render=repr), "what is built in need not tell its parameters"


def test_a_place_in_source_code_has_the_address_of_its_template(project, recipes, monkeypatch):
    monkeypatch.setattr(project, "templates", Templates({"linux": "https://example.org/{path}#L{line}"}))
    page = Page(Publisher(project))
    place = SourceLocation("~/x/a.c", 7, "linux", "6.1", "kernel/a.c", "f")
    address = page.publisher._addresses([place])
    assert address("kernel/a.c", 7) == "https://example.org/kernel/a.c#L7"
    assert address("kernel/a.c", 8) is None


def test_a_failed_recipe_raises_with_all_that_is_known(recipes, page):
    with pytest.raises(RecipeFailed, match="recipe failing") as raised:
        page.show(recipes.failing)
    evidence = raised.value.evidence
    assert (evidence.recipe, evidence.step, evidence.status, evidence.tail) == ("failing", 1, 3, "output")
    assert evidence.command == "echo output; exit 3"
    assert evidence.log.is_file()
    assert evidence.place.line > 1
    assert page.publisher.problems == [raised.value]


def test_a_failure_that_is_to_be_shown_is_shown(project, recipes):
    outcome = Executor(project, ProgressListener()).run(["failing"])
    shown = Page(Publisher(project, outcome, failed=outcome.failed())).show(
        recipes.failing, "no such section", notes={"x": "y"}
    )
    for said in ("This recipe failed", "exit 3", "What happened up to the failure"):
        assert said in shown
    assert "\n" not in shown.strip()


def test_an_error_names_the_page_that_is_rendered(project, recipes):
    for name in ("a.md", "b.md"):
        (project.root / "docs" / name).write_text(
            f'text\n\n```python exec="on"\nfrom {recipes.__name__} import failing\nfailing.show()\n```\n'
        )
    again = type(project)(project.root)
    for guide, places in {
        None: (Place("docs/a.md", 3), Place("docs/b.md", 3)),
        project.root / "docs/b.md": (Place("docs/b.md", 3),),
        project.root / "docs/index.md": (Place("docs/index.md"),),
    }.items():
        with pytest.raises(RecipeFailed) as raised:
            Page(Publisher(again, guide=guide)).show(recipes.failing)
        assert raised.value.evidence.guides == places


def test_a_skipped_recipe_is_shown_with_its_reason_whatever_is_asked_of_it(recipes, page):
    shown = page.show(recipes.absent, "part", notes={"x": "y"}, render=str.upper)
    assert "not here" in shown
    assert "absent" in shown


@pytest.mark.parametrize("name", ["made", "absent"])
def test_a_recipe_without_a_record_has_its_python_all_the_same(project, recipes, name):
    publisher = Publisher(project, *([recorded(project, [name])] if name == "made" else []))
    shown = Page(publisher).show(getattr(recipes, name))
    assert "the whole recipe" in shown
    assert f"<code>{name}</code>" in shown
    assert "as it is now" not in shown
    assert ran(project) == 0


def test_a_log_is_linked_to_where_the_site_has_it(project, recipes):
    asked = []

    def links(record, name):
        asked.append((record.recipe, name))
        return f"../logs/{name}"

    path = project.root / project.settings["project.recipes"] / "all.py"
    path.write_text(path.read_text() + "\n@recipe()\ndef long(sh: Shell) -> None:\n    sh.seq(100_000)\n")
    for name in [name for name in sys.modules if name.startswith(project.settings["project.recipes"])]:
        del sys.modules[name]
    again = type(project)(project.root)
    shown = Page(Publisher(again, links=links)).show(again.catalog.get("long").recipe)
    assert set(asked) == {("long", "001.log")}
    assert 'href="../logs/001.log"' in shown.replace("&#46;", ".").replace("&#47;", "/")


@pytest.mark.parametrize(("told", "language"), [(None, Language.EN), ("zh", Language.ZH)])
def test_without_a_build_the_project_of_the_working_directory_is_shown(project, monkeypatch, told, language):
    if told:
        monkeypatch.setenv(present.LANGUAGE, told)
    publisher = default_publisher()
    assert publisher.project.root == project.root
    assert publisher.language is language


def test_a_stale_record_is_shown_whatever_the_block_asks_of_a_new_one(project, recipes):
    outcome = Executor(project, ProgressListener()).run(["made"])
    for freshness, said in ((Freshness.STALE, "kvmdocs run made"), (Freshness.RUNNING, "the page reloads")):
        outcome.freshness["made"] = freshness
        page = Page(Publisher(project, outcome, tolerant=True, reasons={"made": ("its own code changed",)}))
        shown = page.show(recipes.made)
        assert "\n" not in shown.strip()
        assert f'data-state="{freshness}"' in shown
        assert f"tr-state tr-{freshness}" in shown
        assert said in shown
        assert "its own code changed" in shown
        assert "first words" in shown
        for options, wrong in (
            ({"section": "three"}, "no section"),
            ({"notes": {"^nowhere$": "x"}}, "hangs nowhere"),
            ({"highlight": "^nowhere$"}, "marks nothing"),
            ({"render": lambda value: value.nothing}, "AttributeError"),
        ):
            shown = page.show(recipes.made, **options)
            assert wrong in shown
            assert "This cannot be shown" in shown
            assert "first words" in shown


def test_what_is_stale_is_said_in_the_pages_language(project, recipes):
    outcome = Executor(project, ProgressListener()).run(["made"])
    outcome.freshness["made"] = Freshness.STALE
    shown = Page(Publisher(project, outcome, Language.ZH, tolerant=True)).show(recipes.made)
    assert "已过期" in shown
    assert "stale:" not in shown.lower()


def test_with_somebody_at_work_nothing_runs_and_what_is_wrong_is_shown(project, recipes):
    publisher = Publisher(project, tolerant=True)
    assert "there is no record of it yet" in Page(publisher).show(recipes.made)
    assert ran(project) == 0
    outcome = Executor(project, ProgressListener()).run(["made"])
    publisher = Publisher(project, outcome, tolerant=True)
    shown = Page(publisher).show(recipes.made, "three")
    assert "no section" in shown
    assert "its sections are: one, two" in shown
    assert len(publisher.problems) == 1


def test_a_first_run_says_so_and_nothing_of_a_record(project, recipes):
    outcome = recorded(project, ["made"])
    outcome.freshness["made"] = Freshness.RUNNING
    shown = Page(Publisher(project, outcome, tolerant=True)).show(recipes.made)
    assert "Running now" in shown
    assert "there is no record" not in shown
    outcome.freshness["made"] = Freshness.STALE
    shown = Page(Publisher(project, outcome, tolerant=True)).show(recipes.made)
    assert "there is no record of it yet" in shown
    assert "from before a change" not in shown
