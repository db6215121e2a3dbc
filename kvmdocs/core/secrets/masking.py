"""Text without the secrets in it: what is known to be one, in the forms in which programs print it, and what is one by its form.

What is a secret of a build is found out once, when a worker is started (`kvmdocs.core.secrets.environment`); what a recipe shows, types or prints goes through
`Secrets` on its way into a record, a log or a message.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from kvmdocs.core.secrets.forms import KEY_BEGINS, KEY_ENDS, known

MASK = "<secret>"
"""What stands in place of a secret."""

SHORT = 8
"""Characters from which on a secret is also found inside a word."""

BEGUN = 3
"""Characters of a secret that was not printed to its end that are shown no more."""

_GAP = r"(?:\x1b\[[0-?]*[ -/]*[@-~]|[\r\n])*"
"""What a terminal's colours, its width or ``base64`` put in the middle of a secret."""
_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Hidden(NamedTuple):
    """Where in a text a secret is, and what is shown instead."""

    start: int
    end: int
    shown: str


_MARGIN = 4096
_LONGEST_KEY = 64 * 1024


class Secrets:
    """Hides secrets.

    Args:
        values: What is known to be a secret, and what is shown instead.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        found: dict[str, str] = {}
        for value, shown in (values or {}).items():
            for form in forms(value):
                found.setdefault(form, shown)
        # The longest first: a line of a key, or a password in an address, is part of another one.
        self._found = dict(sorted(found.items(), key=lambda item: -len(item[0])))
        self._longest = max(map(len, self._found), default=0)

    def mask(self, text: str) -> str:
        """`text` without secrets. Doing it again changes nothing."""
        return _replaced(text, self.places(text))

    def everywhere(self, data: Any) -> Any:
        """JSON data of which no text, nor any name in it, holds a secret."""
        if isinstance(data, str):
            return self.mask(data)
        if isinstance(data, dict):
            return {self.mask(name): self.everywhere(item) for name, item in data.items()}
        return [self.everywhere(item) for item in data] if isinstance(data, list | tuple) else data

    def places(self, text: str) -> list[Hidden]:
        """Where in a text secrets are, in order; none overlaps another."""
        bare = (_COLOUR.sub("", text) if "\x1b" in text else text).replace("\n", "").replace("\r", "")
        found = [Hidden(*at, shown) for secret, shown in self._found.items() if secret in bare for at in _where(secret, text)]
        if "\x1b" in text:
            plain = _COLOUR.sub("", text)
            formed = {plain[start:end] for start, end in known(plain)}
            found += [Hidden(*at, MASK) for secret in formed for at in _where(secret, text)]
        else:
            found += [Hidden(*at, MASK) for at in known(text)]
        return _apart(found)

    def settled(self, text: str, places: list[Hidden]) -> int:
        """How much of a text's beginning has all its secrets in `places`, whatever follows: the rest may be the beginning of one."""
        border = max(0, len(text) - max(2 * self._longest, _MARGIN))
        begun = text.rfind(KEY_BEGINS, max(0, len(text) - _LONGEST_KEY))
        if begun >= 0 and KEY_ENDS not in text[begun:]:
            border = min(border, begun)
        return next((place.start for place in places if place.start < border < place.end), border)

    def begun(self, text: str) -> int:
        """Characters at a text's end that may be the beginning of a secret, at least `BEGUN`."""
        return max((_overlap(text, secret) for secret in self._found), default=0)


def _overlap(text: str, secret: str) -> int:
    """Characters at a text's end with which another one begins."""
    lengths = range(min(len(secret) - 1, len(text)), BEGUN - 1, -1)
    return next((length for length in lengths if text.endswith(secret[:length])), 0)


def _where(secret: str, text: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in _pattern(secret).finditer(text))


def _apart(found: list[Hidden]) -> list[Hidden]:
    """Places in order; what overlaps becomes one, shown as the one that begins first, of those the longest."""
    apart: list[Hidden] = []
    for place in sorted(found, key=lambda place: (place.start, -place.end)):
        if apart and place.start < apart[-1].end:
            apart[-1] = apart[-1]._replace(end=max(apart[-1].end, place.end))
        else:
            apart.append(place)
    return apart


def _replaced(text: str, places: Iterable[Hidden]) -> str:
    parts: list[str] = []
    last = 0
    for start, end, shown in places:
        # Colours that stood in the middle of a secret may go on behind it; line ends there are gone.
        parts += [text[last:start], *_COLOUR.findall(text[start:end]), shown]
        last = end
    return "".join([*parts, text[last:]])


def forms(value: str) -> Iterator[str]:
    """A secret in each form in which programs print it: as it is, for a shell, in JSON, in an address, in HTML, in hexadecimal, in base64."""
    data = value.encode("utf-8", "surrogateescape")
    in_json = json.dumps(value)[1:-1]
    quoted = quote(data, safe="")
    made = {
        value,
        in_json,
        json.dumps(value, ensure_ascii=False)[1:-1],
        in_json.replace("/", "\\/"),
        repr(value)[1:-1],
        shlex.quote(value),
        re.sub(r"([^\w@%+=:,./\n-])", r"\\\1", value),
        html.escape(value),
        quoted,
        quoted.lower(),
        quote(data),
        quote_plus(data),
        data.hex(),
        data.hex().upper(),
        *_in_base64(data),
    }
    least = min(len(value), SHORT - 1)
    yield from (form for form in (re.sub(r"[\r\n]", "", one) for one in made) if len(form) >= least)


def _in_base64(data: bytes) -> Iterator[str]:
    """What all texts in base64 have in common that hold some bytes, such as a password behind a user's name."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode("ascii").rstrip("=")
        # The first and the last character may hold bits of a neighbour.
        inner = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


@lru_cache(maxsize=256)
def _pattern(secret: str) -> re.Pattern[str]:
    """Finds a secret, whatever stands between its characters; a short one only as a word of its own."""
    inner = _GAP.join(map(re.escape, secret))
    return re.compile(rf"(?<![A-Za-z0-9]){inner}(?![A-Za-z0-9])" if len(secret) < SHORT else inner)


class Stream:
    """Hides secrets in bytes that come in pieces.

    Args:
        secrets: What is hidden.
    """

    SIZE = 64 * 1024
    """Bytes that are looked at together."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = b""

    def take(self, data: bytes) -> bytes:
        """Take the next piece; what of it and of earlier ones holds no secret and no beginning of one."""
        self._held += data
        if len(self._held) < self.SIZE:
            return b""
        text = self._text()
        places = self._secrets.places(text)
        border = self._secrets.settled(text, places)
        self._held = _bytes(text[border:])
        return _bytes(_replaced(text[:border], (place for place in places if place.end <= border)))

    def only_end(self, data: bytes) -> bytes:
        """Take the next piece of what nobody keeps but for its end; what of it and of earlier ones is dropped, unread."""
        self._held += data
        if len(self._held) < 2 * self.SIZE:
            return b""
        dropped, self._held = self._held[: -self.SIZE], self._held[-self.SIZE :]
        return dropped

    def rest(self) -> bytes:
        """What is held back so far, without secrets; it stays held."""
        return _bytes(self._secrets.mask(self._text()))

    def end(self) -> bytes:
        """Nothing more comes: what was held back, without secrets."""
        data, self._held = self.rest(), b""
        return data

    def whole(self, text: str) -> str:
        """A text that may end in the middle of a secret, without the beginning of that."""
        return text[: len(text) - self._secrets.begun(text)]

    def _text(self) -> str:
        return self._held.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
