"""Removal of secrets from text.

A secret is either a known value, in any form in which programs print it, or recognised by its form. The known values of a build
are collected once, when a worker starts (`kvmdocs.core.secrets.environment`). All text that a recipe shows, types or prints
passes through `Secrets` on its way into a record, a log or a message.
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
"""Replacement of a secret."""

SHORT = 8
"""Smallest length in characters of a secret that is also found inside a word."""

BEGUN = 3
"""Number of characters from which the beginning of a truncated secret is hidden."""

_GAP = r"(?:\x1b\[[0-?]*[ -/]*[@-~]|[\r\n])*"
"""Text that may interrupt a secret: colours, line ends of a narrow terminal or of ``base64``."""
_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Hidden(NamedTuple):
    """Position of a secret in a text, and its replacement."""

    start: int
    end: int
    shown: str


_MARGIN = 4096
"""Characters at the end of a text in which a secret recognised by its form may be incomplete."""
_LONGEST_KEY = 64 * 1024
"""Characters of the longest private key."""


class Secrets:
    """Set of secrets that can be removed from text.

    Args:
        values: Known secrets, each with its replacement.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        replacements: dict[str, str] = {}
        for value, shown in (values or {}).items():
            for form in forms(value):
                replacements.setdefault(form, shown)
        # The longest first: a line of a key, or a password in a URL, is part of a longer secret.
        self._replacements = dict(sorted(replacements.items(), key=lambda item: -len(item[0])))
        self._longest = max(map(len, self._replacements), default=0)

    def mask(self, text: str) -> str:
        """Return `text` without secrets. The method is idempotent."""
        return _replaced(text, self.places(text))

    def everywhere(self, data: Any) -> Any:
        """Return JSON data without secrets in its texts and keys."""
        if isinstance(data, str):
            return self.mask(data)
        if isinstance(data, dict):
            return {self.mask(name): self.everywhere(item) for name, item in data.items()}
        return [self.everywhere(item) for item in data] if isinstance(data, list | tuple) else data

    def places(self, text: str) -> list[Hidden]:
        """Return the positions of secrets in a text, in order and without overlaps."""
        bare = (_COLOUR.sub("", text) if "\x1b" in text else text).replace("\n", "").replace("\r", "")
        found = [
            Hidden(*at, shown) for secret, shown in self._replacements.items() if secret in bare for at in _where(secret, text)
        ]
        if "\x1b" in text:
            plain = _COLOUR.sub("", text)
            formed = {plain[start:end] for start, end in known(plain)}
            found += [Hidden(*at, MASK) for secret in formed for at in _where(secret, text)]
        else:
            found += [Hidden(*at, MASK) for at in known(text)]
        return _apart(found)

    def settled(self, text: str, places: list[Hidden]) -> int:
        """Return the length of the beginning of a text in which `places` has all secrets, whatever follows the text.

        The rest may be the beginning of a secret.
        """
        border = max(0, len(text) - max(2 * self._longest, _MARGIN))
        begun = text.rfind(KEY_BEGINS, max(0, len(text) - _LONGEST_KEY))
        if begun >= 0 and KEY_ENDS not in text[begun:]:
            border = min(border, begun)
        return next((place.start for place in places if place.start < border < place.end), border)

    def begun(self, text: str) -> int:
        """Return the number of characters at the end of a text that may begin a secret: 0, or at least `BEGUN`."""
        return max((_overlap(text, secret) for secret in self._replacements), default=0)


def _overlap(text: str, secret: str) -> int:
    """Return the number of characters at the end of a text with which a secret begins."""
    lengths = range(min(len(secret) - 1, len(text)), BEGUN - 1, -1)
    return next((length for length in lengths if text.endswith(secret[:length])), 0)


def _where(secret: str, text: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in _pattern(secret).finditer(text))


def _apart(found: list[Hidden]) -> list[Hidden]:
    """Return the places in order, with overlapping ones merged.

    A merged place has the replacement of the first one, and of the longest of those.
    """
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
        # Colours in the middle of a secret may apply to the text after it; line ends are removed.
        parts += [text[last:start], *_COLOUR.findall(text[start:end]), shown]
        last = end
    return "".join([*parts, text[last:]])


def forms(value: str) -> Iterator[str]:
    """Yield a secret in each form in which programs print it.

    These are: unchanged, quoted for a shell, in JSON, URL-encoded, in HTML, in hexadecimal, in base64.
    """
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
    """Yield the base64 that is common to all texts with these bytes in them, such as a password after a user name."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode("ascii").rstrip("=")
        # The first and the last character may encode bits of neighbouring bytes.
        inner = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


@lru_cache(maxsize=256)
def _pattern(secret: str) -> re.Pattern[str]:
    """Return a pattern for a secret, whatever interrupts it. A short one matches only as a whole word."""
    inner = _GAP.join(map(re.escape, secret))
    return re.compile(rf"(?<![A-Za-z0-9]){inner}(?![A-Za-z0-9])" if len(secret) < SHORT else inner)


class Stream:
    """Removes secrets from bytes that arrive in pieces.

    Args:
        secrets: The secrets.
    """

    SIZE = 64 * 1024
    """Number of bytes that are searched together."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = b""

    def take(self, data: bytes) -> bytes:
        """Take the next piece. Return the part of the input that contains neither a secret nor the beginning of one."""
        self._held += data
        if len(self._held) < self.SIZE:
            return b""
        text = self._text()
        places = self._secrets.places(text)
        border = self._secrets.settled(text, places)
        self._held = _bytes(text[border:])
        return _bytes(_replaced(text[:border], (place for place in places if place.end <= border)))

    def only_end(self, data: bytes) -> bytes:
        """Take the next piece of output of which only the end is used. Return the part that is dropped, unsearched."""
        self._held += data
        if len(self._held) < 2 * self.SIZE:
            return b""
        dropped, self._held = self._held[: -self.SIZE], self._held[-self.SIZE :]
        return dropped

    def rest(self) -> bytes:
        """Return the input that is held back, without secrets. It remains held back."""
        return _bytes(self._secrets.mask(self._text()))

    def end(self) -> bytes:
        """Return the input that is held back, without secrets. No more input follows."""
        data, self._held = self.rest(), b""
        return data

    def whole(self, text: str) -> str:
        """Return a text without the beginning of a secret at its end."""
        return text[: len(text) - self._secrets.begun(text)]

    def _text(self) -> str:
        return self._held.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
