"""A virtual machine without QEMU, run in L1: each of its requests beside KVM's trace events and the program's output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.events import in_short
from recipes.kvm.host import L1_TOOLS, TRACE, KvmHost, l1, load_kvm

DUMP = {"kvm-amd": "dump_invalid_vmcb", "kvm-intel": "dump_invalid_vmcs"}
"""For each vendor's module, the parameter that makes it print the state that the processor rejected."""

EXPECTED = [f"KVM_EXIT_{reason}" for reason in ("IO", "IO", "IO", "MMIO", "MMIO", "HLT")]
"""Exit reasons of the guest ``hello`` of `recipes.kvm.tiny`, in order: two characters out, a number in, a write, a read, the
end."""


@dataclass(frozen=True)
class Call:
    """One request to KVM, as strace, KVM and the program report it.

    Attributes:
        shown: The system call as strace printed it.
        events: KVM's trace events between its start and its end.
        reason: The exit reason of ``KVM_RUN``, as strace decoded it, such as ``KVM_EXIT_IO``; "" for another request.
        said: The program's output about it; "" for another request.
    """

    shown: str
    events: tuple[str, ...]
    reason: str = ""
    said: str = ""

    @property
    def request(self) -> str:
        """Name of the request, such as ``KVM_RUN``."""
        return request(self.shown)


@recipe(tools=("strace", *L1_TOOLS), memory="768M", disk="32M", timeout="15m", expects="6s")
def kvm_api(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost, tiny: Path) -> list[Call]:
    """Run a virtual machine of one page under strace and KVM's trace events, and put together what belongs to the same request.

    Returns:
        Every request to KVM, in order.
    """
    with sh.section("pack"):
        machine = l1(sh, qemu_optimised, linux_build, kvm_host, programs=(tiny, "strace"))
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine)
        with sh.section("load"):
            load_kvm(vm, kvm_host)
        with sh.section("events"):
            vm.guest(f"mount -t tracefs tracefs {TRACE}")
            vm.guest(f"cd {TRACE}/events && echo 1 | tee kvm/enable syscalls/sys_e*_ioctl/enable")
        with sh.section("run"):
            said = vm.guest("strace -e trace=ioctl -e kvm=vcpu -o /guest/tmp/calls tiny")
        with sh.section("calls"):
            shown = vm.guest("cat /guest/tmp/calls")
        with sh.section("trace"):
            traced = vm.guest(f"grep tiny- {TRACE}/trace")
        calls = put_together(shown, traced, said)
        _agree(calls, said)
        with sh.section("crash"):
            vm.guest(f"echo >{TRACE}/trace")
            assert "KVM_EXIT_SHUTDOWN" in vm.guest("tiny crash")
            told = vm.guest(f"grep -E 'tiny-.*kvm_(entry|exit|userspace_exit)' {TRACE}/trace")
            assert "reason KVM_EXIT_SHUTDOWN" in told, told
        with sh.section("refused"):
            _refused(vm, kvm_host.vendor)
    return calls


def _refused(vm: Machine, vendor: str) -> None:
    """Enter the guest with registers that the processor rejects, and have KVM log them."""
    module = f"/sys/module/{vendor.replace('-', '_')}/parameters"
    vm.guest(f"echo >{TRACE}/trace")
    assert "KVM_EXIT_FAIL_ENTRY: the processor does not enter the guest" in vm.guest("tiny refused", ok=(1,))
    told = vm.guest(f"grep -E 'tiny-.*kvm_(entry|exit|userspace_exit)' {TRACE}/trace")
    assert "reason KVM_EXIT_FAIL_ENTRY" in told, told
    # Not simply the last line: on a busy host the kernel sometimes logs a message about its clock.
    vm.guest(f"/guest/bin/dmesg -c | grep {DUMP[vendor]}")
    vm.guest(f"echo 1 >{module}/{DUMP[vendor]}")
    vm.guest("tiny refused", ok=(1,))
    told = vm.guest("dmesg | grep -i -E '(efer|cr0|cs|exit_code)[:=]'")
    assert re.search(r"\befer", told, re.IGNORECASE), told


def _agree(calls: Sequence[Call], said: str) -> None:
    """Check that strace, KVM's trace and the program's output agree."""
    runs = [call for call in calls if call.request == "KVM_RUN"]
    assert [call.reason for call in runs] == EXPECTED, runs
    for call in runs:
        assert call.said.startswith(f"{call.reason}: "), call
        assert any(event.startswith(f"kvm_userspace_exit: reason {call.reason} ") for event in call.events), call
        assert any(event.startswith("kvm_exit: ") for event in call.events), call
    # 40 from a port and 2 from a device's memory; the guest adds them.
    assert said.rstrip().endswith("al = 42"), said


_SHOWN = re.compile(r"^ioctl\(\d+, \w+.*$", re.MULTILINE)
_EVENT = re.compile(r"^\s*tiny-\d+\s+\[\d+\]\s+\S+\s+[\d.]+: (.*?)\s*$", re.MULTILINE)
_BEGIN = re.compile(r"sys_ioctl\(fd: (?:0x)?[0-9a-f]+, cmd: (?:0x)?([0-9a-f]+), ")
_END = "sys_ioctl -> "
_KVM = 0xAE
"""Type of KVM's requests: bits 8 to 15 of their numbers (KVMIO in include/uapi/linux/kvm.h)."""


def request(shown: str) -> str:
    """Return the request's name in a system call as strace prints it."""
    return shown.partition(", ")[2].partition(",")[0].rstrip(") ")


def put_together(shown: str, traced: str, said: str) -> list[Call]:
    """Match each request to KVM with the events during it, and each return of ``KVM_RUN`` with the program's next output.

    strace and the kernel saw the same calls in the same order, so they are matched by position.

    Args:
        shown: The output of strace.
        traced: Lines of the kernel's trace for this program alone.
        said: The program's output.

    Raises:
        AssertionError: strace and the trace have different calls.
    """
    spans = _spans(traced)
    lines = _SHOWN.findall(shown)
    assert len(spans) == len(lines), f"strace saw {len(lines)} calls, the kernel traced {len(spans)}"
    told = iter(line for line in said.splitlines() if line.startswith("KVM_EXIT_"))
    calls = []
    for line, (number, events) in zip(lines, spans, strict=True):
        assert request(line).startswith("KVM_") == (number >> 8 & 0xFF == _KVM), (line, hex(number))
        if not request(line).startswith("KVM_"):
            continue
        reason = re.search(r"\((KVM_EXIT_\w+)", line)
        calls.append(
            Call(re.sub(r"\)\s+= ", ") = ", line), tuple(events), reason[1] if reason else "", next(told, "") if reason else "")
        )
    return calls


def _spans(traced: str) -> list[tuple[int, list[str]]]:
    """Return the request number of each system call and the events between its start and its end."""
    spans: list[tuple[int, list[str]]] = []
    inside = False
    for event in _EVENT.findall(traced):
        if begin := _BEGIN.match(event):
            spans.append((int(begin[1], 16), []))
            inside = True
        elif event.startswith(_END):
            inside = False
        elif inside:
            spans[-1][1].append(event)
    return spans


_LEFT_OUT = ("kvm_fpu", "kvm_update_master_clock", "vcpu_match_mmio", "kvm_track_tsc", "kvm_write_tsc_offset", "kvm_apicv")
"""Events that do not help to explain why the guest stopped."""


def table(calls: Sequence[Call], titles: tuple[str, str, str]) -> str:
    """Return the requests as a Markdown table: the call, KVM's trace events during it, the program's output.

    Args:
        calls: The requests.
        titles: Titles of the columns.
    """
    rows = ["| # | {} | {} | {} |".format(*titles), "|--:|---|---|---|"]
    for number, call in enumerate(calls, 1):
        events = [in_short(*event.split(": ", 1)) for event in call.events if not event.startswith(_LEFT_OUT)]
        came_back = re.search(r"\) = (.*)$", call.shown)
        shown = f"`{call.request}` = `{came_back[1] if came_back else ''}`"
        rows.append(f"| {number} | {shown} | {'<br>'.join(events)} | {call.said} |")
    return "\n".join(rows)
