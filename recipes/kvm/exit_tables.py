"""The exit budget on a page: counts as pictures, event lists as tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kvmdocs import Shown
from kvmdocs.figures import Bar, Cell, Figure, Language, bars, table
from recipes.kvm.events import in_short
from recipes.kvm.exit_budget import DeviceRow, Exits, Moment, ReasonRow

LEAST = 20
"""Minimum number of exits for a device to be in the picture; the table below has all of them."""


@dataclass(frozen=True)
class Words:
    """Texts of pictures and tables in one language.

    Attributes:
        by_reason: Title of the picture of exits by reason.
        by_device: Title of the picture of exits by device.
        parts: Names of the two parts of a bar.
        some: Phrase for a number of exits, some of which QEMU handled.
        all: Phrase for a number of exits, all of which QEMU handled.
        reasons: Column titles of exits by reason.
        devices: Column titles of exits by device.
        moments: Column titles of the events of both sides.
        pairs: Column titles of exits to user space.
        nothing: Name of an address without a device.
        sum: A sentence about all exits, with the placeholders ``exits``, ``user``, ``share``, ``faults``.
        rest: A sentence about the devices left out, with the placeholders ``rows`` and ``exits``.
        agree: A sentence about the agreement of both sides, with the placeholder ``paired``.
        kinds: A description of each kind of device, by a pattern of its region's name; the first match counts.
        probes: What the guest probes for at an address without a device.
    """

    by_reason: str
    by_device: str
    parts: tuple[str, str]
    some: str
    all: str
    reasons: tuple[str, ...]
    devices: tuple[str, ...]
    moments: tuple[str, ...]
    pairs: tuple[str, ...]
    nothing: str
    sum: str
    rest: str
    agree: str
    kinds: dict[str, str]
    probes: dict[int, str]


ENGLISH = Words(
    by_reason="What the guest left its processor for",
    by_device="Which device the guest left its processor for",
    parts=("answered inside KVM", "went on to QEMU"),
    some="{exits}, {user} to QEMU",
    all="{exits}, all to QEMU",
    reasons=("reason", "exits", "share", "of these to QEMU"),
    devices=("ports or addresses", "QEMU's region", "what it is", "exits", "to QEMU"),
    moments=("KVM", "QEMU"),
    pairs=("KVM: `kvm_userspace_exit`", "QEMU: `kvm_run_exit`", "how often, in both"),
    nothing="nothing there",
    sum="{exits:,} exits; {user:,} of them ({share:.0f}%) went on to QEMU. {faults:,} were for a page of memory that the "
    "second page table did not have.",
    rest="And {rows} more with fewer than {least} exits each, {exits:,} together; they are in the words below the picture.",
    agree="**{paired:,} exits to user space, the same in both, one after the other, without one out of place.**",
    kinds={
        r"pci-conf-idx": "PCI configuration: which device and register is meant",
        r"pci-conf-data": "PCI configuration: its value",
        r"kvm-ioapic": "interrupt controller of the board; inside KVM",
        r"kvm-apic": "interrupt controller of the processor; inside KVM",
        r"kvm-pic|kvm-elcr": "the old interrupt controller; inside KVM",
        r"kvm-pit": "the old timer; inside KVM",
        r"kvmvapic": "a helper of QEMU's for old guests' task priority",
        r"serial": "the serial line: Linux's console",
        r"virtio-pci-common": "the virtio disk: finding out and agreeing what it can do",
        r"virtio-pci-device": "the virtio disk: its size and geometry",
        r"virtio-pci-notify": "the virtio disk: the kick",
        r"virtio-pci": "the virtio disk",
        r"msix": "the virtio disk: where its interrupts go",
        r"fwcfg": "how firmware and kernel get files from QEMU",
        r"rtc": "the clock with battery, and the bytes of memory in it",
        r"i8042|port92": "the keyboard controller, and its lines for A20 and reset",
        r"acpi|apm": "power management and hot plugging",
        r"hpet": "a timer",
        r"ide|pci-ide|bmdma": "the disks' controller that every board of this kind has",
        r"dma": "the old DMA controller",
        r"port80|portF0|ioport80|ioportF0": "a port to wait with, or to tell progress",
        r"pcspk": "the speaker",
    },
    probes={
        0x402: "the firmware's debug output",
        0x3D4: "a VGA card, looked for",
        0x3D5: "a VGA card, looked for",
        0x2E9: "a fourth serial line, looked for",
        0x2F9: "a second serial line, looked for",
        0x3E9: "a third serial line, looked for",
        0x278: "a printer, looked for",
        0x27A: "a printer, looked for",
        0x378: "a printer, looked for",
        0x37A: "a printer, looked for",
    },
)

CHINESE = Words(
    by_reason="客户机为什么离开处理器",
    by_device="客户机为哪个设备离开处理器",
    parts=("在 KVM 内处理", "继续到 QEMU"),
    some="{exits} 次，其中 {user} 次到 QEMU",
    all="{exits} 次，全部到 QEMU",
    reasons=("原因", "次数", "占比", "其中到 QEMU"),
    devices=("端口或地址", "QEMU 的区域", "是什么", "次数", "到 QEMU"),
    moments=("KVM", "QEMU"),
    pairs=("KVM：`kvm_userspace_exit`", "QEMU：`kvm_run_exit`", "两边的次数"),
    nothing="此处没有设备",
    sum="共 {exits:,} 次退出，其中 {user:,} 次（{share:.0f}%）继续到了 QEMU。{faults:,} 次是因为某页内存还不在第二级页表里。",
    rest="另有 {rows} 个，每个少于 {least} 次，共 {exits:,} 次，列在图下的文字版里。",
    agree="**到用户态的退出共 {paired:,} 次，两边逐一相同，没有一次错位。**",
    kinds={
        r"pci-conf-idx": "PCI 配置空间：指的是哪个设备、哪个寄存器",
        r"pci-conf-data": "PCI 配置空间：寄存器的值",
        r"kvm-ioapic": "主板的中断控制器，在 KVM 里",
        r"kvm-apic": "处理器的中断控制器，在 KVM 里",
        r"kvm-pic|kvm-elcr": "老式中断控制器，在 KVM 里",
        r"kvm-pit": "老式定时器，在 KVM 里",
        r"kvmvapic": "QEMU 为老客户机的任务优先级准备的辅助端口",
        r"serial": "串口：Linux 的控制台",
        r"virtio-pci-common": "virtio 磁盘：了解并商定它的能力",
        r"virtio-pci-device": "virtio 磁盘：容量与几何参数",
        r"virtio-pci-notify": "virtio 磁盘：通知（kick）",
        r"virtio-pci": "virtio 磁盘",
        r"msix": "virtio 磁盘：中断发往何处",
        r"fwcfg": "固件和内核从 QEMU 取文件的通道",
        r"rtc": "带电池的时钟，以及其中的几个字节内存",
        r"i8042|port92": "键盘控制器，以及 A20 和复位线",
        r"acpi|apm": "电源管理与热插拔",
        r"hpet": "定时器",
        r"ide|pci-ide|bmdma": "这类主板都带的磁盘控制器",
        r"dma": "老式 DMA 控制器",
        r"port80|portF0|ioport80|ioportF0": "用来等待或报告进度的端口",
        r"pcspk": "扬声器",
    },
    probes={
        0x402: "固件的调试输出",
        0x3D4: "寻找 VGA 卡",
        0x3D5: "寻找 VGA 卡",
        0x2E9: "寻找第四个串口",
        0x2F9: "寻找第二个串口",
        0x3E9: "寻找第三个串口",
        0x278: "寻找打印机",
        0x27A: "寻找打印机",
        0x378: "寻找打印机",
        0x37A: "寻找打印机",
    },
)


def reasons(words: Words) -> Callable[[Exits, Shown], str]:
    """Return a function that draws exits by reason, with a sentence about all of them."""

    def render(recorded: Exits, shown: Shown) -> str:
        made = recorded.budget
        told = words.sum.format(exits=made.exits, user=made.user, share=100 * made.user / made.exits, faults=made.faults)
        rows = [Bar(row.reason, (row.exits - row.user, row.user), _figures(row, words)) for row in made.reasons]
        cells = [
            (
                Cell(f"`{row.reason}`"),
                Cell(f"{row.exits:,}", right=True),
                Cell(f"{100 * row.exits / made.exits:.1f}%", right=True),
                Cell(f"{row.user:,}", right=True),
            )
            for row in made.reasons
        ]
        figure = Figure(words.by_reason, told, Language.of(shown.language))
        return f"{told}\n\n{bars(figure, rows, words.parts, table(words.reasons, cells))}"

    return render


def devices(words: Words) -> Callable[[Exits, Shown], str]:
    """Return a function that draws exits by device, with a sentence about those that are left out."""

    def render(recorded: Exits, shown: Shown) -> str:
        made = recorded.budget.devices
        seen = [row for row in made if row.exits >= LEAST or "notify" in row.region]
        left = [row for row in made if row not in seen]
        rest = words.rest.format(rows=len(left), least=LEAST, exits=sum(row.exits for row in left)) if left else ""
        rows = [
            Bar(
                row.region or f"{row.first:#x}",
                (row.exits - row.user, row.user),
                _figures(row, words),
                _what(row, words) or ("" if row.region else words.nothing),
            )
            for row in seen
        ]
        cells = [
            (
                Cell(f"`{_range(row)}`"),
                Cell(f"`{row.region}`" if row.region else words.nothing),
                Cell(_what(row, words)),
                Cell(f"{row.exits:,}", right=True),
                Cell(f"{row.user:,}", right=True),
            )
            for row in made
        ]
        figure = Figure(words.by_device, rest, Language.of(shown.language))
        return f"{bars(figure, rows, words.parts, table(words.devices, cells))}\n\n{rest}"

    return render


def _figures(row: ReasonRow | DeviceRow, words: Words) -> str:
    """Return how many exits there are, and how many of them were passed on to QEMU."""
    form = words.all if row.user == row.exits else words.some if row.user else "{exits}"
    return form.format(exits=f"{row.exits:,}", user=f"{row.user:,}")


def pairs(words: Words) -> Callable[[Exits], str]:
    """Return a function that makes a table of the exits to user space that both sides have."""

    def render(recorded: Exits) -> str:
        made = recorded.pairing
        rows = [
            (f"`{name.partition(' ')[0]}`", f"`reason {name.partition(' ')[2]}`", f"{number:,}")
            for name, number in made.reasons.items()
        ]
        return f"{words.agree.format(paired=made.paired)}\n\n{_table(words.pairs, '--r', rows)}"

    return render


def write(words: Words) -> Callable[[Exits], str]:
    """Return a function that makes a table of the events of both sides during one disk write, in order of time."""

    def render(recorded: Exits) -> str:
        rows = [(_event(moment), "") if moment.side == "kvm" else ("", _event(moment)) for moment in recorded.write]
        return _table(words.moments, "--", rows)

    return render


def _table(head: tuple[str, ...], sides: str, rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table. `sides` has a letter for each column; ``r`` aligns it to the right."""
    rule = "|".join("--:" if side == "r" else "---" for side in sides)
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)])


def _range(row: DeviceRow) -> str:
    return f"{row.first:#x}" if row.first == row.last else f"{row.first:#x} … {row.last:#x}"


def _what(row: DeviceRow, words: Words) -> str:
    if not row.region:
        return words.probes.get(row.first, "")
    return next((text for pattern, text in words.kinds.items() if re.search(pattern, row.region)), "")


def _event(moment: Moment) -> str:
    """Return an event without the addresses of QEMU's own structures; of an exit return only the reason."""
    return in_short(moment.name, re.sub(r"\b(vdev|req|vq|rip) 0x[0-9a-f]+\s*", "", moment.text))
