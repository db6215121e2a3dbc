"""Parser of traces from the kernel's ring buffer, and search for the hops of one write in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

GUEST = "guest"
KVM = "kvm"
QEMU = "qemu"
WORKER = "worker"

_EVENT = re.compile(r"^\s*(?P<task>.+)-(?P<pid>\d+)\s+\[\d+\]\s+\S+\s+(?P<when>\d+): (?P<text>.*)$")
_FRAME = re.compile(r"^ => (?P<function>[\w.]+)\+(?P<offset>0x[0-9a-f]+)/0x[0-9a-f]+(?: \[(?P<module>\w+)\])?$")
_CALLER = re.compile(r"\bf\d+=(0x[0-9a-f]+|\(fault\))")
_STACK = "<stack trace>"
_MACHINERY = re.compile(r"^(trace_|event_triggers_|perf_trace_|__traceiter_|ftrace_|stack_trace_|__ftrace_)")
"""Functions of the kernel's tracing itself, which are at the top of an event's stack."""


@dataclass(frozen=True)
class Address:
    """Address of a stack frame, before its file and line are known.

    Attributes:
        function: The kernel's function; "" for QEMU.
        offset: Bytes from the function's start; for QEMU from its load address.
        module: The kernel module, "" for built-in code.
        called: True for a frame that called the one above it: its address is the one *after* the call.
    """

    function: str
    offset: int
    module: str = ""
    called: bool = True


@dataclass(frozen=True)
class Event:
    """One line of a trace, with its stack.

    Attributes:
        where: The origin of the trace: L2's (`GUEST`), or L1's.
        task: The process that it happened in.
        when: The processor's cycle counter; in `merged` traces L1's.
        name: Name of the event or the function.
        text: The event's details.
        stack: Its callers, innermost first.
    """

    where: str
    task: str
    when: int
    name: str
    text: str
    stack: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """Conditions that identify a hop: the first matching event after the previous hop.

    Attributes:
        key: Name of the hop.
        actor: The part of the system that it happens in.
        task: Regular expression for the name of the process or thread.
        name: Regular expression for the event's name.
        text: Regular expression that the event's text must contain.
        through: A function that must be among the event's callers.
    """

    key: str
    actor: str
    task: str
    name: str
    text: str = ""
    through: str = ""


@dataclass(frozen=True)
class Frame:
    """A frame with its location in the source code.

    Attributes:
        function: Name of the function.
        file: The file, relative to its source tree; "" if there is no debug information.
        line: The line.
        inlined: True for a function that is inlined into that of the next frame.
    """

    function: str
    file: str
    line: int
    inlined: bool = False


@dataclass(frozen=True)
class Hop:
    """One hop of the write.

    Attributes:
        key: Name of the hop.
        actor: The part that it happens in: `GUEST`, `KVM`, `QEMU` (its main thread) or `WORKER` (another thread of QEMU).
        task: The name of the process or thread in the kernel.
        function: Name of the function.
        file: The source file, relative to its tree.
        line: The line.
        when: Ticks of L1's processor since the first hop.
        text: The text of the trace.
        stack: Its callers, innermost first.
    """

    key: str
    actor: str
    task: str
    function: str
    file: str
    line: int
    when: int
    text: str
    stack: tuple[Frame, ...] = field(default=(), repr=False)


def parse(trace: str, where: str, base: int = 0, size: int = 0) -> list[Event]:
    """Return the events of a trace, in its order.

    Args:
        trace: The contents of tracefs' file ``trace``.
        where: The origin of the trace.
        base: QEMU's load address.
        size: Size of QEMU in memory, in bytes; callers outside of it belong to the C library or are no callers.
    """
    events: list[Event] = []
    open_stack: int | None = None
    for line in trace.splitlines():
        frame = _FRAME.match(line)
        event = _EVENT.match(line)
        if event and event["text"].strip() == _STACK:
            open_stack = _stackless(events, event["task"])
        elif event:
            events.append(_event(event, where, base, size))
            open_stack = None
        elif frame and open_stack is not None:
            one = events[open_stack]
            address = Address(frame["function"], int(frame["offset"], 16), frame["module"] or "")
            if one.stack or not _MACHINERY.match(address.function):
                events[open_stack] = replace(one, stack=(*one.stack, address))
    return events


def _stackless(events: Sequence[Event], task: str) -> int | None:
    """Return the index of a stack's event: the last one of its task without a stack; an interrupt's events may follow it."""
    found = (index for index in range(len(events) - 1, -1, -1) if events[index].task == task and not events[index].stack)
    return next(found, None)


def _event(match: re.Match[str], where: str, base: int, size: int) -> Event:
    text = match["text"].strip()
    # The line of a function is `func+0x0/0x20 [module] <-caller`, that of an event `name: details`.
    name = re.split(r"[+:\s]", text, maxsplit=1)[0]
    return Event(where, match["task"].strip(), int(match["when"]), name, text, tuple(_callers(text, base, size)))


def _callers(text: str, base: int, size: int) -> Iterator[Address]:
    """Yield the callers that a probe in QEMU read, up to the first one outside of QEMU, which is the C library's."""
    for number, word in enumerate(_CALLER.findall(text)):
        offset = int(word, 16) - base if word.startswith("0x") else -1
        if not 0 <= offset < size:
            return
        yield Address("", offset, called=number > 0)


def merged(guest: Sequence[Event], host: Sequence[Event], offset: int) -> list[Event]:
    """Return the events of both traces on L1's clock.

    KVM gives L2 a counter that is L1's plus an offset; the processor itself adds it whenever L2 reads the counter (field
    TSC_OFFSET of AMD's VMCB and of Intel's VMCS). So L1's counter is L2's minus that offset, exactly.

    Args:
        guest: L2's events.
        host: L1's events.
        offset: The offset, in ticks.
    """
    return sorted([*(replace(event, when=event.when - offset) for event in guest), *host], key=lambda event: event.when)


def find(events: Sequence[Event], wanted: Sequence[Wanted]) -> list[Event]:
    """Return the event of each hop, each later than the one before.

    In the `text` of a wanted event, ``{vector}`` and ``{hex_vector}`` stand for the interrupt's vector and ``{page}`` for the
    address of the device's page. Earlier events provide both.

    Raises:
        AssertionError: A hop is missing.
    """
    facts = {"page": _page(events, wanted)}
    found: list[Event] = []
    position = 0
    for one in wanted:
        name = re.compile(one.name)
        text = re.compile(one.text.format_map(_Facts(facts)))
        for position in range(position, len(events)):  # noqa: B020  # continue after the last hop
            event = events[position]
            here = (event.where == GUEST) == (one.actor == GUEST) and re.fullmatch(one.task, event.task)
            if here and name.fullmatch(event.name) and text.search(event.text):
                break
        else:
            raise AssertionError(f"no event for the hop {one.key!r} after {found[-1].text if found else 'the beginning'}")
        assert not one.through or one.through in {frame.function for frame in event.stack}, (one.key, event.stack)
        if vector := re.search(r"\bvec (\d+)", event.text):
            facts |= {"vector": vector[1], "hex_vector": f"{int(vector[1]):x}"}
        found.append(event)
        position += 1
    return found


class _Facts(dict[str, str]):
    """Facts by name; a fact that is not known yet matches nothing."""

    def __missing__(self, name: str) -> str:
        return "(?!)"


def _page(events: Sequence[Event], wanted: Sequence[Wanted]) -> str:
    """Return the address of the page that the driver writes to.

    It is the page of the last write before KVM's first ioeventfd after the driver's notification.

    Returns:
        A regular expression for it, with or without leading zeros.
    """
    notify = next(one for one in wanted if one.key == "notify")
    begin = next((event.when for event in events if event.where == GUEST and re.fullmatch(notify.name, event.name)), None)
    assert begin is not None, "the driver never notified the device"
    after = [event for event in events if event.when > begin]
    names = [event.name for event in after]
    assert "ioeventfd_write" in names, "KVM never signalled an eventfd"
    door = names.index("ioeventfd_write")
    near = [*reversed(after[:door]), *after[door:]]
    written = (re.search(r"(?:mmio write len \d+ gpa|fast mmio at gpa) 0x0*([0-9a-f]+)", event.text) for event in near)
    page = next((match[1] for match in written if match), None)
    assert page, "no write to a device's page is in the trace"
    return rf"0x0*{page}\b"
