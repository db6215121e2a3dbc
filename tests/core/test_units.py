"""Sizes and durations as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core.units import DurationForms, duration, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1023.7, "1 KiB"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        ((100 << 10) - 1, "100 KiB"),
        ((1 << 20) - 1, "1 MiB"),
        (300 << 20, "300 MiB"),
        ((1 << 30) - 1, "1 GiB"),
        (8 << 30, "8 GiB"),
        (5 << 40, "5 TiB"),
        (5 << 50, "5120 TiB"),
    ],
)
def test_a_size_has_the_largest_unit_that_leaves_at_least_one(count, text):
    assert size(count) == text


@given(st.integers(0, 1 << 60))
def test_no_size_below_the_last_unit_needs_more_than_four_digits(count):
    number, unit = size(count).split()
    assert unit == "TiB" or float(number) < 1024
    assert not number.endswith(".0")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (3720, "1 h 2 min"),
        (7199, "2 h 0 min"),
        (90000, "25 h 0 min"),
    ],
)
def test_a_duration_is_rounded_before_its_unit_is_chosen(seconds, text):
    assert duration(seconds) == text


def test_a_duration_in_another_language():
    forms = DurationForms("{s} 秒", "{m} 分 {s} 秒", "{h} 小时 {m} 分")
    assert [duration(seconds, forms) for seconds in (1, 61, 3660)] == ["1.0 秒", "1 分 1 秒", "1 小时 1 分"]
