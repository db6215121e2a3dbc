"""Normalisation: equal stays equal, different stays different, doing it again changes nothing, and no line is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.store.normalise import Normaliser, normalise


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("0x7ffff7e5a2b0 and 0x555555560010, 0x7ffff7e5a2b0", "<addr1> and <addr2>, <addr1>"),
        ("RIP: 0010:ffffffff81000000", "RIP: 0010:<addr1>"),
        ("flags 0x8000, MSR 0xc0000080", "flags 0x8000, MSR 0xc0000080"),
        ("Attaching to process 4711", "Attaching to process <pid1>"),
        ("[Inferior 1 (process 4711) detached]", "[Inferior 1 (process <pid1>) detached]"),
        ("* 1  Thread 0x7ffff6a006c0 (LWP 12) (LWP 13)", "* 1  Thread <addr1> (LWP <pid1>) (LWP <pid2>)"),
        ("gdb -p 4711; cat /proc/4711/maps", "gdb -p <pid1>; cat /proc/<pid1>/maps"),
        ('{"thread-id": 99, "cpu-index": 0}', '{"thread-id": <pid1>, "cpu-index": 0}'),
        ("[    0.123456] Linux version 6.1", "[<time>] Linux version 6.1"),
        ("Tue Nov 24 21:10:05 UTC 2026", "<time>"),
        ("2026-11-24T21:10:05+00:00 and 2026-11-24", "<time> and <time>"),
        ("at 21:10:05.123", "at <time>"),
        ("crw------- 1 0 0 10, 232 Nov 24 22:10 /dev/kvm", "crw------- 1 0 0 10, 232 <time> /dev/kvm"),
        ("-rw-r--r-- 1 root root 2.9M Nov  4  2025 kvm.ko", "-rw-r--r-- 1 root root 2.9M <time> kvm.ko"),
        ("root 99 66 21:12 ?", "root 99 66 <time> ?"),
        ("  qemu-77  [001] d..1.  142.123456: kvm_exit: vcpu 0", "  qemu-77  [001] d..1.  <time>: kvm_exit: vcpu 0"),
        ("gdb -q -nx -p 4711; ps -L -p 4711", "gdb -q -nx -p <pid1>; ps -L -p <pid1>"),
        ("disk (#block193): vm.img (raw)", "disk (#block<node1>): vm.img (raw)"),
        ("/proc/4711/task/4712/comm", "/proc/<pid1>/task/<pid2>/comm"),
        ("65536 bytes copied, 0.000123 s, 533 MB/s", "65536 bytes copied, <duration>, <rate>"),
        ("real\t0m1.234s", "real\t<duration>"),
        ("took 12 ms, 3 minutes, 1.5s", "took <duration>, <duration>, <duration>"),
        ("7 stops in 3 steps", "7 stops in 3 steps"),
        ("/tmp/tmpab12cd/x /tmp/ccQ7f1.o /tmp/notes", "/tmp/<path1>/x /tmp/<path2> /tmp/notes"),
        ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "<uuid1>"),
        ("work/qemu_debug-0123456789abcdef/build", "work/qemu_debug-<run1>/build"),
        ("virtio.c:1234 line 56, 100%", "virtio.c:1234 line 56, 100%"),
        ("QEMU emulator version 7.2.22", "QEMU emulator version 7.2.22"),
        ("already <addr1>, new 0x7ffff7e5a2b0", "already <addr1>, new <addr2>"),
    ],
)
def test_what_differs_from_run_to_run_is_named(text, named):
    assert normalise(text) == named


def test_one_thing_has_one_name_in_all_pieces():
    names = Normaliser()
    assert names.text("at 0x7ffff7e5a2b0") == "at <addr1>"
    assert names.text("0x555555560010 0x7ffff7e5a2b0") == "<addr2> <addr1>"


PIECES = st.sampled_from(
    [
        "0x7ffff7e5a2b0",
        "ffffffff81000000",
        "process 4711",
        "(LWP 12)",
        "pid=5",
        "21:10:05",
        "1.5 s",
        "0.1",
        "[    1.000001]",
        "/tmp/tmpAb12",
        "12 MB/s",
        "<addr1>",
        "<pid2>",
        "<time>",
        "-0123456789abcdef/",
        "1",
        "a",
        ":",
        ".",
        " ",
        "\t",
        "\r",
        "\n",
        "\x0b",
        "\x85",
        "\u2028",
        "é",
        "<",
        ">",
    ]
)
TEXT = st.lists(PIECES | st.characters(), max_size=40).map("".join)


@given(TEXT)
def test_doing_it_again_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once


@given(TEXT)
def test_no_line_is_lost_or_made(text):
    named = normalise(text)
    assert len(named.splitlines()) == len(text.splitlines())
    assert re.findall(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", named) == re.findall(
        r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text
    )


# A text with places for addresses and ids: which of them are equal is all that may show.
SLOTS = st.lists(st.tuples(st.sampled_from(["addr", "pid"]), st.integers(0, 4)), min_size=1, max_size=12)
FILLINGS = {
    "addr": st.lists(st.integers(2**33, 2**48 - 1), min_size=5, max_size=5, unique=True),
    "pid": st.lists(st.integers(1, 4194304), min_size=5, max_size=5, unique=True),
}
FILLING = st.fixed_dictionaries(FILLINGS)


def filled(slots, values):
    forms = {"addr": "at {:#x},", "pid": "process {}:"}
    return "\n".join(forms[kind].format(values[kind][number]) for kind, number in slots)


def shape(slots):
    """Return which of the slots are equal."""
    return [next(at for at, one in enumerate(slots) if one == slot) for slot in slots]


@given(SLOTS, FILLING, FILLING)
def test_equal_stays_equal(slots, one, other):
    assert normalise(filled(slots, one)) == normalise(filled(slots, other))


@given(SLOTS, SLOTS, FILLING, FILLING)
def test_different_stays_different(slots, others, one, other):
    same = [kind for kind, _ in slots] == [kind for kind, _ in others] and shape(slots) == shape(others)
    assert (normalise(filled(slots, one)) == normalise(filled(others, other))) == same


@given(SLOTS, FILLING)
def test_different_things_in_one_text_have_different_names(slots, values):
    lines = normalise(filled(slots, values)).split("\n")
    for at, slot in enumerate(slots):
        for earlier, other in enumerate(slots[:at]):
            assert (lines[at] == lines[earlier]) == (slot == other)
