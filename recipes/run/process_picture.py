"""A QEMU process as a picture: its threads, and their partners outside the process."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from kvmdocs import Record, Shown
from kvmdocs.figures import Cell, Figure, Language, Part, parts, table


@dataclass(frozen=True)
class Thread:
    """A thread in the output of ``ps -L``.

    Attributes:
        tid: Its thread id.
        name: Its name.
        share: Its processor time since it started, in percent of one processor.
        processor: The index of its virtual processor according to QMP; None for another thread.
    """

    tid: int
    name: str
    share: float
    processor: int | None = None


@dataclass(frozen=True)
class Words:
    """Texts of the picture in one language.

    Attributes:
        title: Title of the picture.
        describe: Description of the picture, with the placeholders ``pid`` and ``threads``.
        process: The heading of the process.
        heads: Titles of the table's columns.
        caption: Meaning of the bars.
        roles: Task of a thread, by a pattern of its name.
        partners: Whom the thread works for outside the process, by the same patterns.
    """

    title: str
    describe: str
    process: str
    heads: tuple[str, ...]
    caption: str
    roles: dict[str, str]
    partners: dict[str, str]


_CPU, _MONITOR, _WORKER, _RCU, _MAIN = r"CPU \d+/", r"IO mon_iothread", r"worker", r"call_rcu", r""
"""Names of QEMU's threads with ``debug-threads=on``; any other thread that comes first is the main loop."""

ENGLISH = Words(
    title="The threads of a QEMU process",
    describe="Process {pid} with its {threads} threads, how busy each is, and whom it works for.",
    process="process {pid}: {name}",
    heads=("thread", "what it does", "works for", "busy"),
    caption="The bars: processor time since the thread began, as `ps` gives it (`%CPU`).",
    roles={
        _MAIN: "the main loop: events, timers, devices",
        _CPU: "virtual processor {processor}",
        _MONITOR: "reads and writes the QMP socket",
        _WORKER: "blocking reads and writes of the disk image",
        _RCU: "frees memory that nobody reads any more",
    },
    partners={_CPU: "the guest", _MONITOR: "a QMP client", _WORKER: "the disk image"},
)

CHINESE = Words(
    title="一个 QEMU 进程的线程",
    describe="进程 {pid} 和它的 {threads} 个线程，各自有多忙，为谁工作。",
    process="进程 {pid}：{name}",
    heads=("线程", "做什么", "为谁工作", "忙闲"),
    caption="横条表示线程启动以来占用的处理器时间，取自 `ps` 的 `%CPU`。",
    roles={
        _MAIN: "主循环：事件、定时器、设备",
        _CPU: "虚拟处理器 {processor}",
        _MONITOR: "读写 QMP 套接字",
        _WORKER: "阻塞式读写磁盘映像",
        _RCU: "释放已无人读取的内存",
    },
    partners={_CPU: "客户机", _MONITOR: "QMP 客户端", _WORKER: "磁盘映像"},
)


def picture(_value: None, shown: Shown) -> str:
    """Return the process and its threads as a picture, from the steps of the recipe `find_process`.

    Args:
        _value: The recipe returns nothing.
        shown: The recipe's record.
    """
    language = Language.of(shown.language)
    words = CHINESE if language is Language.ZH else ENGLISH
    pid, found = threads(shown.record)
    order = list(words.roles)
    rows = [
        Part(
            thread.name,
            words.roles[_kind(thread)].format(processor=thread.processor),
            f"TID {thread.tid} · {thread.share:g} %",
            thread.share / 100,
            words.partners.get(_kind(thread), ""),
            order.index(_kind(thread)) + 1,
        )
        for thread in sorted(found, key=lambda thread: order.index(_kind(thread)))
    ]
    figure = Figure(words.title, words.describe.format(pid=pid, threads=len(found)), language, words.caption)
    cells = [(Cell(f"`{part.name}`"), Cell(part.note), Cell(part.partner), Cell(part.figures, right=True)) for part in rows]
    return parts(figure, words.process.format(pid=pid, name=found[0].name), rows, table(words.heads, cells))


def threads(record: Record) -> tuple[int, list[Thread]]:
    """Return the process id and the threads in a record of `find_process`, in the order of ``ps``.

    Args:
        record: The record.

    Raises:
        ValueError: A step is missing.
    """
    listing = _output(record, r"^ps .*-L ")
    answer = json.loads(_output(record, r"query-cpus-fast"))
    processors = {one["thread-id"]: one["cpu-index"] for one in answer["return"]}
    rows = [line.split(None, 3) for line in listing.splitlines()[1:] if line.strip()]
    found = [Thread(int(tid), name.strip(), float(share), processors.get(int(tid))) for _, tid, share, name in rows]
    return int(rows[0][0]), found


def _output(record: Record, command: str) -> str:
    for step in record.steps:
        if re.search(command, step.command):
            return step.output.text
    raise ValueError(f"no step of {record.recipe} is {command!r}")


def _kind(thread: Thread) -> str:
    return next(kind for kind in (_CPU, _MONITOR, _WORKER, _RCU, _MAIN) if re.match(kind, thread.name))
