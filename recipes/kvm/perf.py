"""Building perf from the source of the guests' own kernel, small enough to fit into a guest."""

from __future__ import annotations

from pathlib import Path

from kvmdocs import Shell, recipe

PERF_TOOLS = ("gcc", "make", "flex", "bison", "pkg-config", "libtraceevent", "readelf")
"""Tools that this perf's build needs, and strip, which comes with readelf. Since Linux 6.2, perf's event parser is a separate
library."""

WITHOUT = (
    *("NO_JEVENTS=1", "NO_LIBELF=1", "NO_DWARF=1", "NO_LIBDW=1", "NO_LIBUNWIND=1", "NO_LIBDW_DWARF_UNWIND=1", "NO_LIBBPF=1"),
    *("BUILD_BPF_SKEL=", "NO_LIBPYTHON=1", "NO_LIBPERL=1", "NO_JVMTI=1", "NO_SLANG=1", "NO_GTK2=1", "NO_LIBNUMA=1"),
    *(
        "DEBUG=1",
        "NO_LIBCRYPTO=1",
        "NO_LIBZSTD=1",
        "NO_LZMA=1",
        "NO_LIBCAP=1",
        "NO_LIBPFM4=1",
        "NO_LIBBABELTRACE=1",
        "NO_DEMANGLE=1",
    ),
)
"""Features that are left out: symbols, other languages, screens, compression, and with DEBUG the compiler's optimisation, which
takes half of the build time. Counting KVM's events needs none of them. A version that does not know one of these variables
ignores it (tools/perf/Makefile.perf, Makefile.config)."""


@recipe(tools=PERF_TOOLS, cpus="all", memory="1G", disk="384M", timeout="60m", expects="1m")
def perf_tool(sh: Shell, linux_source: Path) -> Path:
    """Compile perf with only what perf kvm stat needs.

    Returns:
        The program, without debug information.
    """
    build = sh.workspace / "build"
    with sh.section("make"):
        sh.mkdir(build)
        # The slash is required: perf's makefiles append file names directly.
        sh.make("-C", linux_source / "tools/perf", f"O={build}/", *WITHOUT, f"-j{sh.cpus}", "perf")
    with sh.section("look"):
        sh.strip("-o", "perf", build / "perf")
        told = sh.run("./perf", "version", "--build-options")
        assert "perf version" in told, told
        sh.line("ls -lh perf && ldd perf")
    return sh.workspace / "perf"
