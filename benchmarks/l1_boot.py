"""Time from the start of QEMU to KVM loaded in its guest, against virtme-ng with the same kernel, QEMU and modules.

Both boot with one processor and 512 MiB under emulation. The benchmark uses the results of the recipes ``linux_build`` and
``kvm_host`` on this host, a ``qemu-system-x86_64`` on PATH, and virtme-ng from a package index in a temporary environment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import side_by_side
from kvmdocs.core.paths import PathDisplay
from kvmdocs.execution import recipe_values
from kvmdocs.execution.project import Project
from kvmdocs.lab import Guest, Machine, build_initramfs
from kvmdocs.recording.shell import Shell
from recipes.build.linux import Kernel
from recipes.kvm.host import BOOT_LIMIT, KvmHost, load_kvm
from recipes.run.guest import STILL

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
VIRTME = "virtme-ng==1.42"
AIM = 5.0
"""Target in seconds on a quiet machine."""


def built(recipe: str) -> Kernel | KvmHost:
    """Return a recipe's result on this host.

    Raises:
        SystemExit: The recipe has not run here.
    """
    project = Project(ROOT)
    record = project.store.latest(recipe)
    if record is None:
        sys.exit(f"{recipe} has not run on this host: kvmdocs run {recipe}")
    result: Kernel | KvmHost = recipe_values.value(project, record)
    return result


def main() -> None:
    """Measure and print the ratio and the seconds."""
    kernel, host, qemu = built("linux_build"), built("kvm_host"), shutil.which("qemu-system-x86_64")
    assert isinstance(kernel, Kernel)
    assert isinstance(host, KvmHost)
    if qemu is None:
        sys.exit("there is no qemu-system-x86_64 on PATH")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        subprocess.run([folder / "venv/bin/pip", "install", "-q", VIRTME], check=True)
        # virtme-ng writes files beside the kernel that it boots.
        shutil.copy(kernel.image, folder / "bzImage")
        sh = Shell(folder, PathDisplay(folder), folder / "logs")
        archive = build_initramfs(sh, files={f"/lib/modules/{module.name}": module for module in host.modules})
        load = " && ".join(f"insmod {module}" for module in host.modules)
        (folder / "load.sh").write_text(f"{load} && ls -l /dev/kvm\n")
        vng = f"vng --run bzImage --disable-kvm --force-9p --disable-microvm --qemu {qemu} --user root --memory 512M --cpus 1"

        def ours() -> None:
            with Machine(
                sh, qemu, Guest(kernel.image, archive, STILL), accel="tcg", cpu="max", memory="512M", boot_timeout=BOOT_LIMIT
            ) as vm:
                load_kvm(vm, host)

        def virtme() -> None:
            command = f"PATH=$PWD/venv/bin:$PATH timeout 300 {vng} --verbose --exec 'sh load.sh' </dev/null 2>&1"
            output = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False).stdout
            # Major and minor number of /dev/kvm.
            assert "10, 232" in output, output[-2000:]

        ratio = side_by_side("L1 to KVM loaded, against virtme-ng", ours, virtme, rounds=ROUNDS, aim=1.0)
        print(ratio.line())
        print(f"{'L1 to KVM loaded, in seconds':<44} {ratio.ours:5.2f}        (aim {AIM:.2f}, on a quiet machine)")
        sh.close()


if __name__ == "__main__":
    main()
