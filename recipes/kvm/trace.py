"""Watching KVM with the kernel's own tracing: events, functions, trace-cmd, and kvm_stat."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.host import (
    INNER_LIMIT,
    INNER_SAYS,
    L1_TOOLS,
    TRACE,
    KvmHost,
    inner,
    inner_script,
    l1,
    load_kvm,
)

TICKING = f"""\
#!/bin/sh
# It writes to its disk and to its serial line, and sleeps, over and over.
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
echo "{INNER_SAYS}"
while :; do
    dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct 2>/dev/null
    echo tick
    sleep 0.2
done
"""
"""L2's ``/init``: a guest that keeps running and causes every kind of event."""

PORT_IO = {"kvm-amd": "0x7b", "kvm-intel": "30"}
"""Exit reason for port I/O: SVM_EXIT_IOIO (uapi/asm/svm.h), EXIT_REASON_IO_INSTRUCTION (uapi/asm/vmx.h)."""

ENTERS = {"kvm-amd": "svm_vcpu_run", "kvm-intel": "vmx_vcpu_run"}
"""Function that enters the guest."""

ON_PORT_IO = {"kvm-amd": "io_interception", "kvm-intel": "handle_io"}
"""Function that handles the exit for port I/O."""

SHORTEST = r"""# Where in a function graph the shortest call is that is there as a whole and has an access to a port in it, for sed.
/ kvm_arch_vcpu_ioctl_run.*\{/ { begin = NR; port = 0 }
/ (io_interception|handle_io)[ (]/ { port = 1 }
/\* kvm_arch_vcpu_ioctl_run/ {
    if (begin && port && (!best || NR - begin < lines)) { lines = NR - begin; best = begin }
    begin = 0
}
END { if (best) print best "," best + lines "p" }
"""  # noqa: E501  # a command as it is typed

GATHER = """\
# What of Python a script needs: the modules it imports, compiled, and the libraries these need.
import importlib, re, sys

script, target = sys.argv[1:]
for name in (*re.findall(r"^(?:import|from) (\\w+)", open(script).read(), re.M), "encodings.utf_8", "_strptime"):
    importlib.import_module(name)
held = sorted(found for module in sys.modules.values() if (found := getattr(module, "__file__", None)))

import py_compile, shutil, subprocess
from pathlib import Path

for file in held:
    place = Path(target, file[1:])
    place.parent.mkdir(parents=True, exist_ok=True)
    if file.endswith(".py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(file, place.with_suffix(".pyc"), dfile=file, invalidation_mode=mode)
        continue
    shutil.copy(file, place)
    for library in re.findall(r"(/\\S+) \\(0x", subprocess.check_output(["ldd", file], text=True)):
        Path(target, library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, Path(target, library[1:]))
"""


@recipe(tools=("trace-cmd", "python3", "tar", *L1_TOOLS), memory="1200M", disk="192M", timeout="25m", expects="40s")
def trace_kvm(sh: Shell, qemu_optimised: Path, linux_source: Path, linux_build: Kernel, kvm_host: KvmHost) -> None:
    """Trace KVM while a guest runs: by hand in tracefs, with trace-cmd, with kvm_stat.

    One L2 runs all the time. It writes to its disk and its serial line five times a second.
    """
    with sh.section("pack"):
        parts = inner(sh, qemu_optimised, linux_build, init=TICKING, script=inner_script(serial="file:/tmp/serial"))
    with sh.section("awk"):
        shortest = sh.write("shortest.awk", SHORTEST)
    with sh.section("python"):
        python = _python(sh, linux_source / "tools/kvm/kvm_stat/kvm_stat")
    with sh.section("l1"):
        vm = l1(
            sh,
            qemu_optimised,
            linux_build,
            kvm_host,
            inner=parts,
            files={"/bin/shortest.awk": shortest, **python},
            programs=("trace-cmd", PYTHON),
            memory="768M",
            disk="64M",
        )
    with ExitStack() as stack:
        with sh.section("start"):
            stack.enter_context(vm)
        with sh.section("load"):
            load_kvm(vm, kvm_host)
        with sh.section("guest"):
            vm.guest_start("inner")
            vm.guest(f"await \"grep -q -s '{INNER_SAYS}' /tmp/serial\"", timeout=INNER_LIMIT)
        _events(sh, vm)
        _fields(sh, vm)
        _filters(sh, vm, kvm_host)
        _triggers(sh, vm)
        _functions(sh, vm, kvm_host)
        _trace_cmd(sh, vm)
        _counters(sh, vm)


PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else "python3"
"""The distribution's Python. A Python elsewhere, such as pyenv's, works only with its whole tree."""


def _python(sh: Shell, kvm_stat: Path) -> dict[str, Path]:
    """Return kvm_stat and the parts of Python that it needs, by their paths in a guest."""
    gather = sh.write("gather.py", GATHER)
    sh.run(PYTHON, "-I", "-S", gather, kvm_stat, "python")
    root = sh.workspace / "python"
    return {
        "/bin/kvm_stat": kvm_stat,
        **{f"/{file.relative_to(root)}": file for file in sorted(root.rglob("*")) if file.is_file()},
    }


def _events(sh: Shell, vm: Machine) -> None:
    """Show the available events."""
    with sh.section("events"):
        vm.guest(f"mount -t tracefs tracefs {TRACE}; cd /sys/kernel")
        held = vm.guest("ls tracing/events/kvm").split()
        assert {"kvm_entry", "kvm_exit", "kvm_pio", "kvm_mmio", "kvm_userspace_exit"} <= set(held), held
        assert "exit_reason" in vm.guest("grep -E '^(name|ID)|field:' tracing/events/kvm/kvm_exit/format")


def _fields(sh: Shell, vm: Machine) -> None:
    """Show lines of the trace, and the two files that it is read from."""
    with sh.section("enable"):
        vm.guest("echo 1 >tracing/events/kvm/enable")
        told = vm.guest("sed -n '/kvm_exit:/,$p' tracing/trace_pipe | head -n 14")
        assert "kvm_exit: vcpu" in told, told
    with sh.section("trace"):
        vm.guest("echo 0 >tracing/tracing_on")
        first, again = (vm.guest("grep -E -m 4 'entries|kvm_' tracing/trace") for _ in range(2))
        assert first == again and "kvm_" in first, (first, again)
        taken = vm.guest("head -n 3 tracing/trace_pipe")
        assert taken.splitlines()[0] == first.splitlines()[1], (taken, first)
        after = vm.guest("grep -E -m 4 'entries|kvm_' tracing/trace")
        assert not set(after.splitlines()[1:]) & set(taken.splitlines()), (taken, after)
        vm.guest("echo >tracing/trace; echo 1 >tracing/tracing_on")
    with sh.section("clock"):
        assert "[local]" in vm.guest("cat tracing/trace_clock")
        assert int(vm.guest("await 'grep -q kvm_ tracing/trace'; echo 0 >tracing/tracing_on; grep -c kvm_ tracing/trace"))
        vm.guest("echo mono >tracing/trace_clock && cat tracing/trace_clock")
        assert vm.guest("grep -c kvm_ tracing/trace", ok=(1,)).strip() == "0", "the buffer was not emptied"
        vm.guest("echo 1 >tracing/tracing_on; head -n 2 tracing/trace_pipe")
        vm.guest("echo local >tracing/trace_clock")


def _filters(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Trace only some events of a kind."""
    with sh.section("filter"):
        vm.guest("echo 0 >tracing/events/kvm/enable; echo >tracing/trace")
        vm.guest(f"echo 'exit_reason == {PORT_IO[host.vendor]}' >tracing/events/kvm/kvm_exit/filter")
        vm.guest("echo 1 >tracing/events/kvm/kvm_exit/enable")
        told = vm.guest("grep -m 6 kvm_exit tracing/trace_pipe")
        reasons = set(re.findall(r"reason (\S+)", told))
        assert reasons in ({"io"}, {"IO_INSTRUCTION"}), told
        vm.guest("echo 0 >tracing/events/kvm/kvm_exit/filter; echo 0 >tracing/events/kvm/enable")


def _triggers(sh: Shell, vm: Machine) -> None:
    """Run an action when an event happens: print a stack, or stop the trace."""
    with sh.section("stacktrace"):
        vm.guest("echo >tracing/trace; echo stacktrace:1 >tracing/events/kvm/kvm_pio/trigger")
        vm.guest("echo 1 >tracing/events/kvm/kvm_pio/enable")
        vm.guest("await \"grep -q '^ => ' tracing/trace\"")
        told = vm.guest("grep -v '^#' tracing/trace | grep -m 1 -A 14 'stack trace'")
        assert "=> kvm_vcpu_ioctl" in told, told
        vm.guest("echo '!stacktrace:1' >tracing/events/kvm/kvm_pio/trigger; echo 0 >tracing/events/kvm/enable")
    with sh.section("traceoff"):
        vm.guest("echo >tracing/trace; echo 1 >tracing/events/kvm/enable")
        # KVM_EXIT_IO is 2 (include/uapi/linux/kvm.h).
        vm.guest("echo 'traceoff:1 if reason == 2' >tracing/events/kvm/kvm_userspace_exit/trigger")
        vm.guest("await 'grep -q 0 tracing/tracing_on'")
        told = vm.guest("tail -n 6 tracing/trace")
        assert "KVM_EXIT_IO" in told.splitlines()[-1], told
        vm.guest("echo '!traceoff:1 if reason == 2' >tracing/events/kvm/kvm_userspace_exit/trigger")
        vm.guest("echo 0 >tracing/events/kvm/enable; echo >tracing/trace; echo 1 >tracing/tracing_on")
    with sh.section("config"):
        vm.guest("zcat /proc/config.gz | grep -E 'CONFIG_(TRACER_SNAPSHOT|HIST_TRIGGERS)[ =]'")


def _functions(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Use the function tracer: show who calls a function, and everything that one call does."""
    enters, handles = ENTERS[host.vendor], ON_PORT_IO[host.vendor]
    with sh.section("stack"):
        vm.guest(f"echo {handles} >tracing/set_ftrace_filter && cat tracing/set_ftrace_filter")
        # Set the option first, or else the first calls have no stack.
        vm.guest("echo 1 >tracing/options/func_stack_trace; echo function >tracing/current_tracer")
        told = vm.guest("head -n 16 tracing/trace_pipe")
        assert "=> kvm_vcpu_ioctl" in told and handles in told, told
        vm.guest(
            "echo nop >tracing/current_tracer; echo 0 >tracing/options/func_stack_trace; "
            "echo >tracing/set_ftrace_filter; echo >tracing/trace"
        )
    with sh.section("graph"):
        vm.guest(
            "echo ':mod:kvm' >tracing/set_ftrace_filter; echo ':mod:kvm_*' "
            ">>tracing/set_ftrace_filter; wc -l tracing/set_ftrace_filter"
        )
        vm.guest("echo kvm_arch_vcpu_ioctl_run >tracing/set_graph_function")
        vm.guest(
            "echo 1 >tracing/options/funcgraph-tail; echo 0 "
            ">tracing/options/funcgraph-duration; echo 0 >tracing/options/funcgraph-irqs"
        )
        vm.guest("echo 400 >tracing/buffer_size_kb; echo function_graph >tracing/current_tracer")
        graph = 'cat tracing/trace >/guest/tmp/graph; lines=$(awk -f /bin/shortest.awk /guest/tmp/graph); [ "$lines" ]'
        vm.guest(f"await '{graph}'", timeout=300.0)
        told = vm.guest('sed -n "$lines" /guest/tmp/graph')
        assert enters in told and told.count("kvm_arch_vcpu_ioctl_run") == 2, told
        vm.guest(
            "echo nop >tracing/current_tracer; echo >tracing/set_ftrace_filter; "
            "echo >tracing/set_graph_function; echo 1400 >tracing/buffer_size_kb"
        )


def _trace_cmd(sh: Shell, vm: Machine) -> None:
    """Trace with trace-cmd: record in L1, read the result there and on the host."""
    with sh.section("record"):
        # Record until L2 has printed three more lines.
        vm.guest(
            "trace-cmd record -q -e kvm -o /guest/tmp/trace.dat sh -c 'tail -n 0 -f /tmp/serial | head -n 3'", timeout=300.0
        )
        vm.guest("ls -lh /guest/tmp/trace.dat")
    with sh.section("report"):
        told = vm.guest("trace-cmd report -i /guest/tmp/trace.dat | grep -E -m 8 'kvm_(exit|entry)'", timeout=300.0)
        assert "kvm_exit" in told, told
    with sh.section("carry"):
        vm.guest("tar -c -f /guest/dev/vda -C /guest/tmp trace.dat && sync")
        sh.line("tar -x -f l1.img trace.dat")
        sh.line("trace-cmd report -i trace.dat >trace.txt")
        told = sh.line("grep -m 6 -E 'kvm_(pio|userspace_exit)' trace.txt")
        assert "reason KVM_EXIT_IO" in told, told
        sh.line("grep kvm_exit trace.txt | grep -o -E 'reason [^ ]+' | sort | uniq -c | sort -n -r")


def _counters(sh: Shell, vm: Machine) -> None:
    """Show the counters that KVM keeps without tracing, and the tool that displays them."""
    with sh.section("debugfs"):
        vm.guest("cd /sys/kernel/debug/kvm && ls -d [0-9]* && grep -E '^[1-9]' $(ls -d [0-9]*)/*exits /dev/null")
        vm.guest("before=$(cat exits); await '[ $(cat exits) -gt $before ]'; echo $before $(cat exits)")
    with sh.section("kvm_stat"):
        told = vm.guest("python3 -S -E /bin/kvm_stat -1 | grep -v ' 0  *0$'", timeout=300.0)
        assert re.search(r"^\s*kvm_exit\s+\d+", told, re.MULTILINE), told
