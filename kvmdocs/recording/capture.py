"""Capture of a step's output in bounded memory.

A command may print one line or a gigabyte. A page needs the beginning and the end. The whole output goes to a log on disk,
which has a size limit too.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, BinaryIO

from kvmdocs.core.model import Output
from kvmdocs.core.secrets.masking import Secrets, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from kvmdocs.core.paths import PathDisplay

HEAD = 48 * 1024
"""Maximum number of bytes at the beginning that a record contains."""
TAIL = 16 * 1024
"""Number of bytes at the end that a record contains if the beginning is full."""


class Capture:
    """Collector of output that arrives in pieces. It results in an `Output`.

    Args:
        log: File for the whole output. It is created only if the output does not fit a record.
        limit: Maximum size of the log in bytes. Output beyond it is counted but lost, except for its end.
        secrets: Secrets to remove. They are removed before anything is written, because a worker may be killed at any time.
    """

    def __init__(self, log: Path, limit: int, secrets: Secrets | None = None) -> None:
        self._stream = Stream(secrets or Secrets())
        self._log_path = log
        self._limit = limit
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._file: BinaryIO | None = None
        self._logged = 0
        self._total = 0
        self._lines = 0

    def write(self, chunk: bytes | str) -> None:
        """Take the next piece of output."""
        data = chunk.encode("utf-8", "replace") if isinstance(chunk, str) else chunk
        if self._logged < self._limit or self._file is None:
            self._keep(self._stream.take(data))
        elif dropped := self._stream.only_end(data):
            self._total += len(dropped)
            self._lines += dropped.count(b"\n")
            self._tail.clear()
            self._tail_size = 0

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._total += len(data)
        if self._file is None and len(self._head) + len(data) <= HEAD:
            self._head += data
            return
        self._spill(data)

    def _spill(self, data: bytes) -> None:
        """Write output that does not fit the head: to the log up to its limit, and to the ring buffer for the end."""
        if self._file is None:
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._log_path.open("wb")
            self._log(bytes(self._head))
            room = HEAD - len(self._head)
            self._head += data[:room]
            self._log(data[:room])
            data = data[room:]
        self._log(data)
        self._lines += data.count(b"\n")
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= TAIL:
            self._tail_size -= len(self._tail.popleft())

    def _log(self, data: bytes) -> None:
        if self._file is not None and self._logged < self._limit:
            kept = data[: self._limit - self._logged]
            self._file.write(kept)
            self._logged += len(kept)

    def last_line(self) -> str:
        """Return the last non-empty line so far, for progress messages."""
        recent = ((b"".join(self._tail) if self._tail else bytes(self._head[-400:])) + self._stream.rest())[-400:]
        lines = self._stream.whole(recent.decode("utf-8", "replace")).split("\n")
        return next((line.rsplit("\r", 1)[-1].strip() for line in reversed(lines) if line.strip()), "")

    def text(self) -> str:
        """Return the captured output so far, with a line that counts the omitted lines."""
        return self._kept(None, self._stream.rest()).text

    def finish(self, names: PathDisplay | None) -> Output:
        """Close the log and return the output for the record.

        Args:
            names: Makes paths of the host readable, in the output and in the log.
        """
        self._keep(self._stream.end())
        if self._file is not None:
            self._file.close()
            if names is not None:
                _rewrite(self._log_path, names)
        return self._kept(names)

    def _kept(self, names: PathDisplay | None, more: bytes = b"") -> Output:
        if self._file is None:
            return Output(head=_clean(bytes(self._head) + more, names))
        # The ring buffer holds whole chunks, which may be more than a page needs. Cut after a line end if there is one.
        end = (b"".join(self._tail) + more)[-TAIL:]
        if len(end) == TAIL:
            end = end[end.find(b"\n") + 1 or _partial_start(end) :]
        cut_head = self._head.rfind(b"\n") + 1 or len(self._head) - _partial_end(self._head)
        head = _clean(bytes(self._head[:cut_head]), names)
        return Output(
            head=head,
            tail=_clean(end, names),
            omitted_lines=max(0, self._lines + self._head[cut_head:].count(b"\n") - end.count(b"\n")),
            omitted_bytes=max(0, self._total + len(more) - cut_head - len(end)),
            log=self._log_path.name,
            lost_bytes=self._total - self._logged,
        )


def _partial_start(data: bytes) -> int:
    """Return the number of bytes at the beginning that continue an incomplete UTF-8 character."""
    return next((count for count in range(4) if not 0x80 <= data[count] < 0xC0), 0)


def _partial_end(data: bytes | bytearray) -> int:
    """Return the number of bytes at the end that begin an incomplete UTF-8 character."""
    for count, byte in enumerate(reversed(data[-3:]), 1):
        if byte >= 0xC0:
            return count if count < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


def _clean(data: bytes, names: PathDisplay | None) -> str:
    """Return text as a terminal would show it, without lines that a carriage return overwrote."""
    text = data.decode("utf-8", "replace")
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return names.without_secrets(text) if names is not None else text


def _rewrite(path: Path, names: PathDisplay) -> None:
    """Make a log readable in place, block by block, so that its size does not matter."""
    fresh = path.with_suffix(".readable")
    with (
        path.open("r", encoding="utf-8", errors="replace", newline="\n") as source,
        fresh.open("w", encoding="utf-8") as target,
    ):
        while lines := source.readlines(1 << 20):
            target.write(_clean("".join(lines).encode("utf-8", "replace"), names))
    fresh.replace(path)
