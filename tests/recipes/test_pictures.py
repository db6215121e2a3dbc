"""Pictures of recipes' results: the data that they are made from."""

from __future__ import annotations

import json
import re

import pytest

from kvmdocs.core.model import Host, Output, Record, Status, Step, Where
from kvmdocs.recording.recipe import Shown
from recipes.run.process_picture import CHINESE, ENGLISH, Thread, picture, threads
from recipes.run.start_a_vm import MILESTONES, MUST, Boot, Call, Milestone, milestones
from recipes.run.start_a_vm_picture import CHINESE as BOOT_CHINESE
from recipes.run.start_a_vm_picture import ENGLISH as BOOT_ENGLISH
from recipes.run.start_a_vm_picture import boot, calls, took

HOST = Host("h", "s", "k", "x86_64", 2, 1 << 30)

PS = """\
    PID     TID %CPU COMMAND
  40435   40435  9.2 qemu-system-x86
  40435   40446  0.0 call_rcu
  40435   40453  0.0 IO mon_iothread
  40435   40454 96.4 CPU 0/KVM
  40435   40457  2.1 CPU 1/KVM
  40435   41350  0.0 worker
  40435   41351  0.5 worker
"""

PROCESSORS = {"return": [{"thread-id": 40454, "cpu-index": 0}, {"thread-id": 40457, "cpu-index": 1}]}


def record(*steps: Step) -> Record:
    return Record("find_process", "0" * 64, Status.PASSED, HOST, "2026-11-24T22:31:00+00:00", steps=steps)


FOUND = record(
    Step(Where.ROOT, "ps -efww | grep '[q]emu.*findme'", Output("root 40435 …\n")),
    Step(Where.ROOT, "ps -L -o pid,tid,pcpu,comm -p 40435", Output(PS)),
    Step(Where.QMP, '{"execute": "query-cpus-fast"}', Output(json.dumps(PROCESSORS, indent=2))),
)


def test_threads_are_those_that_ps_and_qmp_told_of():
    pid, found = threads(FOUND)
    assert pid == 40435
    assert len(found) == 7
    assert found[3] == Thread(40454, "CPU 0/KVM", 96.4, 0)
    assert [thread.processor for thread in found] == [None, None, None, 0, 1, None, None]


def test_a_record_without_the_listing_has_no_picture():
    with pytest.raises(ValueError, match="no step of find_process is"):
        threads(record())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_thread_is_drawn_with_whom_it_works_for(language):
    html = picture(None, Shown(FOUND, language))
    words = CHINESE if language == "zh" else ENGLISH
    wide, narrow = re.findall(r"<svg.*?</svg>", html)
    for svg in (wide, narrow):
        assert re.findall(r"TID (\d+)", svg) == ["40435", "40454", "40457", "40453", "41350", "41351", "40446"]
        assert words.process.format(pid=40435, name="qemu-system-x86") in svg
    for partner in words.partners.values():
        assert wide.count(f">{partner}<") == 1
    assert html.count("<tr>") == 8
    assert html.count("96.4 %") == 3


def test_both_languages_know_the_same_threads():
    assert list(ENGLISH.roles) == list(CHINESE.roles)
    assert list(ENGLISH.partners) == list(CHINESE.partners)


# -- a boot -----------------------------------------------------------------------------------------------------

LOG = """\
[    0.000000] Linux version 6.1.187 (reader@kvm-lab) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP
[    0.000000] Command line: console=ttyS0 printk.time=1
[    0.004000] Memory: 233912K/261612K available (8196K kernel code)
[    0.424686] PCI: Using configuration type 1 for base access
[    0.500000] PCI: Using configuration type 1 for extended access
[    1.379623] virtio_blk virtio0: [vda] 131072 512-byte logical blocks (67.1 MB/64.0 MiB)
[    1.340562] 00:04: ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A
[   12.615526] Run /init as init process
"""


def test_milestones_are_the_first_messages_that_say_it_in_the_order_of_their_times():
    found = milestones(LOG)
    assert [(one.key, one.when) for one in found] == [
        ("begin", 0.0), ("memory", 0.004), ("devices", 0.424686), ("serial", 1.340562), ("disk", 1.379623), ("init", 12.615526),
    ]  # fmt: skip
    assert found[2].text == "PCI: Using configuration type 1 for base access"
    assert {one.key for one in found} >= MUST
    assert not {one.key for one in milestones(LOG.replace("Run /init", "Run /bin/sh"))} >= MUST


BOOTED = Boot(milestones(LOG), (Call("acpi_init", 0.208), Call("inet_init", 0.0143)), 293)
BOOT = Record("boot_times", "0" * 64, Status.PASSED, HOST, "")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_boot_is_drawn_from_milestone_to_milestone(language):
    words = BOOT_CHINESE if language == "zh" else BOOT_ENGLISH
    html = boot(BOOTED, Shown(BOOT, language))
    for svg in re.findall(r"<svg.*?</svg>", html):
        assert svg.count('"pic-bar pic-1"') == 5
        assert re.findall(r">([\d.,]+ ms)<", svg) == ["4.0 ms", "421 ms", "916 ms", "39 ms", "11,236 ms"]
        assert words.describe.format(seconds=12.615526) in svg
    assert html.count("<tr>") == 6
    assert "<code>Memory: 233912K/261612K available (8196K kernel code)</code>" in html
    told = calls(BOOTED, Shown(BOOT, language))
    assert told.count(">208 ms<") == 3
    assert "293" in re.findall(r"<figcaption>(.*?)</figcaption>", told)[0]


def test_messages_at_the_same_moment_are_no_stretch():
    made = Boot((Milestone("begin", 0.0, "a"), Milestone("memory", 0.0, "b"), Milestone("init", 1.0, "c")), (), 0)
    assert boot(made, Shown(BOOT)).count("<tr>") == 2


def test_every_milestone_but_the_last_has_a_stretch_in_both_languages():
    assert [*BOOT_ENGLISH.stretches, "init"] == [*BOOT_CHINESE.stretches, "init"] == list(MILESTONES)


def test_a_duration_has_no_more_figures_than_it_means():
    assert [took(seconds) for seconds in (0.0004, 0.00996, 0.01, 1.2345)] == ["0.4 ms", "10.0 ms", "10 ms", "1,234 ms"]
