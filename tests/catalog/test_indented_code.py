"""Whether four blanks begin code or continue what stands above."""

from __future__ import annotations

import pytest

from kvmdocs.catalog.indented_code import in_indented_code, missing_extension

BLOCK = '    ```python exec="on"\n    one()\n    ```\n'
EXTENSIONS = ("admonition", "pymdownx.details", "pymdownx.tabbed", "def_list", "footnotes", "pymdownx.emoji")


@pytest.mark.parametrize(
    "above",
    ["- item\n\n", "1. item\n\n", "!!! note\n\n", "??? note\n\n", '=== "Tab"\n\n', "Term\n:   text\n\n", "[^1]:\n"],
)
def test_a_block_in_a_container_is_executed(above):
    assert in_indented_code(above + BLOCK, EXTENSIONS) == set()


@pytest.mark.parametrize("above", ["An example:\n\n", "", "# Title\n\n", "- item\n\ntext\n\n"])
def test_a_block_in_indented_code_is_an_example(above):
    line = above.count("\n") + 1
    assert in_indented_code(above + BLOCK, EXTENSIONS) == {line}
    assert missing_extension(above + BLOCK, line) == ""


@pytest.mark.parametrize(
    ("mark", "extension"), [("!!! note", "admonition"), ("???+ note", "pymdownx.details"), ('=== "Tab"', "pymdownx.tabbed")]
)
def test_the_extension_that_is_missing_is_named(mark, extension):
    text = f"{mark}\n\n{BLOCK}"
    assert in_indented_code(text, ()) == {3}
    assert missing_extension(text, 3) == extension


def test_a_guide_without_indented_blocks_is_not_rendered(monkeypatch):
    monkeypatch.setattr("kvmdocs.catalog.indented_code._rendered", None)
    assert in_indented_code('```python exec="on"\none()\n```\n', ()) == set()
