"""Report on a site's recipes: after a build, in recorded mode and in the preview for authors."""

from __future__ import annotations

import hashlib
import sys
from datetime import datetime

import pytest

from kvmdocs.core.errors import CatalogError
from kvmdocs.core.model import Failure, Freshness, Host, Output, Record, Status, Step, Where
from kvmdocs.execution import modes
from kvmdocs.execution.run_result import RunResult
from kvmdocs.site.publisher import GuidePage, Publisher
from kvmdocs.site.status import comparing, view_of
from kvmdocs.site.status.collect import report
from kvmdocs.site.status.comparing import ApprovedRecord
from kvmdocs.site.status.data import Need, State, Want

RECIPES = """
@recipe()
def fine(sh: Shell, sort: str = setting("trial.sort")) -> str:
    "Say something fine."
    with sh.section("said"):
        return sh.line("echo fine words")

@recipe(tools=("no-such-tool",))
def wanting(sh: Shell) -> str: ...

@recipe(needs=("setting:trial.sort=other",))
def unable(sh: Shell, fine: str) -> None: ...

@recipe()
def later(sh: Shell, wanting: str, fine: str) -> None: ...

@recipe()
def own_will(sh: Shell) -> None:
    sh.skip("there is no moon tonight")

@recipe()
def unseen(sh: Shell) -> None:
    sh.echo("nobody looks")
"""
SHOWN = ("fine", "wanting", "unable", "later", "own_will")


HOST = Host("maker", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "x86_64", 2, 1 << 30)


def record(name: str, said: str = "fine words", status: Status = Status.PASSED, **more) -> Record:
    """Return a record of a recipe, as running it would have made."""
    step = Step(Where.HOST, "cat said", Output(f"{said}\n"), section="said")
    given = {
        "steps": (step,),
        "settings": {"trial.sort": "plain"},
        "seconds": 2.5,
        "key": hashlib.sha256(said.encode()).hexdigest(),
    }
    return Record(recipe=name, status=status, host=HOST, started="2026-11-20T10:00:00+00:00", **{**given, **more})


def skipped(name: str, reason: str) -> Record:
    return record(name, status=Status.SKIPPED, reason=reason, key="", steps=())


@pytest.fixture
def made(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = trial().recipes(RECIPES)
    settings = found.root / "kvmdocs.toml"
    settings.write_text(settings.read_text() + '[trial]\nsort = "plain"\n')
    found.block("a.md", f"from {found.module} import *\nfine.show()\nwanting.show()\nunable.show()")
    found.block("b.md", f"from {found.module} import *\nlater.show()\nown_will.show()\nfine.show('said')")
    return found


def build_result() -> RunResult:
    """Return the result of a build."""
    records = {
        "fine": record("fine"),
        "wanting": skipped("wanting", "this host lacks no-such-tool; install by hand: no-such-tool"),
        "unable": skipped("unable", "the setting trial.sort is 'plain'"),
        "later": skipped("later", "it builds on wanting, which was skipped"),
        "own_will": skipped("own_will", "there is no moon tonight"),
    }
    return RunResult(records, {name: Freshness.CACHED if name == "fine" else Freshness.NONE for name in records})


def published(made, done: RunResult | None = None, **given) -> Publisher:
    """Return the publisher of a build that knows all pages."""
    pages = {
        "docs/b.md": GuidePage("Second", "b/", "Chapter"),
        "docs/a.md": GuidePage("First", "a/", "Chapter"),
    }
    return Publisher(made.project(), done or build_result(), **{"pages": pages, **given})


def states(found):
    return {row.recipe: row.state for row in found.recipes}


def test_a_build_knows_what_is_current_and_what_it_could_not_run(made):
    found = report(published(made))
    wanted = {
        "fine": State.CURRENT,
        **dict.fromkeys(("wanting", "unable", "later", "own_will"), State.SKIPPED),
        "unseen": State.NONE,
    }
    assert states(found) == wanted
    assert found.counts == {State.CURRENT: 1, State.SKIPPED: 4, State.NONE: 1}
    rows = found.by_name
    assert rows["wanting"].wants == (Want(Need.TOOL, "no-such-tool"),)
    assert rows["unable"].wants == (Want(Need.CAPABILITY, "setting:trial.sort=other"),)
    assert rows["later"].wants == (Want(Need.RECIPE, "wanting"),)
    assert rows["own_will"].wants == ()
    assert rows["own_will"].reasons == ("there is no moon tonight",)
    assert rows["later"].builds_on == ("wanting", "fine")
    fine = rows["fine"]
    assert (fine.title, fine.settings, fine.host, fine.seconds) == ("Say something fine.", {"trial.sort": "plain"}, HOST, 2.5)
    days = datetime.fromisoformat(found.built).date() - datetime.fromisoformat(fine.made).date()
    assert fine.age_days == days.days
    # Each recipe after what it builds on.
    order = [row.recipe for row in found.recipes]
    assert order.index("fine") < order.index("later")
    assert order.index("wanting") < order.index("later")


def test_of_a_recipe_that_no_page_shows_the_newest_record_is_told(made):
    publisher = published(made)
    publisher.project.store.put(record("unseen"))
    found = report(publisher)
    assert states(found)["unseen"] is State.RECORDED
    assert found.by_name["unseen"].pages == ()


def test_pages_stand_as_the_worst_of_their_recipes_in_the_sites_order(made):
    first, second = report(published(made)).pages
    assert (first.title, first.url, first.recipes) == ("Second", "b/", ("later", "own_will", "fine"))
    assert (second.title, second.recipes) == ("First", ("fine", "wanting", "unable"))
    assert first.state is State.SKIPPED
    assert first.counts == {State.CURRENT: 1, State.SKIPPED: 2}
    assert first.newest
    (fine,) = (row for row in report(published(made)).recipes if row.recipe == "fine")
    assert [(page.title, page.anchor) for page in fine.pages] == [("First", "a/#recipe-fine"), ("Second", "b/#recipe-fine")]


def test_without_the_plugin_pages_are_known_by_their_guides(made):
    found = report(published(made, pages={}))
    assert [(page.guide, page.url) for page in found.pages] == [("docs/a.md", ""), ("docs/b.md", "")]
    assert [page.title for page in found.by_name["fine"].pages] == ["docs/a.md", "docs/b.md"]


def test_a_build_that_runs_nothing_says_so(made):
    project = made.project()
    project.store.put(record("fine"))
    project._mode = "recorded"
    publisher = Publisher(project, modes.recorded(project, project.catalog.shown_recipes()))
    found = report(publisher)
    assert found.mode == "recorded"
    assert states(found) == {**dict.fromkeys([*SHOWN, "unseen"], State.NONE), "fine": State.RECORDED}


@pytest.mark.parametrize(
    ("freshness", "state"),
    [(Freshness.STALE, State.STALE), (Freshness.RUNNING, State.RUNNING), (Freshness.RAN, State.CURRENT)],
)
def test_somebody_who_writes_sees_what_is_stale_and_why(made, freshness, state):
    done = build_result()
    done.freshness["fine"] = freshness
    found = report(published(made, done, tolerant=True, reasons={"fine": ("its own code changed",)}))
    assert found.mode == "serve"
    assert found.by_name["fine"].state is state
    assert found.by_name["fine"].reasons == ("its own code changed",)


def test_what_failed_and_what_never_ran_are_told_apart(made):
    done = build_result()
    failure = Failure("RecipeFailed", "exit 7 of `cat said`")
    done.records["fine"] = record("fine", status=Status.FAILED, failure=failure)
    done.freshness["wanting"] = Freshness.STALE
    found = report(published(made, done, tolerant=True))
    assert found.by_name["fine"].state is State.FAILED
    assert found.by_name["fine"].reasons == ("exit 7 of `cat said`",)
    assert found.by_name["wanting"].state is State.NONE


def test_a_skipped_recipe_tells_of_its_approved_record(made):
    publisher = published(made)
    publisher.project.approved.put(record("wanting"))
    row = report(publisher).by_name["wanting"]
    assert row.state is State.SKIPPED
    assert row.approved == ApprovedRecord("2026-11-20T10:00:00+00:00", "maker")
    assert (row.made, row.host, row.key) == (row.approved.made, HOST, "")
    assert row.drift is None
    assert not row.compared


def test_an_approved_record_is_not_compared_with_itself(made):
    project = made.project()
    project.approved.put(record("fine"))
    project._mode = "recorded"
    publisher = Publisher(project, modes.recorded(project, project.catalog.shown_recipes()))
    assert (report(publisher).by_name["fine"].approved is not None, report(publisher).by_name["fine"].compared) == (True, False)
    project.store.put(record("fine"))
    publisher.outcome.records["fine"] = record("fine")
    assert report(publisher).by_name["fine"].compared


def drifted(made) -> Publisher:
    """Return the publisher of a build whose record differs from the approved one."""
    publisher = published(made, RunResult({"fine": record("fine", "finer words")}, {"fine": Freshness.RAN}))
    publisher.project.approved.put(record("fine"))
    return publisher


def test_drift_is_told_with_its_kind_and_difference(made):
    drift = report(drifted(made)).by_name["fine"].drift
    assert drift
    assert (drift.kind, drift.sections) == ("behaviour", ("said",))
    assert "-fine words" in drift.diff
    assert "+finer words" in drift.diff


def test_what_was_compared_is_not_compared_again_until_something_differs(made, monkeypatch):
    publisher = drifted(made)
    first = report(publisher).by_name["fine"]
    compared = []
    monkeypatch.setattr(comparing, "find_drift", lambda project, record: compared.append(record.recipe))
    assert report(publisher).by_name["fine"] == first
    assert compared == []
    publisher.project.approved.put(record("fine", "other words"))
    report(publisher)
    assert compared == ["fine"]
    publisher.outcome.records["fine"] = record("fine", "third words")
    report(publisher)
    assert compared == ["fine", "fine"]


@pytest.mark.parametrize("damage", ['{"approved": null}', "{", ""])
def test_a_damaged_comparison_is_made_anew(made, damage):
    publisher = drifted(made)
    first = report(publisher).by_name["fine"]
    for path in (publisher.project.store.root / "rendered").glob("*.json"):
        path.write_text(damage)
    assert report(publisher).by_name["fine"] == first


def test_an_approved_record_that_cannot_be_read_is_an_error(made):
    publisher = drifted(made)
    publisher.project.approved.path("fine").write_text("{}")
    with pytest.raises(CatalogError, match="cannot be read"):
        report(publisher)


def test_only_so_much_of_a_long_difference_is_kept(made, monkeypatch):
    monkeypatch.setattr(comparing, "DIFF_LINES", 2)
    drift = report(drifted(made)).by_name["fine"].drift
    assert drift
    assert len(drift.diff) == 2
    assert drift.omitted > 0


def test_the_report_is_made_once_a_build(made):
    publisher = published(made)
    assert view_of(publisher).report is view_of(publisher).report
    assert view_of(publisher).published


def test_a_project_without_recipes(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = report(Publisher(trial().recipes("").project(), RunResult()))
    assert (found.recipes, found.pages, found.counts) == ((), (), {})
