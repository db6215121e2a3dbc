"""The easiest way to boot a kernel with KVM: virtme-ng, with the host's files as the guest's root."""

from __future__ import annotations

from kvmdocs import Shell, SourceRefused, recipe
from recipes.build.linux import Kernel
from recipes.kvm.errors.refusals import printed
from recipes.kvm.host import KvmHost

# Each with the digest of its wheel for all Python versions: any other file from a package index is refused.
REQUIREMENTS = """\
virtme-ng==1.42 --hash=sha256:99589f1f5d74249038fe3c52aad9d3c33cb82a2d9617997511d4489fc709a707
argcomplete==3.7.2 --hash=sha256:6029205678bdd9c1c728a155f5f9ecf5812393f969eef58807641a2bc2aa5b19
requests==2.34.2 --hash=sha256:2a0d60c172f83ac6ab31e4554906c0f3b3588d37b5cb939b1c061f4907e278e0
certifi==2026.10.19.post1 --hash=sha256:1324c476b4811eff41a8bc2122cd0bbd4d9c7234c725446d99ab1612b3a7fdd2
charset-normalizer==3.5.2 --hash=sha256:b6b751274acb69d77b3323d6b7dbaa3c7fdfc1eb829b7eb61d262f32e1af9685
idna==3.20 --hash=sha256:ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c
urllib3==2.8.0 --hash=sha256:0cf3cae568d36aa9576b28dfb35f11328f1cb974ca7647d9475ebb86c75ac6e3
"""

LIMIT = 600
"""Seconds for the guest to boot and shut down; it is emulated and reads each file over 9p."""


@recipe(
    tools=("python3", "python3-venv", "qemu-system-x86_64"),
    memory="1500M",
    disk="64M",
    timeout="15m",
    expects="25s",
)
def with_virtme(sh: Shell, linux_build: Kernel, kvm_host: KvmHost) -> None:
    """Boot the kernel with virtme-ng, and load KVM in it straight from the build directory.

    Raises:
        Skipped: pip cannot get virtme-ng on this host.
        SourceRefused: The files that pip got do not match the digests.
    """
    with sh.section("install"):
        _install(sh)
    # virtme-ng leaves a directory of its own beside the kernel that it boots.
    with sh.section("copy"):
        sh.mkdir("kernel")
        sh.cp(linux_build.image, "kernel/")
    load = " && ".join(f"insmod {module}" for module in kvm_host.modules)
    with sh.section("boot"):
        sh.emulated = kvm_host.accel == "tcg"
        accel = "--disable-kvm " if sh.emulated else ""
        sh.write("look.sh", f"uname -r\nmount | head -n 1\nls -d {linux_build.vmlinux}\n{load} && ls -l /dev/kvm\n")
        told = sh.line(
            f"PATH=$PWD/venv/bin:$PATH timeout {LIMIT} vng --run kernel/bzImage {accel}--force-9p --disable-microvm "
            "--qemu $(command -v qemu-system-x86_64) --user root --memory "
            "512M --cpus 1 --verbose --exec 'sh look.sh' </dev/null 2>&1 "
            "| tee boot.log | sed -n '/as init process/,$p'",
            # On a host without udev, virtme-ng does not learn the script's exit status and exits with 255. So the script's
            # output is asserted.
            _ok_code=[0, 255],
        )
    assert "on / type 9p (ro," in told, told
    assert sh.readable(str(linux_build.vmlinux)) in sh.readable(told), told
    assert " 10, 232 " in told, told


def _install(sh: Shell) -> None:
    """Install virtme-ng into a virtual environment."""
    sh.write("requirements.txt", REQUIREMENTS)
    sh.python3("-m", "venv", "venv")
    sh.line("venv/bin/pip install -q -q --only-binary :all: --require-hashes -r requirements.txt", _ok_code=[0, 1, 2])
    told = printed(sh)
    if "DO NOT MATCH THE HASHES" in told:
        raise SourceRefused("what pip got is not what the digests in requirements.txt say")
    if not (sh.workspace / "venv/bin/vng").exists():
        sh.skip("pip cannot get virtme-ng on this host")
    assert "virtme-ng" in sh.line("venv/bin/vng --version")
