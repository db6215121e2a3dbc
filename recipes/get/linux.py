"""Linux's source code, which includes KVM: a signed release, the git repository, or the distribution's source package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kvmdocs import Shell, recipe, setting
from recipes.get.distribution import Apt, last, source_package
from recipes.get.signed import Patience, Release, Signers, Tag, chosen, release_tree, tag_tree


@recipe(
    tools=("curl", "gpg", "tar", "xz"),
    needs=("setting:linux.provider=auto|release", "reach:linux.mirror", "reach:linux.key_url"),
    disk="3G",
    timeout="30m",
    expects="3m",
)
def linux_release(
    sh: Shell,
    version: str = setting("linux.version"),
    mirror: str = setting("linux.mirror"),
    signers: Sequence[str] = setting("linux.signers"),
    key_url: str = setting("linux.key_url"),
    connect: float = setting("network.connect"),
    stall: float = setting("network.stall"),
) -> Path:
    """Get Linux as a signed release.

    One signature covers every compression, since it is made over the tar inside (https://www.kernel.org/signature.html).

    Returns:
        The source tree.

    Raises:
        SourceRefused: The tarball or a key does not match the pinned fingerprints.
    """
    base = f"{mirror}/v{version.partition('.')[0]}.x/linux-{version}.tar"
    release = Release(f"{base}.xz", f"{base}.sign", f"linux-{version}", signs_compressed=False)
    return release_tree(sh, release, Signers.pinned(signers, key_url), Patience(connect, stall))


@recipe(
    tools=("curl", "git", "gpg"),
    needs=("setting:linux.provider=auto|git", "reach:linux.git", "reach:linux.key_url"),
    disk="3G",
    timeout="40m",
    expects="5m",
)
def linux_git(
    sh: Shell,
    version: str = setting("linux.version"),
    repository: str = setting("linux.git"),
    signers: Sequence[str] = setting("linux.signers"),
    key_url: str = setting("linux.key_url"),
    connect: float = setting("network.connect"),
    stall: float = setting("network.stall"),
) -> Path:
    """Get Linux from a git repository, at a signed tag.

    Returns:
        The source tree.

    Raises:
        SourceRefused: The tag or a key does not match the pinned fingerprints.
    """
    tag = Tag(repository, f"v{version}", "linux")
    return tag_tree(sh, tag, Signers.pinned(signers, key_url), Patience(connect, stall))


@recipe(
    tools=("curl", "git", "gpg"),
    needs=("setting:linux.provider=auto|git", "reach:linux.kvm_git", "reach:linux.key_url"),
    disk="3G",
    timeout="40m",
    expects="5m",
)
def kvm_git(
    sh: Shell,
    repository: str = setting("linux.kvm_git"),
    tag: str = setting("linux.kvm_tag"),
    signers: Sequence[str] = setting("linux.kvm_signers"),
    key_url: str = setting("linux.key_url"),
    connect: float = setting("network.connect"),
    stall: float = setting("network.stall"),
) -> Path:
    """Get the Linux in which KVM is developed, at a tag that KVM's maintainer signed.

    Nothing here is built from it. It is meant for patches to KVM, and is ahead of every release.

    Returns:
        The source tree.

    Raises:
        SourceRefused: The tag or a key does not match the pinned fingerprints.
    """
    return tag_tree(sh, Tag(repository, tag, "kvm"), Signers.pinned(signers, key_url), Patience(connect, stall))


@recipe(
    tools=("apt-get", "apt-cache", "dpkg-source", "gpgv", "gcc"),
    needs=("setting:linux.provider=auto|distribution",),
    disk="2600M",
    timeout="30m",
    expects="1m",
)
def linux_distribution(
    sh: Shell,
    etc: str = setting("apt.etc"),
    suites: Sequence[str] = setting("linux.suites"),
    stall: float = setting("network.stall"),
) -> Path:
    """Get Linux as the distribution's source package, the newest that can be built on this host.

    Returns:
        The source tree with the distribution's patches.

    Raises:
        SourceRefused: A file does not match the mirror's signed index.
    """
    return source_package(sh, "linux", Apt(etc, suites, stall), lacking_compiler)


def lacking_compiler(sh: Shell, tree: Path) -> str:
    """Return the compiler that a tree of Linux requires if this host's is too old, else ""; the tree's own script checks it."""
    sh.run(tree / "scripts/cc-version.sh", "gcc", _ok_code=[0, 1])
    return "a newer gcc" if last(sh)[0] else ""


@recipe(disk="1M")
def linux_source(
    sh: Shell,
    linux_release: Path | None,
    linux_git: Path | None,
    linux_distribution: Path | None,
    provider: str = setting("linux.provider"),
) -> Path:
    """Choose the Linux source that later recipes build.

    Returns:
        The source tree of the provider in the setting; with ``auto`` the first available of release, git, distribution.
    """
    tree = chosen(provider, (linux_release, linux_git, linux_distribution))
    if tree is None:
        sh.skip(f"no Linux source: {'no provider' if provider == 'auto' else f'the provider {provider}'} gave one on this host")
    sh.head("--lines=5", tree / "Makefile")
    return tree
