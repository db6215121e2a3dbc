"""The error museum: what its exhibits have in common. The exhibits are in the modules ``museum_*``, a recipe for each family."""

from __future__ import annotations

from kvmdocs import Shell

FAILURES = range(1, 256)
"""Exit statuses of a command that said no."""


def printed(sh: Shell) -> str:
    """What the last command printed, both streams: most errors come on the second one."""
    last = sh.current()
    return last[1].capture.text() if last else ""


def refused(sh: Shell, line: str, *messages: str) -> str:
    """Run a line that has to fail, for the reason that is on show.

    Args:
        sh: The recipe's shell.
        line: The line for bash.
        *messages: Texts, at least one of which it must print; versions word the same error differently.

    Returns:
        What it printed, both streams.

    Raises:
        AssertionError: It succeeded, or failed with other words.
    """
    sh.line(line, _ok_code=FAILURES)
    told = printed(sh)
    assert any(message in told for message in messages), told
    return told
