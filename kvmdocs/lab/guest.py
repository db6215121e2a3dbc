"""A bootable guest: a kernel, and an initramfs made of a static busybox and the recipe's own files."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kvmdocs.core.errors import Evidence, HostLacks
from kvmdocs.recording.shell import Shell

READY = "guest: ready"
"""Line on the guest's console once its shell takes commands."""

SHELL_BEGINS = "guest: a new shell"
"""First line that each shell of the guest prints on its port."""

_INIT = """\
#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
# The guest's own name for its root: a line with it that is typed in a host's window by mistake finds nothing there.
ln -s / /guest
{insmod}while :; do
    setsid -c /guest-shell </dev/ttyS1 >/dev/ttyS1 2>&1
done
"""
# With an initramfs the kernel does not mount /dev itself (CONFIG_DEVTMPFS_MOUNT).

_SHELL = f"""\
#!/bin/sh
# One line is one command, taken as it is: no echo, no editing. What comes back is what a command printed.
stty -echo -iexten -onlcr erase undef kill undef eof undef
trap : INT
# await COMMAND: run a command until it succeeds.
await() {{ until eval "$1"; do sleep 0.1 || return; done; }}
echo "{SHELL_BEGINS}"
echo "<1>{READY}" >/dev/kmsg
while read -r line || [ $? -gt 128 ]; do
    eval "$line"
done
"""
# Written to /dev/kmsg, the mark is a kernel message, which no other can split; <1> is shown despite `quiet`. The terminal
# delivers whole lines only: busybox's `read` loses a partial line when a background process ends (SIGCHLD).


@dataclass(frozen=True)
class Guest:
    """A bootable guest. A recipe may return it.

    Attributes:
        kernel: A bzImage.
        initramfs: A compressed cpio archive.
        append: Kernel command-line arguments, in addition to those a machine adds.
    """

    kernel: Path
    initramfs: Path
    append: str = ""


def build_initramfs(
    sh: Shell,
    *,
    files: Mapping[str, str | Path] | None = None,
    modules: Sequence[str | Path] = (),
    programs: Sequence[str | Path] = (),
    init: str | None = None,
    busybox: str | Path | None = None,
    name: str = "initramfs",
) -> Path:
    """Build an initramfs in the recipe's workspace, with commands that a reader can type.

    The archive is reproducible: names are sorted, times are 0, root owns all files.

    Args:
        sh: The recipe's shell.
        files: Files by their absolute path in the guest.
        modules: Kernel modules, installed in ``/lib/modules``. The default init loads them in this order.
        programs: Programs, installed in ``/bin`` together with the shared libraries that `ldd` lists.
        init: Text of ``/init``. The default one mounts the usual file systems, loads the modules and runs a shell on ttyS1.
        busybox: A statically linked busybox; by default the one on PATH.
        name: Name of the folder and, with ``.cpio.gz``, of the archive.

    Returns:
        The archive.

    Raises:
        HostLacks: There is no statically linked busybox, or a library of a program is missing.
        ValueError: A path in `files` is not absolute or leads out of the guest's root.
    """
    box = _static_busybox(busybox)
    root = Path(name)
    shutil.rmtree(sh.workspace / root, ignore_errors=True)
    with sh.cd(sh.workspace):
        _fill(sh, root, box, _contents(sh, files or {}, modules, programs))
        for program in programs:
            _add_libraries(sh, root, str(shutil.which(str(program))))
        insmod = "".join(f"insmod /lib/modules/{Path(module).name}\n" for module in modules)
        sh.write(root / "init", _INIT.format(insmod=insmod) if init is None else init, 0o755)
        if init is None:
            sh.write(root / "guest-shell", _SHELL, 0o755)
    archive = sh.workspace / f"{name}.cpio.gz"
    with sh.cd(sh.workspace / root):
        sh.line("chmod -R u=rwX,go=rX,g-s . && find . -exec touch -h -d @0 {} +")
        pack = "find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc -R 0:0 --reproducible --quiet"
        sh.line(f"{pack} | gzip -1n >../{archive.name}")
    return archive


def _fill(sh: Shell, root: Path, box: Path, contents: Mapping[str, Path]) -> None:
    """Create the guest's root. As a person would, copy all files of a folder that keep their names with one command."""
    sh.mkdir("-p", *(root / folder for folder in ("bin", "dev", "lib/modules", "proc", "sys", "tmp")))
    sh.cp("-L", box, root / "bin/busybox")
    sh.ln("-s", "busybox", root / "bin/sh")
    together: dict[Path, list[Path]] = {}
    for target, source in contents.items():
        place = root / target.lstrip("/")
        together.setdefault(place.parent if place.name == source.name else place, []).append(source)
    for place, sources in together.items():
        folder = place.parent if f"/{place.relative_to(root)}" in contents else place
        if not (sh.workspace / folder).is_dir():
            sh.mkdir("-p", folder)
        sh.cp("-L", *sources, place)


def _contents(
    sh: Shell, files: Mapping[str, str | Path], modules: Sequence[str | Path], programs: Sequence[str | Path]
) -> dict[str, Path]:
    """Return the source of each file, by its path in the guest."""
    contents: dict[str, Path] = {}
    for target, source in files.items():
        if not target.startswith("/") or ".." in Path(target).parts:
            raise ValueError(f"{target!r} is no absolute path in the guest")
        contents[target] = Path(source)
    for module in modules:
        contents[f"/lib/modules/{Path(module).name}"] = Path(module)
    for program in programs:
        found = shutil.which(str(program))
        if found is None:
            raise HostLacks(f"there is no program {sh.readable(str(program))!r} to put into the guest")
        contents[f"/bin/{Path(found).name}"] = Path(found)
    return contents


def _add_libraries(sh: Shell, root: Path, program: str) -> None:
    """Copy a program's shared libraries and loader to the same paths in the guest. A static program has none.

    The list comes from `ldd` because it depends on the host that a program, such as QEMU, was built on.

    Raises:
        HostLacks: A library is not on this host.
    """
    told = sh.ldd(program, _ok_code=[0, 1])
    if missing := re.findall(r"^\s*(\S+) => not found", told, re.MULTILINE):
        raise HostLacks(f"{Path(program).name} needs libraries that are not here: {', '.join(missing)}")
    if re.search(r"/\S+ \(0x", told):
        sh.line(f"ldd {shlex.quote(program)} | grep -o '/[^ ]*' | xargs cp -L --parents -t {root}")


def _static_busybox(given: str | Path | None) -> Path:
    """Return the busybox to install in a guest.

    Raises:
        HostLacks: There is none, or it needs shared libraries that the guest does not have.
    """
    found = shutil.which(str(given or "busybox"))
    advice = Evidence(advice="install busybox-static (Debian, Ubuntu) or a busybox linked statically")
    if found is None:
        raise HostLacks("there is no busybox on this host", advice)
    # A dynamic program has the path of its loader (ld*.so.N) near its beginning (elf(5), PT_INTERP).
    with Path(found).open("rb") as program:
        if re.search(rb"/ld[\w.-]*\.so\.\d", program.read(4096)):
            raise HostLacks(f"{found} is not linked statically", advice)
    return Path(found)
