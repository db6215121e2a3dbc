"""Probe that boots a guest under an accelerator: nothing else tells whether that works."""

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
    """Boot a guest under an accelerator and return whether it became ready. The existence of `/dev/kvm` does not tell.

    Args:
        sh: The recipe's shell.
        qemu: The QEMU program.
        guest: The guest to boot. Its init must print `READY`, as the default one does.
        accel: Value of ``-accel``.
        timeout: Time limit in seconds of each attempt.
        cpu: Value of ``-cpu``; by default each of `CPUS` is tried in turn.

    Returns:
        True and the ``-cpu`` value that worked, or False and the reason for each value tried.
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
    """Return the cause in one line: the last line of QEMU's output if QEMU ended, otherwise the error's message."""
    if isinstance(error, LabFailed) and error.evidence.status and error.evidence.tail:
        return f"{error.message}: {error.evidence.tail.splitlines()[-1].strip()}"
    return error.message
