from __future__ import annotations

from dataclasses import replace

import pytest

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.recording.recipe import Shown
from recipes.kvm.events import Event, Region, parse_kvm, parse_qemu, parse_regions, region_of
from recipes.kvm.exit_budget import Budget, DeviceRow, Exits, Moment, Pairing, ReasonRow, budget, journey, pair
from recipes.kvm.exit_tables import CHINESE, ENGLISH, devices, pairs, reasons, write

TRACE = """\
'trace' not valid for hardware events. Ignoring.
    1.000000001:  kvm:kvm_userspace_exit: reason KVM_EXIT_UNKNOWN (0)
    1.000000010:           kvm:kvm_entry: vcpu 0, rip 0xfff0
    1.000000020:            kvm:kvm_exit: vcpu 0 reason npf rip 0xfff0 info1 0x14 info2 0xfffffff0 intr_info 0x0 error_code 0x0
    1.000000030:      kvm:kvm_page_fault: vcpu 0 rip 0xfff0 address 0x00000000fffffff0 error_code 0x100000014
    1.000000040:           kvm:kvm_entry: vcpu 0, rip 0xfff0
    1.000000050:            kvm:kvm_exit: vcpu 0 reason io rip 0x12 info1 0x3fd0011 info2 0x13 intr_info 0x0 error_code 0x0
    1.000000060:  kvm:kvm_userspace_exit: reason KVM_EXIT_IO (2)
    1.000000070:             kvm:kvm_pio: pio_read at 0x3fd size 1 count 1 val 0x60
    1.000000080:           kvm:kvm_entry: vcpu 0, rip 0x13
    1.000000090:            kvm:kvm_exit: vcpu 0 reason npf rip 0x20 info1 0xe info2 0xfebfb000 intr_info 0x0 error_code 0x0
    1.000000100:      kvm:kvm_page_fault: vcpu 0 rip 0x20 address 0x00000000febfb000 error_code 0x10000000e
    1.000000110:            kvm:kvm_mmio: mmio write len 2 gpa 0xfebfb000 val 0x0
    1.000900000:    kvm:kvm_msi_set_irq: dst 1 vec 34 (Fixed|logical|edge)
    1.000900010:            kvm:kvm_exit: vcpu 0 reason io rip 0x30 info1 0x4020010 info2 0x31 intr_info 0x0 error_code 0x0
    1.000900020:             kvm:kvm_pio: pio_write at 0x402 size 1 count 1 val 0x41
    1.000900030:  kvm:kvm_userspace_exit: reason KVM_EXIT_IO (2)
    1.000900040:             kvm:kvm_eoi: apicid 0 vector 34
"""

LOG = """\
91@1700000000.000100:kvm_run_exit cpu_index 0, reason 2
50@1700000000.000300:virtio_queue_notify vdev 0x5599 n 0 vq 0x7fc8
50@1700000000.000400:virtio_blk_handle_write vdev 0x5599 req 0x55 sector 0 nsectors 8
50@1700000000.000800:virtio_blk_req_complete vdev 0x5599 req 0x55 status 0
91@1700000000.001100:kvm_run_exit cpu_index 0, reason 2
"""

MTREE = (
    "QEMU 7.2.22 monitor - type 'help' for more information\r\n"
    "(qemu) i\x1b[K\x1b[Dinfo mtree -f\r\n"
    "FlatView #0\r\n"
    ' AS "I/O", root: io\r\n'
    " Root memory region: io\r\n"
    "  0000000000000020-0000000000000021 (prio 0, i/o): kvm-pic\r\n"
    "  0000000000000022-000000000000003f (prio 0, i/o): io @0000000000000022\r\n"
    "  00000000000003f8-00000000000003ff (prio 0, i/o): serial\r\n"
    "  0000000000000cf9-0000000000000cf9 (prio 1, i/o): piix3-reset-control\r\n"
    "\r\n"
    "FlatView #1\r\n"
    ' AS "memory", root: system\r\n'
    ' AS "cpu-memory-0", root: system\r\n'
    " Root memory region: system\r\n"
    "  0000000000000000-00000000000bffff (prio 0, ram): pc.ram KVM\r\n"
    "  00000000febfb000-00000000febfbfff (prio 0, i/o): virtio-pci-notify-virtio-blk\r\n"
    "FlatView #2\r\n"
    ' AS "virtio-blk-pci", root: bus master container\r\n'
    "  00000000febf0000-00000000febfffff (prio 0, i/o): something else\r\n"
)


def test_perf_and_trace_cmd_lines_are_read():
    assert parse_kvm(TRACE)[0] == Event(1.000000001, "kvm_userspace_exit", "reason KVM_EXIT_UNKNOWN (0)")
    line = " qemu-system-x86-80    [000]    24.159878: kvm_entry:            vcpu 0, rip 0xffffffffb1a23413"
    assert parse_kvm(line) == [Event(24.159878, "kvm_entry", "vcpu 0, rip 0xffffffffb1a23413")]
    ftrace = " qemu-system-x86-70      [000] d....    18.926447: kvm_eoi: apicid 0 vector 236"
    assert parse_kvm(ftrace) == [Event(18.926447, "kvm_eoi", "apicid 0 vector 236")]
    assert parse_kvm("[LOST 3 EVENTS]\n\n") == []


def test_qemus_log_is_read_with_each_kind_of_time():
    assert parse_qemu(LOG)[0] == Event(1700000000.0001, "kvm_run_exit", "cpu_index 0, reason 2")
    assert parse_qemu("2023-11-14T22:13:20.000100Z (12:vm) kvm_run_exit cpu_index 0, reason 2") == [
        Event(1700000000.0001, "kvm_run_exit", "cpu_index 0, reason 2")
    ]
    assert parse_qemu("kvm_run_exit cpu_index 0, reason 2\n") == [Event(0.0, "kvm_run_exit", "cpu_index 0, reason 2")]


def test_regions_are_those_of_the_processor_without_memory_and_gaps():
    regions = parse_regions(MTREE)
    assert regions == [
        Region("io", 0x20, 0x21, "kvm-pic"),
        Region("io", 0x3F8, 0x3FF, "serial"),
        Region("io", 0xCF9, 0xCF9, "piix3-reset-control"),
        Region("memory", 0xFEBFB000, 0xFEBFBFFF, "virtio-pci-notify-virtio-blk"),
    ]
    assert region_of(regions, "io", 0x3FF) == "serial"
    assert region_of(regions, "io", 0x400) == region_of(regions, "memory", 0x3F8) == ""


@pytest.fixture
def made():
    return budget(parse_kvm(TRACE), parse_regions(MTREE))


def test_exits_are_counted_by_reason_and_by_device(made):
    assert (made.exits, made.user, made.faults) == (4, 2, 1)
    assert made.reasons == (ReasonRow("npf", 2, 0), ReasonRow("io", 2, 2))
    assert set(made.devices) == {
        DeviceRow("io", "serial", 0x3FD, 0x3FD, 1, 1),
        DeviceRow("io", "", 0x402, 0x402, 1, 1),
        DeviceRow("memory", "virtio-pci-notify-virtio-blk", 0xFEBFB000, 0xFEBFB000, 1, 0),
    }


def test_both_sides_are_paired_and_the_clocks_differ_by_the_least():
    paired = pair(parse_kvm(TRACE), parse_qemu(LOG))
    assert (paired.paired, paired.reasons) == (2, {"KVM_EXIT_IO 2": 2})
    assert paired.offset == pytest.approx(1700000000.0001 - 1.00000006, abs=1e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [("reason 2\n50@", "reason 6\n50@"), ("91@1700000000.001100:kvm_run_exit cpu_index 0, reason 2\n", LOG + LOG)],
)
def test_sides_that_do_not_agree_are_refused(before, after):
    with pytest.raises(AssertionError):
        pair(parse_kvm(TRACE), parse_qemu(LOG.replace(before, after, 1)))


def test_the_journey_goes_from_the_kick_to_the_end_of_the_interrupt():
    events, logged = parse_kvm(TRACE), parse_qemu(LOG)
    moments = journey(events, logged, 1699999999.0)
    assert [(moment.side, moment.name) for moment in moments] == [
        ("kvm", "kvm_exit"),
        ("kvm", "kvm_page_fault"),
        ("kvm", "kvm_mmio"),
        ("qemu", "kvm_run_exit"),
        ("qemu", "virtio_queue_notify"),
        ("qemu", "virtio_blk_handle_write"),
        ("qemu", "virtio_blk_req_complete"),
        ("kvm", "kvm_msi_set_irq"),
        ("kvm", "kvm_exit"),
        ("kvm", "kvm_pio"),
        ("kvm", "kvm_userspace_exit"),
        ("kvm", "kvm_eoi"),
    ]


def test_without_a_write_there_is_no_journey():
    with pytest.raises(AssertionError, match="no write"):
        journey(parse_kvm(TRACE), [], 0.0)


RECORDED = Exits(
    Budget(
        200,
        50,
        100,
        (ReasonRow("npf", 150, 0), ReasonRow("io", 50, 50)),
        (
            DeviceRow("io", "serial", 0x3F8, 0x3FD, 40, 40),
            DeviceRow("io", "", 0x402, 0x402, 9, 9),
            DeviceRow("io", "rtc", 0x71, 0x71, 1, 1),
        ),
    ),
    Pairing(50, {"KVM_EXIT_IO 2": 50}, 0.5),
    [
        Moment("kvm", "kvm_exit", "vcpu 0 reason npf rip 0xfff0 info1 0x14 info2 0x0 intr_info 0x0"),
        Moment("qemu", "virtio_queue_notify", "vdev 0x5599 n 0 vq 0x7fc8"),
        Moment("kvm", "kvm_msi_set_irq", "dst 1 vec 34 (Fixed|logical|edge)"),
    ],
)


SHOWN = Shown(Record("record_exits", "0" * 64, Status.PASSED, Host("h", "s", "k", "x86_64", 1, 1), ""))


def test_pictures_in_english():
    told = reasons(ENGLISH)(RECORDED, SHOWN)
    assert told.startswith("200 exits; 50 of them (25%)")
    assert told.count("<svg") == 2
    assert '<td><code>npf</code></td><td class="pic-right">150</td><td class="pic-right">75.0%</td>' in told
    told = devices(ENGLISH)(RECORDED, SHOWN)
    assert "40, all to QEMU</text>" in told
    assert ">0x402</text>" not in told, "too few for the picture"
    assert "<td>nothing there</td><td>the firmware&#39;s debug output</td>" in told, "but in the table"
    assert told.endswith("And 2 more with fewer than 20 exits each, 10 together; they are in the words below the picture.")


def test_tables_in_english():
    assert "| `KVM_EXIT_IO` | `reason 2` | 50 |" in pairs(ENGLISH)(RECORDED)
    assert write(ENGLISH)(RECORDED).splitlines()[2:] == [
        "| **kvm_exit** reason npf |  |",
        "|  | **virtio_queue_notify** n 0 |",
        r"| **kvm_msi_set_irq** dst 1 vec 34 (Fixed\|logical\|edge) |  |",
    ]


def test_pictures_in_chinese_have_the_same_rows():
    for make in (reasons, devices):
        english, chinese = make(ENGLISH)(RECORDED, SHOWN), make(CHINESE)(RECORDED, replace(SHOWN, language="zh"))
        assert chinese.count("<tr>") == english.count("<tr>")
        assert chinese.count("pic-bar") == english.count("pic-bar")
        assert "图中内容的文字版" in chinese


def test_tables_in_chinese_have_the_same_rows():
    for make in (pairs, write):
        assert make(CHINESE)(RECORDED).count("\n") == make(ENGLISH)(RECORDED).count("\n")
    assert CHINESE.kinds.keys() == ENGLISH.kinds.keys()
    assert CHINESE.probes.keys() == ENGLISH.probes.keys()
