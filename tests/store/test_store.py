"""The store: records whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.errors import StoreError
from kvmdocs.core.model import Failure, Host, Output, Record, Status, Step, Where
from kvmdocs.store.files import atomic_write
from kvmdocs.store.store import Store, dump, load, sealed

KEY = "0123456789abcdef" * 4
HOST = Host("host", "Debian", "6.1", "x86_64", 2, 1 << 30)


def record(**changed) -> Record:
    made = Record(
        recipe="first",
        key=KEY,
        status=Status.PASSED,
        host=HOST,
        started="2026-01-02T03:04:05+00:00",
        seconds=1.5,
        steps=(
            Step(Where.ROOT, "make \\\n    -j2", Output("head\n", "tail\n", 3, 40, "001.log", 2), "~/kvm-lab/first"),
            Step(Where.FILE, "a.txt", stdin="text\n", section="build"),
            Step(Where.GDB, "bt", background=True, machine="vm", status=-9, started=1.0, seconds=0.5),
        ),
        value={"path": {"$path": "first-0123456789abcdef/made"}},
        result="r" * 64,
        contents={"first-0123456789abcdef/made": "c" * 64},
        inputs={"zero": "z" * 64},
        settings={"qemu.version": "9.2.0", "lab.size": 3, "lab.names": ["a"]},
        tools={"gcc": "12.2"},
    )
    return replace(made, **changed)


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "store")
    artefact = made.work / "first-0123456789abcdef" / "made"
    artefact.parent.mkdir(parents=True)
    artefact.write_text("made")
    return made


def lies(store: Store) -> Path:
    return store.root / "records" / f"{KEY}.json"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_record_comes_back_as_it_was(store):
    store.put(record())
    assert store.get(KEY) == record()
    assert store.latest("first") == record()
    assert names(store.root / "records") == {f"{KEY}.json"}


def test_what_is_not_there_is_none(store):
    assert store.get(KEY) is None
    assert store.latest("first") is None
    assert store.failure("first") is None


def test_a_failed_record_is_kept_apart(store):
    failed = record(status=Status.FAILED, failure=Failure("CommandFailed", "it failed", "a.py", 3, 1, "mend it", "trace"))
    store.put(record())
    store.put(failed)
    assert store.get(KEY) == record()
    assert store.failure("first") == failed


def test_a_skipped_record_is_not_kept(store):
    store.put(record(status=Status.SKIPPED, reason="no"))
    assert not lies(store).exists()


def test_every_truncated_record_is_as_good_as_none(store):
    store.put(record())
    whole = lies(store).read_bytes()
    for length in range(0, len(whole), 7):
        lies(store).write_bytes(whole[:length])
        assert store.get(KEY) is None, length


def test_every_flipped_byte_is_seen(store):
    store.put(record())
    whole = lies(store).read_bytes()
    for place in range(0, len(whole), 5):
        lies(store).write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        assert store.get(KEY) is None, place
    lies(store).write_bytes(whole)
    assert store.get(KEY) == record()


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"recipe": "first"}'])
def test_what_is_whole_but_no_record_is_as_good_as_none(store, body):
    lies(store).parent.mkdir(parents=True)
    lies(store).write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert store.get(KEY) is None


def test_a_record_under_a_wrong_name_is_as_good_as_none(store):
    store.put(record())
    other = "f" * 64
    lies(store).rename(lies(store).with_name(f"{other}.json"))
    assert store.get(other) is None


def test_a_record_whose_artefact_is_gone_is_as_good_as_none(store):
    store.put(record())
    (store.work / "first-0123456789abcdef" / "made").unlink()
    assert store.get(KEY) is None
    assert store.latest("first") == record()


def test_a_damaged_pointer_to_the_last_record_is_as_good_as_none(store):
    store.put(record())
    (store.root / "latest" / "first").write_bytes(b"\xff\x00nothing")
    assert store.latest("first") is None


def test_a_store_that_cannot_be_read_says_so(store):
    lies(store).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be read") as raised:
        store.get(KEY)
    assert "KVMDOCS_STORE_PATH" in raised.value.evidence.advice


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_record_and_nothing_else(store, monkeypatch, step):
    store.put(record())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(StoreError, match="No space left") as raised:
        store.put(record(seconds=99.0))
    monkeypatch.undo()
    assert "KVMDOCS_STORE_PATH" in raised.value.evidence.advice
    assert store.get(KEY) == record()
    assert names(store.root / "records") == {f"{KEY}.json"}


def test_a_disk_that_fills_in_the_middle_leaves_the_old_record(store):
    """The kernel itself refuses: the file may not grow past the limit."""
    import resource
    import signal

    store.put(record())
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            store.put(record(steps=(Step(Where.HOST, "yes", Output("y\n" * 100_000)),)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert store.get(KEY) == record()
    assert names(store.root / "records") == {f"{KEY}.json"}


def test_an_interrupted_write_leaves_nothing_behind(store, monkeypatch):
    store.put(record())

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put(record(seconds=99.0))
    monkeypatch.undo()
    assert store.get(KEY) == record()
    assert names(store.root / "records") == {f"{KEY}.json"}


def test_a_store_that_lies_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "store")
    for write in (lambda: store.put(record()), lambda: store.prepare("first", KEY), lambda: store.try_lock(KEY)):
        with pytest.raises(StoreError, match="cannot be written"):
            write()


def test_a_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "deep" / "file"
    atomic_write(path, b"a long text")
    atomic_write(path, b"short")
    assert path.read_bytes() == b"short"


def test_a_run_begins_with_an_empty_workspace(store):
    workspace = store.prepare("first", KEY)
    assert workspace == store.work / f"first-{KEY[:16]}"
    assert names(workspace) == set()
    locked = workspace / "source"
    locked.mkdir()
    (locked / "file").write_text("read-only")
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    (workspace / "away").symlink_to("/nowhere")
    (store.logs(KEY) / "001.log").write_text("old")
    assert names(store.prepare("first", KEY)) == set()
    assert names(store.logs(KEY)) == set()


def test_a_key_has_one_lock(store):
    held = store.try_lock(KEY)
    assert held is not None
    assert store.try_lock(KEY) is None
    other = store.try_lock("f" * 64)
    assert other is not None
    other.release()
    held.release()
    again = store.try_lock(KEY)
    assert again is not None
    again.release()


def test_free_space_is_told_before_there_is_a_store(tmp_path):
    assert Store(tmp_path / "not" / "yet").free() > 0


def test_a_record_names_no_path_of_the_host(store):
    assert not re.search(rb"/(home|tmp|root)/", sealed(record()))


TEXT = st.text(st.characters(codec="utf-8"))
STEPS = st.builds(
    Step,
    where=st.sampled_from(Where),
    command=TEXT,
    output=st.builds(Output, TEXT, TEXT, st.integers(0, 1 << 40), st.integers(0, 1 << 60), st.none() | TEXT),
    stdin=st.none() | TEXT,
    status=st.none() | st.integers(-64, 255),
    seconds=st.floats(0, 1e9),
)


@given(st.lists(STEPS, max_size=4), st.dictionaries(TEXT, TEXT | st.integers() | st.booleans() | st.lists(TEXT)))
def test_any_record_survives_the_disk(steps, settings):
    made = record(steps=tuple(steps), settings=settings)
    assert load(dump(made)) == made
