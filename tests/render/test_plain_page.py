"""Conversion of a page to Markdown: prose as written, transcripts as text."""

from __future__ import annotations

import pytest
from markdown import markdown

from kvmdocs.core.model import Freshness, Output, Step, Where
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Language, Tabs, transcript
from kvmdocs.render.plain_page import MAX_FOLDED_LINES, as_markdown
from tests.support.render_samples import HOSTILE, host, make_record, show

PROSE = """\
# A title

A *word*, a **strong one**, `code` and a [link](other.html#there), another to [elsewhere](https://one.example/a.html).

- one
- two, with more

    1. first
    2. second

| a | b |
|---|---|
| 1 | `x` |

> A quotation
> of two lines.

```
$ as typed
```
"""


def test_prose_comes_back_as_it_was_written() -> None:
    html = markdown(PROSE, extensions=["tables", "fenced_code"])
    result = as_markdown(html)
    for line in (
        "# A title",
        "A *word*, a **strong one**, `code` and a [link](other.html.md#there), another to [elsewhere](https://one.example/a.html).",
        "- one\n- two, with more\n  1. first\n  2. second",
        "| a | b |\n|---|---|\n| 1 | `x` |",
        "> A quotation",
        "```\n$ as typed\n```",
    ):
        assert line in result, result


def test_a_transcript_is_what_was_typed_and_what_came_back_with_its_notes() -> None:
    record = make_record(host("echo one \\\n    two", "one two\n"), Step(Where.GUEST, "uname", Output("Linux\n"), status=0))
    result = as_markdown(show(record, notes={"^one two$": "What `echo` says.", "uname": "In the guest."}))
    assert "*host · user shell*\n\n```\n" in result
    assert "&&\n> echo one \\\n>     two\none two  ← (1)\n```\n\n(1) What `echo` says." in result
    assert "*guest*\n\n```\nguest# uname  ← (2)\nLinux\n```\n\n(2) In the guest." in result
    assert "Copy" not in result


def test_only_the_first_tab_is_included() -> None:
    record = make_record(host("echo one", "one\n"))
    html = transcript(record, ShowOptions(), Language.EN, freshness=Freshness.CACHED, beside=Tabs(script="echo 'as a script'"))
    assert "as a script" in html
    result = as_markdown(html)
    assert "&&\n> echo one\none\n" in result
    assert "as a script" not in result


@pytest.mark.parametrize("count", [MAX_FOLDED_LINES, 20 * MAX_FOLDED_LINES])
def test_folded_lines_are_included_unless_there_are_too_many(count: int) -> None:
    lines = [f"line {number}" for number in range(count)]
    result = as_markdown(show(make_record(host("seq", "\n".join(lines) + "\n")), fold=6))
    kept = [line for line in lines if f"\n{line}\n" in result]
    assert kept[:4] == lines[:4]
    assert kept[-2:] == lines[-2:]
    assert (len(kept) == count) == (count == MAX_FOLDED_LINES)
    assert ("… 794 lines …" in result) == (count != MAX_FOLDED_LINES)


@pytest.mark.parametrize("text", HOSTILE.values() if isinstance(HOSTILE, dict) else HOSTILE)
def test_what_was_printed_stays_in_its_box(text: str) -> None:
    result = as_markdown(show(make_record(host("x", f"{text}\n````\n# no title\n"))))
    fence = next(line for line in result.split("\n") if line.startswith("```"))
    before, box, after = result.split(f"{fence}\n") if result.count(f"{fence}\n") == 2 else ("", "", result)
    assert box.endswith("````\n# no title\n"), result
    assert "# no title" not in before + after


def test_pictures_are_their_words() -> None:
    words = (
        "<details><summary>The picture in words</summary><table><tr><th>a</th></tr><tr><td>b | c</td></tr></table></details>"
    )
    result = as_markdown(f"<figure><svg><text>drawn</text></svg>{words}</figure><p>after</p>")
    assert result == "**The picture in words**\n\n| a |\n|---|\n| b \\| c |\n\nafter\n"
