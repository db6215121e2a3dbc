"""JSON documents for programs, and their JSON Schemas: output of commands with ``--json``, a site's ``report.json``.

A document is a frozen dataclass. The field `schema` is the version of its format.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from kvmdocs.core.control_characters import UNSAFE, in_utf8


def dump(document: Any) -> str:
    """Return a document as indented JSON, with non-ASCII letters unescaped.

    Args:
        document: A dataclass.
    """
    try:
        data = msgspec.json.encode(document)
    except UnicodeEncodeError:  # a lone surrogate, from a path or a foreign file
        data = in_utf8(json.dumps(msgspec.to_builtins(document), ensure_ascii=False)).encode()
    # JSON escapes only C0. Escape all that a terminal interprets; a parser reads the same.
    return UNSAFE.sub(_escaped, msgspec.json.format(data, indent=2).decode())


def schema(kind: type[Any], name: str, title: str) -> str:
    """Return the JSON Schema of a document.

    Args:
        kind: The document's class.
        name: Name of the schema, part of its ``$id``.
        title: Title of the schema.
    """
    made = msgspec.json.schema(kind)
    document = made["$defs"].pop(kind.__name__)
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:kvmdocs:{name}:1"}
    whole = {**about, **document, "title": title, "$defs": made["$defs"]}
    _describe(whole)
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _describe(node: Any) -> None:
    """Cut each description to its first line, and require every field: a document has those with defaults, too."""
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            node["description"] = node["description"].partition("\n")[0]
        if isinstance(node.get("properties"), dict):
            node["required"] = sorted(node["properties"])
    for deeper in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _describe(deeper)
