from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess

import pytest

from kvmdocs.core.errors import HostLacks
from kvmdocs.lab import Guest, build_initramfs
from kvmdocs.recording.result_types import ReturnTypes
from kvmdocs.recording.values import decode, encode


@pytest.fixture(autouse=True)
def _tools():
    for tool in ("busybox", "cpio", "ldd"):
        if not shutil.which(tool):
            pytest.skip(f"no {tool} on this host")


def names(archive):
    listed = subprocess.run(
        ["cpio", "-t", "--quiet"], input=gzip.decompress(archive.read_bytes()), capture_output=True, check=True
    )
    return listed.stdout.decode().split()


def test_what_was_named_is_in_it(sh, tmp_path):
    module = tmp_path / "some.ko"
    module.write_bytes(b"module")
    settings = tmp_path / "settings"
    settings.write_text("x")
    archive = build_initramfs(
        sh, files={"/etc/renamed": settings, "/etc/settings": settings}, modules=[module], programs=["env"]
    )
    held = names(archive)
    assert {"init", "bin/busybox", "bin/sh", "etc/renamed", "etc/settings", "lib/modules/some.ko", "bin/env"} <= set(held)
    assert any("libc.so" in name for name in held)
    assert any("ld-linux" in name for name in held)
    assert held == sorted(held)
    # A reader's program may need other libraries, which its ldd lists.
    assert not [step.command for step in sh.steps() if "libc.so" in step.command]
    assert "insmod /lib/modules/some.ko" in (sh.workspace / "initramfs/init").read_text()


def test_the_same_contents_give_the_same_bytes(sh, tmp_path):
    (tmp_path / "a").write_text("a")
    digests = set()
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            archive = build_initramfs(sh, files={"/a": tmp_path / "a"})
        finally:
            os.umask(before)
        digests.add(hashlib.sha256(archive.read_bytes()).hexdigest())
        os.utime(tmp_path / "a", (1, 1))
    assert len(digests) == 1


def test_other_contents_give_other_bytes(sh, tmp_path):
    (tmp_path / "a").write_text("a")
    first = build_initramfs(sh, files={"/a": tmp_path / "a"}).read_bytes()
    (tmp_path / "a").write_text("b")
    assert build_initramfs(sh, files={"/a": tmp_path / "a"}).read_bytes() != first


def test_a_busybox_with_shared_libraries_is_refused(sh):
    with pytest.raises(HostLacks, match="not linked statically") as refused:
        build_initramfs(sh, busybox=shutil.which("env"))
    assert "busybox-static" in refused.value.evidence.advice


@pytest.mark.parametrize("path", ["etc/x", "/../x"])
def test_a_path_outside_the_guest_is_refused(sh, path):
    with pytest.raises(ValueError, match="no absolute path"):
        build_initramfs(sh, files={path: "/etc/hostname"})


def test_a_program_that_is_not_there(sh):
    with pytest.raises(HostLacks, match="nosuch"):
        build_initramfs(sh, programs=["nosuch"])


def test_a_guest_can_be_stored(sh):
    guest = Guest(sh.workspace / "bzImage", sh.workspace / "initramfs.cpio.gz", "quiet")
    work = sh.workspace.parent
    returned = ReturnTypes.only([Guest])
    assert decode(encode(guest, work, returned), work, returned) == guest
