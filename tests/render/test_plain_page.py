"""A page as Markdown: its prose as it was written, its transcripts as text."""

from __future__ import annotations

import pytest
from markdown import markdown

from kvmdocs.core.model import Freshness, Output, Step, Where
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Beside, Language, transcript
from kvmdocs.render.plain_page import LONGEST, as_markdown
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
    told = as_markdown(html)
    for line in (
        "# A title",
        "A *word*, a **strong one**, `code` and a [link](other.html.md#there), another to [elsewhere](https://one.example/a.html).",
        "- one\n- two, with more\n  1. first\n  2. second",
        "| a | b |\n|---|---|\n| 1 | `x` |",
        "> A quotation",
        "```\n$ as typed\n```",
    ):
        assert line in told, told


def test_a_transcript_is_what_was_typed_and_what_came_back_with_its_notes() -> None:
    record = make_record(host("echo one \\\n    two", "one two\n"), Step(Where.GUEST, "uname", Output("Linux\n"), status=0))
    told = as_markdown(show(record, notes={"^one two$": "What `echo` says.", "uname": "In the guest."}))
    assert "*host · user shell*\n\n```\n" in told
    assert "&&\n> echo one \\\n>     two\none two  ← (1)\n```\n\n(1) What `echo` says." in told
    assert "*guest*\n\n```\nguest# uname  ← (2)\nLinux\n```\n\n(2) In the guest." in told
    assert "Copy" not in told


def test_what_stands_beside_a_session_is_not_told_again() -> None:
    record = make_record(host("echo one", "one\n"))
    html = transcript(
        record, ShowOptions(), Language.EN, freshness=Freshness.CACHED, beside=Beside(script="echo 'as a script'")
    )
    assert "as a script" in html
    told = as_markdown(html)
    assert "&&\n> echo one\none\n" in told
    assert "as a script" not in told


@pytest.mark.parametrize("count", [LONGEST, 20 * LONGEST])
def test_folded_lines_are_told_as_far_as_they_are_not_too_many(count: int) -> None:
    lines = [f"line {number}" for number in range(count)]
    told = as_markdown(show(make_record(host("seq", "\n".join(lines) + "\n")), fold=6))
    kept = [line for line in lines if f"\n{line}\n" in told]
    assert kept[:4] == lines[:4]
    assert kept[-2:] == lines[-2:]
    assert (len(kept) == count) == (count == LONGEST)
    assert ("… 794 lines …" in told) == (count != LONGEST)


@pytest.mark.parametrize("text", HOSTILE.values() if isinstance(HOSTILE, dict) else HOSTILE)
def test_what_was_printed_stays_in_its_box(text: str) -> None:
    told = as_markdown(show(make_record(host("x", f"{text}\n````\n# no title\n"))))
    fence = next(line for line in told.split("\n") if line.startswith("```"))
    before, box, after = told.split(f"{fence}\n") if told.count(f"{fence}\n") == 2 else ("", "", told)
    assert box.endswith("````\n# no title\n"), told
    assert "# no title" not in before + after


def test_pictures_are_their_words() -> None:
    words = (
        "<details><summary>The picture in words</summary><table><tr><th>a</th></tr><tr><td>b | c</td></tr></table></details>"
    )
    told = as_markdown(f"<figure><svg><text>drawn</text></svg>{words}</figure><p>after</p>")
    assert told == "**The picture in words**\n\n| a |\n|---|\n| b \\| c |\n\nafter\n"
