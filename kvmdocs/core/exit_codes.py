"""Exit codes of the command line, by who must act."""

from __future__ import annotations

from kvmdocs.core.errors import EngineError, Interrupted, KvmdocsError, OperatorError, RecipeFailed, Skipped, ValueNotStorable

DONE, FAILED, WRONG, LACKS, DRIFT, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""The exit codes: done, a recipe failed, wrong use or configuration, the host lacks something, drift, interrupted."""


def exit_code(error: KvmdocsError) -> int:
    """The exit code of an error, by who must act; a skip is none."""
    if isinstance(error, Interrupted):
        return INTERRUPTED
    if isinstance(error, OperatorError):
        return LACKS
    if isinstance(error, Skipped):
        return DONE
    # A result that cannot be kept is the author's to mend, and ends the recipe.
    return FAILED if isinstance(error, RecipeFailed | ValueNotStorable | EngineError) else WRONG
