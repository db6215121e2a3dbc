"""``kill -9`` of a build at random moments.

The next build succeeds, nothing is corrupt, no process is left, and the site is either the old one or the new one.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import psutil
import pytest

from kvmdocs.core.model import Status
from kvmdocs.recording import digests
from kvmdocs.store.store import Store
from tests.support.editions import Editions
from tests.support.processes import left_of, soon_nothing_left

ROUNDS = int(os.environ.get("KVMDOCS_TEST_KILLS", "5"))
"""Number of times each test kills a build; 50 take two minutes on a small machine."""

RECIPES = """
DETACH = '''
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
'''

@recipe()
def tree(sh: Shell, size: str = setting("trial.size")) -> Path:
    "Leave files for others, and print more than a record holds."
    sh.line(f"mkdir tree; for i in $(seq 40); do seq {size} > tree/$i; done; seq 30000")
    return sh.workspace / "tree"

@recipe()
def detaching(sh: Shell, tree: Path) -> int:
    "Start processes that are hard to end."
    sh.write("detach.py", DETACH)
    sh.python3("-S", "-E", "detach.py")
    sh.spawn("bash", "-c", "trap '' TERM INT HUP; while :; do sleep 0.5; done")
    sh.line("setsid sleep 1000 & sleep 0.1")
    return len(list(tree.iterdir()))

@recipe()
def last(sh: Shell, tree: Path, detaching: int) -> Path:
    sh.line(f"cat {tree}/* | wc -l > sum; echo {detaching}")
    return sh.workspace / "sum"
"""


def processes(build):
    """Return the build, its fork server and supervisors, and all its descendants."""
    with contextlib.suppress(psutil.Error):
        itself = psutil.Process(build.pid)
        descendants = itself.children(recursive=True)
        supervisors = [process for process in descendants if process.name() in {"kvmdocs-forksrv", "kvmdocs-superv"}]
        return [itself], supervisors, descendants
    return [], [], []


def kill(build, which):
    """Kill the build alone, with its supervisors, or with all its descendants."""
    alone, supervisors, descendants = processes(build)
    for process in {"build": alone, "supervisors": alone + supervisors, "all": alone + descendants}[which]:
        with contextlib.suppress(psutil.Error):
            process.kill()
    build.wait()


def check(store):
    """Check that the store has no partly written file, and that its artefacts match their records."""
    assert not list(store.half_written()), "partly written files are left after the next build"
    for path in (store.root / "records").iterdir():
        record = store.get(path.stem)
        assert record is not None, f"{path.name} is damaged, or an artefact that it names is missing"
        assert record.status is Status.PASSED
        for name, digest in record.contents.items():
            assert digests.content_digest(store.work / name) == digest, f"{name} does not match its record"


@pytest.mark.slow
def test_kill_9_at_random_moments(trial, monkeypatch):
    made = trial().recipes(RECIPES)
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text() + '[trial]\nsize = "1000"\n')
    monkeypatch.setenv("KVMDOCS_LIMITS_CPUS", "4")
    made.environ["KVMDOCS_LIMITS_CPUS"] = "4"
    store = Store(made.root / "store")
    seed = int(os.environ.get("KVMDOCS_TEST_SEED", random.randrange(1 << 32)))
    chance = random.Random(seed)
    began = time.monotonic()
    made.run("last")
    usual = time.monotonic() - began + 0.5
    hit = 0
    try:
        for turn in range(1, ROUNDS + 1):
            size = str(1000 + turn)
            monkeypatch.setenv("KVMDOCS_TRIAL_SIZE", size)
            made.environ["KVMDOCS_TRIAL_SIZE"] = size
            which = chance.choice(["build", "build", "supervisors", "all"])
            build = made.start("kvmdocs.cli", "run", "last")
            time.sleep(chance.uniform(0.0, usual))
            hit += build.poll() is None
            kill(build, which)
            if which == "build":
                # Its supervisors live, so they end everything without a next build.
                assert soon_nothing_left(made.root), "processes are left before the next build"
            outcome = made.run("last")
            assert {record.status for record in outcome.records.values()} == {Status.PASSED}
            assert (store.work / digests.paths(outcome.records["last"].value)[0]).read_text().strip() == str(40 * int(size))
            assert soon_nothing_left(made.root), "processes are left after the next build"
            assert not list(store.runs.iterdir()), "run folders are left"
            check(store)
    except BaseException:
        print(f"turn {turn}, {which} killed; KVMDOCS_TEST_SEED={seed} repeats this")
        raise
    finally:
        for process in left_of(made.root):
            process.kill()
    assert hit > ROUNDS // 3, "most builds were over before they were killed"


@pytest.mark.slow
def test_kill_9_while_pages_are_written(trial):
    """The site is one of two editions that differ in every page, and the next build removes what the killed one left."""
    site = Editions(trial(), pages=25)
    whole = {edition: site.built(edition) for edition in "AB"}
    begun = site.root / "pages-begin"
    seed = int(os.environ.get("KVMDOCS_TEST_SEED", random.randrange(1 << 32)))
    chance = random.Random(seed)
    hit, found = 0, {"old": 0, "new": 0}
    try:
        for turn in range(1, ROUNDS + 1):
            # Kill within the time that the pages took last, and a little after it: the machine may be busier now.
            usual = 1.2 * (time.time() - begun.stat().st_mtime)
            new = "BA"[turn % 2]
            site.write(new)
            begun.unlink()
            build = site.made.start("kvmdocs.cli", "build")
            while not begun.exists():
                assert build.poll() is None, "the build ended before it wrote a page"
                time.sleep(0.001)
            time.sleep(chance.uniform(0.0, usual))
            build.kill()
            hit += build.wait() == -signal.SIGKILL
            held = site.held()
            assert held in whole.values(), "the site is neither the old one nor the new one"
            found["new" if held == whole[new] else "old"] += 1
            assert site.built(new) == whole[new]
            assert not site.left(), "files of the killed build are left after the next one"
    except BaseException:
        print(f"turn {turn}; KVMDOCS_TEST_SEED={seed} repeats this")
        raise
    finally:
        print(f"killed {hit} times; then the site was the old one {found['old']} times, the new one {found['new']} times")
    assert hit > ROUNDS // 3, "most builds were over before they were killed"
