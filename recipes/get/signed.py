"""Getting source code from its publisher: a signed tarball, or a signed tag in a git repository.

Both trust the same thing: the fingerprints of the keys that may sign, pinned in the settings. A key is downloaded from any
place that offers it, compared with its fingerprint, and put into a keyring that contains nothing else. So a signature that
`gpg` calls good was made by one of the pinned keys. Nothing is unpacked before that.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sh as sh_package

from kvmdocs import Evidence, HostLacks, KvmdocsError, RecipeFailed, SettingError, Shell, SourceRefused, TimedOut

_COMPARE = "compare the fingerprints in kvmdocs.toml with those the project publishes"

PROVIDERS = ("release", "git", "distribution")
"""Providers of a source, in the order in which ``auto`` prefers them."""


_CAUSES: dict[str, tuple[type[KvmdocsError], str, str]] = {
    "silent": (TimedOut, "sends nothing", "try another mirror, or raise network.connect and network.stall"),
    "missing": (RecipeFailed, "does not have what was asked for", "do the version and the mirror in kvmdocs.toml match?"),
    "cut": (RecipeFailed, "ended before its end; the part was removed", "try again, or try another mirror"),
    "unreachable": (HostLacks, "cannot be reached", "check the network, or set another mirror"),
    "untrusted": (
        HostLacks,
        "shows a certificate that this host does not trust",
        "install ca-certificates, or set SSL_CERT_FILE",
    ),
    "unwilling": (RecipeFailed, "answers with an error", "its output says which; try again later, or try another mirror"),
}
"""For each problem with a server: the error, the message after the address, and the advice."""


_CURL = {
    22: "unwilling",
    28: "silent",
    **dict.fromkeys((5, 6, 7, 35), "unreachable"),
    **dict.fromkeys((18, 52, 56), "cut"),
    60: "untrusted",
}
"""Causes of curl's exit statuses (curl(1), EXIT CODES)."""

_SAID = {
    r"requested URL returned error: (404|410)|HTTP/\S+ (404|410)": "missing",
    r"Remote branch \S+ not found|repository '.*' not found|does not appear to be a git repository": "missing",
    r"certificate": "untrusted",
    r"early EOF|hung up unexpectedly|RPC failed": "cut",
    r"Could not resolve|Couldn't resolve|Failed to connect|"
    r"Connection refused|unable to connect|Network is unreachable": "unreachable",
}
"""Messages of curl and git about a server, for exit statuses that do not tell: curl's 22 is every HTTP status from 400 on, and
git's 128 every fatal error."""


@dataclass(frozen=True)
class Patience:
    """Time limits for a server.

    Attributes:
        connect: Seconds for a connection to be made.
        stall: Seconds without any data.
    """

    connect: float
    stall: float


@dataclass(frozen=True)
class Signers:
    """The keys that may sign a source.

    Attributes:
        fingerprints: Full fingerprints, 40 hexadecimal digits or more.
        url: The address of a key, with ``{fingerprint}`` or ``{keyid}`` (the last 16 digits of it) as a placeholder.
    """

    fingerprints: tuple[str, ...]
    url: str

    @classmethod
    def pinned(cls, fingerprints: Sequence[str], url: str) -> Signers:
        """Create signers from settings, whose fingerprints may be written in groups of digits.

        Raises:
            SettingError: There is no fingerprint, or one is not a full fingerprint: a short one can be forged.
        """
        exact = tuple(fingerprint.replace(" ", "").upper() for fingerprint in fingerprints)
        for fingerprint in exact:
            if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", fingerprint):
                raise SettingError(f"{fingerprint!r} is not the full fingerprint of a key (40 hexadecimal digits)")
        if not exact:
            raise SettingError("no signing key is pinned, so no signature can be checked")
        return cls(exact, url)


@dataclass(frozen=True)
class Release:
    """A published tarball.

    Attributes:
        archive: The address of the compressed tarball.
        signature: The address of the detached signature.
        tree: The directory that it unpacks to.
        signs_compressed: True if the signature covers the file as downloaded, False if it covers the tar inside.
    """

    archive: str
    signature: str
    tree: str
    signs_compressed: bool


@dataclass(frozen=True)
class Tag:
    """A signed tag of a git repository.

    Attributes:
        repository: Its address.
        name: The tag.
        tree: The directory to clone into.
    """

    repository: str
    name: str
    tree: str


def release_tree(sh: Shell, release: Release, signers: Signers, patience: Patience) -> Path:
    """Download a tarball, check its signature and unpack it.

    Returns:
        The source tree.

    Raises:
        SourceRefused: The signature or a key is wrong. Nothing is unpacked.
        RecipeFailed: It cannot be downloaded.
    """
    import_signers(sh, signers, patience)
    signature = download(sh, release.signature, patience)
    archive = download(sh, release.archive, patience)
    refusal = f"{archive} is not what {signature} signs, or no pinned key signed it"
    with nothing_left_of(sh.workspace / archive, sh.workspace / signature), refusing(refusal):
        gpg = ("--homedir", "gnupg", "--status-file", "verdict", "--verify", signature)
        if release.signs_compressed:
            sh.gpg(*gpg, archive)
        else:
            sh.line(f"xz --decompress --stdout {archive} | gpg {' '.join(gpg)} -")
        # gpg exits with 0 for a revoked or expired key too; its status lines tell them apart (GnuPG's doc/DETAILS).
        if not re.search(r"^\[GNUPG:\] GOODSIG ", (sh.workspace / "verdict").read_text("utf-8", "replace"), re.MULTILINE):
            raise SourceRefused(f"the key that signed {archive} is revoked or expired", Evidence(advice=_COMPARE))
    tree = sh.workspace / release.tree
    with nothing_left_of(tree):
        # As root, tar would otherwise give the files to the local user with the packer's user id.
        sh.tar("--extract", "--no-same-owner", "--file", archive)
        if not tree.is_dir():
            # This refuses an older release with a good signature of its own.
            raise SourceRefused(
                f"{archive} holds no folder {release.tree}",
                Evidence(advice="the server sent another release under this name; use another mirror"),
            )
    return tree


def tag_tree(sh: Shell, tag: Tag, signers: Signers, patience: Patience) -> Path:
    """Clone one tag of a repository, without its history, and check the tag's signature.

    git has no time limit for a silent server, so a small request with a time limit comes first.

    Returns:
        The source tree.

    Raises:
        SourceRefused: The tag's signature or a key is wrong. The clone is removed.
        RecipeFailed: It cannot be cloned.
    """
    limit = f"{patience.connect + patience.stall:g}"
    with explained(sh, tag.repository, {124: "silent", 2: "missing"}):
        sh.timeout(limit, "git", "ls-remote", "--exit-code", tag.repository, f"refs/tags/{tag.name}")
    import_signers(sh, signers, patience)
    tree = sh.workspace / tag.tree
    slow = ("-c", "http.lowSpeedLimit=1", "-c", f"http.lowSpeedTime={round(patience.stall) or 1}")
    with nothing_left_of(tree):
        with explained(sh, tag.repository, {}):
            # `--no-checkout`: files appear only after the signature is verified.
            sh.git(*slow, "clone", "--quiet", "--no-checkout", "--depth=1", "--branch", tag.name, tag.repository, tag.tree)
        with sh.cd(tree):
            with refusing(f"no pinned key signed the tag {tag.name}"):
                shown = sh.env(f"GNUPGHOME={sh.workspace / 'gnupg'}", "git", "verify-tag", "--verbose", tag.name)
            if f"tag {tag.name}" not in shown.partition("\n\n")[0].splitlines():
                # The name of a ref is not signed; the name inside the tag is.
                raise SourceRefused(
                    f"what the server calls {tag.name} is a signed tag of another name",
                    Evidence(advice="use another repository"),
                )
            sh.git("checkout", "--quiet", "--detach", f"refs/tags/{tag.name}")
    return tree


def download(sh: Shell, url: str, patience: Patience, name: str = "") -> str:
    """Download one file into the workspace. A server that stops sending is given up.

    Args:
        sh: The recipe's shell.
        url: The file's address.
        patience: The time limits for the server.
        name: The file's name; by default the last part of the address.

    Returns:
        The file's name.

    Raises:
        TimedOut: The server sends nothing.
        RecipeFailed: The server does not have the file, or closes the connection too early.
        HostLacks: The server cannot be reached.
    """
    name = name or url.rpartition("/")[2]
    with nothing_left_of(sh.workspace / name), explained(sh, url, _CURL):
        sh.curl(
            "--fail",
            "--location",
            "--silent",
            "--show-error",
            *("--connect-timeout", f"{patience.connect:g}"),
            # Less than one byte a second for this long: the server accepted the connection but sends nothing.
            *("--speed-limit", "1", "--speed-time", str(round(patience.stall) or 1)),
            *("--output", name, url),
        )
    return name


def import_signers(sh: Shell, signers: Signers, patience: Patience) -> None:
    """Create a keyring that contains exactly the pinned keys.

    Raises:
        SourceRefused: The fingerprint of a downloaded key is not the pinned one.
        RecipeFailed: A key cannot be downloaded.
    """
    sh.mkdir("--mode=700", "gnupg")
    # A keyring in a plain file. Importing the keys would start an agent that stays, and that fails if its socket's path is too
    # long.
    sh.touch("gnupg/pubring.gpg")
    for fingerprint in signers.fingerprints:
        url = signers.url.format(fingerprint=fingerprint, keyid=fingerprint[-16:])
        key = download(sh, url, patience, f"{fingerprint}.asc")
        with nothing_left_of(sh.workspace / key), refusing(f"{key} holds no key that gpg can read"):
            # Only primary keys' fingerprints count. One file must contain one key and no other.
            shown = sh.gpg("--homedir", "gnupg", "--show-keys", key)
            found = re.findall(r"^pub .*\n +([0-9A-F]{40,64})$", shown, re.MULTILINE)
            if found != [fingerprint]:
                raise SourceRefused(
                    f"the key server sent {' and '.join(found) or 'no key'} instead of the pinned key {fingerprint}",
                    Evidence(advice=_COMPARE),
                )
            sh.line(f"gpg --homedir gnupg --dearmor < {key} >> gnupg/pubring.gpg")
    trust = "".join(f"{fingerprint}:6:\n" for fingerprint in signers.fingerprints)
    sh.gpg("--homedir", "gnupg", "--import-ownertrust", _in=trust)


def chosen(provider: str, trees: Sequence[Path | None]) -> Path | None:
    """Return the tree of the provider that a setting names, or the first available one for ``auto``.

    Args:
        provider: ``auto`` or one of `PROVIDERS`.
        trees: The trees in the order of `PROVIDERS`; None for each that was skipped.

    Raises:
        SettingError: There is no such provider.
    """
    if provider == "auto":
        return next((tree for tree in trees if tree is not None), None)
    if provider not in PROVIDERS:
        raise SettingError(f"there is no source provider {provider!r}", Evidence(advice=f"use auto, {', '.join(PROVIDERS)}"))
    return trees[PROVIDERS.index(provider)]


@contextmanager
def nothing_left_of(*paths: Path) -> Iterator[None]:
    """Remove files and trees if the body fails, so that nothing unverified is used later."""
    try:
        yield
    except BaseException:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


@contextmanager
def refusing(message: str) -> Iterator[None]:
    """Turn a failed check into a refusal."""
    try:
        yield
    except sh_package.ErrorReturnCode as error:
        raise SourceRefused(message, Evidence(advice=f"download it again; if it stays so, {_COMPARE}")) from error


@contextmanager
def explained(sh: Shell, url: str, causes: Mapping[int, str]) -> Iterator[None]:
    """Turn the failure of a command that talks to a server into an error with advice.

    Args:
        sh: The recipe's shell, which knows how the address is shown.
        url: The address that the command requests.
        causes: The name in `_CAUSES` for each exit status, used if the command's output does not tell the cause better.
    """
    try:
        yield
    except sh_package.ErrorReturnCode as error:
        current = sh.current()
        said = current[1].capture.text() if current else ""
        cause = next((cause for words, cause in _SAID.items() if re.search(words, said)), causes.get(error.exit_code))
        if cause is None:
            raise
        kind, message, advice = _CAUSES[cause]
        raise kind(f"{sh.readable(url)} {message}", Evidence(advice=advice)) from error
