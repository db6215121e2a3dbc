"""Faults of guests and of KVM: each ends in an error with its cause or in a named skip, and leaves no process."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from kvmdocs.core.errors import CommandFailed, HostLacks, LabFailed, Skipped, TimedOut
from kvmdocs.lab import Gdb, Guest, Machine, boots_under, build_initramfs
from kvmdocs.lab.console import BEFORE_PANIC
from recipes.build.linux import Kernel
from recipes.kvm import host as host_module
from recipes.kvm.host import KvmHost, _try, kvm_host, load_kvm
from recipes.run.guest import Accelerator

pytestmark = pytest.mark.usefixtures("nothing_left")

SHORT = "#!/bin/sh\n/bin/busybox echo this far\n"


@pytest.fixture
def boots(sh, qemu, kernel):
    """Start a guest with an init that must fail within a time limit."""

    def boot(init, limit=60.0, **more):
        if not shutil.which("busybox") or not shutil.which("cpio"):
            pytest.skip("no busybox or no cpio on this host")
        return Machine(sh, qemu, Guest(kernel, build_initramfs(sh, init=init)), boot_timeout=limit, **more)

    return boot


# -- guests ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_guest_that_panics(boots):
    with pytest.raises(LabFailed, match="Kernel panic - not syncing: Attempted to kill init") as failed, boots(SHORT):
        pass
    lines = failed.value.evidence.tail.splitlines()
    (at,) = (number for number, line in enumerate(lines) if "Kernel panic - not syncing" in line)
    # Regardless of how much of the following call trace has arrived, the evidence has the panic and its cause.
    assert at <= BEFORE_PANIC
    assert "this far" in lines[:at]


@pytest.mark.slow
def test_a_guest_that_hangs_and_never_says_that_it_is_ready(boots):
    with pytest.raises(TimedOut, match="was not ready within 20 s") as failed, boots(f"{SHORT}/bin/busybox sleep 600\n", 20.0):
        pass
    assert "this far" in failed.value.evidence.tail


@pytest.mark.slow
def test_a_guest_that_reboots(boots):
    with pytest.raises(LabFailed, match="shut down or was reset") as failed, boots(f"{SHORT}/bin/busybox reboot -f\n"):
        pass
    assert "this far" in failed.value.evidence.tail


@pytest.mark.slow
def test_a_guest_that_panics_later(sh, qemu, guest):
    def recipe():
        with Machine(sh, qemu, guest) as vm:
            vm.guest("echo c >/proc/sysrq-trigger")

    with pytest.raises(LabFailed, match="Kernel panic - not syncing: sysrq triggered crash") as failed:
        recipe()
    assert "sysrq: Trigger a crash" in failed.value.evidence.tail


def test_no_busybox(sh, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HostLacks, match="no busybox") as failed:
        build_initramfs(sh)
    assert "busybox-static" in failed.value.evidence.advice


# -- debuggers and ports --------------------------------------------------------------------------------------------


def test_gdb_without_vmlinux(sh, tmp_path, fake_gdb):
    with (
        pytest.raises(LabFailed, match=r"no .*vmlinux for gdb to read symbols from"),
        Gdb(sh, remote="l1.gdb", program=tmp_path / "vmlinux", program_name=fake_gdb),
    ):
        pass


@pytest.mark.slow
def test_a_port_in_use(sh, qemu, guest):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(LabFailed, match="exit 1") as failed,
            Machine(sh, qemu, guest, args=("-gdb", f"tcp:127.0.0.1:{port}"), boot_timeout=60.0),
        ):
            pass
    assert "Address already in use" in failed.value.evidence.tail


# -- KVM ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_kernel_without_kvm(sh, qemu, guest, kvm):
    with (
        pytest.raises(CommandFailed) as failed,
        Machine(sh, qemu, guest, boot_timeout=60.0) as vm,
    ):
        load_kvm(vm, kvm)
    assert "can't insert '/lib/modules/irqbypass.ko'" in failed.value.evidence.tail


@pytest.mark.slow
def test_a_module_of_the_wrong_version(sh, qemu, kernel, kvm, tmp_path):
    content = kvm.modules[0].read_bytes()
    version = content.partition(b"vermagic=")[2].partition(b" ")[0]
    wrong = tmp_path / "irqbypass.ko"
    wrong.write_bytes(content.replace(b"vermagic=" + version, b"vermagic=" + b"9" * len(version)))
    guest = Guest(kernel, build_initramfs(sh, files={"/lib/modules/irqbypass.ko": wrong}))
    with Machine(sh, qemu, guest, boot_timeout=60.0) as vm:
        with pytest.raises(CommandFailed) as failed:
            load_kvm(vm, kvm)
        assert "version magic '999" in vm.guest("dmesg | tail -n 2")
    assert "invalid module format" in failed.value.evidence.tail


@pytest.mark.slow
def test_a_qemu_that_does_not_emulate_svm(sh, qemu, guest):
    assert _try(sh, qemu, guest, "tcg", "qemu64,-svm") == ("", "this QEMU does not emulate SVM")


@pytest.fixture
def tried(sh, monkeypatch, tmp_path):
    """Return a function that runs the recipe `kvm_host` without real parts; each accelerator's result is given."""

    def run(accelerator, results):
        modules = tuple(tmp_path / f"{name}.ko" for name in ("irqbypass", "kvm", "kvm-amd", "kvm-intel"))
        monkeypatch.setattr(host_module, "_strip", lambda *_: modules)
        monkeypatch.setattr(host_module, "build_initramfs", lambda *_, **__: tmp_path / "initramfs.cpio.gz")
        monkeypatch.setattr(host_module, "_try", lambda _sh, _qemu, _guest, accel, _cpu: results[accel])
        kernel = Kernel(tmp_path / "bzImage", tmp_path / "vmlinux", modules[:3])
        return kvm_host(sh, Path("qemu"), kernel, accelerator, tmp_path / "tiny")

    return run


def test_no_processor_for_kvm_is_a_skip_with_both_reasons(tried):
    with pytest.raises(Skipped, match=r"\(a guest hangs\).*\(this QEMU does not emulate SVM\)"):
        tried(Accelerator("tcg", "max", "a guest hangs"), {"tcg": ("", "this QEMU does not emulate SVM")})


def test_a_kvm_that_does_not_nest_is_told_and_emulation_used(tried):
    found = tried(Accelerator("kvm", "host"), {"kvm": ("", "it is not nested"), "tcg": ("kvm-amd", "")})
    assert (found.accel, found.cpu, found.vendor, found.reason) == ("tcg", "max", "kvm-amd", "it is not nested")


def test_a_kvm_that_nests_is_used(tried):
    found = tried(Accelerator("kvm", "host,arch-capabilities=off"), {"kvm": ("kvm-intel", "")})
    assert (found.accel, found.cpu, found.reason) == ("kvm", "host,arch-capabilities=off", "")
    assert [module.stem for module in found.modules] == ["irqbypass", "kvm", "kvm-intel"]
    assert found.other.stem == "kvm-amd"


def test_a_kvm_under_which_a_guest_hangs(sh, fake_qemu, no_guest, tmp_path):
    """Some hosts have a /dev/kvm that opens and answers, but runs no Linux."""
    silent = tmp_path / "silent-qemu"
    silent.write_text(f'#!/bin/sh\nexec {fake_qemu} -fault silent "$@"\n')
    silent.chmod(0o755)
    assert boots_under(sh, silent, no_guest, "kvm", 1.0, cpu="host") == (
        False,
        "-cpu host: the guest was not ready within 1 s",
    )
    assert not sh.emulated


@pytest.mark.slow
def test_a_kvm_of_this_host_that_opens_and_does_not_work(sh, qemu, guest):
    """This is the real case, on hosts that have it: a software KVM in the words of the page on the host."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        pytest.skip(f"this host has no /dev/kvm that opens: {error.strerror}")
    boots, why = boots_under(sh, qemu, guest, "kvm", 8.0)
    if boots:
        pytest.skip("this host's KVM works")
    assert why.count("-cpu host") == 2
    assert not sh.emulated


def test_a_nested_kvm_under_which_a_guest_hangs(sh, fake_qemu, no_guest, tmp_path, monkeypatch):
    monkeypatch.setattr(host_module, "KVM_LIMIT", 1.0)
    silent = tmp_path / "silent-qemu"
    silent.write_text(f'#!/bin/sh\nexec {fake_qemu} -fault silent "$@"\n')
    silent.chmod(0o755)
    vendor, reason = _try(sh, silent, no_guest, "kvm", "host")
    assert (vendor, reason.partition(" within")[0]) == ("", "the guest was not ready")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("KVM_EXIT_HLT: al = 42\n", ("kvm-amd", "")),
        ("", ("", "KVM can be loaded under it, and runs no guest")),
        ("tiny: KVM_RUN: Input/output error\n", ("", "KVM can be loaded under it, and runs no guest")),
    ],
)
def test_a_nested_kvm_that_loads_has_to_run_a_guest(sh, no_guest, monkeypatch, told, found):
    """Some hypervisors pass the feature on but implement it incorrectly."""
    answers = {"grep": "svm\n", "ls": "crw-------    1 0        0          10, 232 Jan  1 00:00 /dev/kvm\n", "timeout": told}

    class Vm:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def guest(self, command, **_):
            return answers.get(command.split()[0], "")

    monkeypatch.setattr(host_module, "Machine", Vm)
    assert _try(sh, Path("qemu"), no_guest, "kvm", "host") == found


def test_modules_are_loaded_and_the_device_is_looked_at(tmp_path):
    typed = []

    class Vm:
        def guest(self, command):
            typed.append(command)
            return "crw-------    1 0        0          10, 200 Jan  1 00:00 /dev/kvm\n" if command.startswith("ls") else ""

    modules = tuple(tmp_path / f"{name}.ko" for name in ("irqbypass", "kvm", "kvm-amd"))
    with pytest.raises(AssertionError, match="10, 200"):
        load_kvm(Vm(), KvmHost("tcg", "max", modules, tmp_path / "kvm-intel.ko"))
    assert typed == [*(f"insmod /lib/modules/{name}.ko" for name in ("irqbypass", "kvm", "kvm-amd")), "ls -l /dev/kvm"]
