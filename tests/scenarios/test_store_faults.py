"""Full and read-only disks, stores of other schemas, readers beside `kvmdocs clean`, builds that race: all for real."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from kvmdocs.core.errors import StoreError
from kvmdocs.core.model import SCHEMA, Host, Output, Record, Status, Step, Where
from kvmdocs.store.gc import collectable
from kvmdocs.store.store import Store, sealed
from tests.support.mounts import mounted
from tests.support.processes import left_of


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 24 MiB; call it with another size to make it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("mount", "-t", "tmpfs", "-o", "size=24M", "none", str(folder))

    def resize(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    yield folder, resize
    subprocess.run(["umount", str(folder)], check=True)


FILLING = """
@recipe()
def record(sh: Shell) -> Path:
    "Leave no room for the record."
    sh.line("head -c 60M /dev/zero > fill || true")
    return sh.workspace / "fill"

@recipe()
def log(sh: Shell) -> str:
    "Print what does not fit."
    sh.line("head -c 18M /dev/zero > fill")
    return sh.line("seq 1500000")[-8:-1]

@recipe()
def readable(sh: Shell) -> str:
    "Leave room for a log, and none for its second copy that a reader gets."
    sh.line("head -c 15M /dev/zero > fill")
    return sh.line("seq 800000")[-7:-1]

@recipe()
def command(sh: Shell) -> None:
    "Write what does not fit, and fail."
    sh.line("head -c 60M /dev/zero > fill")
"""


@pytest.mark.root
@pytest.mark.parametrize("name", ["record", "log", "readable", "command"])
def test_a_disk_that_fills_while_a_recipe_runs(trial, small_disk, monkeypatch, name):
    disk, resize = small_disk
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes(FILLING)
    monkeypatch.setenv("KVMDOCS_STORE_PATH", str(disk))
    done = made.kvmdocs("run", name)
    assert done.exit_code == 3, f"{done.output} {done.exception!r}"
    assert "No space left on device" in done.stderr
    assert "KVMDOCS_STORE_PATH" in done.stderr
    store = Store(disk)
    assert not list(disk.glob("v1/records/*"))
    assert not list(store.runs.iterdir())
    assert not left_of(disk)
    resize("200M")
    done = made.kvmdocs("run", name)
    assert done.exit_code == 0, done.output
    (path,) = disk.glob("v1/records/*")
    record = store.get(path.stem)
    assert record is not None
    assert record.status is Status.PASSED


@pytest.mark.root
def test_a_write_on_a_full_disk_leaves_the_old_record(small_disk):
    disk, _ = small_disk
    store = Store(disk / "store")
    store.put(RECORD)
    large = replace(RECORD, steps=(Step(Where.HOST, "yes", Output("y\n" * (20 << 20))),))
    with pytest.raises(StoreError, match="No space left on device"):
        store.put(large)
    assert store.get(RECORD.key) == RECORD
    assert [path.name for path in (store.root / "records").iterdir()] == [f"{RECORD.key}.json"]


def test_disk_that_a_recipe_needs_and_that_is_not_there_is_the_hosts_lack(trial):
    made = trial().recipes("""
        @recipe(disk="900000G")
        def vast(sh: Shell) -> None: ...
        """)
    done = made.command("kvmdocs.cli", "run", "vast")
    assert done.returncode == 3
    assert "GiB are free where the store lies" in done.stderr


@pytest.fixture
def read_only(trial, monkeypatch):
    """A project whose store lies on a disk that may only be read; one recipe of it has run, one has not."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes("""
        @recipe(tools=("bash",), needs=("ptrace",))
        def there(sh: Shell) -> Path:
            sh.line("seq 20000 | tee file")
            return sh.workspace / "file"

        @recipe()
        def missing(sh: Shell) -> str:
            return "x"
        """)
    monkeypatch.setenv("MKDOCS_CONFIG_DIR", str(made.root))
    made.block("page.md", f"from {made.module} import there\nthere.show()")
    assert made.run("there").records["there"].status is Status.PASSED
    store = made.root / "store"
    # What is believed for a while is tried anew, and cannot be kept.
    monkeypatch.setenv("KVMDOCS_LIMITS_TRIES_AGE", "0")
    for name in ("tools.json", "tries.json"):
        (store / "v1" / name).unlink()
    mounted("mount", "--bind", str(store), str(store))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(store)], check=True)
    yield made
    subprocess.run(["umount", str(store)], check=True)


def everything_in(folder):
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.root
def test_a_store_on_a_disk_that_may_only_be_read(read_only):
    """What only reads works as ever; what must write says so; nothing is written."""
    before = everything_in(read_only.root / "store")
    for command, code, said in [
        (("run", "there"), 0, "20000"),
        (("run", "missing"), 3, "cannot be written"),
        (("run", "--fresh", "there"), 3, "cannot be written"),
        (("build", "--output", f"{read_only.root}/out"), 0, "1 unchanged"),
        (("build", "--mode", "recorded", "--output", f"{read_only.root}/out"), 0, "1 from records"),
        (("status",), 0, "current"),
        (("why", "there"), 0, "current"),
        (("doctor",), 0, "ptrace"),
        (("export", "there"), 0, "seq 20000"),
        (("clean", "--older", "0s"), 0, "0 B freed"),
    ]:
        done = read_only.kvmdocs(*command)
        assert done.exit_code == code, f"{command}: {done.output} {done.exception!r}"
        assert said in done.output
        if code == 3:
            assert "KVMDOCS_STORE_PATH" in done.output
    assert everything_in(read_only.root / "store") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; on a disk that may only be read it is tried above")
def test_a_store_without_rights(trial):
    made = trial().recipes("""
        @recipe()
        def missing(sh: Shell) -> str:
            return "x"
        """)
    (made.root / "store").mkdir(mode=0o500)
    done = made.command("kvmdocs.cli", "run", "missing")
    assert done.returncode == 3
    assert "KVMDOCS_STORE_PATH" in done.stderr


# -- other schemas --------------------------------------------------------------------------------------------------

KEY = "0123456789abcdef" * 4
RECORD = Record("first", KEY, Status.PASSED, Host("host", "Debian", "6.1", "x86_64", 2, 1 << 30), "2026-01-02T03:04:05+00:00")


@pytest.mark.parametrize("schema", [SCHEMA - 1, SCHEMA + 1])
def test_a_record_of_another_schema_is_as_good_as_none(tmp_path, schema):
    store = Store(tmp_path)
    store.put(RECORD)
    assert store.latest("first") == RECORD
    (store.root / "records" / f"{KEY}.json").write_bytes(sealed(replace(RECORD, schema=schema)))
    assert store.get(KEY) is None
    assert store.latest("first") is None


def test_a_store_of_another_schema_stays_as_it_is_and_is_not_looked_into(trial):
    made = trial().recipes("""
        @recipe()
        def says(sh: Shell) -> str:
            return sh.echo("now").strip()
        """)
    made.run("says")
    store = made.root / "store"
    # What an engine of an older schema has left, the same key included; and what this one finds in its own folder after all.
    shutil.copytree(store / "v1", store / "v0")
    for path in (store / "v0" / "records").iterdir():
        path.write_bytes(path.read_bytes().replace(b"now", b"old"))
    for path in (store / "v1" / "records").iterdir():
        record = Store(store).get(path.stem)
        path.write_bytes(sealed(replace(record, schema=0, value="old")))
    before = everything_in(store / "v0")
    done = made.command("kvmdocs.cli", "status", "says")
    assert "stale" in done.stdout
    done = made.command("kvmdocs.cli", "run", "says")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "now")
    assert "1 ran" in done.stderr
    assert everything_in(store / "v0") == before


# -- several at once ------------------------------------------------------------------------------------------------


def test_a_reader_beside_clean_sees_a_record_whole_or_not_at_all(tmp_path):
    store = Store(tmp_path / "store")
    records = []
    for number in range(80):
        key = f"{number:064x}"[::-1]
        workspace = store.prepare("many", key)
        (workspace / "file").write_text(str(number))
        value = {"$path": f"{workspace.name}/file"}
        records.append(
            replace(RECORD, recipe="many", key=key, value=value, steps=(Step(Where.HOST, "x", Output("y" * 20000)),))
        )
        store.put(records[-1])
        store.put_ingredients(key, {})
    cleaning = subprocess.Popen(
        [sys.executable, "-c", CLEAN, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    seen = []
    try:
        cleaning.stdout.readline()
        cleaning.stdin.write("go\n")
        cleaning.stdin.flush()
        while cleaning.poll() is None:
            for record in records:
                found = store.get(record.key)
                assert found in (None, record)
                seen.append(found is None)
            assert store.get(records[-1].key) == records[-1], "the newest is in use"
            assert (store.work / records[-1].value["$path"]).read_text() == "79"
    finally:
        cleaning.kill()
        cleaning.wait()
        cleaning.stdin.close()
        cleaning.stdout.close()
    assert any(seen)
    assert not all(seen[: len(records)]), "all was gone before anybody looked"
    assert collectable(store) == []
    assert [store.get(record.key) is None for record in records] == [True] * 79 + [False]


CLEAN = """
import sys
from pathlib import Path
from kvmdocs.store.gc import collectable, delete
from kvmdocs.store.store import Store
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
assert all(delete(store, item) for item in collectable(store))
"""


def test_builds_that_race_run_each_recipe_once(trial):
    made = trial().recipes("""
        @recipe()
        def first(sh: Shell) -> int:
            sh.line("echo first >> ../../../../count; sleep 0.5")
            return 1

        @recipe()
        def second(sh: Shell, first: int) -> int:
            sh.line("echo second >> ../../../../count; sleep 0.5")
            return 2
        """)
    builds = [made.start("kvmdocs.cli", "run", "second") for _ in range(4)]
    assert [build.wait(120) for build in builds] == [0, 0, 0, 0]
    assert sorted((made.root / "count").read_text().split()) == ["first", "second"]


def test_a_build_that_waits_for_another_goes_on_when_that_is_killed(trial):
    made = trial().recipes("""
        @recipe()
        def slow(sh: Shell) -> str:
            sh.line("echo ran >> ../../../../count; test $(wc -l < ../../../../count) = 2 || sleep 1000")
            return "done"
        """)
    first = made.start("kvmdocs.cli", "run", "slow")
    deadline = time.monotonic() + 60
    while not (made.root / "count").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second = subprocess.Popen(
        [sys.executable, "-m", "kvmdocs.cli", "run", "slow"],
        cwd=made.root,
        env=made.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with second:
        assert "another build is running it" in second.stderr.readline()
        first.send_signal(signal.SIGKILL)
        first.wait()
        told = second.stderr.read()
    assert second.returncode == 0, told
    assert (made.root / "count").read_text() == "ran\nran\n"
    assert not left_of(made.root)
