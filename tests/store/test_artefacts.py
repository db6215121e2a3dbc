"""Artefacts that were changed since their recipe made them."""

from __future__ import annotations

import os
import shutil

import pytest

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.recording.digests import content_digest
from kvmdocs.store import artefacts
from kvmdocs.store.store import Store

NAME = "made-0123456789abcdef"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def record(store):
    """Return a record with a file and a tree, whose fingerprints are noted."""
    tree = store.work / NAME / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "leaf").write_text("green")
    (tree / "run").write_text("x")
    (tree / "to").symlink_to("run")
    (store.work / NAME / "file").write_text("good")
    contents = {path: content_digest(store.work / path) for path in (f"{NAME}/tree", f"{NAME}/file")}
    made = Record("made", "0" * 64, Status.PASSED, Host("", "", "", "", 1, 1), "2026-01-01", contents=contents)
    artefacts.note(store, made)
    return made


def test_what_was_not_touched_is_sound_and_not_read(store, record, monkeypatch):
    monkeypatch.setattr(artefacts, "content_digest", None)
    assert artefacts.damaged(store, record) == []


DAMAGE = {
    "a flipped byte": lambda at: (at / "file").write_text("gxod"),
    "a flipped byte with the old times": lambda at: _keeping_times(at / "file", "gxod"),
    "a file that is gone": lambda at: (at / "file").unlink(),
    "a link out of the store": lambda at: ((at / "file").unlink(), (at / "file").symlink_to("/etc/passwd")),
    "a leaf that is gone": lambda at: (at / "tree/deep/leaf").unlink(),
    "a leaf that was added": lambda at: (at / "tree/deep/new").touch(),
    "a leaf that may run now": lambda at: (at / "tree/run").chmod(0o755),
    "a link that leads elsewhere": lambda at: ((at / "tree/to").unlink(), (at / "tree/to").symlink_to("deep/leaf")),
    "a tree that is gone": lambda at: shutil.rmtree(at / "tree"),
}


def _keeping_times(path, text):
    status = path.stat()
    other = path.with_name("other")
    other.write_text(text)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_seen(store, record, damage):
    DAMAGE[damage](store.work / NAME)
    assert len(artefacts.damaged(store, record)) == 1


def test_modules_that_a_script_of_a_tree_compiled_are_no_damage(store, record):
    cache = store.work / NAME / "tree" / "deep" / "__pycache__"
    cache.mkdir()
    (cache / "leaf.pyc").touch()
    assert artefacts.damaged(store, record, thorough=True) == []


def test_a_file_that_was_only_touched_is_sound(store, record, monkeypatch):
    os.utime(store.work / NAME / "file")
    assert artefacts.damaged(store, record) == []
    monkeypatch.setattr(artefacts, "content_digest", None)
    assert artefacts.damaged(store, record) == []  # its new fingerprint is known now


def test_without_a_fingerprint_the_content_is_read(store, record):
    shutil.rmtree(store.root / "fingerprints")
    assert artefacts.damaged(store, record) == []
    (store.work / NAME / "file").write_text("gxod")
    assert artefacts.damaged(store, record) == [f"{NAME}/file"]


def test_a_thorough_check_reads_all(store, record):
    path = store.work / NAME / "file"
    status = path.stat()
    path.write_bytes(b"gxod")  # the same inode and size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert artefacts.damaged(store, record) == []
    assert artefacts.damaged(store, record, thorough=True) == [f"{NAME}/file"]


def test_a_damaged_record_is_forgotten(store, record):
    store.put(record)
    artefacts.forget(store, record)
    assert store.get(record.key) is None
    artefacts.forget(store, record)
