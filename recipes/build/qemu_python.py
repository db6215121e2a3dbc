"""A Python for QEMU's configure, with the meson version that this QEMU requires."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from packaging.specifiers import SpecifierSet

from kvmdocs import Evidence, RecipeFailed, Shell, recipe, setting
from recipes.get.apt_sources import newest_first
from recipes.get.distribution import Apt, binary_packages, listed, unpack_binaries, update

PACKAGES = {"meson": "meson", "pycotap": "python3-pycotap"}
"""For each Python package that configure requires, the Debian package that provides it."""

VERSION = "python3 -c 'from importlib.metadata import version as v; print(v(\"{}\"))' 2>/dev/null"


@recipe(
    tools=("apt-get", "apt-cache", "meson", "python3", "python3-venv"),
    memory="256M",
    disk="128M",
    timeout="10m",
    expects="10s",
)
def qemu_python(
    sh: Shell,
    qemu_source: Path,
    etc: str = setting("apt.etc"),
    suites: Sequence[str] = setting("qemu.suites"),
    stall: float = setting("network.stall"),
) -> Path | None:
    """Find out whether configure will find the meson it asks for, and get a newer one if not.

    Returns:
        The Python to pass to configure as ``--python``, or None if it needs none: before QEMU 8.1 configure requires no Python
        package, a release bundles wheels of all of them, and many hosts have them installed.

    Raises:
        RecipeFailed: None of the suites has a version that is new enough.
    """
    wanted = wheels_lacking(qemu_source)
    with sh.section("asks"), sh.cd(qemu_source):
        sh.line("sed -n '/^\\[meson\\]/,/^$/p' pythondeps.toml; ls python/wheels", _ok_code=[0, 2])
        lacking = [name for name, accepted in wanted.items() if not _has(sh, name, accepted)]
    if not lacking:
        return None
    with sh.section("get"):
        update(sh, Apt(etc, suites, stall), "deb")
        binary_packages(sh, *(_newest(sh, name, wanted[name]) for name in lacking))
        root = unpack_binaries(sh)
    with sh.section("python"):
        # Our packages come first on the path; configure's virtual environment inherits its parent's packages.
        sh.line("python3 -m venv --system-site-packages python")
        sh.line(f"cp -r {root}/usr/lib/python3/dist-packages/. python/lib/python3*/site-packages/")
        for name in lacking:
            told = sh.line(VERSION.format(name).replace("python3", "python/bin/python3", 1))
            assert told.strip() in wanted[name], (name, told)
    return sh.workspace / "python/bin/python3"


def wheels_lacking(tree: Path) -> dict[str, SpecifierSet]:
    """Return the Python packages that a tree's configure requires but does not bundle, with the versions it accepts."""
    asks = tree / "pythondeps.toml"
    if not asks.is_file():
        return {}
    group = tomllib.loads(asks.read_text("utf-8")).get("meson", {})
    return {
        name: SpecifierSet(entry["accepted"])
        for name, entry in group.items()
        if not list((tree / "python/wheels").glob(f"{name}-*.whl"))
    }


def _has(sh: Shell, name: str, accepted: SpecifierSet) -> bool:
    """Return True if the host's Python has an accepted version of a package."""
    version = sh.line(VERSION.format(name), _ok_code=[0, 1]).strip()
    return bool(version) and version in accepted


def _newest(sh: Shell, name: str, accepted: SpecifierSet) -> str:
    """Return the newest accepted version of a package, in the form that ``apt-get download`` takes."""
    package = PACKAGES.get(name, name)
    versions = newest_first([version for _, version in listed(sh, (package,), "Packages")])
    found = next((version for version in versions if _upstream(version) in accepted), "")
    if not found:
        raise RecipeFailed(
            f"QEMU's configure asks for {name} {accepted}, and no suite that is asked has it",
            Evidence(advice="add a newer suite to qemu.suites in kvmdocs.toml, or use another provider of QEMU's source"),
        )
    return f"{package}={found}"


def _upstream(version: str) -> str:
    """Return the upstream version within a package version: ``1.7.0`` for ``1.7.0-1``."""
    return re.sub(r"^\d+:|[-~+].*$", "", version)
