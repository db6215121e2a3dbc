from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.html import attribute, escape, prose
from tests.support.html_dom import parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(TEXT)
def test_html_is_one_line_for_every_way_of_counting_lines(text: str) -> None:
    assert len(escape(text).splitlines()) <= 1
    assert len(attribute(text).translate({0x80 + n: None for n in range(0x20)}).splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"], include_characters="\n\t"), max_size=200))
def test_text_comes_back_as_it_was(text: str) -> None:
    assert parse(f"<b>{escape(text)}</b>").text == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=200))
def test_an_attribute_comes_back_as_it_was(text: str) -> None:
    # A parser of HTML takes references to U+0080..U+009F for windows-1252 and drops some controls: look at the text itself.
    html = attribute(text)
    assert '"' not in html
    assert "<" not in html
    if text.isprintable():
        assert parse(f'<b title="{html}"></b>').one("b").attributes["title"] == text


@pytest.mark.parametrize(
    ("character", "shown"),
    [("\0", "^@"), ("\x07", "^G"), ("\x0c", "^L"), ("\x1b", "^["), ("\x7f", "^?"), ("\x85", "U+0085"), ("\u202e", "U+202E"),
     ("\u2028", "U+2028"), ("\u200b", "U+200B"), ("\ud800", "U+D800")],
)  # fmt: skip
def test_what_cannot_be_seen_is_shown(character: str, shown: str) -> None:
    box = parse(escape(f"a{character}b")).one("i", "tr-ctl")
    assert box.text == shown


def test_nul_and_lone_surrogates_have_no_form_in_an_attribute() -> None:
    assert attribute("a\0b\ud800") == "a\ufffdb\ufffd"


def test_newlines_and_tabs_of_an_attribute_are_references() -> None:
    assert attribute('a\nb\t"c"') == "a&#10;b&#9;&quot;c&quot;"


def test_prose_knows_code_and_nothing_else() -> None:
    html = prose("Use `make -j2`,\n  not **this**, <b>that</b> or ``a`b``.")
    assert html.count("<code>") == 2
    root = parse(html)
    assert [code.text for code in root.all("code")] == ["make -j2", "a`b"]
    assert root.text == "Use make -j2, not **this**, <b>that</b> or a`b."
    assert not root.all("b")


def test_a_single_backtick_is_a_backtick() -> None:
    assert parse(prose("one ` only")).text == "one ` only"
