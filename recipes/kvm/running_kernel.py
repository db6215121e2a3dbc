"""KVM for the kernel that a distribution's hosts run, built from its source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe, setting
from recipes.build.linux import BUILD_TOOLS
from recipes.get.distribution import Apt, binary_packages, last, listed, unpack_binaries, update
from recipes.kvm.build import KVM, built, copy_kvm, make_kvm

FLAVOURS = ("cloud-amd64", "amd64")
"""Debian's kernels for x86-64, the smallest first."""


@dataclass(frozen=True)
class DistributionKernel:
    """A distribution's kernel with its configuration and headers, unpacked in a directory of its own.

    Attributes:
        release: The kernel release, as in ``uname -r``.
        root: The directory, with all files at the paths where the packages install them.
    """

    release: str
    root: Path

    @property
    def image(self) -> Path:
        """Kernel image that a boot loader starts."""
        return self.root / f"boot/vmlinuz-{self.release}"

    @property
    def config(self) -> Path:
        """Configuration of the kernel."""
        return self.root / f"boot/config-{self.release}"

    @property
    def headers(self) -> Path:
        """Headers of this build, with its Module.symvers."""
        return self.root / f"usr/src/linux-headers-{self.release}"


@dataclass(frozen=True)
class OurModules:
    """KVM's modules for a distribution's kernel, without debug information.

    Attributes:
        unsigned: The build's output: kvm, kvm-amd, kvm-intel.
        signed: The same, signed with a key that the kernel does not have.
        foreign: A ``kvm.ko`` built with symbol checksums of another kernel.
    """

    unsigned: tuple[Path, ...]
    signed: tuple[Path, ...]
    foreign: Path


@recipe(tools=("apt-get", "apt-cache", "dpkg-source", "xz"), memory="512M", disk="480M", timeout="15m", expects="20s")
def distribution_kernel(
    sh: Shell,
    linux_distribution: Path,
    etc: str = setting("apt.etc"),
    suites: Sequence[str] = setting("linux.suites"),
    stall: float = setting("network.stall"),
) -> DistributionKernel:
    """Get the distribution's own kernel of the same version as its source, without installing it.

    Raises:
        Skipped: The distribution has no such kernel for x86-64.
        RecipeFailed: The mirrors no longer have its packages.
    """
    with sh.section("find"):
        version = source_version(sh.head("--lines=1", linux_distribution / "debian/changelog"))
        update(sh, Apt(etc, suites, stall), "deb")
        image = _image(sh, version)
    release = image.removeprefix("linux-image-")
    with sh.section("download"):
        headers = f"linux-headers-{release}"
        shown = sh.apt_cache("-c", "apt.conf", "show", f"{headers}={version}")
        binary_packages(sh, f"{image}={version}", f"{headers}={version}", *helpers_of(shown))
    with sh.section("unpack"):
        root = unpack_binaries(sh)
        sh.line("find root -name '*.ko.xz' -exec xz --decompress {} +")
    kernel = DistributionKernel(release, root)
    with sh.section("look"):
        sh.line("ls -lh root/boot")
        sh.line("find root -name 'kvm*.ko' -o -name 'irqbypass.ko' | xargs ls -lh")
        wanted = "CONFIG_(KVM|KVM_AMD|MODULE_SIG|MODULE_SIG_FORCE|MODVERSIONS|SECURITY_LOCKDOWN_LSM|DEBUG_INFO_BTF_MODULES)"
        asked = sh.line(f"grep -E '{wanted}[ =]' root/boot/config-{release}")
        assert "CONFIG_MODVERSIONS=y" in asked and "CONFIG_MODULE_SIG=y" in asked, asked
    return kernel


def _image(sh: Shell, version: str) -> str:
    """Return the package of the kernel that was built from a version of the source.

    Raises:
        Skipped: There is no such package.
    """
    for flavour in FLAVOURS:
        names = sh.apt_cache(
            "-c", "apt.conf", "search", "--names-only", f"^linux-image-[0-9]+[.][0-9]+[.][0-9].*-{flavour}$"
        ).split("\n")
        packages = sorted({name.split()[0] for name in names if name})
        for package, has in listed(sh, packages, "Packages") if packages else ():
            if has == version:
                return package
    return sh.skip(f"the mirrors have no kernel package of version {version} for x86-64")


def source_version(changelog: str) -> str:
    """Return the version in the first line of a Debian changelog.

    Raises:
        AssertionError: The line has another format.
    """
    found = re.match(r"\S+ \((\S+)\) ", changelog)
    assert found, changelog
    return found[1]


def helpers_of(shown: str) -> list[str]:
    """Return the packages that a package of kernel headers requires, in the form that ``apt-get download`` takes.

    Args:
        shown: The output of ``apt-cache show`` for it.
    """
    depends = re.search(r"^Depends: (.*)$", shown, re.MULTILINE)
    found = re.findall(
        r"(linux-headers-[^\s,]+-common|linux-kbuild-[^\s,]+)(?: \((>?=) (\S+)\))?", depends[1] if depends else ""
    )
    return [f"{name}={version}" if relation == "=" else name for name, relation, version in found]


@recipe(
    tools=(*BUILD_TOOLS, "libssl", "openssl", "pahole", "xz", "zstd", "lz4", "readelf"),
    cpus="all",
    memory="1500M",
    disk="320M",
    timeout="60m",
    expects="2m",
)
def kvm_for_distribution(sh: Shell, linux_distribution: Path, distribution_kernel: DistributionKernel) -> OurModules:
    """Compile KVM for a distribution's kernel from that kernel's source, configuration and symbols, and sign it.

    Returns:
        The modules.
    """
    release, headers = distribution_kernel.release, distribution_kernel.headers
    build = sh.workspace / "build"
    with sh.section("copy"):
        copy_kvm(sh, linux_distribution)
    with sh.section("headers"):
        common = next(headers.parent.glob("linux-headers-*-common"))
        # It must fail, and 2 is make's status for a failure.
        told = sh.line(f"make -C {common} O={headers} M=$PWD/{KVM} modules 2>&1", _ok_code=[2])
        assert "virt/kvm/Makefile.kvm: No such file" in told, told
    with sh.section("prepare"):
        sh.mkdir("build")
        sh.cp(distribution_kernel.config, "build/.config")
        sh.cp(headers / "Module.symvers", "build")
        make = f"make -C {linux_distribution} O=$PWD/build KERNELRELEASE={release}"
        sh.line(f"{make} olddefconfig")
        sh.line(f"{make} -j{sh.cpus} modules_prepare")
        sh.line(f"diff {distribution_kernel.config} build/.config", _ok_code=[0, 1])
    with sh.section("make"):
        make_kvm(sh, build, f"KERNELRELEASE={release}")
        told = last(sh)[1]
        assert "Skipping BTF generation" in told, told
    with sh.section("btf"):
        _with_types(sh, linux_distribution, distribution_kernel)
    with sh.section("look"):
        _look(sh, release)
    with sh.section("sign"):
        unsigned, signed = _signed(sh)
    with sh.section("symbols"):
        foreign = _foreign(sh, release)
    return OurModules(unsigned, signed, foreign)


def _with_types(sh: Shell, source: Path, kernel: DistributionKernel) -> None:
    """Link the modules again, this time with type information, in which they differ from the kernel's own modules."""
    sh.line(f"{source}/scripts/extract-vmlinux {kernel.image} > build/vmlinux")
    # If it lacks the program to decompress the image, it prints a message and exits with 0.
    assert (sh.workspace / "build/vmlinux").stat().st_size, "the kernel's image was not decompressed"
    sh.line(f"rm {KVM}/*.ko")
    make_kvm(sh, sh.workspace / "build", f"KERNELRELEASE={kernel.release}")
    assert "Skipping" not in last(sh)[1]
    assert ".BTF" in sh.line(f"readelf --sections --wide {KVM}/kvm.ko | grep -w .BTF")


def _look(sh: Shell, release: str) -> None:
    """Show what a kernel compares when it loads a module: the version magic, and a checksum of each symbol."""
    assert sh.modinfo("--field=vermagic", f"{KVM}/kvm.ko").split()[0] == release
    needed = sh.line(f"modprobe --dump-modversions {KVM}/kvm.ko | grep -w module_layout")
    offered = sh.line("grep -w module_layout build/Module.symvers")
    assert int(needed.split()[0], 16) == int(offered.split()[0], 16), (needed, offered)


def _foreign(sh: Shell, release: str) -> Path:
    """Link ``kvm.ko`` again with a different checksum of one symbol, as the symbols of another build would have it."""
    sh.line(r"sed -i 's/^0x[0-9a-f]*\(\tmodule_layout\t\)/0x12345678\1/' build/Module.symvers")
    make_kvm(sh, sh.workspace / "build", f"KERNELRELEASE={release}")
    assert "0x12345678" in sh.line(f"modprobe --dump-modversions {KVM}/kvm.ko | grep -w module_layout")
    sh.mkdir("foreign")
    sh.strip("--strip-debug", "-o", "foreign/kvm.ko", f"{KVM}/kvm.ko")
    return sh.workspace / "foreign/kvm.ko"


def _signed(sh: Shell) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Strip the modules, and sign copies of them with a new key."""
    names = [file.name for file in built(sh.workspace)]
    sh.mkdir("unsigned", "signed")
    sh.cp(*(f"{KVM}/{name}" for name in names), "unsigned")
    sh.strip("--strip-debug", *(f"unsigned/{name}" for name in names))
    sh.line(
        "openssl req -new -x509 -newkey rsa:2048 -nodes -subj /CN=kvm-lab/ "
        "-keyout key.pem -outform DER -out key.der 2>/dev/null"
    )
    for name in names:
        sh.run("build/scripts/sign-file", "sha256", "key.pem", "key.der", f"unsigned/{name}", f"signed/{name}")
    assert sh.modinfo("--field=signer", "signed/kvm.ko").strip() == "kvm-lab"
    unsigned, signed = (tuple(sh.workspace / folder / name for name in names) for folder in ("unsigned", "signed"))
    return unsigned, signed
