"""Summary of all records for a home page."""

from __future__ import annotations

from dataclasses import replace

from kvmdocs.core.model import Host, Record, SourceLocation, Status, Step, Where
from kvmdocs.execution.run_result import RunResult
from kvmdocs.recording.recipe import presenting
from kvmdocs.site.publisher import Publisher
from kvmdocs.site.summary import Facts, facts, source, summed_up

HOST = Host("vm", "Debian", "6.1.0", "x86_64", 2, 4 << 30)


def record(name, day, **more):
    steps = (Step(Where.HOST, "true"), Step(Where.GDB, "bt"))
    return Record(name, "", Status.PASSED, HOST, f"2026-11-{day:02}T10:00:00+00:00", steps=steps, **more)


def place(version):
    return SourceLocation("a.c", 1, "qemu", version, "a.c")


RECORDS = [
    record("b", 20, places=(place("10.0"),), emulated=True),
    replace(record("c", 21), host=replace(HOST, name="other")),
    record("a", 3, places=(place("9.0"),)),
    replace(record("d", 25), status=Status.SKIPPED),
]


def test_records_are_summed_up():
    told = summed_up(RECORDS)
    assert (told.recipes, told.skipped, told.commands, told.emulated) == (3, 1, 6, 1)
    assert (told.first, told.last) == ("2026-11-03", "2026-11-21")
    assert told.hosts == ("other", "vm")
    assert told.host.name == "other"
    assert told.version("qemu") == "10.0"
    assert told.version("linux") == "?"


def test_without_a_record_there_is_nothing_to_say():
    assert summed_up([]) == Facts()
    assert summed_up(RECORDS[3:]) == Facts(skipped=1)


def test_a_block_is_told_of_the_build_around_it():
    class Building:
        outcome = RunResult(dict(enumerate(RECORDS)))

    class Reading:
        pass

    with presenting(Building()):
        assert facts().recipes == 3
    with presenting(Reading()):
        assert facts() == Facts()


def test_where_the_project_is_cloned_from_is_a_setting(trial, monkeypatch):
    assert source() == ""
    with presenting(Publisher(trial().project())):
        assert source() == ""
    monkeypatch.setenv("KVMDOCS_SITE_SOURCE", "https://docs.test/handbook.git")
    with presenting(Publisher(trial().project())):
        assert source() == "https://docs.test/handbook.git"
