"""Getting a source package of the host's distribution without touching the host's apt.

The chain of trust is apt's: the archive's key (``Signed-By`` of the entry, or the host's trusted keys) signs the list of
indexes, the index holds the SHA-256 of every file of the package, and apt refuses a file that differs. On top of it
``dpkg-source`` compares the files with the sums in the ``.dsc``. The uploader's own signature on the ``.dsc`` is checked
where the host has Debian's keyring of developers; a key that is not in there says nothing, a bad signature refuses.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import sh as sh_package

from kvmdocs import Shell
from kvmdocs.errors import Evidence, RecipeFailed, SourceRefused, TimedOut
from recipes.apt_sources import mirror_names, newest_first, read_entries

DEVELOPERS = (Path("/usr/share/keyrings/debian-keyring.gpg"), Path("/usr/share/keyrings/debian-keyring.pgp"))
"""Keys of Debian's developers, where the package debian-keyring puts them; its newer versions use the second name."""

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
"""What apt says of a mirror that cannot be reached or answers nothing."""
_ELSEWHERE = "choose another mirror in the host's apt configuration, or raise network.stall"


def source_package(sh: Shell, package: str, etc: str, stall: float) -> Path:
    """Get the newest source package that the host's mirrors really have, and unpack it.

    Args:
        sh: The recipe's shell, in its workspace.
        package: Name of the source package.
        etc: The host's apt configuration folder.
        stall: Seconds after which a mirror that sends nothing is given up.

    Returns:
        The source tree, the distribution's patches applied.

    Raises:
        Skipped: The host's apt has no entries.
        SourceRefused: A file differs from its checksum, or a signature is bad.
        TimedOut: A mirror sent nothing for `stall` seconds.
        RecipeFailed: The mirrors have no such package, or none of its versions is there.
    """
    _configure(sh, Path(etc), stall)
    for version in _candidates(sh, package):
        if _download(sh, package, version):
            return _unpack(sh, package, version)
    raise RecipeFailed(
        f"the mirrors list the source package {package} but have the files of none of its versions",
        Evidence(advice="try again later, or choose another mirror in the host's apt configuration"),
    )


def _configure(sh: Shell, etc: Path, stall: float) -> None:
    """Write a configuration of our own: the host's entries as entries for sources, every folder in the workspace."""
    entries = read_entries(etc)
    if not entries:
        sh.skip(f"{etc} names no place to get packages from")
    for text, shown in mirror_names(entries).items():
        sh.mask(text, shown)
    sh.write("sources.list.d/host.sources", "\n".join(entry.stanza() for entry in entries))
    sh.write("apt.conf", _CONFIGURATION.format(stall=max(1, round(stall))))
    sh.mkdir("-p", "state/lists/partial", "cache/archives/partial")


def _apt_get(sh: Shell, *arguments: str) -> tuple[bool, str]:
    """Run apt-get with the configuration of our own.

    Returns:
        Whether it did all it was asked for, and what it printed on both streams.
    """
    # 100 is its status for whatever went wrong; what that was is in the text alone.
    sh.apt_get("-c", "apt.conf", *arguments, _ok_code=[0, 100])
    status, told = _last(sh)
    for found in re.finditer(r"IP: ([^\s\]]+)(?: \d+)?", told):
        sh.mask(found[0], "IP: <mirror>")
    for found in re.finditer(r"(?:connect to|resolve|resolving) '?([\w-]+\.[\w.-]+\w)", told):
        if sh.readable(found[1]) == found[1]:
            sh.mask(found[1], "<proxy>")
    return status == 0, told


def _candidates(sh: Shell, package: str) -> list[str]:
    """The versions of a package that the signed indexes list, the newest first.

    An entry that cannot be used is no reason to stop as long as another one has the package: many hosts have one of a repository
    without sources. apt itself uses no index whose signature it cannot check, so none of its versions comes up here.
    """
    _, told = _apt_get(sh, "update")
    lines = sh.apt_cache("-c", "apt.conf", "madison", package).splitlines()
    columns = [[column.strip() for column in line.split("|")] for line in lines]
    found = [row[1] for row in columns if len(row) == 3 and row[0] == package and row[2].endswith("Sources")]
    if not found and _UNTRUSTED.search(told):
        raise SourceRefused(
            f"no index of the host's mirrors is what its signature says, so none can be asked for {package}",
            Evidence(advice="see what apt-get update prints on this host; is the archive's keyring up to date?"),
        )
    if not found and _SILENT.search(told):
        raise TimedOut("the host's mirrors send nothing", Evidence(advice=_ELSEWHERE))
    if not found:
        raise RecipeFailed(
            f"the host's mirrors have no source package {package}",
            Evidence(advice="use another provider, or a mirror that carries sources"),
        )
    return newest_first(found)


def _download(sh: Shell, package: str, version: str) -> bool:
    """Download one version; False when the index lists it but the mirror no longer has its files."""
    done, told = _apt_get(sh, "source", "--download-only", f"{package}={version}")
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
    """Check the uploader's signature where that is possible, compare the checksums, unpack and patch."""
    without_epoch = version.partition(":")[2] or version
    description = f"{package}_{without_epoch}.dsc"
    tree = sh.workspace / f"{package}-{without_epoch.rpartition('-')[0] or without_epoch}"
    keyring = next((path for path in DEVELOPERS if path.is_file()), None)
    if keyring:
        # gpgv ends with 1 for a signature that does not match and with 2 for one it has no key for: only the first refuses.
        sh.gpgv("--keyring", keyring, description, _ok_code=[0, 1, 2])
        if _last(sh)[0] == 1:
            raise SourceRefused(
                f"the signature in {description} does not match what it signs",
                Evidence(advice="nothing was unpacked; choose another mirror"),
            )
    try:
        sh.dpkg_source("--extract", description, tree.name)
    except BaseException as error:
        shutil.rmtree(tree, ignore_errors=True)
        if isinstance(error, sh_package.ErrorReturnCode) and "checksum" in _last(sh)[1]:
            raise SourceRefused(
                f"a file of {package} {version} differs from its checksum in {description}",
                Evidence(advice="nothing was unpacked; try again later or choose another mirror"),
            ) from error
        raise
    return tree


def _last(sh: Shell) -> tuple[int | None, str]:
    """Exit status of the last command and what it printed on both streams."""
    current = sh.current()
    return (current[1].status, current[1].capture.text()) if current else (None, "")
