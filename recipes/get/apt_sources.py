"""Reading the host's apt sources, and deriving from them entries for source packages and for other suites.

Most hosts list binary packages only. The source packages are on the same mirrors, in the same suites and signed with the same
keys, so an entry for sources is the binary entry with another type. Both formats of sources.list(5) are read: one entry per
line (``*.list``) and blocks of fields (``*.sources``). Nothing here writes to the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key
from pathlib import Path
from urllib.parse import urlsplit

_LINE = re.compile(r"deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)")
_FILE_NAME = re.compile(r"[A-Za-z0-9_.-]+\.(?:list|sources)")
_NOT_FOR_SOURCES = {"architectures", "languages", "targets", "enabled", "types"}
"""Fields that select binary packages or their translations, and the two fields that a source entry gets anew."""
_ONE_LINE_NAMES = {"arch": "Architectures", "lang": "Languages", "target": "Targets"}
_OFF = {"no", "false", "without", "off", "disable", "0"}

_RELEASES = ("bullseye", "bookworm", "trixie", "forky", "duke", "oldstable", "stable", "testing", "unstable", "sid")
"""Release names in Debian's archives (https://www.debian.org/releases/). `with_suites` recognises Debian's archives by them."""

_COMPANIONS = ("", "-updates", "-security")
"""Suffixes of the suites that complement a release."""

_UNFINISHED = ("sid", "unstable", "experimental")
"""Suites without complements."""


@dataclass(frozen=True)
class Entry:
    """A source of packages, as apt is configured.

    Attributes:
        uris: The mirrors.
        suites: The suites, such as ``bookworm-security``; one that ends in ``/`` is an exact path.
        components: The components, such as ``main``; none for an exact path.
        options: All other fields with their values unchanged, above all ``Signed-By``.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def stanza(self, kind: str = "deb-src") -> str:
        """Return the entry as a block of fields.

        Args:
            kind: ``deb-src`` for source packages, ``deb`` for binary ones.
        """
        fields = [("Types", kind), ("URIs", " ".join(self.uris)), ("Suites", " ".join(self.suites))]
        if self.components:
            fields.append(("Components", " ".join(self.components)))
        return "".join(f"{name}: {value}\n" for name, value in (*fields, *self.options))


def read_entries(etc: Path) -> list[Entry]:
    """Return every enabled entry of an apt configuration directory, in the order apt reads them, without duplicates.

    Args:
        etc: The directory, ``/etc/apt`` on a host. A missing directory has no entries.
    """
    parts = etc / "sources.list.d"
    # apt ignores hidden files and files with other suffixes (sources.list(5)); that is how entries are disabled.
    named = sorted(path for path in parts.glob("*") if _FILE_NAME.fullmatch(path.name)) if parts.is_dir() else []
    entries: dict[Entry, None] = {}
    for path in (etc / "sources.list", *named):
        if path.is_file() and not path.name.startswith("."):
            text = path.read_text("utf-8", "replace")
            read = parse_blocks(text) if path.suffix == ".sources" else parse_lines(text)
            entries.update(dict.fromkeys(read))
    return [entry for entry in entries if not entry.uris[0].startswith("cdrom:")]


def with_suites(entries: Sequence[Entry], suites: Sequence[str]) -> list[Entry]:
    """Return the entries, each one of Debian's followed by the same entry for other suites.

    Complementary suites are on the same mirror, so ``bookworm bookworm-updates`` becomes ``trixie trixie-updates``. An entry of
    backports is not repeated.

    Args:
        entries: The host's entries.
        suites: Names of Debian's suites, such as ``trixie``.
    """
    known = {(uri, suite) for entry in entries for uri in entry.uris for suite in entry.suites}
    more: dict[Entry, None] = {}
    for entry in entries:
        there = [name for name in entry.suites if name.partition("-")[0] in _RELEASES]
        for suite in suites:
            ends = [end for end in _COMPANIONS if any(name.partition("-")[1:] == end.partition("-")[1:] for name in there)]
            named = [suite + end for end in ends if not (end and suite in _UNFINISHED)]
            new = tuple(name for name in named if not all((uri, name) in known for uri in entry.uris))
            if new:
                more[replace(entry, suites=new)] = None
    return [*entries, *more]


def parse_lines(text: str) -> Iterator[Entry]:
    """Yield the entries of the one-line format: ``deb [signed-by=/key.gpg] http://mirror/debian bookworm main``."""
    for line in text.splitlines():
        found = _LINE.fullmatch(line.partition("#")[0].strip())
        if not found:
            continue
        options = []
        for option in (found["options"] or "").split():
            name, _, value = option.partition("=")
            name = _ONE_LINE_NAMES.get(name.rstrip("+-"), name.rstrip("+-").title())
            if name.lower() not in _NOT_FOR_SOURCES:
                options.append((name, " ".join(value.split(","))))
        yield Entry((found["uri"],), (found["suite"],), tuple(found["components"].split()), tuple(options))


def parse_blocks(text: str) -> Iterator[Entry]:
    """Yield the entries of the field format (deb822), except blocks with ``Enabled: no``."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for block in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t") and name:
                fields[name] += f"\n{line}"
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        low = {name.lower(): value for name, value in fields.items()}
        if "deb" not in low.get("types", "").replace("deb-src", "deb").split() or low.get("enabled", "yes").lower() in _OFF:
            continue
        uris, suites = tuple(low.get("uris", "").split()), tuple(low.get("suites", "").split())
        if uris and suites:
            known = _NOT_FOR_SOURCES | {"uris", "suites", "components"}
            options = tuple((name, value) for name, value in fields.items() if name.lower() not in known)
            yield Entry(uris, suites, tuple(low.get("components", "").split()), options)


def mirror_names(entries: list[Entry]) -> dict[str, str]:
    """Return the placeholder shown for each mirror: ``<mirror>``, ``<mirror-2>`` and so on.

    A host's choice of mirror is private and means nothing on another host.

    Returns:
        The placeholder by the text it hides: full addresses, and bare host names for messages that contain nothing else.
    """
    names: dict[str, str] = {}
    addresses = [address.rstrip("/") for entry in entries for uri in entry.uris for address in _addresses(uri)]
    for number, address in enumerate(dict.fromkeys(addresses), 1):
        names[address] = "<mirror>" if number == 1 else f"<mirror-{number}>"
    for address in list(names):
        parts = urlsplit(address)
        host = parts.hostname or ""
        # A host name without a dot is an ordinary word, which output may contain for other reasons.
        names.setdefault(host if "." in host or ":" in host else f"//{parts.netloc}", "<mirror>")
    return names


def _addresses(uri: str) -> list[str]:
    """Return the network addresses of one URI; those of a mirror list (apt-transport-mirror(1)) are in a file."""
    scheme, _, rest = uri.partition(":")
    if scheme == "mirror+file":
        path = Path("/" + rest.lstrip("/"))
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        return [line.split()[0] for line in lines if "//" in line and not line.startswith("#")]
    return [uri] if urlsplit(uri).hostname else []


def newest_first(versions: list[str]) -> list[str]:
    """Return package versions in the order of deb-version(7), newest first, without duplicates."""
    return sorted(dict.fromkeys(versions), key=cmp_to_key(compare_versions), reverse=True)


def compare_versions(one: str, other: str) -> int:
    """Compare two package versions by deb-version(7): negative, 0, or positive."""
    for left, right in zip(_split_version(one), _split_version(other), strict=True):
        if (sign := _compare_part(left, right)) != 0:
            return sign
    return 0


def _split_version(version: str) -> tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "")


def _compare_part(one: str, other: str) -> int:
    """Compare non-digits (``~`` before the end, letters before the rest) and numbers in turn."""
    while one or other:
        for pattern in (r"\D*", r"\d*"):
            left, right = (re.match(pattern, text, re.ASCII).group() for text in (one, other))  # type: ignore[union-attr]  # always matches
            one, other = one[len(left) :], other[len(right) :]
            keys = (_weights(left), _weights(right)) if pattern == r"\D*" else ([int(left or 0)], [int(right or 0)])
            if keys[0] != keys[1]:
                return -1 if keys[0] < keys[1] else 1
    return 0


def _weights(text: str) -> list[int]:
    """Return the sort weights of characters. The end of the text weighs 0, so only a tilde sorts before it."""
    return [-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in text] + [0]
