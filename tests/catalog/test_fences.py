"""Fences as superfences finds them, and those in comments."""

from __future__ import annotations

from kvmdocs.catalog.fences import find_fences, without_commented_fences, without_front_matter

GUIDE = """\
---
title: "```python exec='on'"
---

`<!--` is how a comment begins.

```python exec="on"
text = "<!--"
```

<!-- Not yet:

```python exec="on"
never()
```

```bash
ls
```
-->

```python exec="on"
always()
```
"""


def test_lines_are_those_of_the_file():
    assert [(fence.line, fence.end, fence.language) for fence in find_fences(GUIDE)] == [
        (7, 9, "python"),
        (13, 15, "python"),
        (17, 19, "bash"),
        (22, 24, "python"),
    ]


def test_a_fence_in_a_comment_is_no_block():
    assert [fence.line for fence in find_fences(GUIDE) if fence.commented] == [13, 17]
    assert [fence.line for fence in find_fences(GUIDE) if fence.is_python] == [7, 22]


def test_a_comment_that_never_ends_reaches_to_the_end():
    assert [fence.commented for fence in find_fences('<!--\n```python exec="on"\n1\n```\n')] == [True]


def test_blocks_in_comments_are_taken_out_and_lines_stay():
    text = without_commented_fences(GUIDE)
    assert "never()" not in text
    assert "always()" in text
    assert text.count("\n") == GUIDE.count("\n")
    assert without_commented_fences("no fence\n") == "no fence\n"


def test_front_matter_keeps_its_lines_empty():
    assert without_front_matter("---\na: b\n---\nx\n") == "\n\n\nx\n"
    assert without_front_matter("a\n---\nb\n---\n") == "a\n---\nb\n---\n"
