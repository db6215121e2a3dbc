"""Exit codes of the command line, by who must act."""

from __future__ import annotations

from kvmdocs.core.errors import EngineError, Interrupted, KvmdocsError, OperatorError, RecipeFailed, Skipped, ValueNotStorable

DONE, FAILED, WRONG, LACKS, DRIFT, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""The exit codes: success, a recipe failed, wrong usage or configuration, the host lacks something, drift, interrupted."""


def exit_code(error: KvmdocsError) -> int:
    """Return the exit code of an error. A skip counts as success."""
    if isinstance(error, Interrupted):
        return INTERRUPTED
    if isinstance(error, OperatorError):
        return LACKS
    if isinstance(error, Skipped):
        return DONE
    # Unlike other errors of an author, a value that cannot be stored ends a recipe that ran.
    return FAILED if isinstance(error, RecipeFailed | ValueNotStorable | EngineError) else WRONG
