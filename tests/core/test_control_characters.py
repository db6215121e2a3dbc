"""Characters that a terminal interprets, made visible."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.control_characters import TURNING, UNSAFE, UNSEEN, in_ascii_quotes, in_utf8, make_visible, picture, sanitize

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b]52;c;cm0gLXJmIH4=\x07", "^[]52;c;cm0gLXJmIH4=^G"),
        ("\x1b]0;title\x1b\\", "^[]0;title^[\\"),
        ("\x1bcgone\x00", "^[cgone^@"),
        ("over\rwritten\x08\x7f", "over^Mwritten^H^?"),
        ("\x9b2J\x9d0;t\x9c", "<U+009B>2J<U+009D>0;t<U+009C>"),
        ("\x1b[2J\x1b[1;1H\x1b[?25l", "^[[2J^[[1;1H^[[?25l"),
        ("\x1b[>4m", "^[[>4m"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[38;2;1;2;3mred\x1b[m\n", "\x1b[38;2;1;2;3mred\x1b[m\n"),
        ("\x1b[31mruns on\n", "\x1b[31mruns on\x1b[0m\n"),
        ("ab\u202ecd\u2066e\u200f", "ab<U+202E>cd<U+2066>e<U+200F>"),
        ("one\u2028two", "one<U+2028>two"),
        ("bad\udcff", "bad\\udcff"),
        ("内核 é 🙂 \u200d", "内核 é 🙂 \u200d"),
        ("::set-output name=x::y\n", "\\::set-output name=x::y\n"),
        ("fine\n \t::add-mask::x", "fine\n \t\\::add-mask::x"),
        ("a ::set-output is a word; ::std::move", "a ::set-output is a word; ::std::move"),
        (
            "##[error]x ##vso[task.setvariable variable=a]b ##teamcity[x]",
            "#\\#[error]x #\\#vso[task.setvariable variable=a]b #\\#teamcity[x]",
        ),
        ("## a heading", "## a heading"),
        ("section_start:1:a\r\x1b[0K", "section_start:1:a^M^[[0K"),
    ],
)  # fmt: skip
def test_what_is_obeyed_becomes_visible_and_colours_stay(text, shown):
    assert sanitize(text) == shown
    assert sanitize(shown) == shown


@given(
    st.text(st.characters(codec=None, categories=None), max_size=40)
    | st.text("\x1b[]0;:m#\r\n\x9b\u202e\udcff\x07 a", max_size=40)
)
def test_nothing_that_a_terminal_obeys_is_left(text):
    shown = sanitize(text)
    assert not UNSAFE.search(COLOUR.sub("", shown))
    assert sanitize(shown) == shown
    shown.encode()
    assert shown.count("\n") == text.count("\n")


@given(st.characters(codec=None, categories=None))
def test_each_picture_is_safe_itself(character):
    if UNSAFE.match(character):
        assert not UNSAFE.search(picture(character))


def test_text_that_utf8_cannot_hold_keeps_the_number_of_what_it_could_not():
    assert in_utf8("bad\udcff é \x00") == "bad\\udcff é \x00"


UNSEEN_TEXTS = [
    "a\u202eb",
    "\u2066",
    "\u200fabc",
    "a\u2028b",
    'it\'s \x1b[31m \\ "$HOME" `id`',
    "\x07\x7f\x9b",
    "\ufeff",
    "\udcff\udc80f",
    "\x0c\r\n\t",
    "'",
]


@pytest.mark.process
@pytest.mark.parametrize("text", UNSEEN_TEXTS)
def test_a_word_of_bash_has_nothing_unseen_and_means_the_same(text: str) -> None:
    assert_same_in_bash(text)


@pytest.mark.process
@given(
    st.text(
        st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])
        | st.sampled_from("\u202e\u2069\u2028\x1b\udcff\ufeff'\\")
    )
)
def test_whatever_the_text_is(text: str) -> None:
    assert_same_in_bash(text)


def assert_same_in_bash(text: str) -> None:
    word = in_ascii_quotes(text)
    assert not UNSEEN.search(word)
    done = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout == text.encode("utf-8", "surrogateescape")


@given(st.text(st.characters(min_codepoint=0x2000, max_codepoint=0x2070) | st.sampled_from("a<>\x1b")))
def test_what_is_seen_has_nothing_unseen_and_nothing_that_a_shell_obeys(text: str) -> None:
    shown = make_visible(text)
    assert not UNSEEN.search(shown)
    assert not TURNING.search(shown)
    assert shown.count("<") == text.count("<")
