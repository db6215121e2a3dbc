"""Functions for the blocks of guides, beside recipes: facts of all records, the status page, the reference of the API.

::

    ```python exec="on" html="on"
    from kvmdocs.site.blocks import table
    print(table())
    ```
"""

from kvmdocs.core.exit_codes import exit_code
from kvmdocs.render.reasons import reason
from kvmdocs.site.reference import reference
from kvmdocs.site.status import drifts, skips, summary, table
from kvmdocs.site.summary import facts, source

__all__ = ["drifts", "exit_code", "facts", "reason", "reference", "skips", "source", "summary", "table"]
