"""Freeing the store: by age and size, and never what is in use."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest
from click.testing import CliRunner

from kvmdocs.cli import main
from kvmdocs.core.errors import StoreError
from kvmdocs.core.model import Freshness
from kvmdocs.store.gc import Item, choose, collectable, delete, delete_files, disk_usage, stale_files
from kvmdocs.store.store import Store

pytestmark = pytest.mark.process

RECIPES = """
@recipe()
def base(sh: Shell) -> Path:
    sh.line("echo one > file; head -c 200000 /dev/zero > big")
    return sh.workspace / "file"

@recipe()
def top(sh: Shell, base: Path) -> Path:
    sh.line("echo top")
    return base
"""


@pytest.fixture
def project(trial, monkeypatch):
    """A project whose recipes have run in two versions."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes(RECIPES)
    made.run("top")
    made.recipes(RECIPES.replace("echo one", "echo two"))
    made.run("top")
    return made


def workspaces(made):
    return sorted(path.name for path in (made.root / "store/v1/work").iterdir())


def test_what_is_not_the_newest_goes_and_the_newest_stays(project):
    store = project.project().store
    assert len(workspaces(project)) == 4
    items = collectable(store, time.time() + 100)
    assert sorted(item.name.rpartition("-")[0] for item in items) == ["base", "top"]
    assert all(100 <= item.age < 200 for item in items)
    assert max(item.size for item in items) > 200000
    before = disk_usage(store)
    assert all(delete(store, item) for item in items)
    assert disk_usage(store) < before - 200000
    assert collectable(store) == []
    outcome = project.run("top")
    assert set(outcome.freshness.values()) == {Freshness.CACHED}
    # The older version is not believed to be there any more.
    outcome = project.recipes(RECIPES).run("top")
    assert set(outcome.freshness.values()) == {Freshness.RAN}


def test_what_the_newest_record_names_stays_even_if_another_recipe_made_it(project):
    # `base` runs again and gives another result, and `top` has not been run since: its record names the older file.
    project.recipes(RECIPES.replace("echo one", "echo three"))
    project.run("base")
    store = project.project().store
    named = store.latest("top").value["$path"].partition("/")[0]
    assert named in workspaces(project)
    assert named not in {item.name for item in collectable(store)}


def test_what_a_run_under_way_was_given_or_holds_stays(project):
    store = project.project().store
    first, second = collectable(store)
    folder = store.runs / "now"
    folder.mkdir(parents=True)
    task = {"workspace": "/x/other-0123456789abcdef", "inputs": {"base": {"$path": f"{first.name}/file"}}}
    (folder / "task.json").write_text(json.dumps(task))
    assert [item.name for item in collectable(store)] == [second.name]
    assert not delete(store, first)
    lock = store.try_lock(second.key)
    assert not delete(store, second)
    lock.release()
    assert delete(store, second)
    assert first.name in workspaces(project)


def test_what_a_build_goes_by_stays_even_if_it_is_not_the_newest(trial):
    """A build found a record, another checkout wants another one, and a recipe that builds on the first waits."""
    held = """
@recipe(resources=("one",), expects="1h")
def busy(sh: Shell) -> None:
    sh.line("touch ../../../../busy; for i in $(seq 6000); do test -e ../../../../go && exit; sleep 0.01; done; exit 1")

@recipe(resources=("one",))
def after(sh: Shell, base: Path) -> str:
    return sh.cat(base).strip()
"""
    made = trial().recipes(RECIPES + held)
    made.run("base")
    made.recipes(RECIPES.replace("echo one", "echo two") + held).run("base")
    made.recipes(RECIPES + held)
    store = made.project().store
    (older,) = [item for item in collectable(store) if item.name.startswith("base-")]
    build = made.start("kvmdocs.cli", "run", "after", "busy")
    try:
        deadline = time.monotonic() + 60
        while not (made.root / "busy").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert store.latest("base").key.startswith(older.name.rpartition("-")[2])
        made.recipes(RECIPES.replace("echo one", "echo two") + held).run("base")
        assert not store.latest("base").key.startswith(older.name.rpartition("-")[2])
        made.recipes(RECIPES + held)
        assert not [item for item in collectable(store) if item.name == older.name]
        assert not delete(store, older)
        (made.root / "go").touch()
        assert build.wait(60) == 0
    finally:
        build.kill()
        build.wait()
    assert store.latest("after").value == "one"
    assert [item for item in collectable(store) if item.name == older.name], "it is in use no longer"
    assert not list(store.runs.iterdir())


def test_rendered_pages_go_by_age_and_so_does_what_a_write_that_was_cut_short_has_left(project):
    root = project.root / "store/v1"
    (root / "rendered").mkdir()
    old, new, cut, being_written = root / "rendered/a.html", root / "rendered/b.html", root / "records/.x", root / "records/.y"
    for path in (old, new, cut, being_written):
        path.write_text("x" * 5000)
    for path in (old, cut):
        os.utime(path, (time.time() - 7200,) * 2)
    done = project.kvmdocs("clean", "--older", "1h", "--dry-run")
    assert "rendered pages and writes cut short" in done.output
    assert old.exists()
    project.kvmdocs("clean", "--older", "1h")
    assert [path.exists() for path in (old, new, cut, being_written)] == [False, True, False, True]
    project.kvmdocs("clean", "--older", "never")
    assert new.exists()


def test_caches_of_code_go_by_age(project):
    code = project.root / "store/v1/code"
    (old,) = code.iterdir()
    new = code / "new.json"
    new.write_text("x" * 5000)
    os.utime(old, (time.time() - 7200,) * 2)
    project.kvmdocs("clean", "--older", "never")
    project.kvmdocs("clean", "--older", "1h", "--dry-run")
    assert old.exists()
    store = project.project().store
    assert delete_files(stale_files(store, 3600), dry_run=False) > 0
    assert list(code.iterdir()) == [new]
    # It is only a cache.
    assert set(project.run("top").freshness.values()) == {Freshness.CACHED}


def test_locks_of_keys_without_record_and_workspace_go_unless_they_are_held(tmp_path):
    store = Store(tmp_path)
    free, held, recorded, working = (digit * 64 for digit in "abcd")
    for key in (free, held, recorded, working):
        store.try_lock(key).release()
    store.record_file(recorded).parent.mkdir()
    store.record_file(recorded).write_text("")
    store.workspace("first", working).mkdir(parents=True)
    locks = {key: store.root / "locks" / f"{key}.lock" for key in (free, held, recorded, working)}
    lock = store.try_lock(held)
    delete_files(stale_files(store, None), dry_run=True)
    assert all(path.exists() for path in locks.values())
    delete_files(stale_files(store, None), dry_run=False)
    assert {key for key, path in locks.items() if path.exists()} == {held, recorded, working}
    lock.release()
    delete_files(stale_files(store, None), dry_run=False)
    assert not locks[held].exists()
    assert store.try_lock(held) is not None


def test_a_lock_is_held_while_its_file_is_deleted(tmp_path):
    """A build that takes the lock meanwhile would hold a file that the next one does not see."""
    store = Store(tmp_path)
    key = "a" * 64
    store.try_lock(key).release()
    files = stale_files(store, None)
    assert next(files) == store.root / "locks" / f"{key}.lock"
    assert store.try_lock(key) is None
    assert list(files) == []
    assert store.try_lock(key) is not None


def test_nothing_is_raised_for_locks_of_a_store_that_cannot_be_written(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.try_lock("a" * 64).release()

    def refuse(key):
        raise StoreError("no")

    monkeypatch.setattr(store, "try_lock", refuse)
    assert list(stale_files(store, None)) == []


def test_what_a_failed_or_killed_run_left_goes_too(project):
    left = project.root / "store/v1/work/gone-0123456789abcdef"
    left.mkdir()
    (left / "file").write_text("x")
    os.utime(left, (1, 1))
    store = project.project().store
    assert collectable(store)[0].name == left.name
    assert delete(store, collectable(store)[0])
    assert not left.exists()


@pytest.mark.parametrize(
    ("older", "over", "gone"),
    [
        (None, None, ""),
        (25, None, "a"),
        (5, None, "abc"),
        (None, 100, ""),
        (None, 75, "a"),
        (None, 55, "ab"),
        (None, 0, "abc"),
        (25, 55, "ab"),
    ],
)
def test_age_and_size_choose(tmp_path, older, over, gone):
    items = [Item(name, name, tmp_path, size, age) for name, size, age in (("a", 30, 30), ("b", 20, 20), ("c", 10, 10))]
    assert "".join(item.name for item in choose(items, older=older, total=100, over=over)) == gone


def test_the_command(project):
    def clean(*arguments):
        return CliRunner().invoke(main.main, ["-C", str(project.root), "clean", *arguments])

    assert "0 B freed" in clean().stderr
    done = clean("--older", "0s", "--dry-run")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 3), "two workspaces, and the rest in one line"
    assert "would be freed" in done.stderr
    assert len(workspaces(project)) == 4
    done = clean("--older", "never", "--over", "1K")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 2)
    assert len(workspaces(project)) == 2
    assert clean("--older", "soon").exit_code == 2
