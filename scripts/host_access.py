"""Settings with which this host reaches its mirrors, for a machine that is made on it.

They are read from the configuration of apt and pip: sources, transport, proxies, certificates, the resolver. Nothing else is
copied: neither the host's choice of packages nor other archives.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from bootstrap import pip_settings

from recipes.get.apt_sources import Entry, mirror_names

UBUNTU = ("jammy", "noble", "questing", "resolute")
"""Known suites of Ubuntu. Every other suite is taken for one of Debian."""
ALIASES = ("oldstable", "stable", "testing")
SUITES_WITHOUT_UPDATES = ("sid", "unstable", "experimental")
"""Suites without suites for updates and security updates."""
APT_TRANSPORT = re.compile(
    r"Acquire::(?:https?(?:::[^ ]*)?|Check-Valid-Until|Check-Date|Max-ValidTime|Retries|ForceIPv[46]"
    r"|Allow(?:Insecure|Weak|DowngradeToInsecure)Repositories) "
)
"""Settings of apt that say how archives are reached, not what is installed from them."""
PIP_SETTINGS = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "cert",
    "client-cert",
    "proxy",
    "timeout",
)
"""Settings of pip that say where packages come from, not what is done with them."""
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Access:
    """Settings with which a host reaches its mirrors.

    Attributes:
        entries: Sources of the new machine's apt.
        apt: Lines of apt's configuration.
        pip: Settings of pip, by name.
        proxies: Environment variables that name proxies.
        files: Files of the host to copy to the same path in the machine.
        keyrings: Files to copy only if the machine lacks them.
        folders: Local folders that pip's settings name.
        certificates: Certificates that the host trusts, as PEM.
    """

    entries: tuple[Entry, ...]
    apt: tuple[str, ...] = ()
    pip: Mapping[str, str] = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    keyrings: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()

    @property
    def mirror(self) -> str:
        """Address of the archive that the machine is made from; "" if unknown."""
        return self.entries[0].uris[0] if self.entries else ""

    def masks(self) -> dict[str, str]:
        """Return a placeholder for each address that must not be shown, the longest address first."""
        names = mirror_names(list(self.entries))
        for value in (*self.proxies.values(), *_quoted(self.apt)):
            names.update(dict.fromkeys(_hosts(value), "<proxy>"))
        for name in ("index-url", "extra-index-url", "find-links", "proxy"):
            names.update(dict.fromkeys(_hosts(self.pip.get(name, "")), "<proxy>" if name == "proxy" else "<index>"))
        return {text: names[text] for text in sorted(names, key=len, reverse=True)}

    def install(self, machine: Path) -> None:
        """Write the settings into a machine. ``update-ca-certificates`` must be run in it afterwards."""
        parts = machine / "etc/apt/sources.list.d"
        for old in (machine / "etc/apt/sources.list", *parts.glob("*")):
            old.unlink(missing_ok=True)
        blocks = (entry.stanza().replace("Types: deb-src", "Types: deb", 1) for entry in self.entries)
        _write(parts / "host.sources", "\n".join(blocks))
        _write(machine / "etc/apt/apt.conf.d/90host", "".join(f"{line}\n" for line in self.apt))
        _write(machine / "etc/pip.conf", "[global]\n" + "".join(f"{name} = {value}\n" for name, value in self.pip.items()))
        for name in (*self.files, *self.keyrings):
            target = machine / name.lstrip("/")
            if name in self.keyrings and target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            # A symbolic link there (resolv.conf may be one) would lead to a file of the host.
            target.unlink(missing_ok=True)
            shutil.copy(name, target)
        present = read_certificates(machine / BUNDLE.lstrip("/"))
        for number, text in enumerate(text for text in self.certificates if text not in present):
            _write(machine / f"usr/local/share/ca-certificates/host-{number}.crt", text + "\n")


def read_access(entries: tuple[Entry, ...], etc: Path = Path("/etc")) -> Access:
    """Read this host's settings, for a machine whose apt has these entries."""
    pip = {name: value for name, value in pip_settings(sys.executable).items() if name in PIP_SETTINGS}
    pip = {name: " ".join(value.replace("\\n", " ").split()) for name, value in pip.items()}
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    apt = tuple(line for line in dump.splitlines() if APT_TRANSPORT.match(line))
    proxies = {name: value for name, value in os.environ.items() if name.lower() in PROXIES}
    local = [path for word in (*pip.values(), *_quoted(apt)) for path in _paths(word)]
    # A local index refers to files beside it.
    beside = [os.path.dirname(path) for name in ("index-url", "extra-index-url") for path in _paths(pip.get(name, ""))]
    keys = [path for entry in entries for name, value in entry.options if name.lower() == "signed-by" for path in _paths(value)]
    auth = [str(path) for path in (etc / "apt").glob("auth.conf*") if path.is_file()]
    auth += [str(path) for path in (etc / "apt/auth.conf.d").glob("*")]
    files = dict.fromkeys(
        path for path in ("/etc/resolv.conf", "/etc/hosts", *auth, *local) if os.path.isfile(path) and path != BUNDLE
    )
    return Access(
        entries,
        apt,
        pip,
        proxies,
        tuple(files),
        tuple(dict.fromkeys(filter(os.path.isfile, keys))),
        tuple(path for path in dict.fromkeys((*beside, *local)) if os.path.isdir(path) and path != "/"),
        tuple(read_certificates(Path(os.environ.get("SSL_CERT_FILE", BUNDLE)))),
    )


def read_certificates(bundle: Path) -> list[str]:
    """Return the certificates in a file, each as PEM. A missing file has none."""
    text = bundle.read_text("ascii", "replace") if bundle.is_file() else ""
    return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)


def renamed(entries: Iterable[Entry], codename: str, suite: str) -> tuple[Entry, ...]:
    """Return the entries of a host's release, for another suite: ``bookworm-security`` becomes ``trixie-security``.

    Entries of other archives are left out: those in which no suite is, or begins with, the host's own. The entry that has the
    suite itself comes first.
    """
    own = re.compile("(?:%s)(?=-|$)" % "|".join(map(re.escape, filter(None, (codename, *ALIASES)))))  # noqa: UP031  # the pattern has braces
    result = []
    for entry in entries:
        suites = tuple(dict.fromkeys(own.sub(suite, name, count=1) for name in entry.suites if own.match(name)))
        if suite in SUITES_WITHOUT_UPDATES:
            suites = tuple(name for name in suites if name == suite)
        if suites:
            result.append(replace(entry, suites=suites))
    return tuple(sorted(dict.fromkeys(result), key=lambda entry: suite not in entry.suites))


def entries_of(mirror: str, suite: str, keyring: str = "") -> tuple[Entry, ...]:
    """Return the entry for an archive."""
    pockets = () if suite in SUITES_WITHOUT_UPDATES else ("-updates",)
    components = ("main", "universe") if suite in UBUNTU else ("main",)
    options = (("Signed-By", keyring),) if keyring else ()
    return (Entry((mirror.rstrip("/"),), (suite, *(suite + pocket for pocket in pockets)), components, options),)


def masked(text: str, masks: Mapping[str, str]) -> str:
    """Return a text with its secrets replaced, in the order of `masks`."""
    for secret, placeholder in masks.items():
        text = text.replace(secret, placeholder)
    return text


def _hosts(value: str) -> list[str]:
    """Return the addresses in a setting and their hosts. A host without a dot gets a ``//``, since it may be a word."""
    hosts = []
    for word in value.split():
        parts = urlsplit(word)
        if parts.scheme in ("http", "https", "ftp") and parts.hostname:
            hosts += [word.rstrip("/"), parts.hostname if "." in parts.hostname else f"//{parts.netloc}"]
    return hosts


def _paths(value: str) -> list[str]:
    """Return the absolute paths in a setting."""
    words = (urlsplit(word).path if word.startswith("file:") else word for word in re.split(r"[\s,]+", value))
    return [word for word in words if word.startswith("/")]


def _quoted(lines: Iterable[str]) -> list[str]:
    return [value for line in lines for value in re.findall(r'"([^"]*)"', line)]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
