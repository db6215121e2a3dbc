"""Drift: what counts as a difference, and what may explain it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvmdocs.core.model import Host, Output, Record, Status, Step, Where
from kvmdocs.store.drift import DriftCause, compare

HOST = Host("box", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "x86_64", 2, 4 << 30)


def record(*steps: Step, **more) -> Record:
    given = {"recipe": "any", "key": "", "status": Status.PASSED, "host": HOST, "started": "2026-11-24T21:00:00+00:00"}
    return Record(**{**given, **more}, steps=steps)


def step(text: str, command: str = "run", section: str | None = None, **more) -> Step:
    return Step(Where.HOST, command, Output(text), section=section, **more)


def test_the_same_under_stable_names_is_no_drift():
    one = record(step("at 0x7ffff7e5a2b0, process 12\n", started=1.0, seconds=3.0), started="2026-01-01")
    other = record(step("at 0x7ffff7000000, process 4711\n", started=2.0, seconds=4.0))
    assert compare(one, other) is None


def test_an_address_that_should_be_the_same_and_is_not_is_drift():
    one = record(step("0x7ffff7e5a2b0\n"), step("0x7ffff7e5a2b0\n"), step("end\n"))
    other = record(step("0x7ffff7e5a2b0\n"), step("0x7ffff7e5a2b8\n"), step("end\n"))
    drift = compare(one, other)
    assert "-<addr1>" in drift.diff
    assert "+<addr2>" in drift.diff


@pytest.mark.parametrize(
    "changed",
    [
        {"command": "run -v"},
        {"output": Output("other\n")},
        {"status": 3},
        {"stdin": "fed\n"},
        {"background": True},
        {"where": Where.GDB},
    ],
)
def test_what_a_reader_would_see_counts(changed):
    one = step("text\n", status=0)
    assert compare(record(one), record(replace(one, **changed))).kind is DriftCause.BEHAVIOUR
    assert compare(record(one), record(one, one)) is not None
    assert compare(record(one, one), record(one)) is not None


def test_only_the_stable_sections_are_compared_and_each_has_names_of_its_own():
    one = record(step("0x7ffff7e5a2b0\n", section="noise"), step("0x7ffff7e5a2b0\n", section="calm"))
    other = record(step("0x7ffff7e50000 0x7ffff7e51111\n", section="noise"), step("0x7ffff7e5a2b0\n", section="calm"))
    assert compare(one, other).sections == ("noise",)
    assert compare(one, other, ("calm",)) is None
    assert compare(one, other, ("noise",)) is not None
    assert compare(one, other, stable=False) is None


@pytest.mark.parametrize(
    ("changed", "kind", "causes"),
    [
        ({}, DriftCause.BEHAVIOUR, ()),
        ({"tools": {"gcc": "gcc 13.1\nmore"}}, DriftCause.TOOL, ("gcc gcc 12.2 → gcc 13.1",)),
        ({"settings": {"qemu.version": "8.0"}}, DriftCause.TOOL, ("setting qemu.version 7.2 → 8.0",)),
        ({"host": replace(HOST, kernel="6.12")}, DriftCause.HOST, ("kernel 6.1.0 → 6.12",)),
        ({"host": replace(HOST, name="other", memory=1)}, DriftCause.BEHAVIOUR, ()),
        ({"tools": {"gcc": "13"}, "host": replace(HOST, kernel="6.12")}, DriftCause.TOOL, ("gcc gcc 12.2 → 13",)),
    ],
)
def test_drift_is_classed_by_what_may_explain_it(changed, kind, causes):
    common = {"tools": {"gcc": "gcc 12.2"}, "settings": {"qemu.version": "7.2"}}
    drift = compare(record(step("one\n"), **common), record(step("two\n"), **{**common, **changed}))
    assert (drift.kind, drift.causes) == (kind, causes)
    # Another tool alone is no drift.
    assert compare(record(step("one\n"), **common), record(step("one\n"), **{**common, **changed})) is None


def test_of_a_shortened_output_only_what_was_kept_is_compared():
    text = "".join(f"line {number}\n" for number in range(100))
    kept = Output("line 0\nline 1\n", "line 98\nline 99\n", 96, 768)
    assert compare(record(Step(Where.HOST, "run", kept)), record(step(text))) is None
    assert compare(record(Step(Where.HOST, "run", kept)), record(step(text.replace("line 50", "other")))) is None
    assert compare(record(Step(Where.HOST, "run", kept)), record(step(text.replace("line 99", "other")))) is not None
