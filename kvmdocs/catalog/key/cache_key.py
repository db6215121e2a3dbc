"""The cache key of a record: SHA-256 of everything that can change the record, and of nothing else.

`KeyInputs` lists the inputs, and `key` hashes them. The digest of the code that a recipe reaches comes from `code_closure`.
What no text tells in advance, the run observes (`kvmdocs.execution.observed`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from kvmdocs.core.model import SCHEMA


@dataclass(frozen=True)
class KeyInputs:
    """The inputs of a key.

    Not among them: prose, comments, docstrings, titles, the order and the files of definitions, the working directory, the
    user, time, time zone and locale.

    Attributes:
        recipe: The recipe's name.
        code: Digest of the recipe's function with its decorator's arguments, and of all project code it reaches
            (`CodeClosure.digest`).
        settings: The value of each setting it takes.
        inputs: The result digest of every recipe it builds on, or the reason why that one was skipped.
        tools: The version of every tool it declares.
        facts: The host facts it declares.
        environ: The environment variables it declares; None for one that is not set.
        data: The content digest of each data file it declares.
        schema: The version of the record's form and of the key.
    """

    recipe: str
    code: str
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str | None] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


_AS_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=True)


def key(inputs: KeyInputs) -> str:
    """Return the key of a recipe's record: SHA-256 of its inputs.

    Returns:
        64 hexadecimal digits.
    """
    parts = vars(inputs)
    if not inputs.data:
        # Keeps the keys of recipes without data the same as before this input existed.
        parts = {name: part for name, part in parts.items() if name != "data"}
    return hashlib.sha256(_AS_JSON.encode(parts).encode()).hexdigest()
