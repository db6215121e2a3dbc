"""What a run was observed to use: which of it counts, and what changed since."""

from __future__ import annotations

import importlib.metadata

import pytest

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.execution import observed

RECIPES = """
import json
from kvmdocs import Shell, recipe
from . import named

@recipe(data=("data",))
def target(sh: Shell) -> None: ...
"""


@pytest.fixture
def project(trial):
    made = trial()
    made.recipes(RECIPES)
    folder = made.root / made.package
    (folder / "named.py").write_text("import msgspec\n")
    (folder / "other.py").write_text("x = 1\n")
    (folder / "data").mkdir()
    (folder / "data" / "leaf").write_text("a")
    (folder / "note.txt").write_text("a")
    return made


def record(project, *used):
    return Record("target", "0" * 64, Status.PASSED, Host("", "", "", "", 1, 1), "2026-01-01", observed=dict.fromkeys(used, ""))


def kept(project, *used):
    made = record(project, *(one.replace("PACKAGE", project.package) for one in used))
    return observed.with_digests(project.project(), made)


def test_what_the_key_holds_anyway_is_left_out(project):
    used = ("module PACKAGE", "module PACKAGE.named", "file PACKAGE/data/leaf", "folder PACKAGE/data")
    assert set(kept(project, *used)) == {"library msgspec"}


def test_other_modules_and_files_are_kept_with_digests(project):
    used = kept(project, "module PACKAGE.other", "file PACKAGE/note.txt", "folder PACKAGE", "file PACKAGE/gone.txt")
    names = {name.replace(project.package, "PACKAGE") for name in used}
    assert names == {"module PACKAGE.other", "file PACKAGE/note.txt", "folder PACKAGE", "library msgspec"}


@pytest.mark.parametrize(
    ("entry", "edit", "reason"),
    [
        (
            "file PACKAGE/note.txt",
            lambda at: (at / "note.txt").write_text("b"),
            "file PACKAGE/note.txt, which the run read, changed",
        ),
        ("file PACKAGE/note.txt", lambda at: (at / "note.txt").unlink(), "file PACKAGE/note.txt, which the run read, is gone"),
        ("folder PACKAGE", lambda at: (at / "new").touch(), "folder PACKAGE, which the run listed, changed"),
        (
            "module PACKAGE.other",
            lambda at: (at / "other.py").write_text("x = 2\n"),
            "module PACKAGE.other, which the run imported, changed",
        ),
    ],
)
def test_a_change_is_described(project, entry, edit, reason):
    used = kept(project, entry)
    made = record(project)
    made.observed.update(used)
    assert observed.changes(project.project(), made) == []
    edit(project.root / project.package)
    assert observed.changes(project.project(), made) == [reason.replace("PACKAGE", project.package)]


def test_a_comment_in_an_observed_module_is_no_change(project):
    made = record(project)
    made.observed.update(kept(project, "module PACKAGE.other"))
    (project.root / project.package / "other.py").write_text("# a remark\nx = 1\n")
    assert observed.changes(project.project(), made) == []


def test_another_version_of_a_library_is_a_change(project, monkeypatch):
    made = record(project)
    made.observed.update(kept(project))
    observed._version.cache_clear()
    before = importlib.metadata.version("msgspec")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.0" if name == "msgspec" else before)
    assert observed.changes(project.project(), made) == ["library msgspec: it is now 99.0"]
    observed._version.cache_clear()
