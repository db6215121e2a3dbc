from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.render.ansi import paint, plain


def one(line: str) -> list[tuple[str, str]]:
    return list(next(paint([line])))


@pytest.mark.parametrize(
    ("codes", "classes"),
    [
        ("31", "tr-f1"),
        ("91", "tr-f9"),
        ("44", "tr-g4"),
        ("104", "tr-g12"),
        ("1;4", "tr-bold tr-underline"),
        ("01;31", "tr-bold tr-f1"),
        ("1;22", ""),
        ("31;39", ""),
        ("4:3", "tr-underline"),
        ("4;4:0", ""),
        ("38;5;9", "tr-f9"),
        ("38;5;196", "tr-f9"),
        ("38;5;244", "tr-f8"),
        ("48;2;0;0;0", "tr-g0"),
        ("38:2::255:0:0", "tr-f9"),
        ("38;5", ""),
        ("38", ""),
        ("38;7;1", "tr-bold"),
        ("31;;32", "tr-f2"),
        ("7;27", ""),
        ("999999999999999999999999", ""),
        (">4", ""),
        ("?4", ""),
    ],
)
def test_select_graphic_rendition(codes: str, classes: str) -> None:
    assert one(f"\x1b[{codes}mx") == [(classes, "x")]


def test_zero_and_nothing_end_all() -> None:
    assert one("\x1b[1;31ma\x1b[0mb\x1b[32mc\x1b[md") == [("tr-bold tr-f1", "a"), ("", "b"), ("tr-f2", "c"), ("", "d")]


def test_a_colour_goes_on_over_line_ends() -> None:
    assert list(paint(["\x1b[31ma", "", "b\x1b[0m", "c"])) == [(("tr-f1", "a"),), (), (("tr-f1", "b"),), (("", "c"),)]


@pytest.mark.parametrize(
    "sequence",
    ["\x1b[2J", "\x1b[10;20H", "\x1b[?25l", "\x1b[K", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1bP1$r\x1b\\", "\x1b(B",
     "\x1b=", "\x1bc", "\x9b1m", "\x1b[!p", "\x1b[1 q", "\x1b_x\x1b\\", "\x1b"],
)  # fmt: skip
def test_other_sequences_vanish(sequence: str) -> None:
    assert plain(next(paint([f"a{sequence}{'' if sequence == chr(27) else 'b'}"]))) == ("a" if sequence == "\x1b" else "ab")


def test_an_unfinished_string_hides_nothing_that_follows() -> None:
    assert plain(next(paint(["a\x1b]0;secret"]))) == "a0;secret"


@given(st.lists(st.text(st.characters(exclude_characters="\x1b\x90\x98\x9b\x9d\x9e\x9f"), max_size=50), max_size=5))
def test_text_without_sequences_stays(lines: list[str]) -> None:
    assert [plain(spans) for spans in paint(lines)] == lines


@given(st.text(st.sampled_from("\x1b[]();:0123456789mHJ?>\x07\\ab\x9b"), max_size=60))
def test_no_escape_survives_and_nothing_raises(line: str) -> None:
    assert "\x1b" not in plain(next(paint([line])))
