"""Normalisation of text: replace everything that differs from run to run by stable names, so that two runs can be compared.

Process and thread ids, addresses and temporary paths get numbered names in the order of their first occurrence: ``<pid1>``,
``<addr2>``. Equal values get the same name and different values different names, so a pointer that should stay the same and
does not is reported as a difference. Times, durations and rates get one name each, without a number: equality of two of them is
a coincidence.

Pages show the real output. Only the comparison uses this.
"""

from __future__ import annotations

import re

_GAP = r"[ \t]"
_BLANK = "[ ]"

_NUMBERED: dict[str, str] = {
    # QEMU's generated names of block nodes.
    "node": r"(?<=#block)[0-9]+(?!\w)",
    # The digits of the key in a workspace's name.
    "run": r"(?<=\w-)[0-9a-f]{16}(?![\w-])",
    # A 64-bit pointer as printed by C or by the kernel. Shorter numbers may be constants or sizes.
    "addr": r"(?<![\w<])(?:0x[0-9a-fA-F]{9,16}|[0-9a-f]{16})(?!\w)",
    "pid": (
        r"(?:(?<=\bprocess )|(?<=\bLWP )|(?<=\bpid )|(?<=\bPID )|(?<=\btid )|(?<=\bpid=)|(?<=\btid=)|(?<=\bPID: )|(?<=\bpid: )"
        r"|(?<=--pid=)|(?<=--pid )|(?<=/proc/)|(?<=/task/)|(?<=\"thread-id\": )|(?<= -p )|(?<=\bkill )|(?<=\bTgid:\t)"
        r"|(?<=\bPid:\t)|(?<=\bPPid:\t)|(?<=\bthread_id=)|(?<=\bthread-id=))[1-9][0-9]*(?!\w)"
    ),
    "path": r"(?:(?<=/tmp/)|(?<=/var/tmp/))(?=[\w.-]*[0-9A-Z_])[\w.-]{6,}|(?<=/run/user/)[0-9]+",
    "uuid": r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])",
}
"""Patterns of the kinds that get numbered names. No pattern may match a line end."""

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"[0-2]?[0-9]:[0-5][0-9]:[0-5][0-9](?:[.,][0-9]+)?"
_UNIT = "(?:seconds?|secs?|minutes?|min|hours?|ms|us|µs|ns|s)"

_PLAIN: dict[str, str] = {
    "time": (
        rf"(?<![\w.])(?:{_DAY},?{_GAP}+)?"
        rf"(?:{_MONTH}{_GAP}+[0-9]{{1,2}}{_GAP}+|[0-9]{{1,2}}{_GAP}+{_MONTH}{_GAP}+[0-9]{{4}}{_GAP}+)"
        rf"{_CLOCK}(?:{_GAP}+(?:AM{_GAP}+|PM{_GAP}+)?(?:UTC|GMT|CEST|CET))?(?:{_GAP}+[0-9]{{4}})?(?!\w)"
        rf"|(?<![\w-])[12][0-9]{{3}}-[01][0-9]-[0-3][0-9](?:[T ]{_CLOCK}(?:{_GAP}?[+-][0-9]{{2}}:?[0-9]{{2}}|Z)?)?(?![\w-])"
        rf"|(?<![\w:.]){_CLOCK}(?![\w:])"
        # The format of `ls -l`, and the start time in `ps`.
        rf"|(?<![\w.]){_MONTH}{_GAP}+[0-9]{{1,2}}{_GAP}+(?:[0-2]?[0-9]:[0-5][0-9]|[12][0-9]{{3}})(?![\w:])"
        rf"|(?<={_BLANK})[0-2][0-9]:[0-5][0-9](?={_BLANK})"
        # The kernel's log and traces.
        rf"|(?<={_BLANK})[0-9]+\.[0-9]{{6}}(?=:)"
        rf"|(?<=\[){_GAP}*[0-9]+\.[0-9]{{6}}(?=\])"
    ),
    "duration": rf"(?<![\w.])(?:[0-9]+m)?[0-9]+(?:\.[0-9]+)?(?:e-[0-9]+)?{_GAP}?{_UNIT}(?!\w)",
    "rate": rf"(?<![\w.])[0-9]+(?:\.[0-9]+)?{_GAP}?[kKMGT]?i?(?:B|bytes|bits?)/s(?:ec)?(?!\w)",
}
"""Patterns of the kinds that get one name without a number."""

_SYMBOL = re.compile(rf"<({'|'.join([*_NUMBERED, *_PLAIN])})([0-9]*)>")
# Names come first: they stay unchanged. One alternation: a replaced time must not match the pattern of durations.
_ANY = re.compile(
    "|".join([f"(?P<known>{_SYMBOL.pattern})", *(f"(?P<{kind}>{text})" for kind, text in {**_PLAIN, **_NUMBERED}.items())]),
    re.ASCII,
)


class Normaliser:
    """Normaliser of a text that may come in pieces. Equal values have the same name in all pieces.

    Args:
        texts: All pieces, if they may already contain such names. Those names are then not assigned again.
    """

    def __init__(self, *texts: str) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._taken = {found[0] for text in texts for found in _SYMBOL.finditer(text)}
        self._last: dict[str, int] = {}

    def text(self, text: str) -> str:
        """Return a piece with stable names. The number of lines stays the same, and normalising twice changes nothing."""
        while (named := _ANY.sub(self._name, text)) != text:
            text = named
        return text

    def _name(self, match: re.Match[str]) -> str:
        kind = str(match.lastgroup)
        if match["known"] is not None:
            return match[0]
        if kind in _PLAIN:
            return f"<{kind}>"
        value = (kind, match[0].lower() if kind == "addr" else match[0])
        if value not in self._names:
            self._names[value] = self._next(kind)
        return self._names[value]

    def _next(self, kind: str) -> str:
        while True:
            self._last[kind] = self._last.get(kind, 0) + 1
            name = f"<{kind}{self._last[kind]}>"
            if name not in self._taken:
                return name


def normalise(text: str) -> str:
    """Return one text with stable names."""
    return Normaliser(text).text(text)
