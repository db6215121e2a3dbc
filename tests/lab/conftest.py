from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import psutil
import pytest

from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.paths import PathDisplay
from kvmdocs.execution import recipe_values
from kvmdocs.execution.project import Project
from kvmdocs.lab import Guest, build_initramfs
from kvmdocs.recording.shell import Shell

HERE = Path(__file__).parent


def program(target: Path, source: str) -> Path:
    """Write a Python file as a program that the interpreter of the tests runs."""
    target.write_text(f"#!{sys.executable}\n{(HERE / source).read_text('utf-8')}", "utf-8")
    target.chmod(0o755)
    return target


@pytest.fixture
def sh(tmp_path):
    # Longer than the 108 bytes that the address of a Unix socket may have.
    workspace = tmp_path / ("long" * 25) / f"demo-{'0' * 16}"
    workspace.mkdir(parents=True)
    shell = Shell(workspace, PathDisplay(workspace.parent), tmp_path / "logs")
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


def built(recipe):
    """Return the result of a project recipe on this host, None if it has not run here or its files are gone."""
    try:
        project = Project(HERE.parent.parent)
        record = project.store.latest(recipe)
        return record and recipe_values.value(project, record)
    except KvmdocsError:
        return None


@pytest.fixture(scope="session")
def qemu():
    found = os.environ.get("KVMDOCS_TEST_QEMU") or built("qemu_optimised") or shutil.which("qemu-system-x86_64")
    if not found or not Path(found).is_file():
        pytest.skip(
            "no qemu-system-x86_64: KVMDOCS_TEST_QEMU is not set, the recipe qemu_optimised has not run here, and PATH has none"
        )
    return Path(found)


@pytest.fixture(scope="session")
def kernel():
    given, found = os.environ.get("KVMDOCS_TEST_KERNEL"), built("linux_build")
    if given:
        return Path(given)
    if not found or not found.image.is_file():
        pytest.skip("no kernel: KVMDOCS_TEST_KERNEL names no bzImage, and the recipe linux_build has not run here")
    return found.image


@pytest.fixture
def guest(sh, kernel):
    if not shutil.which("busybox") or not shutil.which("cpio"):
        pytest.skip("no busybox or no cpio on this host")
    return Guest(kernel, build_initramfs(sh))


@pytest.fixture
def kvm():
    """Return KVM's modules without debug information, as the recipe kvm_host found them to work here."""
    found = built("kvm_host")
    if not found or not all(module.is_file() for module in found.modules):
        pytest.skip("no modules of KVM: the recipe kvm_host has not run here")
    return found


@pytest.fixture
def nothing_left():
    """Check that no process of a test outlives it."""
    before = set(psutil.Process().children(recursive=True))
    yield
    left = {process for process in psutil.Process().children(recursive=True) if process.is_running()} - before
    psutil.wait_procs(left, timeout=5)
    assert not [process for process in left if process.is_running() and not _is_none_of_ours(process)]


def _is_none_of_ours(process: psutil.Process) -> bool:
    """Return whether a process has ended, or belongs to the browser that other tests have open in this process."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE or process.name().startswith("chrom")
    except psutil.NoSuchProcess:
        return True
