"""Compiling KVM alone: a copy of its source, with a kernel that is already built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe
from recipes.build.linux import BUILD_TOOLS, Kernel

KVM = "arch/x86/kvm"
"""Directory of KVM's makefile. It takes the part that all architectures share from ``../../../virt/kvm``."""

ONE_FILE = f"{KVM}/svm/svm.c"
"""A source file that belongs to only one of the modules and that no other file includes."""

ELSEWHERE = "/usr/bin/kvm"
"""A plausible value of an environment variable named KVM: on Debian, QEMU is installed under this name."""

SECTION_KINDS = (
    ("debug information", r"\.(rela)?\.?debug|\.rela\.debug"),
    ("names of functions and data", r"\.(sym|str|shstr)tab$"),
    ("where addresses are to be filled in", r"\.rela"),
    ("code", r"\..*text|\.altinstr_(aux|replacement)"),
    ("data", ""),
)
"""Kinds of a module's sections, by a pattern of their names. The first match counts."""


@dataclass(frozen=True)
class Modules:
    """KVM's modules, built apart from the kernel.

    Attributes:
        tree: The copy of KVM's source they were built in.
        files: The modules in load order: kvm, kvm-amd, kvm-intel.
        sizes: Section sizes of ``kvm.ko`` in bytes, by kind.
    """

    tree: Path
    files: tuple[Path, ...]
    sizes: dict[str, int]


@recipe(tools=(*BUILD_TOOLS, "readelf"), cpus="all", memory="1G", disk="128M", timeout="40m", expects="1m")
def kvm_module(sh: Shell, linux_source: Path, linux_build: Kernel) -> Modules:
    """Compile KVM's modules alone, then again after a change to one file.

    Returns:
        The modules.
    """
    with sh.section("copy"):
        copy_kvm(sh, linux_source)
    with sh.section("make"):
        make_kvm(sh, linux_build.build)
    with sh.section("look"):
        sh.line(f"ls -lh {KVM}/*.ko")
        told = sh.modinfo("--field=vermagic", f"{KVM}/kvm.ko")
        ours = sh.modinfo("--field=vermagic", linux_build.build / KVM / "kvm.ko")
        assert told == ours, (told, ours)
        assert sh.modinfo("--field=depends", f"{KVM}/kvm-amd.ko").split() == ["kvm"]
    with sh.section("size"):
        sizes = by_kind(sh.readelf("--sections", "--wide", f"{KVM}/kvm.ko"))
    with sh.section("touch"):
        sh.touch(ONE_FILE)
        made = compiled(make_kvm(sh, linux_build.build))
        assert [Path(name).name for name in made] == ["svm.o"], made
    with sh.section("variable"):
        # It must fail, and 2 is make's status for a failure.
        told = sh.line(f"KVM={ELSEWHERE} make -C {linux_build.build} M=$PWD/{KVM} modules 2>&1", _ok_code=[2])
        assert "No rule to make target" in told, told
        assert f"{ELSEWHERE}/kvm_main.o" in told, told
    with sh.section("again"):
        assert not compiled(make_kvm(sh, linux_build.build)), "only the link is made again"
    return Modules(sh.workspace, built(sh.workspace), sizes)


@recipe(tools=("readelf",), disk="16M", expects="2s")
def kernel_contents(sh: Shell, linux_build: Kernel) -> dict[str, int]:
    """See what a kernel with debug information is made of, and what is left of its modules without it.

    Returns:
        Section sizes of ``vmlinux`` in bytes, by kind.
    """
    with sh.section("sections"):
        sizes = by_kind(sh.readelf("--sections", "--wide", linux_build.vmlinux))
    with sh.section("strip"):
        sh.mkdir("stripped")
        sh.cp(*linux_build.modules, "stripped")
        sh.strip("--strip-debug", *(f"stripped/{module.name}" for module in linux_build.modules))
        sh.line("ls -lh stripped")
    return sizes


def copy_kvm(sh: Shell, source: Path) -> None:
    """Copy KVM's source into the current directory, with the same directories around it as in the kernel."""
    sh.mkdir("-p", "arch/x86", "virt")
    sh.cp("-r", source / KVM, "arch/x86")
    sh.cp("-r", source / "virt/kvm", "virt")


def make_kvm(sh: Shell, build: Path, *words: str) -> str:
    """Compile those parts of KVM's modules in the current directory that are out of date.

    Args:
        sh: The recipe's shell.
        build: The build directory of the kernel that the modules are for; nothing is written to it.
        *words: More arguments for make.

    Returns:
        The standard output of make.
    """
    # Run it as a shell line, so that a reader can type $PWD.
    more = "".join(f" {word}" for word in words)
    return sh.line(f"make -j{sh.cpus} -C {build}{more} M=$PWD/{KVM} modules")


def built(tree: Path) -> tuple[Path, ...]:
    """Return the modules in a copy of KVM's source, in load order.

    Raises:
        AssertionError: One is missing.
    """
    files = tuple(tree / KVM / f"{name}.ko" for name in ("kvm", "kvm-amd", "kvm-intel"))
    missing = [file.name for file in files if not file.is_file()]
    assert not missing, f"the build left no {', '.join(missing)}"
    return files


def compiled(printed: str) -> list[str]:
    """Return the objects that make reports as compiled, without those that modpost generates."""
    return [name for name in re.findall(r"^\s*CC \[M\]\s+(\S+\.o)$", printed, re.MULTILINE) if not name.endswith(".mod.o")]


def by_kind(sections: str) -> dict[str, int]:
    """Return the section sizes of a module by kind.

    Args:
        sections: The output of ``readelf --sections --wide``.

    Returns:
        Bytes by the names in `SECTION_KINDS`, largest first. Sections that occupy no space in the file are not counted.
    """
    sizes = dict.fromkeys((name for name, _ in SECTION_KINDS), 0)
    for name, kind, size in re.findall(
        r"^\s*\[ *\d+\] (\S+)\s+(\S+)\s+[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) ", sections, re.MULTILINE
    ):
        if kind != "NOBITS":
            sizes[next(title for title, pattern in SECTION_KINDS if re.match(pattern, name))] += int(size, 16)
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))
