"""Checks of a guide's options that concern what a transcript looks like."""

from __future__ import annotations

import pytest

from kvmdocs.catalog.guides import find_blocks
from kvmdocs.catalog.lint import check_modes


def checked(tmp_path, options, code="hello.show()"):
    (tmp_path / "guide.md").write_text(f'```python exec="on" {options}\n{code}\n```\n')
    (block,) = find_blocks(tmp_path / "guide.md")
    return check_modes(block, "docs/guide.md")


@pytest.mark.parametrize("options", ["", 'source="above"', 'source="below"', 'source="material-block"', 'html="true"'])
def test_modes_that_keep_a_transcript(tmp_path, options):
    assert checked(tmp_path, options) is None


@pytest.mark.parametrize(
    "options",
    ['source="tabbed-left"', 'source="tabbed-right"', 'source="console"', 'result="text"', 'source="above" result="text"'],
)
def test_modes_that_would_change_it_are_refused(tmp_path, options):
    error = checked(tmp_path, options)
    assert error
    assert str(error.evidence.guides[0]) == "docs/guide.md:1"
    assert checked(tmp_path, options, "print(1)") is None
