"""Tables and inline code on narrow screens."""

from __future__ import annotations

import pytest
from markdown import Markdown

LONG = "a sentence that does not stand beside another on a telephone"


@pytest.fixture(params=[(), ("pymdownx.inlinehilite",)], ids=["markdown", "pymdownx"])
def convert(request):
    return Markdown(extensions=["tables", "kvmdocs.render.responsive", *request.param]).convert


def test_a_table_that_does_not_fit_has_its_heads_at_its_cells(convert):
    made = convert(f"| what | how `it` is |\n|---|--:|\n| a | {LONG} |")
    assert '<table data-stack="">' in made
    assert '<td data-th="what">a</td>' in made
    assert 'data-th="how it is"' in made


def test_a_small_table_stays_one(convert):
    assert "data-" not in convert("| what | how many |\n|---|--:|\n| a | 12 |")


def test_chinese_letters_are_wide(convert):
    assert "data-stack" not in convert("| a | b |\n|---|---|\n| xxxxxxxxxxxxxx | xxxxxxxxxxxxxx |")
    assert "data-stack" in convert("| a | b |\n|---|---|\n| 一二三四五六七八九十一二三四 | 一二三四五六七 |")


def test_tags_take_no_place(convert):
    assert "data-stack" not in convert(
        f'| a | b |\n|---|---|\n| <i title="{LONG}">x</i> | [y](https://{LONG.replace(" ", "-")}) |'
    )


def test_a_table_whose_rows_begin_with_nothing_has_no_subject(convert):
    assert 'data-stack="even"' in convert(f"| KVM | QEMU |\n|---|---|\n| {LONG} | |\n| | {LONG} |")


def test_a_table_of_another_form_stays_as_it_is():
    made = Markdown(extensions=["md_in_html", "kvmdocs.render.responsive"]).convert(
        f'<table markdown="1"><tbody><tr><th>{LONG}</th><td>{LONG}</td></tr></tbody></table>'
    )
    assert LONG in made
    assert "data-" not in made


def test_a_head_without_words_is_not_said(convert):
    made = convert(f"| | b |\n|---|---|\n| a | {LONG} |")
    assert "<td>a</td>" in made
    assert '<td data-th="b">' in made


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("`--mode live`", '<code><span class="kd-nb">--mode</span> live</code>'),
        ("`-j`", '<code><span class="kd-nb">-j</span></code>'),
        ("`a <b> -c`", '<code>a &lt;b&gt; <span class="kd-nb">-c</span></code>'),
        ("`a - b`", "<code>a - b</code>"),
        ("`no_hyphen`", "<code>no_hyphen</code>"),
        ("`--a-word-that-no-telephone-has-the-width-for`", "<code>--a-word-that-no-telephone-has-the-width-for</code>"),
    ],
)
def test_a_word_of_code_with_a_hyphen_keeps_together(convert, written, made):
    assert convert(written) == f"<p>{made}</p>"


def test_code_in_a_block_stays_as_it_is():
    made = Markdown(extensions=["fenced_code", "kvmdocs.render.responsive"]).convert("```\na --mode b\n```\n\n    b --mode c\n")
    assert "span" not in made
