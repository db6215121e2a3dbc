"""Getting packages of the host's distribution, and of its other suites, without changing the host's apt.

The chain of trust is apt's: the archive's key (``Signed-By`` of the entry, or the host's trusted keys) signs the list of
indexes, the index contains the SHA-256 of every file of the package, and apt refuses a file that differs. In addition
``dpkg-source`` compares the files with the checksums in the ``.dsc``. The uploader's own signature on the ``.dsc`` is checked
if the host has Debian's developer keyring. A bad signature is refused; a key that is not in the keyring proves nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sh as sh_package

from kvmdocs import Evidence, KvmdocsError, RecipeFailed, Shell, SourceRefused, TimedOut
from recipes.get.apt_sources import mirror_names, newest_first, read_entries, with_suites

DEVELOPERS = (Path("/usr/share/keyrings/debian-keyring.gpg"), Path("/usr/share/keyrings/debian-keyring.pgp"))
"""Keyrings of Debian's developers, installed by the package debian-keyring; its newer versions use the second name."""

_CONFIGURATION = """\
// Read this folder's entries, and keep everything apt writes in this folder.
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "./sources.list.d";
Dir::State "./state";
Dir::Cache "./cache";
// The host's hooks clean up the host's own cache after an update: not here.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// apt's own download user may not enter this folder.
APT::Sandbox::User "root";
// A mirror that answers nothing for this long, in seconds, is given up.
Acquire::http::Timeout "{stall}";
Acquire::https::Timeout "{stall}";
Acquire::Retries "0";
"""

_GONE = re.compile(r"\b40[34]\s|\b410\s|File not found")
_CHANGED = re.compile(r"Hash Sum mismatch|unexpected size")
_UNTRUSTED = re.compile(r"NO_PUBKEY|BADSIG|EXPKEYSIG|verification failed|is not signed|Hash Sum mismatch|unexpected size")
_SILENT = re.compile(r"Connection failed|timed out|Could not connect|Could not resolve|Temporary failure")
"""Messages of apt about a mirror that is unreachable or does not answer."""
_ELSEWHERE = "choose another mirror in the host's apt configuration, or raise network.stall"


@dataclass(frozen=True)
class Apt:
    """The host's apt with a configuration of our own.

    Attributes:
        etc: The host's configuration directory.
        suites: Suites of Debian to use in addition to the host's own.
        stall: Seconds without data after which a mirror is given up.
    """

    etc: str
    suites: Sequence[str]
    stall: float


def source_package(sh: Shell, package: str, apt: Apt, lacking: Callable[[Shell, Path], str] | None = None) -> Path:
    """Get the newest source package that the mirrors have and this host can build, and unpack it.

    Args:
        sh: The recipe's shell, in its workspace.
        package: The name of the source package.
        apt: The apt to use.
        lacking: Returns what a source tree requires and this host lacks, "" for nothing.

    Returns:
        The source tree with the distribution's patches applied.

    Raises:
        Skipped: The host's apt has no entries.
        SourceRefused: A file differs from its checksum, or a signature is bad.
        TimedOut: A mirror sent nothing for `apt.stall` seconds.
        RecipeFailed: The mirrors have no such package, or no version that can be downloaded and built here.
    """
    told = update(sh, apt, "deb-src")
    found = newest_first([version for _, version in listed(sh, (package,), "Sources")])
    if not found:
        raise _none_listed(package, told)
    too_new = ""
    for version in found:
        if not _download(sh, package, version):
            continue
        tree = _unpack(sh, package, version)
        reason = lacking(sh, tree) if lacking else ""
        if not reason:
            return tree
        too_new = f"; {version} asks for {reason}"
        shutil.rmtree(tree)
    raise RecipeFailed(
        f"the mirrors list the source package {package} but have the "
        f"files of none of its versions that this host can build{too_new}",
        Evidence(advice="try again later, or choose another mirror in the host's apt configuration"),
    )


def binary_packages(sh: Shell, *wanted: str) -> None:
    """Download packages into the workspace, without installing them.

    Args:
        sh: The shell, after `update` with ``deb``.
        *wanted: Packages in the form that ``apt-get download`` takes: ``name`` or ``name=version``.

    Raises:
        RecipeFailed: One of them cannot be downloaded.
    """
    done, told = apt_get(sh, "download", *wanted)
    if not done:
        raise RecipeFailed(f"{wanted[0]} could not be downloaded", Evidence(tail=sh.readable(told[-1000:]), advice=_ELSEWHERE))


def unpack_binaries(sh: Shell) -> Path:
    """Unpack all packages of the workspace into one directory there.

    Returns:
        The directory, with all files at the paths where the packages install them.
    """
    # dpkg-deb creates the directory. Nothing on the host is changed.
    sh.line("for package in *.deb; do dpkg-deb --extract $package root; done")
    return sh.workspace / "root"


def update(sh: Shell, apt: Apt, kind: str) -> str:
    """Write a configuration of our own, with every directory in the workspace, and get the mirrors' signed indexes.

    An unusable entry is no error as long as another one has the package: many hosts have an entry for a repository without
    sources. apt itself ignores an index whose signature it cannot verify, so none of its versions is listed afterwards.

    Args:
        sh: The recipe's shell, in its workspace.
        apt: The apt to use.
        kind: ``deb-src`` for source packages, ``deb`` for binary ones.

    Returns:
        The output of apt.

    Raises:
        Skipped: The host's apt has no entries.
    """
    entries = read_entries(Path(apt.etc))
    if not entries:
        sh.skip(f"{apt.etc} names no place to get packages from")
    for text, shown in mirror_names(entries).items():
        sh.mask(text, shown)
    sh.write("sources.list.d/host.sources", "\n".join(entry.stanza(kind) for entry in with_suites(entries, apt.suites)))
    sh.write("apt.conf", _CONFIGURATION.format(stall=max(1, round(apt.stall))))
    sh.mkdir("-p", "state/lists/partial", "cache/archives/partial")
    return apt_get(sh, "update")[1]


def apt_get(sh: Shell, *arguments: str) -> tuple[bool, str]:
    """Run apt-get with our own configuration.

    Returns:
        Whether apt-get succeeded completely, and its output on both streams.
    """
    # apt-get exits with 100 for every failure; only the text tells them apart.
    sh.apt_get("-c", "apt.conf", *arguments, _ok_code=[0, 100])
    status, told = last(sh)
    for found in re.finditer(r"IP: ([^\s\]]+)(?: \d+)?", told):
        sh.mask(found[0], "IP: <mirror>")
    for found in re.finditer(r"(?:connect to|resolve|resolving) '?([\w-]+\.[\w.-]+\w)", told):
        if sh.readable(found[1]) == found[1]:
            sh.mask(found[1], "<proxy>")
    return status == 0, told


def listed(sh: Shell, packages: Sequence[str], kind: str) -> list[tuple[str, str]]:
    """Return the packages in the indexes, with their versions.

    Args:
        sh: The shell, after `update`.
        packages: Their names.
        kind: ``Sources`` or ``Packages``.

    Returns:
        Names and versions, in the order of ``apt-cache madison``.
    """
    lines = sh.apt_cache("-c", "apt.conf", "madison", *packages).splitlines()
    rows = [[column.strip() for column in line.split("|")] for line in lines]
    return [(row[0], row[1]) for row in rows if len(row) == 3 and row[0] in packages and row[2].endswith(kind)]


def _none_listed(package: str, told: str) -> KvmdocsError:
    """Return the error that explains why no version of a source package is listed.

    Args:
        package: Its name.
        told: The output of apt when it got the indexes.
    """
    if _UNTRUSTED.search(told):
        return SourceRefused(
            f"no index of the host's mirrors is what its signature says, so none can be asked for {package}",
            Evidence(advice="see what apt-get update prints on this host; is the archive's keyring up to date?"),
        )
    if _SILENT.search(told):
        return TimedOut("the host's mirrors send nothing", Evidence(advice=_ELSEWHERE))
    return RecipeFailed(
        f"the host's mirrors have no source package {package}",
        Evidence(advice="use another provider, or a mirror that carries sources"),
    )


def _download(sh: Shell, package: str, version: str) -> bool:
    """Download one version. Return False if the index lists it but the mirror no longer has its files."""
    done, told = apt_get(sh, "source", "--download-only", f"{package}={version}")
    if done:
        return True
    if _CHANGED.search(told):
        raise SourceRefused(
            f"what the mirror sends for {package} {version} differs from the checksum in its signed index",
            Evidence(advice="nothing was unpacked; try again later or choose another mirror"),
        )
    if _GONE.search(told):
        return False
    if _SILENT.search(told):
        raise TimedOut(f"the mirror stopped sending {package} {version}", Evidence(advice=_ELSEWHERE))
    raise RecipeFailed(
        f"{package} {version} could not be downloaded whole", Evidence(tail=sh.readable(told[-2000:]), advice=_ELSEWHERE)
    )


def _unpack(sh: Shell, package: str, version: str) -> Path:
    """Check the uploader's signature if possible, compare the checksums, unpack, and apply the patches."""
    without_epoch = version.partition(":")[2] or version
    description = f"{package}_{without_epoch}.dsc"
    tree = sh.workspace / f"{package}-{without_epoch.rpartition('-')[0] or without_epoch}"
    keyring = next((path for path in DEVELOPERS if path.is_file()), None)
    if keyring:
        # gpgv exits with 1 for a wrong signature and with 2 for an unknown key: only the first one is refused.
        sh.gpgv("--keyring", keyring, description, _ok_code=[0, 1, 2])
        if last(sh)[0] == 1:
            raise SourceRefused(
                f"the signature in {description} does not match what it signs",
                Evidence(advice="nothing was unpacked; choose another mirror"),
            )
    try:
        sh.dpkg_source("--extract", description, tree.name)
    except BaseException as error:
        shutil.rmtree(tree, ignore_errors=True)
        if isinstance(error, sh_package.ErrorReturnCode) and "checksum" in last(sh)[1]:
            raise SourceRefused(
                f"a file of {package} {version} differs from its checksum in {description}",
                Evidence(advice="nothing was unpacked; try again later or choose another mirror"),
            ) from error
        raise
    return tree


def last(sh: Shell) -> tuple[int | None, str]:
    """Return the exit status of the last command and its output on both streams."""
    current = sh.current()
    return (current[1].status, current[1].capture.text()) if current else (None, "")
