"""QEMU's source code: a signed release, the git repository, or the distribution's source package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kvmdocs import Shell, recipe, setting
from recipes.get.distribution import Apt, last, source_package
from recipes.get.signed import Patience, Release, Signers, Tag, chosen, release_tree, tag_tree


@recipe(
    tools=("curl", "gpg", "tar", "xz"),
    needs=("setting:qemu.provider=auto|release", "reach:qemu.mirror", "reach:qemu.key_url"),
    disk="2G",
    timeout="30m",
    expects="2m",
)
def qemu_release(
    sh: Shell,
    version: str = setting("qemu.version"),
    mirror: str = setting("qemu.mirror"),
    signers: Sequence[str] = setting("qemu.signers"),
    key_url: str = setting("qemu.key_url"),
    connect: float = setting("network.connect"),
    stall: float = setting("network.stall"),
) -> Path:
    """Get QEMU as a signed release.

    The project signs the compressed tarball. It contains everything a build needs; the archives that hosting sites generate
    from a tag lack the subprojects and the firmware.

    Returns:
        The source tree.

    Raises:
        SourceRefused: The tarball or a key does not match the pinned fingerprints.
    """
    archive = f"{mirror}/qemu-{version}.tar.xz"
    release = Release(archive, f"{archive}.sig", f"qemu-{version}", signs_compressed=True)
    return release_tree(sh, release, Signers.pinned(signers, key_url), Patience(connect, stall))


@recipe(
    tools=("curl", "git", "gpg"),
    needs=("setting:qemu.provider=auto|git", "reach:qemu.git", "reach:qemu.key_url"),
    disk="2G",
    timeout="30m",
    expects="3m",
)
def qemu_git(
    sh: Shell,
    version: str = setting("qemu.version"),
    repository: str = setting("qemu.git"),
    signers: Sequence[str] = setting("qemu.tag_signers"),
    key_url: str = setting("qemu.key_url"),
    connect: float = setting("network.connect"),
    stall: float = setting("network.stall"),
) -> Path:
    """Get QEMU from its git repository, at a signed tag.

    Returns:
        The source tree. Unlike a release it has no copies of the subprojects (``subprojects/*.wrap``). When the tree is
        configured, meson clones those that the build uses, so that step needs the network too. The git submodules in ``roms/``
        are the sources of firmware whose images are in the repository; a build does not need them.

    Raises:
        SourceRefused: The tag or a key does not match the pinned fingerprints.
    """
    tag = Tag(repository, f"v{version}", "qemu")
    return tag_tree(sh, tag, Signers.pinned(signers, key_url), Patience(connect, stall))


@recipe(
    tools=("apt-get", "apt-cache", "dpkg-source", "gpgv", "pkg-config", "glib-2.0"),
    needs=("setting:qemu.provider=auto|distribution",),
    disk="768M",
    timeout="20m",
    expects="20s",
)
def qemu_distribution(
    sh: Shell,
    etc: str = setting("apt.etc"),
    suites: Sequence[str] = setting("qemu.suites"),
    stall: float = setting("network.stall"),
) -> Path:
    """Get QEMU as the distribution's source package, the newest that can be built on this host.

    Returns:
        The source tree with the distribution's patches, without the firmware, which Debian packages separately.

    Raises:
        SourceRefused: A file does not match the mirror's signed index.
    """
    return source_package(sh, "qemu", Apt(etc, suites, stall), lacking_glib)


def lacking_glib(sh: Shell, tree: Path) -> str:
    """Return the GLib version that a tree of QEMU requires if this host's is older, else ""."""
    # In configure until QEMU 7.2, in meson.build since then.
    asks = "".join((tree / name).read_text("utf-8") for name in ("configure", "meson.build"))
    wanted = re.search(r"^glib_req_ver ?= ?'?(?:>=)?([\d.]+)", asks, re.MULTILINE)
    if not wanted:
        return ""
    sh.run("pkg-config", "--print-errors", f"--atleast-version={wanted[1]}", "glib-2.0", _ok_code=[0, 1])
    return f"GLib {wanted[1]}" if last(sh)[0] else ""


@recipe(disk="1M")
def qemu_source(
    sh: Shell,
    qemu_release: Path | None,
    qemu_git: Path | None,
    qemu_distribution: Path | None,
    provider: str = setting("qemu.provider"),
) -> Path:
    """Choose the QEMU source that later recipes build.

    Returns:
        The source tree of the provider in the setting; with ``auto`` the first available of release, git, distribution.
    """
    tree = chosen(provider, (qemu_release, qemu_git, qemu_distribution))
    if tree is None:
        sh.skip(f"no QEMU source: {'no provider' if provider == 'auto' else f'the provider {provider}'} gave one on this host")
    sh.cat(tree / "VERSION")
    return tree
