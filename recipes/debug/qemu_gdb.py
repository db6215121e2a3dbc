"""Following one completed disk write through QEMU with gdb, line by line."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, Tree, recipe
from kvmdocs.lab import Gdb, Guest, Machine
from recipes.run.guest import FIRMWARE, Accelerator
from recipes.run.machine import machine

WRITES = "while dd if=/dev/zero of=/guest/dev/vda bs=4k count=64 oflag=direct; do :; done"
"""Endless direct writes. Each one ends in `virtqueue_flush`, so a breakpoint there is hit at once."""

BREAKPOINT = "virtio.c:virtqueue_flush"

LET_PASS = "handle SIGUSR1 pass nostop noprint"
"""Have gdb pass on SIGUSR1, which QEMU sends to its own threads; otherwise gdb would stop at each one."""

INNERMOST = [
    "vring_used_idx_set",
    "virtqueue_split_flush",
    "virtqueue_flush",
    "virtqueue_push",
    "virtio_blk_req_complete",
    "virtio_blk_rw_complete",
]
"""The innermost frames: virtio-blk completing a request, in every QEMU since packed virtqueues were added."""

ON_THE_WAY = ("virtio_queue_notify", "virtio_queue_notify_vq", "virtio_blk_handle_request", "handle_aiocb_rw")
"""Functions that a write may pass after the guest's kick, in order."""
NOTIFIES = ("virtio_notify_irqfd", "virtio_notify")
"""Functions that notify the guest. The first one signals a file descriptor: from an iothread, and in QEMU before 9.0 from any
thread. The second one raises the device's interrupt. QEMU 10.2 has only the second."""
PASSED_BY = 1000
"""Ignore count of a breakpoint that only counts."""
WRITTEN = 5
"""Number of completed writes during which functions are counted."""

STEPS = 30
"""Largest number of `next` commands to reach a line of the same function; after that the line counts as missing."""


@dataclass(frozen=True)
class Frame:
    """One frame of a call stack.

    Attributes:
        function: Name of the function.
        file: Its source file, relative to QEMU's source tree; "" for a frame without source.
        line: The current line of the frame; 0 without source.
    """

    function: str
    file: str = ""
    line: int = 0


@recipe(tools=("gdb", *FIRMWARE), needs=("ptrace",), memory="1500M", disk="96M", timeout="20m", expects="20s")
def step_virtqueue_flush(
    sh: Shell, qemu_debug: Path, qemu_source: Path, linux_guest: Guest, accelerator: Accelerator
) -> list[Frame]:
    """Stop QEMU where it hands a finished disk request back to the guest, step through it, and let it continue.

    Returns:
        The call stack from `vring_used_idx_set` to `coroutine_trampoline`, as plain `bt` shows it.
    """
    sh.sources(qemu=qemu_source)
    with ExitStack() as stack:
        vm, gdb = _attached(sh, stack, machine(sh, qemu_debug, linux_guest, accelerator, disk="64M"))
        with sh.section("threads"):
            assert f'"CPU 0/{accelerator.name.upper()}"' in gdb("info threads")
        with sh.section("signal"):
            gdb("info signals SIGUSR1")
            now = gdb(LET_PASS)
            assert re.search(r"SIGUSR1\s+No\s+No\s+Yes", now), now
        with sh.section("break"):
            assert "virtio.c, line" in gdb(f"break {BREAKPOINT}")
            assert "virtqueue_flush" in gdb("info breakpoints")
        with sh.section("hit"):
            _until_hit(gdb)
        with sh.section("list"):
            assert "virtqueue_flush(VirtQueue *vq, unsigned int count)" in gdb("list")
        with sh.section("step"):
            _step(gdb)
        with sh.section("backtrace"):
            frames = down_to(parse_frames(gdb("bt"), qemu_source), "coroutine_trampoline")
            assert [frame.function for frame in frames[: len(INNERMOST)]] == INNERMOST, frames
        with sh.section("coroutine"):
            _past_the_coroutine(gdb, qemu_source)
        with sh.section("next"):
            _count(gdb, qemu_source)
        with sh.section("detach"):
            _let_go(vm, gdb)
            assert vm.guest("grep virtio0-req /proc/interrupts")
    return frames


@recipe(tools=("gdb", *FIRMWARE), needs=("ptrace",), memory="1500M", disk="96M", timeout="20m", expects="12s")
def step_virtqueue_flush_optimised(
    sh: Shell, qemu_optimised: Path, qemu_source: Path, linux_guest: Guest, accelerator: Accelerator
) -> None:
    """Stop an optimised QEMU at the same breakpoint, and see what the debugger can still tell."""
    sh.sources(qemu=qemu_source)
    with ExitStack() as stack:
        vm, gdb = _attached(sh, stack, machine(sh, qemu_optimised, linux_guest, accelerator, disk="64M"), LET_PASS)
        with sh.section("hit"):
            gdb(f"break {BREAKPOINT}")
            _until_hit(gdb)
        with sh.section("locals"):
            for _ in range(3):
                gdb("next")
            gdb("info locals")
            told = gdb("print old")
            assert "No symbol" in told or "optimized out" in told, told
        with sh.section("backtrace"):
            assert "<optimized out>" in gdb("bt")
        with sh.section("detach"):
            _let_go(vm, gdb)


def _attached(sh: Shell, stack: ExitStack, vm: Machine, *commands: str) -> tuple[Machine, Gdb]:
    """Start a machine whose guest writes endlessly, attach gdb to it, and give gdb its first commands."""
    with sh.section("start"):
        stack.enter_context(vm)
        vm.guest_start(WRITES)
    with sh.section("attach"):
        gdb = stack.enter_context(Gdb(sh, pidfile=vm.pidfile, timeout=180.0))
        for command in commands:
            gdb(command)
    return vm, gdb


def _until_hit(gdb: Gdb) -> None:
    """Continue until the next write is completed."""
    assert re.search(r"hit .*virtqueue_flush", gdb("continue"), re.DOTALL)


def _let_go(vm: Machine, gdb: Gdb) -> None:
    """Detach, and check that the machine runs on."""
    gdb("delete")
    assert "detached" in gdb("detach")
    assert vm.qmp("query-status")["running"]


def _step(gdb: Gdb) -> None:
    """Step from the breakpoint to `vring_used_idx_set`, printing `old` before and after it gets its value."""
    _next_until(gdb, "virtqueue_split_flush(vq, count)")
    assert "virtqueue_split_flush" in gdb("step")
    assert "old = " in gdb("info locals")
    _next_until(gdb, "old = vq->used_idx")
    garbage = number(gdb("print old"))
    assert f"{garbage:#x}" in gdb("print/x old")
    gdb("next")
    old = number(gdb("print old"))
    assert old == number(gdb("print vq->used_idx")), "the ring's index is what `old` was set to"
    _next_until(gdb, "vring_used_idx_set(vq, new)")
    new = number(gdb("print new"))
    assert new == (old + 1) % (1 << 16), (old, new)
    assert f"val={new}" in gdb("step")


def _next_until(gdb: Gdb, wanted: str) -> None:
    """Type `next` until the current line contains `wanted`."""
    shown = ""
    for _ in range(STEPS):
        shown = gdb("next")
        if wanted in shown:
            return
    raise AssertionError(f"{STEPS} times `next` did not lead to {wanted!r}; the last line was {shown!r}")


def _past_the_coroutine(gdb: Gdb, source: Path) -> None:
    """Show the rest of the stack, beyond the coroutine's own stack, up to `main`.

    `qemu bt` calls two functions inside QEMU. After such a call gdb writes all registers back, which fails if the processor has
    more register state than this gdb knows. In that case the same helpers get the values that they would have asked for.
    """
    gdb(f"source {source / 'scripts/qemu-gdb.py'}")
    told = gdb("qemu bt")
    if "main_loop_wait" not in told:
        if "def get_fs_base" in (source / "scripts/qemugdb/coroutine.py").read_text("utf-8"):
            gdb("python import qemugdb.coroutine as co; co.get_fs_base = lambda: gdb.parse_and_eval('(uint64_t)$fs_base')")
        gdb("print co_tls_current")
        told = gdb("qemu coroutine co_tls_current->caller")
    assert "main_loop_wait" in told, told


def _count(gdb: Gdb, source: Path) -> None:
    """Count how often gdb passes the functions on a write's path, by breakpoints that never stop."""
    gdb("delete")
    told = (source / "hw/virtio/virtio.c").read_text("utf-8")
    notifies = [function for function in NOTIFIES if re.search(rf"^void {function}\(", told, re.MULTILINE)]
    for function in (*ON_THE_WAY, *notifies):
        assert ": file " in gdb(f"break {function}"), function
        gdb(f"ignore $bpnum {PASSED_BY}")
    gdb(f"break {BREAKPOINT}")
    gdb(f"ignore $bpnum {WRITTEN}")
    _until_hit(gdb)
    passed = hits(gdb("info breakpoints"))
    # At either end of the count, one write may be partly done.
    assert all(passed[function] >= WRITTEN - 1 for function in ON_THE_WAY[1:]), passed
    assert sum(passed[function] for function in notifies) >= WRITTEN - 1, passed
    assert passed["virtqueue_flush"] == WRITTEN + 1, passed
    assert gdb("info line memory_region_dispatch_write").startswith("Line ")


def hits(table: str) -> dict[str, int]:
    """Return how often each function in gdb's ``info breakpoints`` was passed."""
    found: dict[str, int] = {}
    last = ""
    for line in table.splitlines():
        if place := re.search(r"0x\w+ in (\w+)\b", line):
            last = place[1]
            found[last] = 0
        elif times := re.search(r"breakpoint already hit (\d+) time", line):
            found[last] = int(times[1])
    return found


def number(told: str) -> int:
    """Return the number that gdb's ``print`` printed.

    Raises:
        AssertionError: There is no number.
    """
    found = re.search(r"^\$\d+ = (-?\d+)", told, re.MULTILINE)
    assert found, f"gdb printed no number: {told!r}"
    return int(found[1])


_FUNCTION = re.compile(r"#\d+\s+(?:0x[0-9a-f]+ in )?(\S*)\s*\(")
_PLACE = re.compile(r"\sat (\S+):(\d+)$")
_MORE = "(More stack frames follow...)"


def parse_frames(backtrace: str, source: Path) -> list[Frame]:
    """Return the frames in the output of gdb's ``bt``, innermost first.

    Args:
        backtrace: The output; a frame may be wrapped over several lines.
        source: QEMU's source tree; files are relative to it.
    """
    frames = []
    tree = Tree("", source, str(source))
    for text in re.split(r"^(?=#\d+\s)", backtrace.replace(_MORE, ""), flags=re.MULTILINE):
        if function := _FUNCTION.match(text):
            place = _PLACE.search(text.rstrip())
            frames.append(Frame(function[1], tree.find(place[1]) or place[1], int(place[2])) if place else Frame(function[1]))
    return frames


def down_to(frames: list[Frame], function: str) -> list[Frame]:
    """Return the frames from the innermost to that of `function`, which must be among them; below it is the C library."""
    names = [frame.function for frame in frames]
    assert function in names, names
    return frames[: names.index(function) + 1]
