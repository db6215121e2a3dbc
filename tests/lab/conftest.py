from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from kvmdocs.lab import Guest, build_initramfs
from kvmdocs.names import Names
from kvmdocs.shell import Shell

HERE = Path(__file__).parent


def program(target: Path, source: str) -> Path:
    """A Python file made a program, run by the interpreter that runs the tests."""
    target.write_text(f"#!{sys.executable}\n{(HERE / source).read_text('utf-8')}", "utf-8")
    target.chmod(0o755)
    return target


@pytest.fixture
def sh(tmp_path):
    # Longer than the 108 bytes that a unix socket's address may have.
    workspace = tmp_path / ("long" * 25) / f"demo-{'0' * 16}"
    workspace.mkdir(parents=True)
    shell = Shell(workspace, Names(workspace.parent), tmp_path / "logs")
    yield shell
    shell.close()


@pytest.fixture
def fake_qemu(tmp_path):
    return program(tmp_path / "fake-qemu", "fake_qemu.py")


@pytest.fixture
def fake_gdb(tmp_path):
    return program(tmp_path / "fake-gdb", "fake_gdb.py")


@pytest.fixture
def no_guest(tmp_path):
    return Guest(tmp_path / "bzImage", tmp_path / "initramfs.cpio.gz")


@pytest.fixture
def qemu():
    found = os.environ.get("KVMDOCS_TEST_QEMU") or shutil.which("qemu-system-x86_64")
    if not found:
        pytest.skip("no qemu-system-x86_64 on PATH and KVMDOCS_TEST_QEMU is not set")
    return Path(found)


@pytest.fixture
def guest(sh):
    kernel = os.environ.get("KVMDOCS_TEST_KERNEL")
    if not kernel:
        pytest.skip("KVMDOCS_TEST_KERNEL names no bzImage")
    if not shutil.which("busybox") or not shutil.which("cpio"):
        pytest.skip("no busybox or no cpio on this host")
    return Guest(Path(kernel), build_initramfs(sh))
