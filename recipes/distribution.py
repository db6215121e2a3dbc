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

DEVELOPERS = Path("/usr/share/keyrings/debian-keyring.gpg")
"""Keys of Debian's developers, from the package debian-keyring."""

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
_SILENT = re.compile(r"Connection failed|timed out|Could not connect|Could not resolve|Temporary failure")
"""What apt says of a mirror that cannot be reached or answers nothing; one that ends half-way is a failed connection too."""
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
    told = _update(sh, package)
    for version in _candidates(sh, package, told):
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


def _update(sh: Shell, package: str) -> str:
    """Get the signed indexes; an entry without sources is no reason to stop as long as another one has the package.

    Returns:
        What apt said.
    """
    try:
        # Status 100 when any one entry fails, be it a stranger's repository that has no sources.
        sh.apt_get("-c", "apt.conf", "update", _ok_code=[0, 100])
    finally:
        told = _told(sh)
    if re.search(r"^(?:E|W): .*(?:NO_PUBKEY|BADSIG|EXPKEYSIG|is not signed|Hash Sum mismatch)", told, re.MULTILINE):
        raise SourceRefused(
            f"an index of the mirrors is not what its signature says, so the source package {package} cannot be trusted",
            Evidence(advice="see the lines above that begin with E: or W:; is the archive's keyring up to date?"),
        )
    return told


def _candidates(sh: Shell, package: str, told: str) -> list[str]:
    """The versions the indexes list, the newest first."""
    lines = sh.apt_cache("-c", "apt.conf", "madison", package).splitlines()
    columns = [[column.strip() for column in line.split("|")] for line in lines]
    versions = newest_first([row[1] for row in columns if len(row) == 3 and row[0] == package and row[2].endswith("Sources")])
    if not versions and _SILENT.search(told):
        raise TimedOut("the host's mirrors send nothing", Evidence(advice=_ELSEWHERE))
    if not versions:
        raise RecipeFailed(
            f"the host's mirrors have no source package {package}",
            Evidence(advice="use another provider, or a mirror that carries sources"),
        )
    return versions


def _download(sh: Shell, package: str, version: str) -> bool:
    """Download one version; False when the index lists it but the mirror no longer has its files."""
    try:
        sh.apt_get("-c", "apt.conf", "source", "--download-only", f"{package}={version}")
    except sh_package.ErrorReturnCode as error:
        told = _told(sh)
        if re.search("Hash Sum mismatch|unexpected size", told):
            raise SourceRefused(
                f"what the mirror sends for {package} {version} differs from the checksum in its signed index",
                Evidence(advice="nothing was unpacked; try again later or choose another mirror"),
            ) from error
        if _GONE.search(told):
            return False
        if _SILENT.search(told):
            raise TimedOut(f"the mirror stopped sending {package} {version}", Evidence(advice=_ELSEWHERE)) from error
        raise
    _told(sh)
    return True


def _unpack(sh: Shell, package: str, version: str) -> Path:
    """Check the uploader's signature where that is possible, compare the checksums, unpack and patch."""
    without_epoch = version.partition(":")[2] or version
    description = f"{package}_{without_epoch}.dsc"
    tree = sh.workspace / f"{package}-{without_epoch.rpartition('-')[0] or without_epoch}"
    if DEVELOPERS.is_file():
        # gpgv ends with 1 for a signature that does not match and with 2 for one it has no key for: only the first refuses.
        sh.gpgv("--keyring", DEVELOPERS, description, _ok_code=[0, 1, 2])
        current = sh.current()
        if current and current[1].status == 1:
            raise SourceRefused(
                f"the signature in {description} does not match what it signs",
                Evidence(advice="nothing was unpacked; choose another mirror"),
            )
    try:
        sh.dpkg_source("--extract", description, tree.name)
    except BaseException as error:
        shutil.rmtree(tree, ignore_errors=True)
        if isinstance(error, sh_package.ErrorReturnCode) and "checksum" in _told(sh):
            raise SourceRefused(
                f"a file of {package} {version} differs from its checksum in {description}",
                Evidence(advice="nothing was unpacked; try again later or choose another mirror"),
            ) from error
        raise
    return tree


def _told(sh: Shell) -> str:
    """What the last command printed on both streams; addresses apt names in it are masked from now on."""
    current = sh.current()
    text = current[1].capture.text() if current else ""
    for found in re.finditer(r"IP: ([^\s\]]+)(?: \d+)?", text):
        sh.mask(found[0], "IP: <mirror>")
    return text
