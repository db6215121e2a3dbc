"""A guest's boot as pictures: a time line of the kernel's stages, and the slowest initcalls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kvmdocs import Shown
from kvmdocs.figures import Bar, Cell, Figure, Language, Span, bars, table, timeline
from recipes.run.start_a_vm import Boot, Milestone


@dataclass(frozen=True)
class Words:
    """Texts of the pictures in one language.

    Attributes:
        title: Title of the time line.
        describe: Description of the time line, with the placeholder ``seconds``.
        stretches: Name of the stretch after each milestone, by its key.
        heads: Column titles of the time line's table.
        unit: The unit of the axis.
        calls: Title of the picture of functions.
        told: Description of that picture, with the placeholders ``shown`` and ``count``.
        call_heads: Column titles of that picture's table.
    """

    title: str
    describe: str
    stretches: dict[str, str]
    heads: tuple[str, ...]
    unit: str
    calls: str
    told: str
    call_heads: tuple[str, ...]


ENGLISH = Words(
    title="A boot, from the kernel's first message to its first process",
    describe="What the kernel was at in each of the {seconds:.2f} seconds by its own clock.",
    stretches={
        "begin": "the processor, the memory map",
        "memory": "memory, clocks, interrupts",
        "processors": "before the buses",
        "devices": "buses, and who sits on them",
        "unpack": "the initramfs is unpacked, most drivers begin",
        "serial": "the serial port, other drivers",
        "disk": "the disk, late drivers",
        "free": "memory of the start is given back",
    },
    heads=("begins", "takes", "what goes on", "the message that begins it"),
    unit="s",
    calls="The functions that took longest",
    told="The {shown} slowest of the {count} functions that set something up.",
    call_heads=("function", "took"),
)

CHINESE = Words(
    title="一次启动：从内核的第一条消息到第一个进程",
    describe="按内核自己的时钟，{seconds:.2f} 秒里每一段在做什么。",
    stretches={
        "begin": "处理器、内存布局",
        "memory": "内存、时钟、中断",
        "processors": "总线之前的准备",
        "devices": "总线和上面的设备",
        "unpack": "解开 initramfs，多数驱动启动",
        "serial": "串口和其他驱动",
        "disk": "磁盘、较晚的驱动",
        "free": "归还启动阶段的内存",
    },
    heads=("开始", "用时", "在做什么", "标志它开始的消息"),
    unit="秒",
    calls="用时最长的函数",
    told="共 {count} 个初始化函数，这里是最慢的 {shown} 个。",
    call_heads=("函数", "用时"),
)


def words_of(shown: Shown) -> Words:
    """Return the texts in the language of the page."""
    return CHINESE if Language.of(shown.language) is Language.ZH else ENGLISH


def boot(made: Boot, shown: Shown) -> str:
    """Draw a time line with a stretch from each milestone to the next.

    Args:
        made: The boot.
        shown: The record of that boot.
    """
    words = words_of(shown)
    begin, end = made.milestones[0], made.milestones[-1]
    figure = Figure(words.title, words.describe.format(seconds=end.when - begin.when), Language.of(shown.language))
    stretches = [(one, other) for one, other in pairwise(made.milestones) if other.when > one.when]
    spans = [
        Span(words.stretches[one.key], one.when - begin.when, other.when - begin.when, took(other.when - one.when), look=1)
        for one, other in stretches
    ]
    return timeline(figure, spans, words.unit, table(words.heads, [_row(one, other, words) for one, other in stretches]))


def calls(made: Boot, shown: Shown) -> str:
    """Draw bars for the slowest functions.

    Args:
        made: The boot.
        shown: The record of that boot.
    """
    words = words_of(shown)
    told = words.told.format(shown=len(made.calls), count=made.count)
    figure = Figure(words.calls, told, Language.of(shown.language), told)
    rows = [Bar(call.name, (call.seconds,), took(call.seconds)) for call in made.calls]
    cells = [(Cell(f"`{call.name}`"), Cell(took(call.seconds), right=True)) for call in made.calls]
    return bars(figure, rows, (), table(words.call_heads, cells))


def took(seconds: float) -> str:
    """Return a duration in milliseconds, with a tenth only below ten: on a busy host further digits mean nothing."""
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


def _row(one: Milestone, other: Milestone, words: Words) -> Sequence[Cell]:
    return (
        Cell(f"{one.when:.3f}", right=True),
        Cell(took(other.when - one.when), right=True),
        Cell(words.stretches[one.key]),
        Cell(f"`{one.text}`"),
    )
