"""The error museum: helpers of the exhibits, which are in this package's other modules, one recipe for each family."""

from __future__ import annotations

from kvmdocs import Shell

FAILURES = range(1, 256)
"""Exit statuses of a failed command."""


def printed(sh: Shell) -> str:
    """Return the output of the last command on both streams: most errors are on the second one."""
    last = sh.current()
    return last[1].capture.text() if last else ""


def refused(sh: Shell, line: str, *messages: str) -> str:
    """Run a line that must fail with the expected message.

    Args:
        sh: The recipe's shell.
        line: The command line for bash.
        *messages: Texts, at least one of which it must print; versions word the same error differently.

    Returns:
        Its output on both streams.

    Raises:
        AssertionError: It succeeded, or failed with another message.
    """
    sh.line(line, _ok_code=FAILURES)
    told = printed(sh)
    assert any(message in told for message in messages), told
    return told
