"""Artefacts are checked once in a run, and those that are damaged are told of and forgotten."""

from __future__ import annotations

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.execution.input_check import InputCheck
from kvmdocs.execution.run_result import ProgressListener
from kvmdocs.store import artefacts
from kvmdocs.store.store import Store


class Listener(ProgressListener):
    def __init__(self):
        self.told = []

    def damaged(self, name, paths):
        self.told.append((name, paths))


def test_each_input_is_checked_once(trial, tmp_path, monkeypatch):
    made = trial()
    made.recipes("@recipe()\ndef one(sh: Shell) -> None: ...\n@recipe()\ndef two(sh: Shell, one: None) -> None: ...\n")
    recipe = made.project().catalog.get("two").recipe
    host = Host("", "", "", "", 1, 1)
    record = Record("one", "0" * 64, Status.PASSED, host, "2026-01-01", contents={"one-0/file": "digest"})
    store, listener = Store(tmp_path / "store"), Listener()
    store.put(record)
    check = InputCheck(store, listener)
    assert check.damaged(recipe, {"one": record}) == ["one"]
    assert listener.told == [("one", ["one-0/file"])]
    assert store.get(record.key) is None
    monkeypatch.setattr(artefacts, "damaged", None)
    assert check.damaged(recipe, {"one": record}) == []


def test_what_the_run_has_made_itself_is_not_checked(trial, tmp_path, monkeypatch):
    made = trial()
    made.recipes("@recipe()\ndef one(sh: Shell) -> None: ...\n@recipe()\ndef two(sh: Shell, one: None) -> None: ...\n")
    recipe = made.project().catalog.get("two").recipe
    record = Record("one", "0" * 64, Status.PASSED, Host("", "", "", "", 1, 1), "2026-01-01")
    check = InputCheck(Store(tmp_path / "store"), Listener())
    check.made(record)
    monkeypatch.setattr(artefacts, "damaged", None)
    assert check.damaged(recipe, {"one": record}) == []
