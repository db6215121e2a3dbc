"""Building QEMU: once as users run it, once so that a debugger can follow every line."""

from __future__ import annotations

from pathlib import Path

from kvmdocs import Shell, recipe

BUILD_TOOLS = ("gcc", "make", "ninja", "meson", "pkg-config", "glib-2.0", "pixman-1", "libfdt", "python3", "python3-venv")
"""Tools that QEMU's configure needs. The last one is for QEMU 8.1 and later, whose configure creates a virtual environment."""

PROGRAMS = ("qemu-system-x86_64", "qemu-img")


@recipe(tools=BUILD_TOOLS, cpus="all", memory="2G", disk="512M", timeout="90m", expects="3m")
def qemu_debug(sh: Shell, qemu_source: Path, qemu_python: Path | None) -> Path:
    """Compile a QEMU that gdb can step through line by line.

    Returns:
        The program ``qemu-system-x86_64``; ``qemu-img`` and gdb's helper scripts are in the same directory.
    """
    return build_qemu(sh, qemu_source, qemu_python, "--enable-debug")


@recipe(tools=BUILD_TOOLS, cpus="all", memory="2G", disk="512M", timeout="90m", expects="3m")
def qemu_optimised(sh: Shell, qemu_source: Path, qemu_python: Path | None) -> Path:
    """Compile QEMU as it is built by default, optimised.

    Returns:
        The program ``qemu-system-x86_64``.
    """
    return build_qemu(sh, qemu_source, qemu_python)


def with_python(python: Path | None) -> tuple[str, ...]:
    """Return the configure option that selects a Python other than the host's, or nothing if none is needed."""
    return (f"--python={python}",) if python else ()


def build_qemu(sh: Shell, source: Path, python: Path | None, *options: str) -> Path:
    """Configure QEMU in a directory of its own and build the one emulator the guides need.

    Args:
        sh: The recipe's shell.
        source: QEMU's source tree.
        python: The value of `recipes.build.qemu_python`.
        *options: More options for configure.
    """
    build = sh.workspace / "build"
    sh.mkdir(build)
    with sh.cd(build):
        with sh.section("configure"):
            # Nothing is installed, and a distribution's source package has no firmware to install.
            quick = ("--disable-docs", "--disable-install-blobs")
            sh.run(source / "configure", "--target-list=x86_64-softmmu", *with_python(python), *options, *quick)
        with sh.section("make"):
            sh.make(f"-j{sh.cpus}", *PROGRAMS)
        with sh.section("look"):
            sh.run("./qemu-system-x86_64", "--version")
    return build / "qemu-system-x86_64"


@recipe(tools=("file", "readelf", "objdump"), expects="3s")
def qemu_built(sh: Shell, qemu_debug: Path, qemu_optimised: Path) -> dict[str, int]:
    """See what a build of QEMU leaves behind.

    Returns:
        Size in bytes of each program of the debug build.
    """
    debug, optimised = qemu_debug.parent, qemu_optimised.parent
    with sh.section("files"), sh.cd(debug):
        sh.line("ls -lh " + " ".join(PROGRAMS))
        told = sh.file(*PROGRAMS)
        assert told.count("with debug_info, not stripped") == len(PROGRAMS), told
    with sh.section("sizes"):
        sh.size(qemu_debug, qemu_optimised)
        sh.ls("-lh", qemu_debug, qemu_optimised)
    with sh.section("options"), sh.cd(debug):
        flags = sh.line("grep -m 1 -o -e '-O[0-9s] -g' build.ninja")
        assert "-O0" in flags, flags
        with sh.cd(optimised):
            flags = sh.line("grep -m 1 -o -e '-O[0-9s] -g' build.ninja")
            assert "-O2" in flags, flags
    with sh.section("targets"):
        sh.line(f"{qemu_debug} -accel help")
        machines = sh.line(f"{qemu_debug} -machine help | grep -E '^(pc|q35|microvm|none) '")
        assert "q35" in machines
        sh.line(f"{qemu_debug} -device help | grep -i virtio-blk")
    return {name: (debug / name).stat().st_size for name in PROGRAMS}
