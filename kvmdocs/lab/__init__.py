"""The lab: the virtual machines a recipe starts, and what it talks to them with.

::

    with Machine(sh, qemu_build, linux_guest, disk="64M") as vm, Gdb(sh, pidfile=vm.pidfile) as gdb:
        gdb("break virtio.c:virtqueue_flush")
        gdb("continue")

A `Guest` is what a machine boots; `build_initramfs` makes its half that is not the kernel. A `Machine` is a QEMU process
with its lifetime; a `Gdb` is a debugger on it or on what runs inside it. All sockets lie in the recipe's workspace.
"""

from kvmdocs.lab.firmware import firmware_folders
from kvmdocs.lab.gdb import Gdb
from kvmdocs.lab.guest import READY, Guest, build_initramfs
from kvmdocs.lab.machine import Machine
from kvmdocs.lab.options import CPUS
from kvmdocs.lab.probe import boots_under

__all__ = ["CPUS", "READY", "Gdb", "Guest", "Machine", "boots_under", "build_initramfs", "firmware_folders"]
