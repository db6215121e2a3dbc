"""The error museum, first family: messages of builds that lack something."""

from __future__ import annotations

import re
from pathlib import Path

from kvmdocs import Shell, recipe
from recipes.build.linux import Kernel
from recipes.build.qemu import BUILD_TOOLS, with_python
from recipes.kvm.errors.refusals import refused

PACKED_BESIDE = ("ui/keycodemapdb", "subprojects/keycodemapdb")
"""Paths that a release contains but that are mere pointers in the git repository: a submodule until QEMU 8.0, a subproject
since."""

LEAST = "--target-list=x86_64-softmmu --without-default-features --disable-tools --disable-install-blobs"
"""Options of the fastest possible configuration."""


@recipe(tools=BUILD_TOOLS, memory="512M", disk="320M", timeout="15m", expects="20s")
def museum_build(sh: Shell, qemu_source: Path, qemu_python: Path | None, linux_source: Path, linux_build: Kernel) -> None:
    """Configure QEMU with one thing missing at a time, and build Linux with nothing configured.

    The source is a tree of links, so that parts of it can be taken away. The tools are a directory of links for the same
    reason.
    """
    least = " ".join((LEAST, *with_python(qemu_python)))
    sh.cp("-rs", qemu_source, "qemu")
    with sh.section("archive"):
        _archive(sh, qemu_source, least)
    with sh.section("meson"):
        _meson(sh, qemu_source)
    with sh.section("ninja"):
        sh.mkdir("tools", "build")
        sh.line("for folder in ${PATH//:/ }; do ln -s $folder/* tools/ 2>/dev/null; done; rm -f tools/ninja* tools/samu")
        with sh.cd("build"):
            refused(sh, f"PATH=$PWD/../tools ../qemu/configure {least}", "Cannot find Ninja")
    with sh.section("glib"), sh.cd("build"):
        # For configure, an empty search path of pkg-config is the same as libraries that are not installed.
        refused(
            sh,
            f"PKG_CONFIG_LIBDIR=/nowhere ../qemu/configure {least}",
            "is required to compile QEMU",
            'Dependency "glib-2.0" not found',
        )
    with sh.section("cure"), sh.cd("build"):
        sh.line("ninja --version && pkg-config --modversion glib-2.0")
        sh.line(f"../qemu/configure {least} | tail -n 6")
        assert "rule" in sh.line("ls -l build.ninja && grep -c '^rule ' build.ninja && grep -m 1 '^rule ' build.ninja")
    with sh.section("unconfigured"):
        _unconfigured(sh, linux_source, linux_build)


def _archive(sh: Shell, source: Path, least: str) -> None:
    """Configure a tree like a hosting site's archive of a tag: without the parts that the repository only points to.

    Args:
        sh: The recipe's shell.
        source: QEMU's source tree.
        least: Options of configure.
    """
    (held,) = [place for place in PACKED_BESIDE if (source / place / "meson.build").exists()]
    sh.rm("-r", f"qemu/{held}")
    sh.mkdir("from-archive")
    with sh.cd("from-archive"):
        # Newer versions would download a missing subproject if there is a network.
        offline = " --disable-download" if held.startswith("subprojects") else ""
        refused(sh, f"../qemu/configure {least}{offline}", "missing GIT submodules", "missing subprojects")
    sh.cp("-rs", source / held, Path("qemu", held).parent)


def _meson(sh: Shell, source: Path) -> None:
    """Let meson read a project that requires a newer meson, as next year's QEMU will."""
    sh.mkdir("newer")
    with sh.cd("newer"):
        sh.cp(source / "meson.build", source / "VERSION", ".")
        sh.line("sed -i \"s/meson_version: '>=[0-9.]*'/meson_version: '>=99'/\" meson.build")
        told = refused(sh, "meson setup build", "but project requires >=99")
        assert re.search(r"Meson version is [\d.]+", told), told
        wanted = sh.line(f"grep -o \"meson_version: '[^']*'\" {source}/meson.build; meson --version")
        assert re.search(r"meson_version: '>=[\d.]+'\n[\d.]+", wanted), wanted


def _unconfigured(sh: Shell, source: Path, kernel: Kernel) -> None:
    """Build one module of a kernel that was never configured, then list the files that a configured tree has."""
    sh.mkdir("kernel")
    refused(sh, f"make -C {source} O=$PWD/kernel M=arch/x86/kvm modules", "Kernel configuration is invalid", "auto.conf")
    with sh.cd(kernel.build):
        sh.line("ls .config include/config/auto.conf include/generated/autoconf.h Module.symvers")
        assert "CONFIG_KVM=m" in sh.line("grep -E '^CONFIG_KVM(_AMD|_INTEL)?=' .config")
