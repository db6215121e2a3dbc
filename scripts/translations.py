"""Bring the catalogues of the reference (``kvmdocs/locale/*/reference.po``) into step with the docstrings that its pages show.

A text that is new gets an entry, empty or with the words of a text much like it, marked ``#, fuzzy``: write the words and take the mark away.
What no page shows any more goes. Entries stand in the order of the pages, each with the objects that say it. Nothing else is changed, so it
can be run at any time.

Exit codes: 0 all is translated, 1 the entries it has named wait for somebody who translates them.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po

from kvmdocs.catalog.guides import find_blocks
from kvmdocs.site.reference import texts

ROOT = Path(__file__).resolve().parent.parent

CATALOGUES = sorted(ROOT.glob("kvmdocs/locale/*/reference.po"))

HEAD = """\
# What the reference says in this language. scripts/translations.py keeps the entries in step with the docstrings.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def main() -> int:
    """Renew every catalogue and say what is left to do; returns the exit code."""
    left = 0
    for file in CATALOGUES:
        content = renewed(file, texts(*documented(file.parent.name)))
        file.write_bytes(content)
        for text, objects in waiting(content):
            print(f"{file.relative_to(ROOT)}: {objects}: {text}")
            left += 1
    return 1 if left else 0


def documented(language: str) -> list[str]:
    """The objects that the pages of a language have in their reference, in the order of the pages' names."""
    return [
        given.value
        for page in sorted((ROOT / "docs" / language).rglob("*.md"))
        for block in find_blocks(page)
        for node in ast.walk(ast.parse(block.code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reference"
        for given in node.args
        if isinstance(given, ast.Constant) and isinstance(given.value, str)
    ]


def renewed(file: Path, said: Mapping[str, list[str]]) -> bytes:
    """A catalogue with an entry for each text, and for no other.

    Args:
        file: The catalogue as it is.
        said: The texts, each with the names of the objects that say it.
    """
    wanted = Catalog()
    for text, objects in said.items():
        wanted.add(text, locations=[(name, 0) for name in objects])
    with file.open("rb") as opened:
        catalogue = read_po(opened, abort_invalid=True)
    catalogue.update(wanted)
    made = BytesIO()
    # An entry is a line, however long: lines that are wrapped anew hide what has changed.
    write_po(made, catalogue, width=0, omit_header=True, ignore_obsolete=True, include_lineno=False)
    return HEAD.format(language=file.parent.name).encode() + made.getvalue()


def waiting(content: bytes) -> Iterator[tuple[str, str]]:
    """The texts of a catalogue that have no words yet, or a guess, with the objects that say them."""
    for entry in read_po(BytesIO(content)):
        if entry.id and (entry.fuzzy or not entry.string):
            yield str(entry.id), ", ".join(name for name, _ in entry.locations)


if __name__ == "__main__":
    sys.exit(main())
