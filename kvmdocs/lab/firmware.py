"""Where a QEMU finds the BIOS and the option ROMs of its machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
"""Where distributions keep the BIOS and QEMU's option ROMs."""


def firmware_folders(qemu: Path, given: Sequence[str | Path] | None) -> Sequence[str | Path]:
    """The folders QEMU must be told of: none when it has its own firmware, installed or beside it in its build directory."""
    if given is not None:
        return given
    if (qemu.parent / "pc-bios/bios-256k.bin").exists() or qemu.parent.name == "bin" or not qemu.is_absolute():
        return ()
    return [folder for folder in FIRMWARE if Path(folder).is_dir()]
