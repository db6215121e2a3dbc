"""Looking at the host: facts that a reader needs before building anything on it."""

from __future__ import annotations

from kvmdocs import Shell, recipe

KVM_API = """\
/* What the kernel says about KVM: a few questions, no virtual machine yet. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (kvm < 0) {
        perror("/dev/kvm");
        return 1;
    }
    printf("API version             %d\\n", ioctl(kvm, KVM_GET_API_VERSION, 0));
    printf("vCPUs, recommended      %d\\n", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS));
    printf("vCPUs, at most          %d\\n", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
    printf("irqfd                   %d\\n", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IRQFD));
    printf("ioeventfd               %d\\n", ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD));
    return 0;
}
"""


@recipe(tools=("gcc", "ps"), facts=("machine", "kernel", "system", "cpu-flags", "kvm-device"), expects="2s")
def check_host(sh: Shell) -> dict[str, bool]:
    """Look at the processor, memory, disk and KVM of this host.

    Returns:
        ``flags``: the processor reports virtualisation; ``device``: ``/dev/kvm`` exists; ``answers``: it answers with version
        12.
    """
    with sh.section("system"):
        sh.line("grep PRETTY_NAME /etc/os-release")
        sh.uname("-srm")
    with sh.section("processor"):
        sh.nproc()
        # No match is a valid answer, which grep reports as status 1: not every processor has a name or a feature.
        sh.line("grep -m 1 'model name' /proc/cpuinfo", _ok_code=[0, 1])
        flags = sh.line("grep -o -w -E 'svm|vmx' /proc/cpuinfo | sort | uniq -c", _ok_code=[0, 1])
    with sh.section("memory"):
        sh.free("-h")
        sh.df("-h", ".")
    with sh.section("kvm"):
        device = sh.ls("-l", "/dev/kvm", _ok_code=[0, 2])
    with sh.section("api"):
        sh.write("kvm-api.c", KVM_API)
        sh.gcc("-Wall", "-o", "kvm-api", "kvm-api.c")
        told = sh.run("./kvm-api", _ok_code=[0, 1])
    answers = "API version             12" in told
    assert answers or not told or "API version" in told
    return {"flags": bool(flags.strip()), "device": bool(device.strip()), "answers": answers}
