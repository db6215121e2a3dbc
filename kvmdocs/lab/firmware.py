"""Location of the BIOS and option ROMs that QEMU loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
"""Folders in which distributions install the BIOS and QEMU's option ROMs."""


def firmware_folders(qemu: Path, given: Sequence[str | Path] | None) -> Sequence[str | Path]:
    """Return the folders for ``-L``. None are needed if QEMU is installed or has firmware in its build directory."""
    if given is not None:
        return given
    if (qemu.parent / "pc-bios/bios-256k.bin").exists() or qemu.parent.name == "bin" or not qemu.is_absolute():
        return ()
    return [folder for folder in FIRMWARE if Path(folder).is_dir()]
