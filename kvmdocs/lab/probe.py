"""What cannot be looked up and is therefore tried: whether a guest boots under an accelerator."""

from __future__ import annotations

from pathlib import Path

from kvmdocs.core.errors import LabFailed, TimedOut
from kvmdocs.lab.guest import Guest
from kvmdocs.lab.machine import Machine
from kvmdocs.lab.options import CPUS
from kvmdocs.recording.shell import Shell


def boots_under(
    sh: Shell, qemu: str | Path, guest: Guest, accel: str, timeout: float = 60.0, *, cpu: str | None = None
) -> tuple[bool, str]:
    """Try whether a guest becomes ready under an accelerator, which `/dev/kvm` being there does not tell.

    Args:
        sh: The recipe's shell.
        qemu: The QEMU program.
        guest: What to boot; its init must print `READY`, as the default one does.
        accel: Value of ``-accel``.
        timeout: Seconds each try may take.
        cpu: Value of ``-cpu``; each of `CPUS` in turn if not given.

    Returns:
        Whether it did, and the ``-cpu`` it did it with or, for each one tried, why not.
    """
    reasons = []
    before = sh.emulated
    for model in (cpu,) if cpu else CPUS.get(accel, ("max",)):
        try:
            with Machine(sh, qemu, guest, accel=accel, cpu=model, boot_timeout=timeout):
                return True, model
        except (LabFailed, TimedOut) as error:
            reasons.append(f"-cpu {model}: {_why(error)}")
            sh.emulated = before
    return False, "; ".join(reasons)


def _why(error: LabFailed | TimedOut) -> str:
    """What went wrong in one line: of a QEMU that ended the last thing that it said, else how the error puts it."""
    if isinstance(error, LabFailed) and error.evidence.status and error.evidence.tail:
        return f"{error.message}: {error.evidence.tail.splitlines()[-1].strip()}"
    return error.message
