from __future__ import annotations

import string
from dataclasses import fields

import pytest

from kvmdocs.core.model import Where
from kvmdocs.core.words import Labels, Language, date, duration, words

NAMES = [one.name for one in fields(Labels) if one.name != "badges"]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", Language)
def test_every_word_is_there(language: Language) -> None:
    say = words(language)
    assert all(getattr(say, name).strip() for name in NAMES)
    assert set(say.badges) == set(Where)
    assert all(say.badges.values())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "date"])
def test_languages_fill_in_the_same(name: str) -> None:
    assert len({frozenset(placeholders(getattr(words(language), name))) for language in Language}) == 1


def test_what_is_said_in_words_is_translated() -> None:
    same = {name for name in NAMES if getattr(words(Language.EN), name) == getattr(words(Language.ZH), name)}
    assert same == set()


@pytest.mark.parametrize(
    ("code", "language"), [("zh", "zh"), ("zh-Hans", "zh"), ("zh_CN", "zh"), ("EN", "en"), ("de", "en"), ("", "en")]
)
def test_the_language_of_a_code(code: str, language: str) -> None:
    assert Language.of(code) == language


@pytest.mark.parametrize(
    ("started", "english"),
    [
        ("2026-11-23T05:40:11+00:00", "23 November 2026, 05:40 UTC"),
        ("2026-11-23T05:40:11Z", "23 November 2026, 05:40 UTC"),
        ("2026-11-23T05:40:11", "23 November 2026, 05:40 UTC"),
        ("2026-01-01T00:30:00+01:00", "31 December 2025, 23:30 UTC"),
        ("some day", "some day"),
    ],
)
def test_dates_are_utc(started: str, english: str) -> None:
    assert date(started, words(Language.EN)) == english


def test_a_chinese_date() -> None:
    assert date("2026-11-23T05:40:11+00:00", words(Language.ZH)) == "2026 年 11 月 23 日 05:40 UTC"


@pytest.mark.parametrize(
    ("seconds", "english"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (7000, "1 h 57 min"),
    ],
)
def test_durations(seconds: float, english: str) -> None:
    assert duration(seconds, words(Language.EN)) == english
