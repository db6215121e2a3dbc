"""The Python for QEMU's configure, from a Debian archive on the loopback interface."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from packaging.specifiers import SpecifierSet

from kvmdocs.core.errors import RecipeFailed
from kvmdocs.recording.shell import Shell
from recipes.build.qemu_python import _has, qemu_python, wheels_lacking
from tests.support.servers import Archive, SigningKey, signing_key, web_server

ASKS = """\
[meson]
meson = { accepted = ">=1.5.0", installed = "1.9.0", canary = "meson" }
never-heard-of = { accepted = ">=2.0" }

[docs]
sphinx = { accepted = ">=3.4.3" }
"""

TOOLS = ("apt-get", "dpkg-scansources", "gpg", "gpg-agent")


@pytest.fixture
def key() -> Iterator[SigningKey]:
    """Yield the key that signs the archive's index."""
    with signing_key("archive") as made:
        yield made


def tree(folder: Path, asks: str = ASKS, wheels: tuple[str, ...] = ()) -> Path:
    """Write a source tree of QEMU, as far as its Python packages are concerned."""
    (folder / "qemu/python/wheels").mkdir(parents=True)
    (folder / "qemu/pythondeps.toml").write_text(asks)
    for name in wheels:
        (folder / "qemu/python/wheels" / name).touch()
    return folder / "qemu"


def distribution(name: str, version: str) -> dict[str, str]:
    """Return the files of a Debian package of a Python package."""
    folder = f"usr/lib/python3/dist-packages/{name.replace('-', '_')}-{version}.dist-info"
    return {f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}


def test_what_is_asked_for(tmp_path: Path) -> None:
    assert {name: str(accepted) for name, accepted in wheels_lacking(tree(tmp_path / "a")).items()} == {
        "meson": ">=1.5.0",
        "never-heard-of": ">=2.0",
    }
    assert list(wheels_lacking(tree(tmp_path / "b", wheels=("meson-1.9.0-py3-none-any.whl",)))) == ["never-heard-of"]
    assert wheels_lacking(tmp_path) == {}


@pytest.mark.parametrize(("version", "enough"), [("", False), ("1.0.1\n", False), ("1.9.0\n", True)])
def test_what_the_host_has_may_be_too_old(version: str, enough: bool) -> None:
    assert _has(cast("Shell", SimpleNamespace(line=lambda *_, **__: version)), "meson", SpecifierSet(">=1.5.0")) is enough


def test_nothing_is_got_where_nothing_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    assert qemu_python(shell, tmp_path / "old", etc="/nowhere", suites=(), stall=1.0) is None


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason="tools of a Debian archive are not installed")
def test_what_is_too_old_is_got_from_a_newer_suite(shell: Shell, tmp_path: Path, key: SigningKey) -> None:
    archive = Archive(tmp_path / "web", key)
    (archive.root / "pool").mkdir(parents=True)
    archive.add_binary("never-heard-of", "1.0-1", distribution("never-heard-of", "1.0"))
    archive.publish("stable")
    archive.add_binary("never-heard-of", "2.1-1", distribution("never-heard-of", "2.1"))
    archive.publish("trixie")
    asks = ASKS.replace('meson = { accepted = ">=1.5.0", installed = "1.9.0", canary = "meson" }\n', "")
    source = tree(tmp_path, asks)
    trusted = key.public(tmp_path / "etc/keyrings/archive.asc")
    parts = tmp_path / "etc/sources.list.d"
    parts.mkdir()
    with web_server(archive.root) as web:
        entry = f"Types: deb\nURIs: {web.url}\nSuites: stable\nComponents: main\nSigned-By: {trusted}\n"
        (parts / "host.sources").write_text(entry)
        etc = str(tmp_path / "etc")
        with pytest.raises(RecipeFailed, match=r"asks for never-heard-of >=2\.0, and no suite"):
            qemu_python(shell, source, etc=etc, suites=(), stall=2.0)
        python = qemu_python(shell, source, etc=etc, suites=("trixie",), stall=2.0)
    assert python
    code = "import importlib.metadata as m; print(m.version('never-heard-of'))"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "2.1\n"
