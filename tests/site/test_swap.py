"""Replacement of a folder by a complete new one, in one step or entry by entry, with a kill or an error at each step."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from kvmdocs.site import swap
from kvmdocs.site.swap import ASIDE, JOURNAL, NEW, exchange, finish, keep, link
from tests.support.editions import held
from tests.support.mounts import mounted

TWO = (Path("en"), Path("zh"))
ONE = (Path(),)


def write(folder, edition, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(edition)


def make(root):
    """Create an old folder and a new one, which has more files and fewer files than the old one."""
    target, folder = root / "target", root / "stage"
    write(target, "old", "index.html", "en/index.html", "en/gone.html", "zh/index.html", "zh/deep/er/page.html", "sitemap.xml")
    write(target, "mine", "CNAME", ".well-known/acme/token", ".git/config", "notes/of/mine.txt", "en/.hidden")
    write(
        folder / NEW,
        "new",
        "index.html",
        "en/index.html",
        "en/fresh.html",
        "zh/index.html",
        "zh/deep/er/page.html",
        "robots.txt",
    )
    return folder, target


@pytest.fixture
def place(tmp_path):
    return make(tmp_path)


def wanted(place, parts):
    """Return the expected content of the target after the swap."""
    folder, target = place
    old, new = held(target), held(folder / NEW)

    def spared(name):
        if parts == ONE:
            return name.startswith(".")
        return not name.startswith(("en/", "zh/")) or name.startswith("en/.")

    return {**{name: data for name, data in old.items() if spared(name)}, **new}


def without_exchange(monkeypatch):
    def unknown(*paths):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(swap, "exchange", unknown)


WAYS = {
    "in one step": (True, True),
    "entry by entry": (False, True),
    "one step is not known": (True, False),
    "entry by entry, exchange is not known": (False, False),
}


@pytest.mark.parametrize("parts", [TWO, ONE], ids=["two languages", "one language"])
@pytest.mark.parametrize("way", WAYS)
def test_the_new_is_there_whole_and_what_is_not_ours_stays(place, monkeypatch, parts, way):
    at_once, known = WAYS[way]
    if not known:
        without_exchange(monkeypatch)
    folder, target = place
    expected, number = wanted(place, parts), target.stat().st_ino
    mine = (target / ".git").stat().st_ino
    swap.swap(folder, target, parts, at_once=at_once)
    assert held(target) == expected
    assert target.stat().st_ino == number
    assert (target / ".git").stat().st_ino == mine
    assert not (folder / JOURNAL).exists()


def test_two_paths_change_places(tmp_path):
    write(tmp_path, "1", "one/a")
    write(tmp_path, "2", "other")
    exchange(tmp_path / "one", tmp_path / "other")
    assert ((tmp_path / "other/a").read_text(), (tmp_path / "one").read_text()) == ("1", "2")
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "nowhere")


def test_a_system_that_does_not_know_the_call_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(swap, "_libc", object())
    with pytest.raises(OSError, match="not implemented") as told:
        exchange(tmp_path, tmp_path)
    assert told.value.errno == errno.ENOSYS


@pytest.fixture
def quick(monkeypatch):
    """Do not wait for the disk in a hundred swaps."""
    monkeypatch.setattr(swap, "flush", lambda folder: None)


class Steps:
    """Counter of the renames and exchanges of a swap, which calls a function before or after one of them."""

    def __init__(self, at: int, then, *, before: bool) -> None:
        self.at, self.then, self.before, self.done = at, then, before, 0

    def wrap(self, call):
        def counted(*paths):
            self.done += 1
            now = self.done == self.at
            if now and self.before:
                self.then()
            try:
                call(*paths)
            finally:
                if now and not self.before:
                    self.then()

        return counted

    def watch(self, setter) -> None:
        setter(os, "rename", self.wrap(os.rename))
        setter(swap, "exchange", self.wrap(swap.exchange))


def killed(place, parts, at_once, at, *, before):
    """Swap in a process that is killed at one of its steps. Return whether it reached that step."""
    child = os.fork()
    if not child:
        try:
            Steps(at, lambda: os.kill(os.getpid(), signal.SIGKILL), before=before).watch(setattr)
            swap.swap(*place, parts, at_once=at_once)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.process
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("parts", [TWO, ONE], ids=["two languages", "one language"])
@pytest.mark.parametrize("way", WAYS)
def test_kill_9_at_each_step(tmp_path, monkeypatch, quick, way, parts, before):
    at_once, known = WAYS[way]
    if not known:
        without_exchange(monkeypatch)
    seen = []
    for at in range(1, 30):
        folder, target = place = make(tmp_path / str(at))
        old, new = held(target), wanted(place, parts)
        if not killed(place, parts, at_once, at, before=before):
            assert held(target) == new
            break
        now = held(target)
        if at_once and known:
            # No later build has to finish it.
            assert now in (old, new)
        elif now not in (old, new):
            assert (folder / JOURNAL).is_file()
        for _ in range(2):
            finish(folder, target)
            assert held(target) == (old if now == old else new)
        seen.append("old" if now == old else "new" if now == new else "neither")
    assert len(seen) > 3
    assert ("neither" in seen) is not (at_once and known)


@pytest.mark.process
def test_a_swap_that_was_finished_after_a_kill_is_the_new_one(place):
    folder, target = place
    new = wanted(place, TWO)
    assert killed(place, TWO, False, 2, before=False)
    assert held(target) != new
    finish(folder, target)
    assert held(target) == new


@pytest.fixture
def layers(tmp_path):
    """Target that is part of a container's image (overlayfs): it can be removed, but not renamed."""
    disk, image = tmp_path / "disk", tmp_path / "disk/image"
    disk.mkdir()
    mounted("mount", "-t", "tmpfs", "none", str(disk))
    try:
        for name in ("image", "changes", "work", "merged"):
            (disk / name).mkdir()
        make(image)
        told = f"lowerdir={image},upperdir={disk}/changes,workdir={disk}/work"
        mounted("mount", "-t", "overlay", "-o", told, "none", str(disk / "merged"))
        # The new content is created in the container.
        new = held(image / "stage" / NEW)
        shutil.rmtree(disk / "merged/stage")
        write(disk / "merged/stage" / NEW, "new", *(name for name in new if not name.endswith("/")))
        yield disk / "merged/stage", disk / "merged/target"
        subprocess.run(["umount", str(disk / "merged")], check=True)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.process
@pytest.mark.root
@pytest.mark.parametrize("parts", [TWO, ONE], ids=["two languages", "one language"])
@pytest.mark.parametrize("at", [0, 6, 9])
def test_what_an_image_of_a_container_holds_is_replaced(layers, parts, at):
    folder, target = layers
    old, new = held(target), wanted(layers, parts)
    with pytest.raises(OSError, match="cross-device"):
        os.rename(target / "en", folder / "en")
    if at:
        assert killed(layers, parts, True, at, before=False)
        assert held(target) not in (old, new)
        finish(folder, target)
    else:
        swap.swap(folder, target, parts, at_once=True)
    assert held(target) == new


def test_what_lies_on_another_disk_is_not_removed_for_that(place, monkeypatch):
    """A bind mount of the same disk has the same device number."""
    folder, target = place
    old = held(target)

    def across(*paths):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", across)
    monkeypatch.setattr(swap, "exchange", across)
    with pytest.raises(OSError, match="cross-device"):
        swap.swap(folder, target, TWO, at_once=True)
    assert held(target) == old


def test_a_journal_that_was_cut_short_says_nothing(place):
    folder, target = place
    old = held(target)
    (folder / ASIDE).mkdir()
    (folder / JOURNAL).write_text('{"new": {"en": 1')
    finish(folder, target)
    assert held(target) == old


@pytest.mark.parametrize("parts", [TWO, ONE], ids=["two languages", "one language"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_refused_on_the_way_is_taken_back(tmp_path, monkeypatch, quick, way, parts):
    at_once, known = WAYS[way]
    ends = []
    for at in range(1, 30):
        folder, target = place = make(tmp_path / str(at))
        old, new = held(target), wanted(place, parts)
        refused = []

        def refuse(refused=refused):
            refused.append(1)
            raise PermissionError(errno.EACCES, "Permission denied")

        with monkeypatch.context() as patched:
            if not known:
                without_exchange(patched)
            Steps(at, refuse, before=True).watch(patched.setattr)
            try:
                swap.swap(folder, target, parts, at_once=at_once)
            except PermissionError:
                assert held(target) == old
                ends.append("old")
            else:
                assert held(target) == new
                ends.append("new")
        assert not (folder / JOURNAL).exists()
        if not refused:
            break
    # A refused exchange has a fallback, or the swap is already complete.
    assert ("old" in ends) is not (at_once and known)


def test_what_is_new_wins_over_what_stays(tmp_path):
    write(tmp_path / "old", "old", ".well-known/security.txt", ".well-known/acme/token", "en/.nojekyll")
    write(tmp_path / "new", "new", ".well-known/security.txt", "en/.nojekyll", "en/index.html")
    keep(tmp_path / "old", tmp_path / "new", TWO)
    assert held(tmp_path / "new") == {
        ".well-known/": b"",
        ".well-known/acme/": b"",
        ".well-known/acme/token": b"old",
        ".well-known/security.txt": b"new",
        "en/": b"",
        "en/.nojekyll": b"new",
        "en/index.html": b"new",
    }


def test_links_and_rights_are_kept(tmp_path):
    write(tmp_path / "old", "x", "a/b", "a/sub/c")
    (tmp_path / "old/a/there").symlink_to("nowhere")
    os.mkfifo(tmp_path / "old/a/pipe")
    (tmp_path / "old/a/sub").chmod(0o2751)
    link(tmp_path / "old", tmp_path / "new")
    assert os.readlink(tmp_path / "new/a/there") == "nowhere"
    assert (tmp_path / "new/a/sub").stat().st_mode & 0o7777 == 0o2751
    for name in ("a/b", "a/pipe", "a/there"):
        assert (tmp_path / "new" / name).lstat().st_ino == (tmp_path / "old" / name).lstat().st_ino


def test_where_nothing_can_be_linked_it_is_copied(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    write(tmp_path / "old", "x", "a/b")
    (tmp_path / "old/there").symlink_to("nowhere")
    monkeypatch.setattr(os, "link", refused)
    link(tmp_path / "old", tmp_path / "new")
    assert held(tmp_path / "new") == held(tmp_path / "old")
