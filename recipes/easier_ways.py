"""Easier ways to look into a kernel with KVM: crash and drgn on a dump of its memory, and virtme-ng to boot it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe
from recipes.kvm_host import INNER_LIMIT, INNER_QEMU, L1_TOOLS, KvmHost, inner, l1, load_kvm
from recipes.linux import Kernel

WAITS = "L2 waits"

_INNER_INIT = f"""\
#!/bin/sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
echo "{WAITS}"
exec sleep 1000000
"""

_INNER_QEMU = INNER_QEMU.replace("-serial stdio", "-serial file:/tmp/l2.console -name l2,debug-threads=on")


@dataclass(frozen=True)
class Dump:
    """The memory of a machine at one moment.

    Attributes:
        file: A compressed kdump file, as `crash` and `drgn` read it.
        task: Process id, in the machine, of the vCPU's thread of the QEMU that ran there.
    """

    file: Path
    task: int


@recipe(tools=L1_TOOLS, memory="1500M", disk="512M", timeout="20m", expects="20s")
def kvm_dump(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> Dump:
    """Dump the memory of an L1 in which KVM runs a guest.

    Returns:
        The dump, and which thread is the vCPU.
    """
    with sh.section("pack"):
        parts = inner(sh, qemu_optimised, linux_build, init=_INNER_INIT, script=_INNER_QEMU)
        vm = l1(sh, qemu_optimised, linux_build, kvm_host, files=parts.files, programs=parts.programs, args=("-device", "vmcoreinfo"))
    with sh.section("start"), vm:
        load_kvm(vm, kvm_host)
        with sh.section("guest"):
            process = vm.guest_start("inner")
            vm.guest(f"until grep -q '{WAITS}' /tmp/l2.console; do usleep 50000; done", timeout=INNER_LIMIT)
            threads = vm.guest(f"grep . /proc/{process}/task/*/comm")
        with sh.section("dump"):
            vm.qmp("dump-guest-memory", paging=False, protocol="file:l1.dump", format="kdump-zlib", timeout=300.0)
            sh.ls("-lh", "l1.dump")
    found = re.search(r"task/(\d+)/comm:CPU 0/KVM", threads)
    assert found, threads
    return Dump(sh.workspace / "l1.dump", int(found[1]))
