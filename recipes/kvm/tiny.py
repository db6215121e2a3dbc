"""The smallest program that runs a virtual machine: KVM's interface without QEMU."""

from __future__ import annotations

from pathlib import Path

from kvmdocs import Shell, recipe

TINY = r"""
/* A virtual machine with one page of memory, and why its processor stops. */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define START 0x1000  /* Here the page lies in the guest, and its first instruction. */
#define SIZE  0x1000

/* Three guests, in machine code. An x86 processor starts with 16 bits, unpaged. */
static const uint8_t hello[] = {
    0xb0, 'h',              /* mov al, 'h'                                   */
    0xe6, 0x10,             /* out 0x10, al      write to a port             */
    0xb0, 'i',              /* mov al, 'i'                                   */
    0xe6, 0x10,             /* out 0x10, al                                  */
    0xe4, 0x11,             /* in al, 0x11       read from a port            */
    0xa2, 0x00, 0x90,       /* mov [0x9000], al  write where no memory is    */
    0x8a, 0x1e, 0x04, 0x90, /* mov bl, [0x9004]  read where no memory is     */
    0x00, 0xd8,             /* add al, bl                                    */
    0xf4,                   /* hlt               wait for an interrupt       */
};
static const uint8_t crash[] = {
    0x0f, 0x01, 0x1e, 0x00, 0x18, /* lidt [0x1800]  a table of zero entries  */
    0xcc,                         /* int3           and an entry is needed   */
};
static const uint8_t forever[] = {0xeb, 0xfe}; /* jmp to itself              */

/* One request; all of KVM is reached through ioctl. */
static int ask(int fd, unsigned long request, void *argument, const char *name)
{
    int answer = ioctl(fd, request, argument);
    if (answer < 0)
        err(1, "%s", name);
    return answer;
}
#define ASK(fd, request, argument) ask(fd, request, (void *)(argument), #request)

/* The guest's port 0x10 takes a character, port 0x11 gives the number 40. */
static void port(struct kvm_run *run)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    if (run->io.direction == KVM_EXIT_IO_IN)
        *data = 40;
    printf("KVM_EXIT_IO: %s port %#x: %#x\n",
           run->io.direction == KVM_EXIT_IO_IN ? "in from" : "out to", run->io.port, *data);
}

/* A device in the guest's memory: it takes anything, and gives the number 2. */
static void memory(struct kvm_run *run)
{
    if (!run->mmio.is_write)
        run->mmio.data[0] = 2;
    printf("KVM_EXIT_MMIO: %s %#llx: %#x\n", run->mmio.is_write ? "write to" : "read from",
           (long long)run->mmio.phys_addr, run->mmio.data[0]);
}

/* Why the processor came back; 1 if it can go on. */
static int handle(struct kvm_run *run)
{
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        port(run);
        return 1;
    case KVM_EXIT_MMIO:
        memory(run);
        return 1;
    case KVM_EXIT_HLT:
        printf("KVM_EXIT_HLT: nothing left to do\n");
        return 0;
    case KVM_EXIT_SHUTDOWN:
        printf("KVM_EXIT_SHUTDOWN: a fault in a fault in a fault\n");
        return 0;
    case KVM_EXIT_FAIL_ENTRY:
        errx(1, "KVM_EXIT_FAIL_ENTRY: the processor does not enter the guest: %#llx",
             (long long)run->fail_entry.hardware_entry_failure_reason);
    default:
        errx(1, "exit reason %u, which this program does not know", run->exit_reason);
    }
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "hello";
    struct kvm_sregs sregs;
    struct kvm_regs regs = {.rip = START, .rflags = 2}; /* bit 1 is always set */

    setvbuf(stdout, NULL, _IOLBF, 0);
    /* 1. KVM itself. Its interface has had the version 12 since Linux 2.6.22. */
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        err(1, "/dev/kvm");
    if (ASK(kvm, KVM_GET_API_VERSION, 0) != 12)
        errx(1, "this is not the KVM this program was written for");

    /* 2. A virtual machine: a descriptor. It has neither memory nor a processor. */
    int vm = ASK(kvm, KVM_CREATE_VM, 0);
    ASK(vm, KVM_SET_TSS_ADDR, 0xfffbd000); /* old Intel processors need it */

    /* 3. Memory: a page of ours becomes the guest's page at START. */
    uint8_t *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        err(1, "mmap");
    if (!strcmp(which, "crash"))
        memcpy(page, crash, sizeof crash);
    else if (!strcmp(which, "forever"))
        memcpy(page, forever, sizeof forever);
    else
        memcpy(page, hello, sizeof hello);
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = START, .memory_size = SIZE, .userspace_addr = (uintptr_t)page,
    };
    ASK(vm, KVM_SET_USER_MEMORY_REGION, &region);

    /* 4. A processor: another descriptor, and memory in which KVM says why it left. */
    int vcpu = ASK(vm, KVM_CREATE_VCPU, 0);
    int size = ASK(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED)
        err(1, "mmap of the vCPU");

    /* 5. Registers. After reset code begins 64 KiB below 4 GiB; ours begins at 0. */
    ASK(vcpu, KVM_GET_SREGS, &sregs);
    sregs.cs.base = sregs.cs.selector = 0;
    if (!strcmp(which, "refused")) {
        struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 entries[100]; } cpu = {{100, 0}, {}};
        ASK(kvm, KVM_GET_SUPPORTED_CPUID, &cpu);
        ASK(vcpu, KVM_SET_CPUID2, &cpu); /* a processor of 64 bits               */
        sregs.efer |= 0x500;          /* 64-bit mode: LME, and LMA               */
        sregs.cr0 |= 0x80000001;      /* which wants paging, protected mode,     */
        sregs.cr4 |= 0x20;            /* and PAE. A code segment is of 64 bits   */
        sregs.cs.l = sregs.cs.db = 1; /* or of 32; this one says that it is both */
    }
    ASK(vcpu, KVM_SET_SREGS, &sregs);
    ASK(vcpu, KVM_SET_REGS, &regs);

    /* 6. Run, until the guest needs somebody; do what it needs; run. */
    do
        ASK(vcpu, KVM_RUN, 0);
    while (handle(run));

    ASK(vcpu, KVM_GET_REGS, &regs);
    printf("rip = %#llx, al = %lld\n", (long long)regs.rip, (long long)regs.rax & 0xff);
    return 0;
}
""".lstrip()
"""The program. Its guests: ``hello`` causes every exit that a device can cause, ``crash`` ends in a triple fault, ``forever``
never ends, and ``refused`` has registers that no processor accepts, so it is never entered."""


@recipe(tools=("gcc",), expects="1s")
def tiny(sh: Shell) -> Path:
    """Compile a program that runs a virtual machine with one page of memory.

    Returns:
        The program. It needs no shared library, because it runs in guests that have none.
    """
    with sh.section("source"):
        sh.write("tiny.c", TINY)
        # The page promises that the whole program can be read.
        assert len(TINY.splitlines()) < 150
    with sh.section("compile"):
        sh.gcc("-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", "tiny", "tiny.c")
    return sh.workspace / "tiny"
