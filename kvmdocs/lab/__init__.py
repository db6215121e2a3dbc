"""The lab: virtual machines for recipes, with their monitors and debuggers.

::

    with Machine(sh, qemu_build, linux_guest, disk="64M") as vm, Gdb(sh, pidfile=vm.pidfile) as gdb:
        gdb("break virtio.c:virtqueue_flush")
        gdb("continue")

A `Guest` is what a machine boots. `build_initramfs` builds its initramfs. A `Machine` is a QEMU process for the length of a
``with``.
A `Gdb` is a debugger attached to QEMU or to the software inside the guest. All sockets are in the recipe's workspace.
"""

from kvmdocs.lab.firmware import firmware_folders
from kvmdocs.lab.gdb import Gdb
from kvmdocs.lab.guest import READY, Guest, build_initramfs
from kvmdocs.lab.machine import Machine
from kvmdocs.lab.options import CPUS
from kvmdocs.lab.probe import boots_under

__all__ = ["CPUS", "READY", "Gdb", "Guest", "Machine", "boots_under", "build_initramfs", "firmware_folders"]
