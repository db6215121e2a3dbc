"""KVM's own tests: built from the kernel's source, run in L1, with the reason for each skip and failure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import BUILD_TOOLS, Kernel
from recipes.kvm.host import L1_TOOLS, KvmHost, l1, load_kvm

TESTS = "tools/testing/selftests/kvm"
"""Directory of the tests in the kernel's source."""

PARTS = ("tools/arch", "tools/build", "tools/include", "tools/lib", "tools/scripts", "tools/testing/selftests")
"""Parts of the kernel's source that the tests' build needs."""

FAIL = {
    "6.1": (
        "debug_regs",
        "hyperv_clock",
        "kvm_clock_test",
        "nested_exceptions_test",
        "svm_nested_soft_inject_test",
    ),
    "6.12": ("debug_regs", "monitor_mwait_test", "nested_exceptions_test", "svm_nested_soft_inject_test"),
}
"""Tests that fail on the processor that QEMU emulates, by Linux series. The guide explains why."""

FEWEST = 20
"""Smallest number of tests that a working KVM passes."""

SKIPPED = 4
"""Exit status of a test that this machine cannot run (KSFT_SKIP in tools/testing/selftests/kselftest.h)."""

STOPPED = 124
"""Exit status used here for a test that exceeded its time limit."""

ONE_LIMIT = 180
"""Time limit of one test, in seconds."""


LONG = {
    "access_tracking_perf_test": "measures",
    "demand_paging_test": "measures",
    "dirty_log_perf_test": "measures",
    "dirty_log_test": "minutes",
    "hardware_disable_test": "minutes",
    "kvm_create_max_vcpus": "minutes",
    "kvm_page_table_test": "measures",
    "max_guest_memory_test": "minutes",
    "memslot_modification_stress_test": "measures",
    "memslot_perf_test": "measures",
    "rseq_test": "minutes",
    "set_memory_region_test": "minutes",
    "xapic_ipi_test": "clock",
}
"""Tests that are not run, and why: on an emulated processor ``measures`` would be meaningless, or ``minutes`` would pass. The
test with ``clock`` waits for an interrupt for two thousand million ticks, which are two seconds here, but a busy host may delay
a vCPU for longer."""


@dataclass(frozen=True)
class Selftests:
    """Programs built from the selftests' source.

    Attributes:
        programs: The programs, one for each test.
        unbuilt: Names of the tests that could not be built.
    """

    programs: tuple[Path, ...]
    unbuilt: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """Result of one test.

    Attributes:
        name: Its name.
        status: Its exit status.
        said: The line that explains why it did not pass, or what it left out; "" if there is none.
    """

    name: str
    status: int
    said: str = ""

    @property
    def verdict(self) -> str:
        """Verdict: ``pass``, ``skip``, ``fail`` or ``stopped``."""
        return {0: "pass", SKIPPED: "skip", STOPPED: "stopped"}.get(self.status, "fail")

    @property
    def failed(self) -> bool:
        """True if the test neither passed nor was skipped."""
        return self.verdict in {"fail", "stopped"}


@recipe(tools=(*BUILD_TOOLS, "rsync", "tar"), cpus="all", memory="1G", disk="256M", timeout="40m", expects="1m")
def selftests_build(sh: Shell, linux_source: Path) -> Selftests:
    """Compile KVM's selftests from a copy of the files they need.

    Returns:
        The programs, and the tests that could not be built.
    """
    with sh.section("headers"):
        sh.line(f"make -C {linux_source} O=$PWD/headers INSTALL_HDR_PATH=$PWD/usr headers_install")
    with sh.section("copy"):
        sh.mkdir("scripts")
        sh.cp(linux_source / "scripts/subarch.include", "scripts")
        sh.line(f"(cd {linux_source} && tar --create {' '.join(PARTS)}) | tar --extract")
    with sh.section("make"):
        # make exits with 2 if a test cannot be built; --keep-going builds the others.
        told = sh.line(f"make -j{sh.cpus} --keep-going -C {TESTS} 2>&1", _ok_code=[0, 2])
    with sh.section("look"):
        listed = sh.line(f"find {TESTS} -type f -perm -100 ! -name '*.sh' ! -name '*.so' | sort")
        programs = tuple(sh.workspace / line for line in listed.splitlines())
        assert len(programs) > 40, listed
    return Selftests(programs, tuple(sorted(re.findall(r"^make: \*\*\* \[.*/([\w-]+)\] Error", told, re.MULTILINE))))


@recipe(tools=("gcc", *L1_TOOLS), cpus=2, memory="2G", disk="96M", timeout="60m", expects="90s")
def run_selftests(
    sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost, selftests_build: Selftests
) -> list[Result]:
    """Run KVM's selftests in L1.

    Returns:
        The result of each test.
    """
    with sh.section("library"):
        # Cancelling a thread loads this library; no program links to it.
        unwinder = sh.gcc("-print-file-name=libgcc_s.so.1").strip()
    programs = [program for program in selftests_build.programs if program.name not in LONG]
    names = [program.name for program in programs]
    with sh.section("pack"):
        sh.mkdir("tests")
        sh.cp(*programs, "tests")
        sh.line("strip tests/*")
        files = {f"/tests/{name}": sh.workspace / "tests" / name for name in names}
        files["/lib/libgcc_s.so.1"] = Path(unwinder)
        # One test as a program, for the libraries that all tests need.
        machine = l1(
            sh,
            qemu_optimised,
            linux_build,
            kvm_host,
            files=files,
            programs=(sh.workspace / "tests" / names[0],),
            cpus=2,
            memory="1536M",
        )
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine)
            load_kvm(vm, kvm_host)
            vm.guest("cd /tests && ulimit -n 4096 && mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm")
        with sh.section("run"):
            results = {name: run(vm, name) for name in names}
        known = _known(vm, kvm_host)
        if odd := [name for name, result in results.items() if result.failed and name not in known]:
            with sh.section("again"):
                # Some tests measure time by an emulated clock, on a host that is busy with other work.
                results |= {name: run(vm, name) for name in odd}
    passed = [name for name, result in results.items() if result.verdict == "pass"]
    assert len(passed) >= FEWEST, results
    unexplained = [result for name, result in results.items() if result.failed and name not in known]
    # For an unknown Linux series or another processor, the guide shows each test's own output.
    assert not (known and unexplained), unexplained
    return list(results.values())


def _known(vm: Machine, host: KvmHost) -> tuple[str, ...]:
    """Return the tests that are known to fail here; none for an unknown kernel or processor."""
    series = ".".join(vm.guest("uname -r").split(".")[:2])
    return FAIL.get(series, ()) if host.accel == "tcg" else ()


def run(vm: Machine, name: str) -> Result:
    """Run one test in L1."""
    told = vm.guest(f"timeout -s KILL {ONE_LIMIT} ./{name} 2>&1; echo status $?", timeout=ONE_LIMIT * 5)
    # Not every test ends its last line.
    found = re.search(r"status (\d+)\s*\Z", told)
    assert found, told
    status, told = int(found[1]), told[: found.start()]
    return Result(name, STOPPED if status == 137 else status, reason(told) if status else left_out(told))


_LEFT_OUT = re.compile(r"(.*), skipping test")

_SAYS = (
    r"# SKIP - (?:Requirement not met: )?(.*)",
    _LEFT_OUT.pattern,
    # Below an assertion are its location and the stack, then its message.
    r"\n\s+pid=.*\n(?:.*(?:stack trace|addr2line).*\n|\s+\d+\t.*\n)*\s*(\S.*)",
    r"((?:[Aa]ssert|not ok).*)",
)


def reason(told: str) -> str:
    """Return the line that explains why a test was skipped or failed; the last line if none looks like it."""
    for pattern in _SAYS:
        if found := re.search(pattern, told):
            return found[1].strip()
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def left_out(told: str) -> str:
    """Return why a test that passed has left out a part of itself; "" if it has not."""
    found = _LEFT_OUT.search(told)
    return found[1].strip() if found else ""


def by_reason(results: Sequence[Result]) -> dict[str, list[str]]:
    """Return the names of the skipped tests by their reasons, the most common reason first."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.verdict == "skip":
            reasons.setdefault(result.said, []).append(result.name)
    return dict(sorted(reasons.items(), key=lambda item: -len(item[1])))
